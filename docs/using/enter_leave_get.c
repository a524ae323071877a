/* An event handler with HPy_GetContext. */
#include "example.h"

int on_event(int event)
{
    HPyContext *ctx = HPy_GetContext();
    return ctx == NULL ? -1 : call_listener(ctx, event);    /* NULL: this thread is not attached */
}

int start(HPyContext *ctx, HPy callable, bool attach)
{
    if (attach) {
        HPyErr_SetString(ctx, ctx->h_NotImplementedError, "HPy_GetContext never attaches a thread");
        return -1;
    }
    HPyGlobal_Store(ctx, &listener, callable);
    return 0;
}

void stop(HPyContext *ctx)
{
    HPyGlobal_Store(ctx, &listener, HPy_NULL);
}
