/* An event handler with an HPyVM that is stored by value. */
#include "example.h"

static HPyVMValue hpy_vm, attached_vm;      /* unset; set once, while the module is initialised, and never written again */
static bool attaching;

int prepare(HPyContext *ctx)
{
    return HPy_GetVMValue(ctx, &hpy_vm) < 0 ? -1 : HPy_GetAttachedVMValue(ctx, &attached_vm);
}

int on_event(int event)
{
    HPyVMValue vm = attaching ? hpy_vm : attached_vm;
    HPyContext *ctx = HPyVMValue_OpenContext(vm);
    if (ctx == NULL)
        return -1;
    int status = call_listener(ctx, event);
    HPyVMValue_CloseContext(vm, ctx);
    return status;
}

int start(HPyContext *ctx, HPy callable, bool attach)
{
    attaching = attach;
    HPyGlobal_Store(ctx, &listener, callable);
    return 0;
}

void stop(HPyContext *ctx)
{
    HPyGlobal_Store(ctx, &listener, HPy_NULL);
}
