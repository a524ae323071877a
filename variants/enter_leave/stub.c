/* A callback written with enter and leave. */
#include "arm.h"

#define HPYLAB_CHOOSES

#if HPyLab_FORM == HPyLab_FORM_enter_leave_get

static int call(void *closure, int64_t arg, int64_t *result)
{
    HPyContext *ctx = HPy_GetContext();
    return ctx == NULL ? -1 : hpylab_run(ctx, closure, HPy_NULL, arg, result);
}

static hpylab_call *choose(HPyLab_Policy policy)
{
    return policy == HPyLab_ATTACHED_ONLY ? call : NULL;
}

#include "keep_bind.h"

#elif HPyLab_FORM == HPyLab_FORM_enter_leave_ambient

static int call(void *closure, int64_t arg, int64_t *result)
{
    HPyContext *ctx = HPy_EnterContext();
    if (ctx == NULL)
        return -1;
    int status = hpylab_run(ctx, closure, HPy_NULL, arg, result);
    HPy_LeaveContext(ctx);
    return status;
}

static int call_if_attached(void *closure, int64_t arg, int64_t *result)
{
    HPyContext *ctx = HPy_EnterContextIfAttached();
    if (ctx == NULL)
        return -1;
    int status = hpylab_run(ctx, closure, HPy_NULL, arg, result);
    HPy_LeaveContext(ctx);
    return status;
}

static hpylab_call *choose(HPyLab_Policy policy)
{
    return policy == HPyLab_ATTACH ? call : call_if_attached;
}

#include "keep_bind.h"

#elif HPyLab_FORM == HPyLab_FORM_enter_leave_token

/* Owned by the callback: what the extension keeps where the issue writes mystate->token. */
typedef struct {
    HPyContextReference token;
    HPyLab_Binding binding;
} bound;

static int call(void *closure, int64_t arg, int64_t *result)
{
    const bound *kept = closure;
    HPyContext *ctx = HPy_EnterContextFrom(kept->token);
    if (ctx == NULL)
        return -1;
    int status = hpylab_run(ctx, &kept->binding, HPy_NULL, arg, result);
    HPy_LeaveContext(ctx);
    return status;
}

int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out)
{
    bound *kept = malloc(sizeof *kept);
    if (kept == NULL) {
        HPyErr_NoMemory(ctx);
        return -1;
    }
    kept->token = binding->policy == HPyLab_ATTACH ? HPy_GetContextReference(ctx) : HPy_GetAttachedContextReference(ctx);
    if (kept->token == NULL) {
        free(kept);
        return -1;
    }
    if (hpylab_capture(ctx, binding, &kept->binding) < 0) {
        HPyContextReference_Close(ctx, kept->token);
        free(kept);
        return -1;
    }
    *out = (HPyLab_Callback){call, kept};
    return 0;
}

void HPyLab_Unbind(HPyContext *ctx, HPyLab_Callback *callback)
{
    bound *kept = callback->closure;
    hpylab_release_captured(ctx, &kept->binding);
    HPyContextReference_Close(ctx, kept->token);
    free(kept);
}

#endif

#include "bare.h"
