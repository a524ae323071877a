/* Trampolines, the runtime half. A trampoline is a thunk whose slot leads to what it was made from; the thunk passes that slot
   behind the caller's own arguments, in the register of the fourth. */
#include "runtime.h"
#include "thunks.h"

#include "autogen_context.h"

#include <stdlib.h>

static hpyrt_origin_pool unused = HPYRT_ORIGIN_POOL;

/* A context for the helper, from the origin that [slot] leads to. NULL: refused. The origin may have gone to another
   trampoline while the thread was on its way from the thunk to here; then it is not ours. */
static inline HPyContext *enter(const hpyrt_slot *slot, hpyrt_origin *origin)
{
    HPyContext *ctx = hpyrt_enter(origin);
    if (__builtin_expect(origin->owner != slot && ctx != NULL, 0)) {
        hpyrt_detach();
        return NULL;
    }
    return ctx;
}

static void *enter_plain(HPyContextHelper helper, void *arg, void *unpassed, hpyrt_slot *slot)
{
    (void)unpassed;
    hpyrt_origin *origin = slot->data;
    if (helper == NULL)
        return NULL;
    HPyContext *ctx = enter(slot, origin);
    if (ctx == NULL)
        return NULL;
    void *result = helper(ctx, arg);
    hpyrt_leave(origin);
    return result;
}

/* As HPy_FromPyObject, in the debug flavour, the only one to allocate for a handle: without memory HPy sets MemoryError, whatever
   was pending. Here that stays pending. */
static HPy debug_handle(HPyContext *ctx, PyObject *object)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    HPy handle = HPy_FromPyObject(ctx, object);
    PyErr_Restore(type, value, traceback);
    return handle;
}

static inline __attribute__((always_inline)) void *call_with_handle(HPyHandleHelper helper, void *arg, hpyrt_slot *slot,
                                                                    bool in_debug)
{
    hpyrt_origin *origin = slot->data;
    if (helper == NULL)
        return NULL;
    HPyContext *ctx = enter(slot, origin);
    if (ctx == NULL)
        return NULL;
    void *result = NULL;
    HPy handle = in_debug ? debug_handle(ctx, origin->captured) : HPy_FromPyObject(ctx, origin->captured);
    if (!in_debug || !HPy_IsNull(handle)) {     /* elsewhere it is the object itself, or a place in a list */
        result = helper(ctx, handle, arg);
        HPy_Close(ctx, handle);
    }
    hpyrt_leave(origin);
    return result;
}

static void *enter_with_handle(HPyHandleHelper helper, void *arg, void *unpassed, hpyrt_slot *slot)
{
    (void)unpassed;
    return call_with_handle(helper, arg, slot, false);
}

static void *enter_with_debug_handle(HPyHandleHelper helper, void *arg, void *unpassed, hpyrt_slot *slot)
{
    (void)unpassed;
    return call_with_handle(helper, arg, slot, true);
}

static int enter_checked(HPyContextHelper helper, void *arg, void **result, hpyrt_slot *slot)
{
    hpyrt_origin *origin = slot->data;
    if (helper == NULL)
        return -1;
    HPyContext *ctx = enter(slot, origin);
    if (ctx == NULL)
        return -1;
    void *answer = helper(ctx, arg);
    hpyrt_leave(origin);
    if (result != NULL)
        *result = answer;
    return 0;
}

/* ---- making and freeing ---- */

static void recycle(hpyrt_origin *origin)
{
    hpyrt_recycle_thunk(origin->owner);
    hpyrt_give_origin(&unused, origin);
}

