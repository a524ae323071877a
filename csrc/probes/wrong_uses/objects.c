/* Wrong uses of what the proposals make, tokens, trampolines and VMs, and of what HPy_GetContext lends; and a deed that is in
   order. */
#include "wrong_uses.h"

/* Deeds take what they need; some need neither. */
#define UNUSED (void)ctx, (void)by

#if defined WITH_ENTER_LEAVE && defined WITH_TRAMPOLINES

/* ---- nothing wrong */

static void *use_in_helper(HPyContext *ctx, void *arg)
{
    use(ctx);
    HPyContext *inner = HPy_EnterContext();
    use(inner);
    HPy_LeaveContext(inner);
    return arg;
}

static void *use_handle_in_helper(HPyContext *ctx, HPy h, void *arg)
{
    HPy text = HPy_Repr(ctx, h);
    HPy_Close(ctx, text);
    return arg;
}

static void use_all(const way *by, HPyContext *unused)
{
    (void)unused;
    int answer;
    void *result = &answer;
    HPyContext *ctx = by->acquire();
    if (ctx != NULL) {
        use(ctx);
        HPyThreadState left = HPy_LeavePythonExecution(ctx);
        HPyContext *inner = by->acquire();
        if (inner != NULL) {
            use(inner);
            by->release(inner);
        }
        HPy_ReenterPythonExecution(ctx, left);
        HPyContextReference another = HPy_GetContextReference(ctx);
        HPyContext *other = HPy_EnterContextFrom(another);
        HPyContextReference_Close(other, another);
        HPy_LeaveContext(other);
        by->release(ctx);
    }
    kept_plain(use_in_helper, &answer);
    kept_handle(use_handle_in_helper, &answer);
    kept_checked(use_in_helper, &answer, &result);
}

/* A handle of the method's own context, opened while an acquisition is open and closed after it. */
static void open_around(HPyContext *ctx, const way *by)
{
    HPyContext *outer = by->acquire(), *inner = by->acquire();
    HPy of_outer = HPyLong_FromInt64_t(outer, 1), of_method = HPyLong_FromInt64_t(ctx, 2);
    by->release(inner);
    HPy_Close(outer, of_outer);
    by->release(outer);
    HPy_Close(ctx, of_method);
}

static void correct(HPyContext *ctx, const way *by)
{
    HPyContext *outer[64];
    use(HPy_GetContext());
    use(HPy_GetContext());
    use_all(by, NULL);
    open_around(ctx, by);
    on_thread(ctx, by, NULL, use_all);
    for (int i = 0; i < 64; i++)
        use(outer[i] = by->acquire());
    for (int i = 64; i-- > 0;)
        by->release(outer[i]);
    HPyErr_SetString(ctx, ctx->h_ValueError, "pending, as in a destructor");
    HPyContext *inner = by->acquire();
    use(inner);
    by->release(inner);
    HPyErr_Clear(ctx);
}

/* Call what Python would call at its end, which does not come. */
static void *call_exit_functions(HPyContext *ctx, void *arg)
{
    HPy module = HPyImport_ImportModule(ctx, "atexit"), function = HPy_GetAttr_s(ctx, module, "_run_exitfuncs");
    HPy answer = HPy_CallTupleDict(ctx, function, HPy_NULL, HPy_NULL);
    HPy_Close(ctx, answer);
    HPy_Close(ctx, function);
    HPy_Close(ctx, module);
    return arg;
}

/* Sees 1: the helper answered. */
static void exit_functions_in_helper(HPyContext *ctx, const way *by)
{
    UNUSED;
    see(kept_plain(call_exit_functions, &kept_plain) == &kept_plain);
}

static void *leave_open_in_helper(HPyContext *ctx, void *arg) { (void)ctx; HPy_EnterContext(); return arg; }

static void left_open_by_helper(HPyContext *ctx, const way *by)
{
    UNUSED;
    kept_plain(leave_open_in_helper, &kept_context);
}

#endif
#ifdef WITH_ENTER_LEAVE

/* ---- what HPy_GetContext lends */

static void released_borrowed(HPyContext *ctx, const way *by) { (void)ctx; by->release(HPy_GetContext()); }

static void use_given(const way *by, HPyContext *given)
{
    (void)by;
    HPyLong_FromInt64_t(given, 7);
}

static void borrowed_used_elsewhere(HPyContext *ctx, const way *by) { on_thread(ctx, by, HPy_GetContext(), use_given); }

