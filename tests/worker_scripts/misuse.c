/* An extension that breaks the rules of every proposal, one at a time; and one that keeps them. Built with the debug mode. */
#include <hpy.h>
#include "autogen_context.h"

#include <pthread.h>
#include <unistd.h>

const HPyLab_Runtime *hpylab_runtime;

static HPyContextReference token;
static HPyVM *vm;
static HPyVMValue value;
static HPyContextTrampoline plain;
static HPyHandleTrampoline handle;
static HPyCheckedTrampoline checked;
static HPyContext *kept;

/* ---- the ways in, for what all of them have in common */

typedef struct {
    const char *name;
    HPyContext *(*enter)(void);
    void (*leave)(HPyContext *ctx);
} way;

static HPyContext *enter_ambient(void) { return HPy_EnterContext(); }
static HPyContext *enter_attached(void) { return HPy_EnterContextIfAttached(); }
static HPyContext *enter_token(void) { return HPy_EnterContextFrom(token); }
static HPyContext *enter_pointer(void) { return HPyVM_OpenContext(vm); }
static HPyContext *enter_value(void) { return HPyVMValue_OpenContext(value); }
static void leave(HPyContext *ctx) { HPy_LeaveContext(ctx); }
static void leave_pointer(HPyContext *ctx) { HPyVM_CloseContext(vm, ctx); }
static void leave_value(HPyContext *ctx) { HPyVMValue_CloseContext(value, ctx); }

static const way ways[] = {
    {"ambient", enter_ambient, leave}, {"attached", enter_attached, leave}, {"token", enter_token, leave},
    {"pointer", enter_pointer, leave_pointer}, {"value", enter_value, leave_value},
};

/* ---- threads */

typedef struct {
    const way *by;
    HPyContext *given;
    void (*body)(const way *by, HPyContext *given);
} errand;

static void *run_errand(void *given)
{
    errand *what = given;
    what->body(what->by, what->given);
    return NULL;
}

/* Call [body] on a new thread and wait for its end, with Python left. */
static void on_thread(HPyContext *ctx, const way *by, HPyContext *given, void (*body)(const way *by, HPyContext *given))
{
    pthread_t thread;
    errand what = {by, given, body};
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    if (pthread_create(&thread, NULL, run_errand, &what) == 0)
        pthread_join(thread, NULL);
    HPy_ReenterPythonExecution(ctx, left);
}

static void use(HPyContext *ctx)
{
    HPy number = HPyLong_FromInt64_t(ctx, 7);
    HPy_Close(ctx, number);
}

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
    HPyContext *ctx = by->enter();
    if (ctx != NULL) {
        use(ctx);
        HPyThreadState left = HPy_LeavePythonExecution(ctx);
        HPyContext *inner = by->enter();
        if (inner != NULL) {
            use(inner);
            by->leave(inner);
        }
        HPy_ReenterPythonExecution(ctx, left);
        HPyContextReference another = HPy_GetContextReference(ctx);
        HPyContext *other = HPy_EnterContextFrom(another);
        HPyContextReference_Close(other, another);
        HPy_LeaveContext(other);
        by->leave(ctx);
    }
    plain(use_in_helper, &answer);
    handle(use_handle_in_helper, &answer);
    checked(use_in_helper, &answer, &result);
}

static void correct(HPyContext *ctx, const way *by)
{
    HPyContext *outer[64];
    use(HPy_GetContext());
    use(HPy_GetContext());
    use_all(by, NULL);
    on_thread(ctx, by, NULL, use_all);
    for (int i = 0; i < 64; i++)
        use(outer[i] = by->enter());
    for (int i = 64; i-- > 0;)
        by->leave(outer[i]);
    HPyErr_SetString(ctx, ctx->h_ValueError, "pending, as in a destructor");
    HPyContext *inner = by->enter();
    use(inner);
    by->leave(inner);
    HPyErr_Clear(ctx);
}

/* ---- contexts */

static void released_null(HPyContext *ctx, const way *by) { (void)ctx; by->leave(NULL); }
static void released_unacquired(HPyContext *ctx, const way *by) { by->leave(ctx); }

static void released_borrowed(HPyContext *ctx, const way *by) { (void)ctx; by->leave(HPy_GetContext()); }

static void released_twice(HPyContext *ctx, const way *by)
{
    (void)ctx;
    HPyContext *mine = by->enter();
    by->leave(mine);
    by->leave(mine);
}

static void released_out_of_order(HPyContext *ctx, const way *by)
{
    (void)ctx;
    HPyContext *first = by->enter(), *second = by->enter();
    by->leave(first);
    by->leave(second);
}

static void release_given(const way *by, HPyContext *given) { by->leave(given); }

