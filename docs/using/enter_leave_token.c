/* An event handler with a context reference. */
#include "example.h"

static HPyContextReference token;           /* the C library has no user data: the place is a C global */

int on_event(int event)
{
    HPyContext *ctx = HPy_EnterContextFrom(token);
    if (ctx == NULL)
        return -1;
    int status = call_listener(ctx, event);
    HPy_LeaveContext(ctx);
    return status;
}

int start(HPyContext *ctx, HPy callable, bool attach)
{
    token = attach ? HPy_GetContextReference(ctx) : HPy_GetAttachedContextReference(ctx);
    if (token == NULL)
        return -1;
    HPyGlobal_Store(ctx, &listener, callable);
    return 0;
}

void stop(HPyContext *ctx)
{
    HPyContextReference_Close(ctx, token);
    token = NULL;
    HPyGlobal_Store(ctx, &listener, HPy_NULL);
}
