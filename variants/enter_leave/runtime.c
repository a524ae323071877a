/* Enter and leave, the runtime half. Without a reference there is nothing to look up but the thread: who calls cannot be told,
   so the context is that of the extension that registered last in the interpreter. */
#include "runtime.h"

#include "autogen_context.h"

#include <stddef.h>
#include <stdlib.h>

/* ---- get ---- */

/* Nobody says when a context of HPy_GetContext is done with. So in the debug flavour, which wants one for each use, it stays valid
   until the thread ends: that it was kept too long cannot be told. */
HPyContext *HPy_GetContext(void)
{
    hpyrt_view *view = hpyrt_attached_view();
    HPyContext *admitted = view == NULL ? NULL : hpyrt_context(view);
    if (__builtin_expect(admitted != NULL && admitted == hpyrt_admitted[HPYRT_DEBUG], 0))
        return hpyrt_borrow_debug_context();
    return admitted;
}

/* ---- ambient ---- */

static inline HPyContext *enter(hpyrt_policy policy)
{
    hpyrt_view *view = hpyrt_attach_ambient(policy);
    return view == NULL ? NULL : hpyrt_hand_out(hpyrt_context(view));
}

HPyContext *HPy_EnterContext(void)
{
    return enter(HPYRT_ATTACH);
}

HPyContext *HPy_EnterContextIfAttached(void)
{
    return enter(HPYRT_ATTACHED_ONLY);
}

void HPy_LeaveContext(HPyContext *ctx)
{
    (void)ctx;
    hpyrt_detach();
}

/* ---- token ---- */

/* A token and what it remembers. Never freed: a thread that was given it may read it at any time. */
typedef struct {
    struct _HPyContextReference_s token;
    hpyrt_origin origin;
} reference;

static hpyrt_origin_pool unused = HPYRT_ORIGIN_POOL;

static HPyContext *enter_from(HPyContextReference token)
{
    return hpyrt_enter(&((reference *)(void *)token)->origin);
}

static HPyContext *refuse(HPyContextReference token)
{
    (void)token;
    return NULL;
}

static void recycle(hpyrt_origin *origin)
{
    hpyrt_give_origin(&unused, origin);
}

static HPyContextReference make(HPyContext *ctx, hpyrt_policy policy)
{
    hpyrt_origin *origin = hpyrt_take_origin(&unused);
    reference *made = origin == NULL ? calloc(1, sizeof *made) : origin->owner;
    if (made == NULL) {
        HPyErr_NoMemory(ctx);
        return NULL;
    }
    made->origin.owner = made;
    made->origin.recycle = recycle;
    if (hpyrt_open_origin(ctx, &made->origin, policy, HPy_NULL) < 0) {
        hpyrt_give_origin(&unused, &made->origin);
        return NULL;
    }
    __atomic_store_n(&made->token._enter, enter_from, __ATOMIC_RELEASE);
    return &made->token;
}

HPyContextReference ctx_GetContextReference(HPyContext *ctx)
{
    return make(ctx, HPYRT_ATTACH);
}

HPyContextReference ctx_GetAttachedContextReference(HPyContext *ctx)
{
    return make(ctx, HPYRT_ATTACHED_ONLY);
}

int ctx_ContextReference_Close(HPyContext *ctx, HPyContextReference token)
{
    if (token == NULL || token->_enter != enter_from) {
        HPyErr_SetString(ctx, ctx->h_ValueError, token == NULL ? "the context reference is NULL"
                                                               : "the context reference was closed before");
        return -1;
    }
    __atomic_store_n(&token->_enter, refuse, __ATOMIC_RELEASE);     /* a thread that is not attached may be reading it */
    hpyrt_close_origin(&((reference *)(void *)token)->origin);
    return 0;
}

void ctx_LeaveContext(HPyContext *ctx)
{
    (void)ctx;
    hpyrt_detach();
}