static void released_elsewhere(HPyContext *ctx, const way *by)
{
    HPyContext *mine = by->enter();
    on_thread(ctx, by, mine, release_given);
    by->leave(mine);
}

static void released_detached(HPyContext *ctx, const way *by)
{
    HPyContext *mine = by->enter();
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    by->leave(mine);
    HPy_ReenterPythonExecution(ctx, left);
    by->leave(mine);
}

static void released_raising(HPyContext *ctx, const way *by)
{
    HPyContext *mine = by->enter();
    HPyErr_SetString(mine, mine->h_ValueError, "raised in the body");
    by->leave(mine);
    HPyErr_Clear(ctx);
}

static void used_after_release(HPyContext *ctx, const way *by)
{
    (void)ctx;
    HPyContext *mine = by->enter();
    by->leave(mine);
    HPyLong_FromInt64_t(mine, 7);
}

static void made_from_released(HPyContext *ctx, const way *by)
{
    (void)ctx;
    HPyContext *mine = by->enter();
    by->leave(mine);
    HPy_GetContextReference(mine);
}

static void use_given(const way *by, HPyContext *given)
{
    HPyContext *mine = by->enter();
    HPyLong_FromInt64_t(given, 7);
    if (mine != NULL)
        by->leave(mine);
}

static void used_elsewhere(HPyContext *ctx, const way *by)
{
    HPyContext *mine = by->enter();
    on_thread(ctx, by, mine, use_given);
    by->leave(mine);
}

static void borrowed_used_elsewhere(HPyContext *ctx, const way *by) { on_thread(ctx, by, HPy_GetContext(), use_given); }

static void used_detached(HPyContext *ctx, const way *by)
{
    HPyContext *mine = by->enter();
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    HPyLong_FromInt64_t(mine, 7);
    HPy_ReenterPythonExecution(ctx, left);
    by->leave(mine);
}

static void borrowed_used_detached(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyContext *borrowed = HPy_GetContext();
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    HPyLong_FromInt64_t(borrowed, 7);
    HPy_ReenterPythonExecution(ctx, left);
}

static void exception_lost(HPyContext *ctx, const way *by)
{
    HPyErr_SetString(ctx, ctx->h_ValueError, "pending since before");
    HPyContext *mine = by->enter();
    HPy module = HPyImport_ImportModule(mine, "sys");
    HPyErr_Clear(ctx);
    HPy_Close(mine, module);
    by->leave(mine);
}

static void handle_escaped(HPyContext *ctx, const way *by)
{
    HPyContext *mine = by->enter();
    HPy number = HPyLong_FromInt64_t(mine, 123456);
    by->leave(mine);
    HPy_Close(ctx, number);
}

static void other_flavour(HPyContext *ctx, const way *by)
{
    (void)ctx;
    HPyContext *mine = by->enter();
    by->leave(kept);        /* the context of an extension in another flavour: see keep */
    by->leave(mine);
}

static void leave_open(const way *by, HPyContext *unused) { (void)unused; kept = by->enter(); }
static void left_open(HPyContext *ctx, const way *by) { leave_open(by, ctx); }
static void left_open_by_thread(HPyContext *ctx, const way *by) { on_thread(ctx, by, NULL, leave_open); }

/* A thread that is inside for a while, which nobody waits for. */
static void *stay(void *by)
{
    const way *through = by;
    HPyContext *mine = through->enter();
    HPyThreadState left = HPy_LeavePythonExecution(mine);
    usleep(700 * 1000);
    HPy_ReenterPythonExecution(mine, left);
    through->leave(mine);
    return NULL;
}

static void stays_inside(HPyContext *ctx, const way *by)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, stay, (void *)by) == 0)
        pthread_detach(thread);
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    usleep(200 * 1000);     /* until it is inside */
    HPy_ReenterPythonExecution(ctx, left);
}

/* ---- what is made */

static void *leave_open_in_helper(HPyContext *ctx, void *arg) { (void)ctx; HPy_EnterContext(); return arg; }
static void left_open_by_helper(HPyContext *ctx, const way *by) { (void)ctx; (void)by; plain(leave_open_in_helper, &kept); }

static void *keep_in_helper(HPyContext *ctx, void *arg) { kept = ctx; return arg; }

static void kept_from_helper(HPyContext *ctx, const way *by)
{
    (void)ctx;
    (void)by;
    checked(keep_in_helper, NULL, NULL);
    HPyLong_FromInt64_t(kept, 7);
}

static void *raise_in_helper(HPyContext *ctx, void *arg) { HPyErr_SetString(ctx, ctx->h_ValueError, "raised"); return arg; }

static void raised_in_helper(HPyContext *ctx, const way *by)
{
    (void)by;
    plain(raise_in_helper, NULL);
    HPyErr_Clear(ctx);
}