static void borrowed_used_detached(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyContext *borrowed = HPy_GetContext();
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    HPyLong_FromInt64_t(borrowed, 7);
    HPy_ReenterPythonExecution(ctx, left);
}

/* ---- tokens. Sees 1 for what was refused, 0 for what was not */

static void token_null(HPyContext *ctx, const way *by)
{
    UNUSED;
    see(HPy_EnterContextFrom(NULL) == NULL);
}

static void token_unknown(HPyContext *ctx, const way *by)
{
    UNUSED;
    HPy_EnterContextFrom((HPyContextReference)(void *)&kept_context);
}

static void token_used_after_close(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyContextReference closed = HPy_GetContextReference(ctx);
    HPyContextReference_Close(ctx, closed);
    see(HPy_EnterContextFrom(closed) == NULL);
}

static void token_closed_twice(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyContextReference closed = HPy_GetContextReference(ctx);
    HPyContextReference_Close(ctx, closed);
    see(HPyContextReference_Close(ctx, closed) == -1);
}

static void made_from_released(HPyContext *ctx, const way *by)
{
    (void)ctx;
    HPyContext *mine = by->acquire();
    by->release(mine);
    HPy_GetContextReference(mine);
}

static HPyContextReference forgotten;
static void token_leaked(HPyContext *ctx, const way *by) { (void)by; forgotten = HPy_GetContextReference(ctx); }

/* What left_open and token_leaked forgot. */
static void made_good(HPyContext *ctx, const way *by)
{
    HPyContextReference_Close(ctx, forgotten);
    by->release(kept_context);
}

/* A proposal's own check: the function itself, without its wrapper. */
#undef HPy_EnterContextFrom
static void refused(HPyContext *ctx, const way *by) { UNUSED; HPy_EnterContextFrom(NULL); }

#endif
#ifdef WITH_TRAMPOLINES

/* ---- trampolines, and what they bring */

static void *answer_in_helper(HPyContext *ctx, void *arg) { (void)ctx; return arg; }
static void *answer_with_handle(HPyContext *ctx, HPy h, void *arg) { (void)ctx; (void)h; return arg; }
static void *keep_in_helper(HPyContext *ctx, void *arg) { kept_context = ctx; return arg; }

static void kept_from_helper(HPyContext *ctx, const way *by)
{
    UNUSED;
    kept_checked(keep_in_helper, NULL, NULL);
    HPyLong_FromInt64_t(kept_context, 7);
}

static void *raise_in_helper(HPyContext *ctx, void *arg) { HPyErr_SetString(ctx, ctx->h_ValueError, "raised"); return arg; }

static void raised_in_helper(HPyContext *ctx, const way *by)
{
    (void)by;
    kept_plain(raise_in_helper, NULL);
    HPyErr_Clear(ctx);
}

static void trampoline_leaked(HPyContext *ctx, const way *by) { (void)by; HPy_GetHandleTrampoline(ctx, ctx->h_None); }

static void plain_called_after_free(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyContextTrampoline freed = HPy_GetContextTrampoline(ctx);
    HPyContextTrampoline_Free(ctx, freed);
    freed(answer_in_helper, NULL);
}

static void handle_called_after_free(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyHandleTrampoline freed = HPy_GetHandleTrampoline(ctx, ctx->h_None);
    HPyHandleTrampoline_Free(ctx, freed);
    freed(answer_with_handle, NULL);
}

static void checked_called_after_free(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyCheckedTrampoline freed = HPy_GetCheckedTrampoline(ctx);
    HPyCheckedTrampoline_Free(ctx, freed);
    freed(answer_in_helper, NULL, NULL);
}

static void plain_freed_twice(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyContextTrampoline freed = HPy_GetContextTrampoline(ctx);
    HPyContextTrampoline_Free(ctx, freed);
    see(HPyContextTrampoline_Free(ctx, freed) == -1);
}

static void handle_freed_twice(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyHandleTrampoline freed = HPy_GetHandleTrampoline(ctx, ctx->h_None);
    HPyHandleTrampoline_Free(ctx, freed);
    see(HPyHandleTrampoline_Free(ctx, freed) == -1);
}

static void checked_freed_twice(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyCheckedTrampoline freed = HPy_GetCheckedTrampoline(ctx);
    HPyCheckedTrampoline_Free(ctx, freed);
    see(HPyCheckedTrampoline_Free(ctx, freed) == -1);
}

