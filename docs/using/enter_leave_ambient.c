/* An event handler with HPy_EnterContext and HPy_LeaveContext. */
#include "example.h"

static bool attaching;

int on_event(int event)
{
    HPyContext *ctx = attaching ? HPy_EnterContext() : HPy_EnterContextIfAttached();
    if (ctx == NULL)
        return -1;                          /* no context to be had; nothing was changed */
    int status = call_listener(ctx, event);
    HPy_LeaveContext(ctx);
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
