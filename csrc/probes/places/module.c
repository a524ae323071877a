/* The module of the probes that ask where and when a callback can be made: a hybrid HPy extension, which knows the C API too.

   All addresses come from the worker as integers, as in csrc/arm/module.c; it is an error to pass anything else. */
#include "steps.h"

#include <stdlib.h>

const HPyLab_Runtime *hpylab_runtime;   /* unused here: the body gets its context as an argument */

#define FROM(type, number) ((type *)(intptr_t)(number))

/* Read [count] integers into [into]. 0, or -1 with an exception set. */
static int read_integers(HPyContext *ctx, const HPy *args, size_t nargs, size_t count, int64_t *into)
{
    if (nargs != count) {
        HPyErr_SetString(ctx, ctx->h_TypeError, "another number of integers is expected");
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        into[i] = HPyLong_AsInt64_t(ctx, args[i]);
        if (into[i] == -1 && HPyErr_Occurred(ctx))
            return -1;
    }
    return 0;
}

static HPy none(HPyContext *ctx)
{
    return HPy_Dup(ctx, ctx->h_None);
}

static HPy refuse(HPyContext *ctx, const char *why)
{
    HPyErr_SetString(ctx, ctx->h_RuntimeError, why);
    return HPy_NULL;
}

/* body() -> int: the address of steps_body. */
HPyDef_METH(body, "body", HPyFunc_NOARGS)
static HPy body_impl(HPyContext *ctx, HPy self)
{
    (void)self;
    return HPyLong_FromInt64_t(ctx, (int64_t)(intptr_t)steps_body);
}

/* run(steps, count): on the calling thread. */
HPyDef_METH(run, "run", HPyFunc_VARARGS)
static HPy run_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    int64_t given[2];
    if (read_integers(ctx, args, nargs, 2, given) < 0)
        return HPy_NULL;
    steps_run(FROM(step, given[0]), FROM(step, given[0]) + given[1], NULL);
    return none(ctx);
}

/* wrong(steps, count) -> int: the number of the first step that did not come to what it should have; -1. */
HPyDef_METH(wrong, "wrong", HPyFunc_VARARGS)
static HPy wrong_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    int64_t given[2];
    if (read_integers(ctx, args, nargs, 2, given) < 0)
        return HPy_NULL;
    const step *first = FROM(step, given[0]), *found = steps_wrong(first, first + given[1]);
    return HPyLong_FromInt64_t(ctx, found != NULL ? found - first : -1);
}

/* ---- threads that Python never saw ---- */

typedef struct {
    pthread_t thread;
    step *at, *end;
} job;

static void *do_job(void *given)
{
    const job *work = given;
    steps_run(work->at, work->end, NULL);
    return NULL;
}

/* start(steps, count) -> int: a new thread, for join(). */
HPyDef_METH(start, "start", HPyFunc_VARARGS)
static HPy start_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    int64_t given[2];
    pthread_attr_t small;
    if (read_integers(ctx, args, nargs, 2, given) < 0)
        return HPy_NULL;
    job *work = malloc(sizeof *work);
    if (work == NULL)
        return HPyErr_NoMemory(ctx);
    *work = (job){.at = FROM(step, given[0]), .end = FROM(step, given[0]) + given[1]};
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 19);     /* there can be many */
    int status = pthread_create(&work->thread, &small, do_job, work);
    pthread_attr_destroy(&small);
    if (status != 0) {
        free(work);
        return refuse(ctx, "pthread_create: no more threads");
    }
    return HPyLong_FromInt64_t(ctx, (int64_t)(intptr_t)work);
}

/* join(thread, holding): wait for its end; [holding] 1: without leaving Python. */
HPyDef_METH(join, "join", HPyFunc_VARARGS)
static HPy join_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    int64_t given[2];
    if (read_integers(ctx, args, nargs, 2, given) < 0)
        return HPy_NULL;
    job *work = FROM(job, given[0]);
    if (given[1])
        pthread_join(work->thread, NULL);
    else {
        HPyThreadState left = HPy_LeavePythonExecution(ctx);
        pthread_join(work->thread, NULL);
        HPy_ReenterPythonExecution(ctx, left);
    }
    free(work);
    return none(ctx);
}

