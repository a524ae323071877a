/* The context of the HPy method that called into the C library travels as the callback's user data: it is valid for as
   long as that method runs, which is as long as the callback is bound. */
#include "arm.h"

static int call(void *closure, int64_t arg, int64_t *result)
{
    const hpylab_carrier *carried = closure;
    return hpylab_run(carried->ctx, &carried->binding, HPy_NULL, arg, result);
}

#include "carry_bind.h"
#include "no_bare.h"
