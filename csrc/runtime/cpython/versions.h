/* Where CPython's versions differ, 3.8 to 3.15: the one file that asks which it is. */
#ifndef HPYRT_VERSIONS_H
#define HPYRT_VERSIONS_H

#ifdef PYPY_VERSION
#error "for CPython alone"
#endif

#if PY_VERSION_HEX < 0x03090000
#define Py_BUILD_CORE 1     /* for _PyRuntime, see hpyrt_takes_pending_calls */
#pragma GCC visibility push(default)
#include <internal/pycore_pystate.h>
#pragma GCC visibility pop
#undef Py_BUILD_CORE
#endif

/* From 3.12 on the current thread state is a thread-local; before, it is one global: the state of whoever holds the GIL. */
#define HPYRT_STATE_IS_THREAD_LOCAL (PY_VERSION_HEX >= 0x030C0000)

/* The current thread state, NULL if there is none. Up to 3.11 it may be another thread's: see hpyrt_is_mine. */
static inline PyThreadState *hpyrt_current_state(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

/* Whether [state], just read as the current one, is the calling thread's: whether that thread is attached. */
static inline bool hpyrt_is_mine(const PyThreadState *state)
{
#if HPYRT_STATE_IS_THREAD_LOCAL
    return state != NULL;
#else
    /* by address: another thread's state may be freed at any time, so that nothing may be read from it */
    if (state == NULL || state == PyGILState_GetThisThreadState())
        return state != NULL;
    /* which is the thread's first state. It has others where there are sub-interpreters: taken for detached inside of one, it
       would wait for itself */
    return PyInterpreterState_Head() != PyInterpreterState_Main() && state->thread_id == (unsigned long)pthread_self();
#endif
}

/* Whether the runtime is shutting down or gone: no thread may attach any more. Py_Finalize takes the flag back as soon as it
   begins to shut down, so that one call tells both. */
static inline bool hpyrt_is_finalizing(void)
{
    return !Py_IsInitialized();
}

/* Whether Py_AddPendingCall may be called on a thread that is not attached. On 3.8 it crashes there once Py_Finalize has made
   the last pending calls, which is before the functions of atexit run. */
static inline bool hpyrt_takes_pending_calls(void)
{
#if PY_VERSION_HEX < 0x03090000
    return !_PyRuntime.ceval.pending.finishing;
#else
    return !hpyrt_is_finalizing();
#endif
}

/* Free [state], which no thread uses any more and which another thread made. The calling thread is attached to the
   interpreter of [state]. */
static inline void hpyrt_free_state(PyThreadState *state)
{
    PyThreadState_Clear(state);
#if PY_VERSION_HEX >= 0x030C0000
    /* else Delete clears the gilstate slot of the calling thread, and its next PyGILState_Ensure hangs or aborts */
    state->_status.bound_gilstate = 0;
#endif
    PyThreadState_Delete(state);
}

#endif
