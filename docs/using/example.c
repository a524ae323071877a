/* The module: listen(callable, attach), ignore(), emit(event), emit_from_a_thread(event). See example.h. */
#include "example.h"

#include <pthread.h>

/* ---- The table, for want of room in HPyContext ---- */

const HPyLab_Runtime *hpylab_runtime;

/* A capsule on CPython; an integer on PyPy, whose HPy has its capsule functions in other places than HPy 0.9.0. */
static const HPyLab_Runtime *table_behind(HPyContext *ctx, HPy table)
{
    if (HPyNumber_Check(ctx, table))
        return (const HPyLab_Runtime *)(intptr_t)HPyLong_AsInt64_t(ctx, table);
    return HPyCapsule_GetPointer(ctx, table, HPyLab_RUNTIME_CAPSULE);
}

static int find_runtime(HPyContext *ctx)
{
    HPy module = HPyImport_ImportModule(ctx, HPyLab_RUNTIME_MODULE);
    if (HPy_IsNull(module))
        return -1;
    HPy table = HPy_GetAttr_s(ctx, module, "table");
    HPy_Close(ctx, module);
    if (HPy_IsNull(table))
        return -1;
    const HPyLab_Runtime *found = table_behind(ctx, table);
    HPy_Close(ctx, table);
    if (HPyErr_Occurred(ctx))
        return -1;
    if (found->magic != HPyLab_MAGIC || found->spec != HPyLab_SPEC || found->size != sizeof *found) {
        HPyErr_SetString(ctx, ctx->h_ImportError, "the runtime half was built from another specification");
        return -1;
    }
    hpylab_runtime = found;
    hpylab_runtime->register_context(ctx);      /* for HPy_GetContext and HPy_EnterContext, which cannot know who calls */
    return HPyErr_Occurred(ctx) ? -1 : 0;
}

/* ---- The listener ---- */

HPyGlobal listener;
static bool listening;
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;    /* held by listen and ignore, which leave Python on the way */

int call_python(HPyContext *ctx, HPy callable, int event)
{
    HPy item = HPyLong_FromInt64_t(ctx, event);
    HPy arguments = HPy_IsNull(item) ? HPy_NULL : HPyTuple_FromArray(ctx, &item, 1);
    HPy result = HPy_IsNull(arguments) ? HPy_NULL : HPy_CallTupleDict(ctx, callable, arguments, HPy_NULL);
    if (HPy_IsNull(result))
        HPyErr_WriteUnraisable(ctx, callable);      /* nothing may be pending when the context is given back */
    else
        HPy_Close(ctx, result);
    if (!HPy_IsNull(arguments))
        HPy_Close(ctx, arguments);
    if (!HPy_IsNull(item))
        HPy_Close(ctx, item);
    return 0;
}

int call_listener(HPyContext *ctx, int event)
{
    HPy callable = HPyGlobal_Load(ctx, listener);
    int status = call_python(ctx, callable, event);
    HPy_Close(ctx, callable);
    return status;
}

/* ---- The methods ---- */

/* Whoever waits for another thread leaves Python before, or that one may never get into it. */
static void begin_changing(HPyContext *ctx)
{
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    pthread_mutex_lock(&changing);
    HPy_ReenterPythonExecution(ctx, left);
}

/* What the form keeps goes when no handler is at work any more that uses it. */
static void stop_listening(HPyContext *ctx)
{
    if (!listening)
        return;
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    events_on(NULL);
    HPy_ReenterPythonExecution(ctx, left);
    stop(ctx);
    listening = false;
}

static int start_listening(HPyContext *ctx, HPy callable, bool attach)
{
    begin_changing(ctx);
    stop_listening(ctx);
    int status = start(ctx, callable, attach);
    if (status == 0) {
        HPyThreadState left = HPy_LeavePythonExecution(ctx);
        events_on(on_event);
        HPy_ReenterPythonExecution(ctx, left);
        listening = true;
    }
    pthread_mutex_unlock(&changing);
    return status;
}

/* listen(callable, attach): let [callable] have the events; with [attach] false, those of attached threads alone. It is an error to
   call this, or ignore, from [callable]. */
HPyDef_METH(listen, "listen", HPyFunc_VARARGS)
static HPy listen_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    if (nargs != 2) {
        HPyErr_SetString(ctx, ctx->h_TypeError, "listen(callable, attach)");
        return HPy_NULL;
    }
    int attach = HPy_IsTrue(ctx, args[1]);
    if (attach < 0)
        return HPy_NULL;
    return start_listening(ctx, args[0], attach) < 0 ? HPy_NULL : HPy_Dup(ctx, ctx->h_None);
}

HPyDef_METH(ignore, "ignore", HPyFunc_NOARGS)
static HPy ignore_impl(HPyContext *ctx, HPy self)
{
    (void)self;
    begin_changing(ctx);
    stop_listening(ctx);
    pthread_mutex_unlock(&changing);
    return HPy_Dup(ctx, ctx->h_None);
}

/* emit(event): whether it was handled. */
HPyDef_METH(emit, "emit", HPyFunc_O)
static HPy emit_impl(HPyContext *ctx, HPy self, HPy event)
{
    (void)self;
    int64_t number = HPyLong_AsInt64_t(ctx, event);
    if (number == -1 && HPyErr_Occurred(ctx))
        return HPy_NULL;
    return HPy_Dup(ctx, events_emit((int)number) == 0 ? ctx->h_True : ctx->h_False);
}

/* The same from a thread that Python never saw. */
HPyDef_METH(emit_from_a_thread, "emit_from_a_thread", HPyFunc_O)
static HPy emit_from_a_thread_impl(HPyContext *ctx, HPy self, HPy event)
{
    (void)self;
    int64_t number = HPyLong_AsInt64_t(ctx, event);
    if (number == -1 && HPyErr_Occurred(ctx))
        return HPy_NULL;
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    int answer = events_emit_from_a_thread((int)number);
    HPy_ReenterPythonExecution(ctx, left);
    return HPy_Dup(ctx, answer == 0 ? ctx->h_True : ctx->h_False);
}

/* ---- The module ---- */

__attribute__((weak)) int prepare(HPyContext *ctx)
{
    (void)ctx;
    return 0;
}

HPyDef_SLOT(module_exec, HPy_mod_exec)
static int module_exec_impl(HPyContext *ctx, HPy module)
{
    (void)module;
    return find_runtime(ctx) < 0 ? -1 : prepare(ctx);
}

static HPyDef *defines[] = {&module_exec, &listen, &ignore, &emit, &emit_from_a_thread, NULL};
static HPyGlobal *globals[] = {&listener, NULL};

static HPyModuleDef definition = {
    .doc = "Events of a C library, for Python.",
    .defines = defines,
    .globals = globals,
};

HPy_MODINIT(example, definition)