/* event() -> int: one that a thread can wait for. */
HPyDef_METH(event, "event", HPyFunc_NOARGS)
static HPy event_impl(HPyContext *ctx, HPy self)
{
    (void)self;
    sem_t *made = malloc(sizeof *made);
    if (made == NULL || sem_init(made, 0, 0) != 0) {
        free(made);
        return HPyErr_NoMemory(ctx);
    }
    return HPyLong_FromInt64_t(ctx, (int64_t)(intptr_t)made);
}

/* ---- the end of the process ---- */

/* watch(steps, count, thread): have them looked at when the process ends, the [thread], if it is not 0, being over. */
HPyDef_METH(watch, "watch", HPyFunc_VARARGS)
static HPy watch_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    int64_t given[3];
    if (read_integers(ctx, args, nargs, 3, given) < 0)
        return HPy_NULL;
    const job *work = FROM(job, given[2]);
    if (steps_watch(FROM(step, given[0]), FROM(step, given[0]) + given[1], work != NULL ? &work->thread : NULL) < 0)
        return refuse(ctx, "too many programs to watch");
    return none(ctx);
}

/* end_with(steps, count, fd, text): do them when Python has finalized; then write [text], the address of a C string, to [fd],
   or what was wrong with any of the programs. */
HPyDef_METH(end_with, "end_with", HPyFunc_VARARGS)
static HPy end_with_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    int64_t given[4];
    if (read_integers(ctx, args, nargs, 4, given) < 0)
        return HPy_NULL;
    ending what = {FROM(step, given[0]), FROM(step, given[0]) + given[1], FROM(char, given[3]), (int)given[2]};
    return steps_end_with(&what) < 0 ? refuse(ctx, "the end of this process is watched already") : none(ctx);
}

/* ---- objects that do steps when Python has them do something ---- */

/* The program of each slot: a single step, done once; NULL for none. */
typedef struct {
    step *destroy, *finalize;
} goer;

typedef struct {
    step *traverse;
} looked_at;

HPyType_HELPERS(goer)
HPyType_HELPERS(looked_at)

static void once(step **place)
{
    step *at = *place;
    *place = NULL;
    if (at != NULL)
        steps_run(at, at + 1, NULL);
}

HPyDef_SLOT(goer_destroy, HPy_tp_destroy)
static void goer_destroy_impl(void *data)
{
    once(&((goer *)data)->destroy);
}

HPyDef_SLOT(goer_finalize, HPy_tp_finalize)
static void goer_finalize_impl(HPyContext *ctx, HPy self)
{
    once(&goer_AsStruct(ctx, self)->finalize);
}

HPyDef_SLOT(looked_at_traverse, HPy_tp_traverse)
static int looked_at_traverse_impl(void *self, HPyFunc_visitproc visit, void *arg)
{
    (void)visit;
    (void)arg;
    once(&((looked_at *)self)->traverse);
    return 0;
}

static HPyDef *goer_defines[] = {&goer_destroy, &goer_finalize, NULL};
static HPyDef *looked_at_defines[] = {&looked_at_traverse, NULL};

static HPyType_Spec goer_spec = {
    .name = "places.Goer", .basicsize = sizeof(goer), .builtin_shape = SHAPE(goer), .defines = goer_defines,
    .flags = HPy_TPFLAGS_DEFAULT,
};
static HPyType_Spec looked_at_spec = {
    .name = "places.LookedAt", .basicsize = sizeof(looked_at), .builtin_shape = SHAPE(looked_at), .defines = looked_at_defines,
    .flags = HPy_TPFLAGS_DEFAULT | HPy_TPFLAGS_HAVE_GC,
};

/* goer(destroy, finalize): an object that does one step, or none for 0, in each of these slots. */
HPyDef_METH(make_goer, "goer", HPyFunc_VARARGS)
static HPy make_goer_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    int64_t given[2];
    if (read_integers(ctx, args, nargs, 2, given) < 0)
        return HPy_NULL;
    HPy type = HPy_GetAttr_s(ctx, self, "Goer");
    if (HPy_IsNull(type))
        return HPy_NULL;
    goer *data;
    HPy made = HPy_New(ctx, type, &data);
    HPy_Close(ctx, type);
    if (!HPy_IsNull(made))
        *data = (goer){FROM(step, given[0]), FROM(step, given[1])};
    return made;
}

