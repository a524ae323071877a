/* Threads that do what they are told, one step after the other, with the functions of runtime.h and of the C API. */
#include "core_steps.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 64

/* What a thread has open of the C API. */
typedef struct {
    PyGILState_STATE ensured[MOST];
    PyThreadState *saved[MOST];
    int ensures, saves;
} open_calls;

static void recycle(hpyrt_origin *origin)
{
    origin->owner = NULL;
}

hpyrt_origin *core_new_origin(int64_t policy)
{
    hpyrt_view *view = hpyrt_current_view();
    hpyrt_origin *origin = view != NULL ? calloc(1, sizeof *origin) : NULL;
    if (origin != NULL)
        *origin = (hpyrt_origin){.view = view, .policy = (hpyrt_policy)policy, .recycle = recycle, .owner = origin};
    return origin;
}

int64_t core_where(void)
{
    if (!hpyrt_is_attached())
        return -1;
#ifdef PYPY_VERSION
    return 0;
#else
    return PyInterpreterState_GetID(hpyrt_current_state()->interp);
#endif
}

int core_exec(const char *source)
{
    PyObject *main = PyImport_AddModule("__main__");
    PyObject *dict = main != NULL ? PyModule_GetDict(main) : NULL;
    PyObject *result = dict != NULL ? PyRun_String(source, Py_file_input, dict, dict) : NULL;
    if (result == NULL)
        PyErr_Print();
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

static int64_t nest(hpyrt_origin *origin, int64_t number)
{
    int64_t done = 0;
    while (done < number && hpyrt_attach(origin) == 0)
        done++;
    return done;
}

static int64_t ambient(int64_t policy)
{
    return hpyrt_attach_ambient((hpyrt_policy)policy) != NULL ? core_where() : -1;
}

/* Fork, and in the child do the steps up to END_CHILD. Where that is. */
static core_step *split(core_step *step, core_step *end, void (*run)(core_step *, core_step *, open_calls *), open_calls *open)
{
    core_step *last = step + 1;
    while (last < end && last->kind != END_CHILD)
        last++;
    pid_t child = fork();
    if (child == 0) {
        alarm(5);
        run(step + 1, last, open);
        int wrong = 0;
        for (core_step *each = step + 1; each < last; each++)
            wrong += each->result != each->expected;
        _exit(wrong);
    }
    int status = -1;
    waitpid(child, &status, 0);
    step->result = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    return last;
}

static int64_t look(core_kind kind)
{
    if (kind == WHERE)
        return core_where();
#ifdef PYPY_VERSION
    return 0;
#else
    return (int64_t)(intptr_t)(kind == STATE ? hpyrt_current_state() : PyGILState_GetThisThreadState());
#endif
}

static int64_t acquire(core_step *step)
{
    switch (step->kind) {
        case ATTACH: return hpyrt_attach(step->origin);
        case AMBIENT: return ambient(step->number);
        case NEST: return nest(step->origin, step->number);
        case DETACH: step->number = 1;    /* fall through */
        default: break;
    }
    for (int64_t i = 0; i < step->number; i++)
        hpyrt_detach();
    return 0;
}

/* ---- at the end of a thread */

static pthread_key_t keys[2];

static void do_at_end(void *value)
{
    const core_step *step = value;
    core_run((core_step *)(void *)step->event, step->expected);
}

/* When the library is loaded: before the runtime half makes its own. */
__attribute__((constructor)) static void make_older_key(void)
{
    pthread_key_create(&keys[0], do_at_end);
}

void core_make_newer_key(void)
{
    pthread_key_create(&keys[1], do_at_end);
}

static void run(core_step *first, core_step *end, open_calls *open)
{
    for (core_step *step = first; step < end; step++) {
        step->result = 0;
        switch ((core_kind)step->kind) {
            case ATTACH: case AMBIENT: case NEST: case DETACH: case UNNEST: step->result = acquire(step); break;
            case ENSURE: open->ensured[open->ensures++] = PyGILState_Ensure(); break;
            case RELEASE: PyGILState_Release(open->ensured[--open->ensures]); break;
            case SAVE: open->saved[open->saves++] = PyEval_SaveThread(); break;
            case RESTORE: PyEval_RestoreThread(open->saved[--open->saves]); break;
            case EXEC: step->result = core_exec(step->text); break;
            case WHERE: case STATE: case SLOT: step->result = look((core_kind)step->kind); break;
            case WAIT: sem_wait(step->event); break;
            case POST: sem_post(step->event); break;
            case USLEEP: usleep((useconds_t)step->number); break;
            case CLOSE: hpyrt_close_origin(step->origin); step->result = step->origin->owner == NULL; break;
            case CALL_BACK: ((void (*)(void))step->event)(); break;
            case FORK: step = split(step, end, run, open); break;
            case AT_END: pthread_setspecific(keys[step->number], step); break;
            case END_THREAD: pthread_exit(NULL);
            case END_CHILD: break;
        }
    }
}

void core_run(core_step *steps, int64_t count)
{
    open_calls open = {.ensures = 0};
    run(steps, steps + count, &open);
}