static void token_null(HPyContext *ctx, const way *by) { (void)ctx; (void)by; HPy_EnterContextFrom(NULL); }
static void vm_null(HPyContext *ctx, const way *by) { (void)ctx; (void)by; HPyVM_OpenContext(NULL); }

static void value_unset(HPyContext *ctx, const way *by)
{
    (void)ctx;
    (void)by;
    static HPyVMValue unset = HPyVMValue_UNSET;
    HPyVMValue_OpenContext(unset);
}

static void token_unknown(HPyContext *ctx, const way *by)
{
    (void)ctx;
    (void)by;
    HPy_EnterContextFrom((HPyContextReference)(void *)&kept);
}

static void token_used_after_close(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyContextReference closed = HPy_GetContextReference(ctx);
    HPyContextReference_Close(ctx, closed);
    HPy_EnterContextFrom(closed);
}

static void token_closed_twice(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyContextReference closed = HPy_GetContextReference(ctx);
    HPyContextReference_Close(ctx, closed);
    HPyContextReference_Close(ctx, closed);
}

static HPyContextReference forgotten;
static void token_leaked(HPyContext *ctx, const way *by) { (void)by; forgotten = HPy_GetContextReference(ctx); }

/* What left_open and token_leaked forgot. */
static void made_good(HPyContext *ctx, const way *by)
{
    HPyContextReference_Close(ctx, forgotten);
    by->leave(kept);
}

static void trampoline_leaked(HPyContext *ctx, const way *by) { (void)by; HPy_GetHandleTrampoline(ctx, ctx->h_None); }

static void trampoline_called_after_free(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyContextTrampoline freed = HPy_GetContextTrampoline(ctx);
    HPyContextTrampoline_Free(ctx, freed);
    freed(use_in_helper, NULL);
}

static void trampoline_freed_twice(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyCheckedTrampoline freed = HPy_GetCheckedTrampoline(ctx);
    HPyCheckedTrampoline_Free(ctx, freed);
    HPyCheckedTrampoline_Free(ctx, freed);
}

static void trampoline_null(HPyContext *ctx, const way *by) { (void)by; HPyContextTrampoline_Free(ctx, NULL); }
static void helper_null(HPyContext *ctx, const way *by) { (void)ctx; (void)by; plain(NULL, NULL); }
static void handle_null(HPyContext *ctx, const way *by) { (void)by; HPy_GetHandleTrampoline(ctx, HPy_NULL); HPyErr_Clear(ctx); }

static void storage_garbage(HPyContext *ctx, const way *by)
{
    (void)by;
    HPyVM *storage = (HPyVM *)(uintptr_t)0x123456789;
    HPy_GetVM(ctx, &storage);
    HPyErr_Clear(ctx);
}

static void storage_null(HPyContext *ctx, const way *by) { (void)by; HPy_GetVMValue(ctx, NULL); }

/* A proposal's own check: the function itself, without its wrapper. */
#undef HPy_EnterContextFrom
static void refused(HPyContext *ctx, const way *by) { (void)ctx; (void)by; HPy_EnterContextFrom(NULL); }

/* ---- the module */

static const struct {
    const char *name;
    void (*does)(HPyContext *ctx, const way *by);
} deeds[] = {
#define DEED(name) {#name, name}
    DEED(correct), DEED(released_null), DEED(released_unacquired), DEED(released_borrowed), DEED(released_twice),
    DEED(released_out_of_order), DEED(released_elsewhere), DEED(released_detached), DEED(released_raising),
    DEED(used_after_release), DEED(made_from_released), DEED(used_elsewhere), DEED(borrowed_used_elsewhere),
    DEED(used_detached), DEED(borrowed_used_detached), DEED(exception_lost), DEED(handle_escaped), DEED(other_flavour),
    DEED(left_open), DEED(left_open_by_thread), DEED(left_open_by_helper), DEED(kept_from_helper), DEED(raised_in_helper),
    DEED(token_null), DEED(vm_null), DEED(value_unset), DEED(token_unknown), DEED(token_used_after_close),
    DEED(token_closed_twice), DEED(token_leaked), DEED(trampoline_leaked), DEED(trampoline_called_after_free),
    DEED(trampoline_freed_twice), DEED(trampoline_null), DEED(helper_null), DEED(handle_null), DEED(storage_garbage),
    DEED(storage_null), DEED(made_good), DEED(refused), DEED(stays_inside),
};

static const char *text_of(HPyContext *ctx, HPy h) { return HPyUnicode_AsUTF8AndSize(ctx, h, NULL); }

