/* An event handler with a trampoline. */
#include "example.h"

static HPyContextTrampoline trampoline;     /* the C library has no user data: the place is a C global */

static void *helper(HPyContext *ctx, void *arg)
{
    const int *event = arg;
    call_listener(ctx, *event);
    return arg;                             /* not NULL, which would read as a refusal */
}

int on_event(int event)
{
    return trampoline(helper, &event) == NULL ? -1 : 0;
}

int start(HPyContext *ctx, HPy callable, bool attach)
{
    trampoline = attach ? HPy_GetContextTrampoline(ctx) : HPy_GetAttachedContextTrampoline(ctx);
    if (trampoline == NULL)
        return -1;
    HPyGlobal_Store(ctx, &listener, callable);
    return 0;
}

void stop(HPyContext *ctx)
{
    HPyContextTrampoline_Free(ctx, trampoline);
    HPyGlobal_Store(ctx, &listener, HPy_NULL);
}
