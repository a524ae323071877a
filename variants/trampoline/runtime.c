/* Trampolines, the runtime half. A trampoline is a thunk whose slot leads to the interpreter and the context that it was
   made from; the thunk passes that slot behind the caller's own arguments. */
#include "runtime.h"
#include "thunks.h"

#include "autogen_context.h"

#include <stdlib.h>

/* Owned by the slot. */
typedef hpyrt_origin origin;

/* Where every thunk jumps: the caller's two arguments, one register the caller did not fill, and the slot. */
static void *enter(HPyContextHelper helper, void *arg, void *unused, hpyrt_slot *slot)
{
    (void)unused;
    origin *from = slot->data;
    if (hpyrt_attach(from) < 0)
        return NULL;
    void *result = helper(from->context, arg);
    hpyrt_detach();
    return result;
}

HPyContextTrampoline ctx_GetContextTrampoline(HPyContext *ctx)
{
    const char *why = "no memory for another trampoline";
    hpyrt_view *view = hpyrt_current_view();
    if (view == NULL) {
        HPyErr_SetString(ctx, ctx->h_RuntimeError, "the runtime half has not been initialised in this interpreter");
        return NULL;
    }
    origin *from = malloc(sizeof *from);
    void *thunk = NULL;
    if (from != NULL) {
        *from = (origin){.view = view, .context = ctx};
        thunk = hpyrt_new_thunk((void (*)(void))enter, from, &why);
    }
    if (thunk == NULL) {
        free(from);
        HPyErr_SetString(ctx, ctx->h_MemoryError, why);
    }
    return (HPyContextTrampoline)thunk;
}

void ctx_ContextTrampoline_Free(HPyContext *ctx, HPyContextTrampoline trampoline)
{
    (void)ctx;
    free(hpyrt_free_thunk((void *)trampoline));
}
