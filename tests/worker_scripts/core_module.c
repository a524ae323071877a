/* Python's way to the thread core, compiled into the runtime half: threads that do steps, interpreters, threads that hammer. */
#include "core_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ADDRESS "K"
#define FROM(type, number) ((type *)(uintptr_t)(number))

typedef unsigned long long address;

typedef struct {
    pthread_t thread;
    core_step *steps;
    int64_t count;
} job;

static void *job_main(void *argument)
{
    job *work = argument;
    core_run(work->steps, work->count);
    return NULL;
}

static PyObject *start(PyObject *self, PyObject *args)
{
    (void)self;
    address steps;
    long long count;
    if (!PyArg_ParseTuple(args, ADDRESS "L", &steps, &count))
        return NULL;
    job *work = malloc(sizeof *work);
    if (work == NULL)
        return PyErr_NoMemory();
    *work = (job){.steps = FROM(core_step, steps), .count = count};
    int status = pthread_create(&work->thread, NULL, job_main, work);
    if (status != 0) {
        free(work);
        return PyErr_Format(PyExc_OSError, "pthread_create: %d", status);
    }
    return PyLong_FromVoidPtr(work);
}

static PyObject *join(PyObject *self, PyObject *args)
{
    (void)self;
    address work;
    int holding = 0;
    if (!PyArg_ParseTuple(args, ADDRESS "|p", &work, &holding))
        return NULL;
    if (holding)
        pthread_join(FROM(job, work)->thread, NULL);
    else {
        Py_BEGIN_ALLOW_THREADS
        pthread_join(FROM(job, work)->thread, NULL);
        Py_END_ALLOW_THREADS
    }
    free(FROM(job, work));
    Py_RETURN_NONE;
}

/* On the calling thread. */
static PyObject *steps(PyObject *self, PyObject *args)
{
    (void)self;
    address first;
    long long count;
    if (!PyArg_ParseTuple(args, ADDRESS "L", &first, &count))
        return NULL;
    core_run(FROM(core_step, first), count);
    Py_RETURN_NONE;
}

/* [count] threads, one after the other, that each do the steps, while the caller waits detached. */
static PyObject *many(PyObject *self, PyObject *args)
{
    (void)self;
    address first;
    long long count, threads;
    int status = 0;
    if (!PyArg_ParseTuple(args, ADDRESS "LL", &first, &count, &threads))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    for (long long i = 0; i < threads && status == 0; i++) {
        job work = {.steps = FROM(core_step, first), .count = count};
        status = pthread_create(&work.thread, NULL, job_main, &work);
        if (status == 0)
            pthread_join(work.thread, NULL);
    }
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(status);
}

static PyObject *event(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    sem_t *made = malloc(sizeof *made);
    if (made == NULL || sem_init(made, 0, 0) != 0)
        return PyErr_NoMemory();
    return PyLong_FromVoidPtr(made);
}

static PyObject *post(PyObject *self, PyObject *args)
{
    (void)self;
    address which;
    if (!PyArg_ParseTuple(args, ADDRESS, &which))
        return NULL;
    sem_post(FROM(sem_t, which));
    Py_RETURN_NONE;
}

