/* What HPy 0.9 has hidden today: _HPyGetContext() of CPython-ABI builds, where HPy calls are inlined C API calls. */
#include "arm.h"

static int call(void *closure, int64_t arg, int64_t *result)
{
    return hpylab_run(_HPyGetContext(), closure, HPy_NULL, arg, result);
}

#include "keep_bind.h"
#include "bare.h"
