/* The context of the last Bind, kept in a C global. It is an error in every HPy mode to use a context after the method
   that received it returned; on HPy 0.9's universal ABI on CPython it happens to work, because there is only one. */
#include "arm.h"

static HPyContext *cached;

static int call(void *closure, int64_t arg, int64_t *result)
{
    return hpylab_run(cached, closure, HPy_NULL, arg, result);
}

int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out)
{
    if (binding->policy != HPyLab_ATTACH)
        return hpylab_refuse_policy(ctx, binding->policy);
    HPyLab_Binding *kept = hpylab_keep(ctx, binding);
    if (kept == NULL)
        return -1;
    cached = ctx;
    *out = (HPyLab_Callback){call, kept};
    return 0;
}

void HPyLab_Unbind(HPyContext *ctx, HPyLab_Callback *callback)
{
    hpylab_drop(ctx, callback->closure);
}

#include "bare.h"