static void trampoline_null(HPyContext *ctx, const way *by) { (void)by; HPyContextTrampoline_Free(ctx, NULL); }
static void plain_helper_null(HPyContext *ctx, const way *by) { UNUSED; see(kept_plain(NULL, &kept_context) == NULL); }
static void handle_helper_null(HPyContext *ctx, const way *by) { UNUSED; see(kept_handle(NULL, &kept_context) == NULL); }
static void checked_helper_null(HPyContext *ctx, const way *by) { UNUSED; see(kept_checked(NULL, &kept_context, NULL) == -1); }
static void handle_null(HPyContext *ctx, const way *by) { (void)by; HPy_GetHandleTrampoline(ctx, HPy_NULL); HPyErr_Clear(ctx); }

#endif
#ifdef WITH_HPYVM

/* ---- VMs */

static void vm_null(HPyContext *ctx, const way *by) { UNUSED; see(HPyVM_OpenContext(NULL) == NULL); }

static void value_unset(HPyContext *ctx, const way *by)
{
    UNUSED;
    static HPyVMValue unset = HPyVMValue_UNSET;
    see(HPyVMValue_OpenContext(unset) == NULL);
}

/* What nobody made. Sees 1: nothing of it was called. */
static void vm_garbage(HPyContext *ctx, const way *by)
{
    UNUSED;
    HPyVM vm = {0x1234, (HPyContext *(*)(HPyVM *))(uintptr_t)16, (void (*)(HPyVM *, HPyContext *))(uintptr_t)16};
    see(HPyVM_OpenContext(&vm) == NULL);
}

static void value_garbage(HPyContext *ctx, const way *by)
{
    UNUSED;
    HPyVMValue value = {0x1234, (HPyContext *(*)(HPyVMValue))(uintptr_t)16, (void (*)(HPyVMValue, HPyContext *))(uintptr_t)16};
    see(HPyVMValue_OpenContext(value) == NULL);
}

static void storage_garbage(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyVM *storage = (HPyVM *)(uintptr_t)0x123456789;
    HPy_GetVM(ctx, &storage);
    HPyErr_Clear(ctx);
}

static void storage_null(HPyContext *ctx, const way *by) { (void)by; HPy_GetVMValue(ctx, NULL); }

/* What another runtime would leave in a storage: a VM with a number of its own, whose functions are code. */

static HPyContext *open_another(HPyVM *vm) { (void)vm; return NULL; }
static void close_another(HPyVM *vm, HPyContext *ctx) { (void)vm; (void)ctx; }
static HPyContext *open_another_value(HPyVMValue vm) { (void)vm; return NULL; }
static void close_another_value(HPyVMValue vm, HPyContext *ctx) { (void)vm; (void)ctx; }

static void storage_of_another(HPyContext *ctx, const way *by)
{
    (void)by;
    static HPyVM another = {~(uintptr_t)0 - 0xff, open_another, close_another};
    HPyVM *storage = &another;
    see(HPy_GetVM(ctx, &storage) == -1);
}

static void value_of_another(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyVMValue storage = {~(uintptr_t)0 - 0xff, open_another_value, close_another_value};
    see(HPy_GetVMValue(ctx, &storage) == -1);
}

#endif

#define DEED(name) {#name, name, false}
#define BY_WAY(name) {#name, name, true}

const deed deeds_with_objects[] = {
#if defined WITH_ENTER_LEAVE && defined WITH_TRAMPOLINES
    BY_WAY(correct), DEED(exit_functions_in_helper), DEED(left_open_by_helper),
#endif
#ifdef WITH_ENTER_LEAVE
    BY_WAY(released_borrowed), DEED(borrowed_used_elsewhere), DEED(borrowed_used_detached), DEED(token_null),
    DEED(token_unknown), DEED(token_used_after_close), DEED(token_closed_twice), BY_WAY(made_from_released), DEED(token_leaked), BY_WAY(made_good),
    DEED(refused),
#endif
#ifdef WITH_TRAMPOLINES
    DEED(kept_from_helper), DEED(raised_in_helper), DEED(trampoline_leaked), DEED(plain_called_after_free),
    DEED(handle_called_after_free), DEED(checked_called_after_free), DEED(plain_freed_twice), DEED(handle_freed_twice),
    DEED(checked_freed_twice), DEED(trampoline_null), DEED(plain_helper_null), DEED(handle_helper_null),
    DEED(checked_helper_null), DEED(handle_null),
#endif
#ifdef WITH_HPYVM
    DEED(vm_null), DEED(vm_garbage), DEED(value_unset), DEED(value_garbage), DEED(storage_garbage), DEED(storage_null), DEED(storage_of_another),
    DEED(value_of_another),
#endif
    {NULL, NULL, false},
};
