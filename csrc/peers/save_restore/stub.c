/* The floor on threads that must attach: a thread state kept for each OS thread, PyEval_RestoreThread and
   PyEval_SaveThread, and nothing that makes it safe: no nesting, no other interpreter, no finalization.

   The state of a foreign thread is made on its first call and freed when the thread ends, which takes the GIL: it is an
   error to wait for such a thread with the GIL held. */
#include "arm.h"

#include <pthread.h>

static __thread PyThreadState *kept_state __attribute__((tls_model("initial-exec")));
static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static PyInterpreterState *interpreter;
static int no_key;

static void free_state(void *state)
{
    PyEval_RestoreThread(state);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
    kept_state = NULL;
}

static void make_key(void)
{
    no_key = pthread_key_create(&thread_end, free_state);
}

static PyThreadState *find_state(void)
{
    kept_state = PyGILState_GetThisThreadState();       /* a Python thread's own, which Python frees */
    if (kept_state == NULL && !no_key) {
        kept_state = PyThreadState_New(interpreter);
        if (kept_state != NULL)
            pthread_setspecific(thread_end, kept_state);
    }
    return kept_state;
}

static int call(void *closure, int64_t arg, int64_t *result)
{
    const hpylab_carrier *carried = closure;
    PyThreadState *state = kept_state;
    if (__builtin_expect(state == NULL, 0) && (state = find_state()) == NULL)
        return -1;
    PyEval_RestoreThread(state);
    int status = hpylab_run(carried->ctx, &carried->binding, HPy_NULL, arg, result);
    PyEval_SaveThread();
    return status;
}

int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out)
{
    hpylab_carrier *kept = hpylab_carry(ctx, binding);
    if (kept == NULL)
        return -1;
    pthread_once(&once, make_key);
    interpreter = PyThreadState_Get()->interp;
    *out = (HPyLab_Callback){call, kept};
    return 0;
}

void HPyLab_Unbind(HPyContext *ctx, HPyLab_Callback *callback)
{
    (void)ctx;
    free(callback->closure);
}

#include "no_bare.h"
