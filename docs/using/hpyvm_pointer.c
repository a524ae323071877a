/* An event handler with an HPyVM. */
#include "example.h"

static HPyVM *hpy_vm, *attached_vm;         /* set once, while the module is initialised */
static HPyVM *chosen_vm;

int prepare(HPyContext *ctx)
{
    return HPy_GetVM(ctx, &hpy_vm) < 0 ? -1 : HPy_GetAttachedVM(ctx, &attached_vm);
}

int on_event(int event)
{
    HPyVM *vm = chosen_vm;
    HPyContext *ctx = HPyVM_OpenContext(vm);
    if (ctx == NULL)
        return -1;
    int status = call_listener(ctx, event);
    HPyVM_CloseContext(vm, ctx);
    return status;
}

int start(HPyContext *ctx, HPy callable, bool attach)
{
    chosen_vm = attach ? hpy_vm : attached_vm;
    HPyGlobal_Store(ctx, &listener, callable);
    return 0;
}

void stop(HPyContext *ctx)
{
    HPyGlobal_Store(ctx, &listener, HPy_NULL);
}