/* A thunk that jumps to [code], for the interpreter of [ctx]. NULL with an exception set on [ctx]. */
static void *make(HPyContext *ctx, void (*code)(void), hpyrt_policy policy, HPy captured)
{
    const char *why = "no memory for another trampoline";
    hpyrt_origin *origin = hpyrt_take_origin(&unused);
    if (origin == NULL)
        origin = calloc(1, sizeof *origin);
    hpyrt_slot *slot = origin != NULL ? hpyrt_new_thunk(code, &why) : NULL;
    if (slot == NULL) {
        HPyErr_SetString(ctx, ctx->h_MemoryError, why);
        if (origin != NULL)
            hpyrt_give_origin(&unused, origin);
        return NULL;
    }
    origin->owner = slot;
    origin->recycle = recycle;
    if (hpyrt_open_origin(ctx, origin, policy, captured) < 0) {
        hpyrt_close_thunk(slot);
        recycle(origin);
        return NULL;
    }
    slot->data = origin;
    return hpyrt_thunk_of(slot);
}

static int unmake(HPyContext *ctx, void *trampoline)
{
    hpyrt_slot *slot = hpyrt_slot_of(trampoline);
    if (slot == NULL || hpyrt_close_thunk(slot) < 0) {
        HPyErr_SetString(ctx, ctx->h_ValueError, trampoline == NULL ? "the trampoline is NULL"
                         : slot == NULL ? "this is no trampoline" : "the trampoline was freed before");
        return -1;
    }
    hpyrt_close_origin(slot->data);
    return 0;
}

static HPyHandleTrampoline make_with_handle(HPyContext *ctx, hpyrt_policy policy, HPy h)
{
    if (HPy_IsNull(h)) {
        HPyErr_SetString(ctx, ctx->h_ValueError, "the handle for a trampoline to own is HPy_NULL");
        return NULL;
    }
    bool in_debug = hpyrt_flavour_of(ctx) == HPYRT_DEBUG;       /* told here, for a call to be as short as can be */
    void *(*code)(HPyHandleHelper, void *, void *, hpyrt_slot *) = in_debug ? enter_with_debug_handle : enter_with_handle;
    return (HPyHandleTrampoline)make(ctx, (void (*)(void))code, policy, h);
}

HPyContextTrampoline ctx_GetContextTrampoline(HPyContext *ctx)
{
    return (HPyContextTrampoline)make(ctx, (void (*)(void))enter_plain, HPYRT_ATTACH, HPy_NULL);
}

HPyContextTrampoline ctx_GetAttachedContextTrampoline(HPyContext *ctx)
{
    return (HPyContextTrampoline)make(ctx, (void (*)(void))enter_plain, HPYRT_ATTACHED_ONLY, HPy_NULL);
}

HPyHandleTrampoline ctx_GetHandleTrampoline(HPyContext *ctx, HPy h)
{
    return make_with_handle(ctx, HPYRT_ATTACH, h);
}

HPyHandleTrampoline ctx_GetAttachedHandleTrampoline(HPyContext *ctx, HPy h)
{
    return make_with_handle(ctx, HPYRT_ATTACHED_ONLY, h);
}

HPyCheckedTrampoline ctx_GetCheckedTrampoline(HPyContext *ctx)
{
    return (HPyCheckedTrampoline)make(ctx, (void (*)(void))enter_checked, HPYRT_ATTACH, HPy_NULL);
}

HPyCheckedTrampoline ctx_GetAttachedCheckedTrampoline(HPyContext *ctx)
{
    return (HPyCheckedTrampoline)make(ctx, (void (*)(void))enter_checked, HPYRT_ATTACHED_ONLY, HPy_NULL);
}

int ctx_ContextTrampoline_Free(HPyContext *ctx, HPyContextTrampoline trampoline)
{
    return unmake(ctx, (void *)trampoline);
}

int ctx_HandleTrampoline_Free(HPyContext *ctx, HPyHandleTrampoline trampoline)
{
    return unmake(ctx, (void *)trampoline);
}

int ctx_CheckedTrampoline_Free(HPyContext *ctx, HPyCheckedTrampoline trampoline)
{
    return unmake(ctx, (void *)trampoline);
}
