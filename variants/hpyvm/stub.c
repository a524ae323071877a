/* A callback written with HPyVM. Both policies are asked for while the module is initialised, as the API demands. */
#include "arm.h"

#define HPYLAB_CHOOSES

#if HPyLab_FORM == HPyLab_FORM_hpyvm_pointer

static HPyVM *hpy_vm, *attached_vm;     /* the runtime's; set once, while the module is initialised */

int HPyLab_Init(HPyContext *ctx)
{
    return HPy_GetVM(ctx, &hpy_vm) < 0 ? -1 : HPy_GetAttachedVM(ctx, &attached_vm);
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

static int call_if_attached(void *closure, int64_t arg, int64_t *result)
{
    HPyContext *ctx = HPyVM_OpenContext(attached_vm);
    if (ctx == NULL)
        return -1;
    int status = hpylab_run(ctx, closure, HPy_NULL, arg, result);
    HPyVM_CloseContext(attached_vm, ctx);
    return status;
}

#elif HPyLab_FORM == HPyLab_FORM_hpyvm_value

static HPyVMValue hpy_vm, attached_vm;  /* unset, until they are set once while the module is initialised */

int HPyLab_Init(HPyContext *ctx)
{
    return HPy_GetVMValue(ctx, &hpy_vm) < 0 ? -1 : HPy_GetAttachedVMValue(ctx, &attached_vm);
}

static int call(void *closure, int64_t arg, int64_t *result)
{
    HPyContext *ctx = HPyVMValue_OpenContext(hpy_vm);
    if (ctx == NULL)
        return -1;
    int status = hpylab_run(ctx, closure, HPy_NULL, arg, result);
    HPyVMValue_CloseContext(hpy_vm, ctx);
    return status;
}

static int call_if_attached(void *closure, int64_t arg, int64_t *result)
{
    HPyContext *ctx = HPyVMValue_OpenContext(attached_vm);
    if (ctx == NULL)
        return -1;
    int status = hpylab_run(ctx, closure, HPy_NULL, arg, result);
    HPyVMValue_CloseContext(attached_vm, ctx);
    return status;
}

#endif

static hpylab_call *choose(HPyLab_Policy policy)
{
    return policy == HPyLab_ATTACH ? call : call_if_attached;
}

#include "keep_bind.h"
#include "bare.h"
