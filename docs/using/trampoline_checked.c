/* An event handler with a trampoline that answers a status. */
#include "example.h"

static HPyCheckedTrampoline trampoline;

static void *helper(HPyContext *ctx, void *arg)
{
    const int *event = arg;
    call_listener(ctx, *event);
    return NULL;
}

int on_event(int event)
{
    return trampoline(helper, &event, NULL);
}

int start(HPyContext *ctx, HPy callable, bool attach)
{
    trampoline = attach ? HPy_GetCheckedTrampoline(ctx) : HPy_GetAttachedCheckedTrampoline(ctx);
    if (trampoline == NULL)
        return -1;
    HPyGlobal_Store(ctx, &listener, callable);
    return 0;
}

void stop(HPyContext *ctx)
{
    HPyCheckedTrampoline_Free(ctx, trampoline);
    HPyGlobal_Store(ctx, &listener, HPy_NULL);
}