/* do(what, way): the deed of that name, by that way in. Raises what is pending after it. */
HPyDef_METH(do_it, "do", HPyFunc_VARARGS)
static HPy do_it_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    const char *what = nargs == 2 ? text_of(ctx, args[0]) : NULL, *by = nargs == 2 ? text_of(ctx, args[1]) : NULL;
    for (size_t i = 0; what != NULL && i < sizeof deeds / sizeof *deeds; i++)
        for (size_t j = 0; by != NULL && j < sizeof ways / sizeof *ways; j++)
            if (strcmp(deeds[i].name, what) == 0 && strcmp(ways[j].name, by) == 0) {
                deeds[i].does(ctx, &ways[j]);
                return HPyErr_Occurred(ctx) ? HPy_NULL : HPy_Dup(ctx, ctx->h_None);
            }
    HPyErr_SetString(ctx, ctx->h_LookupError, "no such deed or way");
    return HPy_NULL;
}

/* start(table): the runtime's table, by its address; then make what the deeds use. */
HPyDef_METH(start, "start", HPyFunc_O)
static HPy start_impl(HPyContext *ctx, HPy self, HPy table)
{
    (void)self;
    hpylab_runtime = (const HPyLab_Runtime *)(intptr_t)HPyLong_AsInt64_t(ctx, table);
    if (HPyErr_Occurred(ctx))
        return HPy_NULL;
    hpylab_runtime->register_context(ctx);
    token = HPy_GetContextReference(ctx);
    plain = HPy_GetContextTrampoline(ctx);
    handle = HPy_GetHandleTrampoline(ctx, ctx->h_None);
    checked = HPy_GetCheckedTrampoline(ctx);
    if (token == NULL || plain == NULL || handle == NULL || checked == NULL
        || HPy_GetVM(ctx, &vm) < 0 || HPy_GetVMValue(ctx, &value) < 0)
        return HPy_NULL;
    return HPy_Dup(ctx, ctx->h_None);
}

/* stop(): give back what start made. */
HPyDef_METH(stop, "stop", HPyFunc_NOARGS)
static HPy stop_impl(HPyContext *ctx, HPy self)
{
    (void)self;
    HPyContextReference_Close(ctx, token);
    HPyContextTrampoline_Free(ctx, plain);
    HPyHandleTrampoline_Free(ctx, handle);
    HPyCheckedTrampoline_Free(ctx, checked);
    return HPy_Dup(ctx, ctx->h_None);
}

/* lend(borrower): call borrower(address of the context of this call). */
HPyDef_METH(lend, "lend", HPyFunc_O)
static HPy lend_impl(HPyContext *ctx, HPy self, HPy borrower)
{
    (void)self;
    HPy items[] = {HPyLong_FromInt64_t(ctx, (intptr_t)ctx)};
    HPy arguments = HPyTuple_FromArray(ctx, items, 1);
    HPy answer = HPy_CallTupleDict(ctx, borrower, arguments, HPy_NULL);
    HPy_Close(ctx, arguments);
    HPy_Close(ctx, items[0]);
    return answer;
}

/* keep(address): what other_flavour releases. */
HPyDef_METH(keep, "keep", HPyFunc_O)
static HPy keep_impl(HPyContext *ctx, HPy self, HPy address)
{
    (void)self;
    kept = (HPyContext *)(intptr_t)HPyLong_AsInt64_t(ctx, address);
    return HPy_Dup(ctx, ctx->h_None);
}

/* thing(): an object that acquires a context when the collector looks at it. */
typedef struct {
    int unused;
} thing;
HPyType_HELPERS(thing)

HPyDef_SLOT(thing_traverse, HPy_tp_traverse)
static int thing_traverse_impl(void *self, HPyFunc_visitproc visit, void *arg)
{
    (void)self;
    (void)visit;
    (void)arg;
    leave(enter_token());
    return 0;
}

static HPyDef *thing_defines[] = {&thing_traverse, NULL};
static HPyType_Spec thing_spec = {
    .name = "misuse.thing",
    .basicsize = sizeof(thing),
    .flags = HPy_TPFLAGS_DEFAULT | HPy_TPFLAGS_HAVE_GC,
    .builtin_shape = SHAPE(thing),
    .defines = thing_defines,
};

HPyDef_METH(new_thing, "thing", HPyFunc_NOARGS)
static HPy new_thing_impl(HPyContext *ctx, HPy self)
{
    (void)self;
    thing *data;
    HPy type = HPyType_FromSpec(ctx, &thing_spec, NULL);
    HPy made = HPy_IsNull(type) ? HPy_NULL : HPy_New(ctx, type, &data);
    HPy_Close(ctx, type);
    return made;
}

static HPyDef *defines[] = {&do_it, &start, &stop, &lend, &keep, &new_thing, NULL};

static HPyModuleDef definition = {
    .doc = "Wrong uses.",
    .defines = defines,
};

HPy_MODINIT(misuse, definition)
