/* Threads that do what they are told: see steps.h. */
#include "steps.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 80         /* of what a program has open at one level */
#define CHILD_S 10      /* until a child is taken for hung */

/* A function of a proposal that takes back what it made. */
typedef int call_with_context(HPyContext *ctx, void *given);

/* What a thread has open of the C API. */
typedef struct {
    PyGILState_STATE ensured[MOST];
    PyThreadState *saved[MOST];
    int ensures, saves;
} open_calls;

/* ---- where the thread is ---- */

/* The thread state that the calling thread is attached with, or NULL. */
static PyThreadState *own_state(void)
{
#ifdef PYPY_VERSION
    return PyGILState_Check() ? PyThreadState_Get() : NULL;
#elif PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#elif PY_VERSION_HEX >= 0x030C0000
    return _PyThreadState_UncheckedGet();
#else
    /* that of whoever holds the lock, up to 3.11; one that is not in the gilstate slot may be of another interpreter */
    PyThreadState *state = _PyThreadState_UncheckedGet();
    if (state == NULL || state == PyGILState_GetThisThreadState())
        return state;
    if (PyInterpreterState_Head() == PyInterpreterState_Main() || state->thread_id != (unsigned long)pthread_self())
        return NULL;
    return state;
#endif
}

#ifdef PYPY_VERSION

static int64_t interpreter(void)
{
    return own_state() != NULL ? 0 : -1;
}

static int64_t count_states(void)
{
    return 0;
}

#else

static int64_t interpreter(void)
{
    PyThreadState *state = own_state();
    return state != NULL ? PyInterpreterState_GetID(state->interp) : -1;
}

static int64_t count_states(void)
{
    int64_t count = 0;
    PyThreadState *each = PyInterpreterState_ThreadHead(own_state()->interp);
    for (; each != NULL; each = PyThreadState_Next(each))
        count++;
    return count;
}

#endif

/* ---- steps ---- */

static int64_t run_source(const char *source)
{
    PyObject *main = PyImport_AddModule("__main__");
    PyObject *names = main != NULL ? PyModule_GetDict(main) : NULL;
    PyObject *result = names != NULL ? PyRun_String(source, Py_file_input, names, names) : NULL;
    if (result == NULL)
        PyErr_Print();
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

static int64_t use(HPyContext *ctx)
{
    HPy number = HPyLong_FromInt64_t(ctx, 1234567);
    if (HPy_IsNull(number))
        return -1;
    int64_t back = HPyLong_AsInt64_t(ctx, number);
    HPy_Close(ctx, number);
    return back == 1234567 ? 0 : -1;
}

static int64_t fire(step *at)
{
    const HPyLab_Callback *callback = at->target;
    int64_t given = (int64_t)(intptr_t)at, result = 0;
    int status = callback->call(callback->closure, given, &result);
    return status == 0 && result != given ? STEP_ANOTHER_RESULT : status;
}

int64_t steps_body(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    step *at = (step *)(intptr_t)arg;
    steps_run(at + 1, at + 1 + at->count, ctx);
    return arg;
}

static int64_t hammer(step *at)
{
    int64_t most = at->times, status = 0;
    for (at->times = 0; at->times < most && (status = fire(at)) == 0; at->times++)
        usleep(20);
    return status;
}

static int64_t in_child(step *at, HPyContext *ctx)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_S);
        steps_run(at + 1, at + 1 + at->count, ctx);
        const step *wrong = steps_wrong(at + 1, at + 1 + at->count);
        if (wrong != NULL)
            fprintf(stderr, "in the child: %s is %lld; expected %lld\n", wrong->what, (long long)wrong->result,
                    (long long)wrong->expected);
        fflush(stderr);
        _exit(wrong != NULL);
    }
    int status = -1;
    waitpid(child, &status, 0);
    for (step *each = at + 1; each <= at + at->count; each++)       /* the child did them */
        each->done = 1, each->result = each->expected;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int64_t look(step_kind kind)
{
    if (kind == STEP_INTERPRETER)
        return interpreter();
    return kind == STEP_STATE ? (int64_t)(intptr_t)own_state() : count_states();
}

/* PyPy has no other interpreter to visit. */
static int64_t visit(const PyThreadState *there)
{
#ifdef PYPY_VERSION
    (void)there;
    return -1;
#else
    PyThreadState *own = PyThreadState_New(there->interp);
    if (own == NULL)
        return -1;
    PyEval_RestoreThread(own);
    return 0;
#endif
}

static int64_t depart(void)
{
    PyThreadState_Clear(PyThreadState_Get());
    PyThreadState_DeleteCurrent();
    return 0;
}

static int64_t of_the_c_api(step_kind kind, open_calls *open)
{
    switch (kind) {
        case STEP_ENSURE: open->ensured[open->ensures] = PyGILState_Ensure(); return open->ensured[open->ensures++];
        case STEP_RELEASE: PyGILState_Release(open->ensured[--open->ensures]); return 0;
        case STEP_SAVE: open->saved[open->saves++] = PyEval_SaveThread(); return 0;
        default: PyEval_RestoreThread(open->saved[--open->saves]); return 0;
    }
}

static int64_t do_one(step *at, HPyContext *ctx, open_calls *open)
{
    switch ((step_kind)at->kind) {
        case STEP_FIRE: return fire(at);
        case STEP_HAMMER: return hammer(at);
        case STEP_FORK: return in_child(at, ctx);
        case STEP_USE: return use(ctx);
        case STEP_RUN: return run_source(at->target);
        case STEP_WAIT: return sem_wait(at->target);
        case STEP_POST: return sem_post(at->target);
        case STEP_CALL: return ((call_with_context *)at->target)(ctx, (void *)(intptr_t)at->times);
        case STEP_VISIT: return visit(at->target);
        case STEP_DEPART: return depart();
        case STEP_INTERPRETER: case STEP_STATE: case STEP_STATES: return look((step_kind)at->kind);
        default: return of_the_c_api((step_kind)at->kind, open);
    }
}

static int is_right(const step *at)
{
    return at->expected == STEP_ANYTHING || at->result == at->expected;
}

void steps_run(step *at, step *end, HPyContext *ctx)
{
    open_calls open = {.ensures = 0};
    for (; at < end; at += 1 + at->count) {
        at->begun++;
        int64_t result = do_one(at, ctx, &open);
        if (at->done++ == 0 || is_right(at))        /* what is wrong once stays so */
            at->result = result;
    }
}

const step *steps_wrong(const step *at, const step *end)
{
    while (at < end && at->done > 0 && is_right(at)) {
        int is_refused = at->result < 0 && (at->kind == STEP_FIRE || (at->kind == STEP_HAMMER && at->times == 0));
        at += is_refused ? 1 + at->count : 1;       /* what it did not do is not missed */
    }
    return at < end ? at : NULL;
}
