/* A callback written with a trampoline. */
#include "arm.h"

#if HPyLab_FORM == HPyLab_FORM_trampoline_plain
typedef HPyContextTrampoline trampoline;
#elif HPyLab_FORM == HPyLab_FORM_trampoline_handle
typedef HPyHandleTrampoline trampoline;
#elif HPyLab_FORM == HPyLab_FORM_trampoline_checked
typedef HPyCheckedTrampoline trampoline;
#endif

/* Owned by the callback: what the extension keeps where the issue writes mystate->trampoline. */
typedef struct {
    trampoline trampoline;
    HPyLab_Binding binding;
} bound;

/* One call on its way through the trampoline, which passes a single pointer. */
typedef struct {
    const HPyLab_Binding *binding;
    int64_t arg;
    int64_t *result;
    int status;
} passage;

#if HPyLab_FORM == HPyLab_FORM_trampoline_plain

static void *helper(HPyContext *ctx, void *arg)
{
    passage *through = arg;
    through->status = hpylab_run(ctx, through->binding, HPy_NULL, through->arg, through->result);
    return through;     /* not NULL: that would read as a refusal */
}

static int call(void *closure, int64_t arg, int64_t *result)
{
    bound *kept = closure;
    passage through = {&kept->binding, arg, result, 0};
    return kept->trampoline(helper, &through) == NULL ? -1 : through.status;
}

static int make(HPyContext *ctx, const HPyLab_Binding *binding, bound *kept)
{
    kept->trampoline = binding->policy == HPyLab_ATTACH ? HPy_GetContextTrampoline(ctx) : HPy_GetAttachedContextTrampoline(ctx);
    return kept->trampoline == NULL ? -1 : hpylab_capture(ctx, binding, &kept->binding);
}

static void unmake(HPyContext *ctx, bound *kept)
{
    HPyContextTrampoline_Free(ctx, kept->trampoline);
}

#elif HPyLab_FORM == HPyLab_FORM_trampoline_handle

static void *helper(HPyContext *ctx, HPy captured, void *arg)
{
    passage *through = arg;
    through->status = hpylab_run(ctx, through->binding, captured, through->arg, through->result);
    return through;     /* not NULL: that would read as a refusal */
}

static int call(void *closure, int64_t arg, int64_t *result)
{
    bound *kept = closure;
    passage through = {&kept->binding, arg, result, 0};
    return kept->trampoline(helper, &through) == NULL ? -1 : through.status;
}

/* The trampoline itself captures the object; one that is asked for none captures None. */
static int make(HPyContext *ctx, const HPyLab_Binding *binding, bound *kept)
{
    HPy captured = HPy_IsNull(binding->captured) ? ctx->h_None : binding->captured;
    kept->trampoline = binding->policy == HPyLab_ATTACH ? HPy_GetHandleTrampoline(ctx, captured)
                                                        : HPy_GetAttachedHandleTrampoline(ctx, captured);
    kept->binding = *binding;
    return kept->trampoline == NULL ? -1 : 0;
}

static void unmake(HPyContext *ctx, bound *kept)
{
    HPyHandleTrampoline_Free(ctx, kept->trampoline);
}

#elif HPyLab_FORM == HPyLab_FORM_trampoline_checked

static void *helper(HPyContext *ctx, void *arg)
{
    passage *through = arg;
    through->status = hpylab_run(ctx, through->binding, HPy_NULL, through->arg, through->result);
    return NULL;
}

static int call(void *closure, int64_t arg, int64_t *result)
{
    bound *kept = closure;
    passage through = {&kept->binding, arg, result, 0};
    return kept->trampoline(helper, &through, NULL) < 0 ? -1 : through.status;
}

static int make(HPyContext *ctx, const HPyLab_Binding *binding, bound *kept)
{
    kept->trampoline = binding->policy == HPyLab_ATTACH ? HPy_GetCheckedTrampoline(ctx) : HPy_GetAttachedCheckedTrampoline(ctx);
    return kept->trampoline == NULL ? -1 : hpylab_capture(ctx, binding, &kept->binding);
}

static void unmake(HPyContext *ctx, bound *kept)
{
    HPyCheckedTrampoline_Free(ctx, kept->trampoline);
}

#endif

int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out)
{
    bound *kept = malloc(sizeof *kept);
    if (kept == NULL) {
        HPyErr_NoMemory(ctx);
        return -1;
    }
    if (make(ctx, binding, kept) < 0) {
        if (kept->trampoline != NULL)
            unmake(ctx, kept);
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
    unmake(ctx, kept);
    free(kept);
}

#include "bare.h"
