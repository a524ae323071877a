/* The ways in: one for each form whose user acquires and releases. The others hand a context out for a call, or for good. */
#include "wrong_uses.h"

#include <string.h>

#ifdef WITH_ENTER_LEAVE

HPyContextReference kept_token;

static HPyContext *enter(void) { return HPy_EnterContext(); }
static HPyContext *enter_attached(void) { return HPy_EnterContextIfAttached(); }
static HPyContext *enter_from(void) { return HPy_EnterContextFrom(kept_token); }
static void leave(HPyContext *ctx) { HPy_LeaveContext(ctx); }

#endif
#ifdef WITH_HPYVM

HPyVM *kept_vm;
HPyVMValue kept_value;

static HPyContext *open_pointer(void) { return HPyVM_OpenContext(kept_vm); }
static HPyContext *open_value(void) { return HPyVMValue_OpenContext(kept_value); }
static void close_pointer(HPyContext *ctx) { HPyVM_CloseContext(kept_vm, ctx); }
static void close_value(HPyContext *ctx) { HPyVMValue_CloseContext(kept_value, ctx); }

#endif
#ifdef WITH_TRAMPOLINES

HPyContextTrampoline kept_plain;
HPyHandleTrampoline kept_handle;
HPyCheckedTrampoline kept_checked;

#endif

static const way ways[] = {
#ifdef WITH_ENTER_LEAVE
    {"enter_leave/ambient", enter, leave},
    {"enter_leave/ambient, attached only", enter_attached, leave},
    {"enter_leave/token", enter_from, leave},
#endif
#ifdef WITH_HPYVM
    {"hpyvm/pointer", open_pointer, close_pointer},
    {"hpyvm/value", open_value, close_value},
#endif
    {NULL, NULL, NULL},
};

const way *find_way(const char *form)
{
    const way *found = ways;
    while (found->form != NULL && strcmp(found->form, form) != 0)
        found++;
    return found->form != NULL ? found : NULL;
}

int make_ways(HPyContext *ctx)
{
#ifdef WITH_ENTER_LEAVE
    if ((kept_token = HPy_GetContextReference(ctx)) == NULL)
        return -1;
#endif
#ifdef WITH_HPYVM
    if (HPy_GetVM(ctx, &kept_vm) < 0 || HPy_GetVMValue(ctx, &kept_value) < 0)
        return -1;
#endif
#ifdef WITH_TRAMPOLINES
    kept_plain = HPy_GetContextTrampoline(ctx);
    kept_handle = HPy_GetHandleTrampoline(ctx, ctx->h_None);
    kept_checked = HPy_GetCheckedTrampoline(ctx);
    if (kept_plain == NULL || kept_handle == NULL || kept_checked == NULL)
        return -1;
#endif
    (void)ctx;
    return 0;
}

void free_ways(HPyContext *ctx)
{
    (void)ctx;
#ifdef WITH_ENTER_LEAVE
    HPyContextReference_Close(ctx, kept_token);
#endif
#ifdef WITH_TRAMPOLINES
    HPyContextTrampoline_Free(ctx, kept_plain);
    HPyHandleTrampoline_Free(ctx, kept_handle);
    HPyCheckedTrampoline_Free(ctx, kept_checked);
#endif
}

int is_attached(void)
{
#ifdef WITH_ENTER_LEAVE
    HPyContext *ctx = HPy_EnterContextIfAttached();
    if (ctx != NULL)
        HPy_LeaveContext(ctx);
    return ctx != NULL;
#else
    return -1;
#endif
}
