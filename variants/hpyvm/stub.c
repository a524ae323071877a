/* A callback written with HPyVM. */
#include "arm.h"

#if HPyLab_FORM == HPyLab_FORM_hpyvm_pointer

static HPyVM *hpy_vm;       /* the runtime's; set once, when the first callback is bound */

static int call(void *closure, int64_t arg, int64_t *result)
{
    HPyContext *ctx = HPyVM_OpenContext(hpy_vm);
    if (ctx == NULL)
        return -1;
    int status = hpylab_run(ctx, closure, HPy_NULL, arg, result);
    HPyVM_CloseContext(hpy_vm, ctx);
    return status;
}

#endif

int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out)
{
    HPyLab_Binding *kept = hpylab_keep(ctx, binding);
    if (kept == NULL)
        return -1;
    HPy_GetVM(ctx, &hpy_vm);
    *out = (HPyLab_Callback){call, kept};
    return 0;
}

void HPyLab_Unbind(HPyContext *ctx, HPyLab_Callback *callback)
{
    (void)ctx;
    free(callback->closure);
}

#include "bare.h"
