/* A callback written with a trampoline. */
#include "arm.h"

#if HPyLab_FORM == HPyLab_FORM_trampoline_plain

/* Owned by the callback: what the extension keeps where the issue writes mystate->trampoline. */
typedef struct {
    HPyContextTrampoline trampoline;
    HPyLab_Binding binding;
} bound;

/* One call on its way through the trampoline, which passes a single pointer. */
typedef struct {
    const HPyLab_Binding *binding;
    int64_t arg;
    int64_t *result;
    int status;
} passage;

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

#endif

int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out)
{
    bound *kept = malloc(sizeof *kept);
    if (kept == NULL) {
        HPyErr_NoMemory(ctx);
        return -1;
    }
    kept->binding = *binding;
    kept->trampoline = HPy_GetContextTrampoline(ctx);
    if (kept->trampoline == NULL) {
        free(kept);
        return -1;
    }
    *out = (HPyLab_Callback){call, kept};
    return 0;
}

void HPyLab_Unbind(HPyContext *ctx, HPyLab_Callback *callback)
{
    bound *kept = callback->closure;
    HPyContextTrampoline_Free(ctx, kept->trampoline);
    free(kept);
}

#include "bare.h"
