/* A callback written with HPyVM. */
#include "arm.h"

#if HPyLab_FORM == HPyLab_FORM_hpyvm_pointer

static HPyVM *hpy_vm;       /* the runtime's; set once, while the module is initialised */

int HPyLab_Init(HPyContext *ctx)
{
    HPy_GetVM(ctx, &hpy_vm);
    return 0;
}

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

#include "keep_bind.h"
#include "bare.h"
