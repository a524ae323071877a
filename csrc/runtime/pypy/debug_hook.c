/* PyPy calls into extensions by itself and not through a slot of the debug context, so that there is nothing to hook: see
   debug_contexts.h. It passes all calls one context and never takes one of the ring. */
#include "runtime.h"

#include "debug_contexts.h"

const char *hpyrt_hook_debug_calls(const HPyContext *ctx)
{
    (void)ctx;
    return NULL;
}

bool hpyrt_in_traverse(void)
{
    return false;
}
