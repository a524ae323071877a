/* The floor on threads that must attach: a thread state kept for each OS thread, PyEval_RestoreThread and
   PyEval_SaveThread, and nothing that makes it safe: no nesting, no other interpreter, no finalization.

   The thread that binds has a state of its own. Any other thread gets one on its first call and gives it back when it ends,
   which takes the GIL. It is an error to wait for such a thread with the GIL held, and to call on a Python thread other than
   the one that bound. */
#include "arm.h"

#include <pthread.h>

static __thread PyThreadState *kept_state __attribute__((tls_model("initial-exec")));

#ifdef PYPY_VERSION

/* PyPy makes its own record of the thread here, and forgets it when the thread ends. */
static PyThreadState *make_state(void)
{
    (void)PyGILState_Ensure();
    kept_state = PyEval_SaveThread();
    return kept_state;
}

#else

static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static PyInterpreterState *_Atomic interpreter;
static int no_key;

/* Not PyGILState_Release: the thread-specific value that it looks up is gone by the time this runs. */
static void give_back(void *state)
{
    PyEval_RestoreThread(state);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
    kept_state = NULL;
}

static void make_key(void)
{
    no_key = pthread_key_create(&thread_end, give_back);
}

/* NULL when there is no memory, or the state could not be given back. */
static PyThreadState *make_state(void)
{
    pthread_once(&once, make_key);
    if (no_key)
        return NULL;
    kept_state = PyThreadState_New(interpreter);
    if (kept_state != NULL)
        pthread_setspecific(thread_end, kept_state);
    return kept_state;
}

#endif

static int call(void *closure, int64_t arg, int64_t *result)
{
    const hpylab_carrier *carried = closure;
    PyThreadState *state = kept_state;
    if (__builtin_expect(state == NULL, 0) && (state = make_state()) == NULL)
        return -1;
    PyEval_RestoreThread(state);
    int status = hpylab_run(carried->ctx, &carried->binding, HPy_NULL, arg, result);
    PyEval_SaveThread();
    return status;
}

/* Remember the calling Python thread's own state, which lives as long as the thread does. Once: PyPy cannot tell it any more
   after the thread has come back through HPy from where it left through PyEval_SaveThread. */
static void remember_state(void)
{
    if (kept_state != NULL)
        return;
    kept_state = PyThreadState_Get();
#ifndef PYPY_VERSION
    interpreter = kept_state->interp;
#endif
}

int HPyLab_Init(HPyContext *ctx)
{
    (void)ctx;
    remember_state();
    return 0;
}

int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out)
{
    hpylab_carrier *kept = hpylab_carry(ctx, binding);
    if (kept == NULL)
        return -1;
    remember_state();
    *out = (HPyLab_Callback){call, kept};
    return 0;
}

void HPyLab_Unbind(HPyContext *ctx, HPyLab_Callback *callback)
{
    hpylab_drop_carrier(ctx, callback->closure);
}

#include "no_bare.h"