static PyObject *wait_for(PyObject *self, PyObject *args)
{
    (void)self;
    address which;
    if (!PyArg_ParseTuple(args, ADDRESS, &which))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    sem_wait(FROM(sem_t, which));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *origin(PyObject *self, PyObject *args)
{
    (void)self;
    int policy = HPYRT_ATTACH;
    if (!PyArg_ParseTuple(args, "|i", &policy))
        return NULL;
    hpyrt_origin *made = core_new_origin(policy);
    if (made == NULL)
        return PyErr_NoMemory();
    return PyLong_FromVoidPtr(made);
}

/* As if an extension had registered, so that there are ambient acquisitions in this interpreter. */
static PyObject *offer(PyObject *self, PyObject *unused)
{
    static HPyContext *const none = (HPyContext *)&hpyrt_mutex;     /* never looked into */
    (void)self;
    (void)unused;
    hpyrt_set_context(hpyrt_current_view(), none);
    Py_RETURN_NONE;
}

static PyObject *in_use(PyObject *self, PyObject *args)
{
    (void)self;
    address which;
    if (!PyArg_ParseTuple(args, ADDRESS, &which))
        return NULL;
    return PyBool_FromLong(hpyrt_in_use(FROM(hpyrt_origin, which)));
}

/* (records, views of interpreters that are not gone) */
static PyObject *counts(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    int records = 0, views = 0;
    pthread_mutex_lock(&hpyrt_mutex);
    for (const hpyrt_record *record = hpyrt_records; record != NULL; record = record->next)
        records++;
    pthread_mutex_unlock(&hpyrt_mutex);
    for (const hpyrt_view *view = hpyrt_first_view(); view != NULL; view = view->next)
        views++;
    return Py_BuildValue("(ii)", records, views);
}

static PyObject *states(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    long count = 0;
#ifndef PYPY_VERSION
    for (PyThreadState *state = PyInterpreterState_ThreadHead(hpyrt_current_state()->interp); state != NULL;
            state = PyThreadState_Next(state))
        count++;
#endif
    return PyLong_FromLong(count);
}

static PyObject *where(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyLong_FromLongLong(core_where());
}

/* ---- legacy sub-interpreters ---- */

#ifndef PYPY_VERSION
/* A new interpreter in which [source] ran; its thread state. */
static PyObject *new_interpreter(PyObject *self, PyObject *args)
{
    (void)self;
    const char *source;
    if (!PyArg_ParseTuple(args, "s", &source))
        return NULL;
    PyThreadState *here = PyThreadState_Get(), *there = Py_NewInterpreter();
    int status = there != NULL ? core_exec(source) : -1;
    PyThreadState_Swap(here);
    return status == 0 ? PyLong_FromVoidPtr(there) : PyErr_Format(PyExc_RuntimeError, "no interpreter");
}

/* Run [source] in the interpreter of [there], on that thread state. */
static PyObject *run_in(PyObject *self, PyObject *args)
{
    (void)self;
    address there;
    const char *source;
    if (!PyArg_ParseTuple(args, ADDRESS "s", &there, &source))
        return NULL;
    PyThreadState *here = PyThreadState_Swap(FROM(PyThreadState, there));
    int status = core_exec(source);
    PyThreadState_Swap(here);
    return PyLong_FromLong(status);
}

static PyObject *end_interpreter(PyObject *self, PyObject *args)
{
    (void)self;
    address there;
    if (!PyArg_ParseTuple(args, ADDRESS, &there))
        return NULL;
    PyThreadState *here = PyThreadState_Swap(FROM(PyThreadState, there));
    Py_EndInterpreter(FROM(PyThreadState, there));
    PyThreadState_Swap(here);
    Py_RETURN_NONE;
}
#endif

/* ---- hammering ---- */

#define HAMMERS 64

/* One thread that acquires until the process ends. */
typedef struct {
    hpyrt_origin *origin;
    const char *source;         /* Python code for the body; NULL: a little of the C API */
    int hold_us;                /* at most so long with Python left inside; 0: never */
    atomic_long inside, refused, turns;
} hammer;

static hammer hammers[HAMMERS];
static atomic_int hammer_count;

static void body(hammer *own, unsigned *seed)
{
    Py_XDECREF(PyLong_FromLong(123456789));
    if (own->source != NULL)
        core_exec(own->source);
    if (own->hold_us > 0) {
        Py_BEGIN_ALLOW_THREADS
        usleep((useconds_t)(rand_r(seed) % own->hold_us));
        if (hpyrt_attach(own->origin) == 0) {       /* nested, with Python left in between */
            Py_XDECREF(PyLong_FromLong(123456789));
            hpyrt_detach();
        }
        Py_END_ALLOW_THREADS
    }
}

/* One turn. Whether it was let in. */
static bool strike(hammer *own, unsigned *seed)
{
    own->turns++;
    if (hpyrt_attach(own->origin) < 0) {
        own->refused++;
        return false;
    }
    own->inside++;
    body(own, seed);
    own->inside--;
    hpyrt_detach();
    return true;
}

static void *hammer_main(void *argument)
{
    hammer *own = argument;
    unsigned seed = (unsigned)(own - hammers);
    for (;;)
        if (!strike(own, &seed))
            usleep(100);
    return NULL;
}

/* At the end of the process: how many hammers still turn, were inside when Python was gone, and how often they were refused. */
static void report(void)
{
    long before[HAMMERS], alive = 0, inside = 0, refused = 0;
    for (int i = 0; i < hammer_count; i++)
        before[i] = hammers[i].turns;
    for (int wait = 0; wait < 200 && alive < hammer_count; wait++) {
        usleep(1000);
        alive = 0;
        for (int i = 0; i < hammer_count; i++)
            alive += hammers[i].turns > before[i];
    }
    for (int i = 0; i < hammer_count; i++) {
        inside += hammers[i].inside;
        refused += hammers[i].refused;
    }
    printf("%ld %ld %ld\n", alive, inside, refused);
    fflush(stdout);
}

/* hammer(origin, source or None, hold_us): one more foreign thread. */
static PyObject *start_hammer(PyObject *self, PyObject *args)
{
    (void)self;
    address from;
    const char *source;
    int hold_us;
    pthread_t thread;
    if (!PyArg_ParseTuple(args, ADDRESS "zi", &from, &source, &hold_us))
        return NULL;
    hammer *own = &hammers[hammer_count];
    own->origin = FROM(hpyrt_origin, from);
    own->source = source != NULL ? strdup(source) : NULL;
    own->hold_us = hold_us;
    if (hammer_count++ == 0)
        atexit(report);
    if (pthread_create(&thread, NULL, hammer_main, own) != 0)
        return PyErr_NoMemory();
    pthread_detach(thread);
    Py_RETURN_NONE;
}

/* strike(origin, leave): one acquisition on the calling thread, which leaves Python before, if [leave]. Whether it got in. */
static PyObject *strike_once(PyObject *self, PyObject *args)
{
    (void)self;
    address from;
    int leave = 0, status;
    if (!PyArg_ParseTuple(args, ADDRESS "|p", &from, &leave))
        return NULL;
    PyThreadState *left = leave ? PyEval_SaveThread() : NULL;
    status = hpyrt_attach(FROM(hpyrt_origin, from));
    if (status == 0) {
        core_exec("sum(range(50))");
        hpyrt_detach();
    }
    if (leave)
        PyEval_RestoreThread(left);
    return PyBool_FromLong(status == 0);
}

static PyMethodDef methods[] = {
    {"start", start, METH_VARARGS, NULL}, {"join", join, METH_VARARGS, NULL}, {"steps", steps, METH_VARARGS, NULL},
    {"many", many, METH_VARARGS, NULL}, {"event", event, METH_NOARGS, NULL}, {"post", post, METH_VARARGS, NULL},
    {"wait", wait_for, METH_VARARGS, NULL}, {"origin", origin, METH_VARARGS, NULL}, {"offer", offer, METH_NOARGS, NULL},
    {"in_use", in_use, METH_VARARGS, NULL}, {"counts", counts, METH_NOARGS, NULL}, {"states", states, METH_NOARGS, NULL},
    {"where", where, METH_NOARGS, NULL}, {"hammer", start_hammer, METH_VARARGS, NULL},
    {"strike", strike_once, METH_VARARGS, NULL},
#ifndef PYPY_VERSION
    {"new_interpreter", new_interpreter, METH_VARARGS, NULL}, {"run_in", run_in, METH_VARARGS, NULL},
    {"end_interpreter", end_interpreter, METH_VARARGS, NULL},
#endif
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "core", .m_methods = methods, .m_slots = slots};

PyMODINIT_FUNC PyInit_core(void);
PyMODINIT_FUNC PyInit_core(void)
{
    return PyModuleDef_Init(&definition);
}
