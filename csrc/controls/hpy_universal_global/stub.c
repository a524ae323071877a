/* What HPy 0.9 has hidden today: the context that HPy_MODINIT keeps in each universal extension, for the functions that
   CPython calls without one. */
#include "arm.h"

static int call(void *closure, int64_t arg, int64_t *result)
{
    return hpylab_run(_ctx_for_trampolines, closure, HPy_NULL, arg, result);
}

#include "keep_bind.h"
#include "bare.h"
