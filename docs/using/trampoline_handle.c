/* An event handler with a trampoline that owns what it calls. */
#include "example.h"

static HPyHandleTrampoline trampoline;

static void *helper(HPyContext *ctx, HPy callable, void *arg)
{
    const int *event = arg;
    call_python(ctx, callable, *event);     /* the handle is closed by the runtime */
    return arg;
}

int on_event(int event)
{
    return trampoline(helper, &event) == NULL ? -1 : 0;
}

int start(HPyContext *ctx, HPy callable, bool attach)
{
    trampoline = attach ? HPy_GetHandleTrampoline(ctx, callable) : HPy_GetAttachedHandleTrampoline(ctx, callable);
    return trampoline == NULL ? -1 : 0;
}

void stop(HPyContext *ctx)
{
    HPyHandleTrampoline_Free(ctx, trampoline);
}