/* looked_at(step): an object that does it when the garbage collector looks at it. */
HPyDef_METH(make_looked_at, "looked_at", HPyFunc_VARARGS)
static HPy make_looked_at_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    int64_t given;
    if (read_integers(ctx, args, nargs, 1, &given) < 0)
        return HPy_NULL;
    HPy type = HPy_GetAttr_s(ctx, self, "LookedAt");
    if (HPy_IsNull(type))
        return HPy_NULL;
    looked_at *data;
    HPy made = HPy_New(ctx, type, &data);
    HPy_Close(ctx, type);
    if (!HPy_IsNull(made))
        data->traverse = FROM(step, given);
    return made;
}

#ifndef PYPY_VERSION
HPyCapsule_DESTRUCTOR(at_capsule_end)
static void at_capsule_end_impl(const char *name, void *pointer, void *context)
{
    (void)name;
    (void)context;
    step *at = pointer;
    once(&at);
}

/* capsule(step): a capsule whose destructor does it. PyPy 7.3.19 has the functions of HPyCapsule in other places than HPy 0.9. */
HPyDef_METH(make_capsule, "capsule", HPyFunc_O)
static HPy make_capsule_impl(HPyContext *ctx, HPy self, HPy address)
{
    (void)self;
    int64_t given = HPyLong_AsInt64_t(ctx, address);
    return given == -1 ? HPy_NULL : HPyCapsule_New(ctx, FROM(void, given), "places.step", &at_capsule_end);
}

/* ---- legacy sub-interpreters ---- */

/* new_interpreter(source) -> int: the thread state of a new interpreter in which [source], the address of a C string, ran. */
HPyDef_METH(new_interpreter, "new_interpreter", HPyFunc_O)
static HPy new_interpreter_impl(HPyContext *ctx, HPy self, HPy source)
{
    (void)self;
    step run_source = {.kind = STEP_RUN, .target = FROM(void, HPyLong_AsInt64_t(ctx, source)), .result = -1};
    PyThreadState *here = PyThreadState_Get(), *there = Py_NewInterpreter();
    if (there != NULL)
        steps_run(&run_source, &run_source + 1, NULL);
    PyThreadState_Swap(here);
    return run_source.result < 0 ? refuse(ctx, "no interpreter") : HPyLong_FromInt64_t(ctx, (int64_t)(intptr_t)there);
}

/* run_in(interpreter, steps, count): on this thread, attached with the thread state that new_interpreter answered. */
HPyDef_METH(run_in, "run_in", HPyFunc_VARARGS)
static HPy run_in_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    int64_t given[3];
    if (read_integers(ctx, args, nargs, 3, given) < 0)
        return HPy_NULL;
    PyThreadState *here = PyThreadState_Swap(FROM(PyThreadState, given[0]));
    steps_run(FROM(step, given[1]), FROM(step, given[1]) + given[2], NULL);
    PyThreadState_Swap(here);
    return none(ctx);
}

/* end_interpreter(interpreter) */
HPyDef_METH(end_interpreter, "end_interpreter", HPyFunc_O)
static HPy end_interpreter_impl(HPyContext *ctx, HPy self, HPy interpreter)
{
    (void)self;
    PyThreadState *there = FROM(PyThreadState, HPyLong_AsInt64_t(ctx, interpreter));
    PyThreadState *here = PyThreadState_Swap(there);
    Py_EndInterpreter(there);
    PyThreadState_Swap(here);
    return none(ctx);
}
#endif

static int add_type(HPyContext *ctx, HPy module, const char *name, HPyType_Spec *spec)
{
    HPy type = HPyType_FromSpec(ctx, spec, NULL);
    if (HPy_IsNull(type))
        return -1;
    int status = HPy_SetAttr_s(ctx, module, name, type);
    HPy_Close(ctx, type);
    return status;
}

HPyDef_SLOT(module_exec, HPy_mod_exec)
static int module_exec_impl(HPyContext *ctx, HPy module)
{
    return add_type(ctx, module, "Goer", &goer_spec) < 0 ? -1 : add_type(ctx, module, "LookedAt", &looked_at_spec);
}

static HPyDef *defines[] = {
    &module_exec, &body, &run, &wrong, &start, &join, &event, &watch, &end_with, &make_goer, &make_looked_at,
#ifndef PYPY_VERSION
    &make_capsule, &new_interpreter, &run_in, &end_interpreter,
#endif
    NULL,
};

static HPyModuleDef definition = {
    .doc = "Threads, interpreters and objects that make callbacks.",
    .defines = defines,
};

HPy_MODINIT(places, definition)
