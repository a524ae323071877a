/* See internals.h. The one unit that is compiled against CPython's internal headers. */
#define Py_BUILD_CORE 1
#include <Python.h>

#include <pthread.h>
#include <stdbool.h>

#pragma GCC visibility push(default)    /* 3.8 does not say of itself that its symbols are to be seen */
#include <internal/pycore_pystate.h>
#if PY_VERSION_HEX >= 0x03090000
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#endif
#pragma GCC visibility pop

#pragma GCC visibility push(hidden)
#include "internals.h"
#pragma GCC visibility pop

PyThreadState *hpyrt_gilstate(void)
{
#if PY_VERSION_HEX < 0x030F0000
#if PY_VERSION_HEX < 0x030C0000
    const Py_tss_t *key = &_PyRuntime.gilstate.autoTSSkey;
#else
    const Py_tss_t *key = &_PyRuntime.autoTSSkey;
#endif
    return key->_is_initialized ? pthread_getspecific(key->_key) : NULL;
#else
    return PyGILState_GetThisThreadState();     /* a thread-local of Python's own */
#endif
}

void hpyrt_set_slot(PyThreadState *state)
{
#if PY_VERSION_HEX < 0x030C0000
    PyThread_tss_set(&_PyRuntime.gilstate.autoTSSkey, state);
#else
    (void)state;
#endif
}

void hpyrt_stand_back(PyThreadState *state)
{
#if PY_VERSION_HEX < 0x030D0000
#if PY_VERSION_HEX >= 0x030C0000
    if (Py_Version >= 0x030C0100)       /* the one that runs, which may be a later one than that of the headers */
        return;
#endif
#if PY_VERSION_HEX < 0x030B0000
    PyThreadState **first = &state->interp->tstate_head;
#else
    PyThreadState **first = &state->interp->threads.head;
#endif
    PyThread_type_lock lock = _PyRuntime.interpreters.mutex;
    PyThread_acquire_lock(lock, WAIT_LOCK);
    PyThreadState *last = state;
    while (last->next != NULL)
        last = last->next;
    if (last != state) {
        *(state->prev != NULL ? &state->prev->next : first) = state->next;
        state->next->prev = state->prev;
        state->next = NULL;
        state->prev = last;
        last->next = state;
    }
    PyThread_release_lock(lock);
#else
    (void)state;
#endif
}

#if PY_VERSION_HEX < 0x030B0000
#define FIRST_STATE(interpreter) (interpreter)->tstate_head
#define FRAME_OF(state) (state)->frame
#elif PY_VERSION_HEX < 0x030C0000
#define FIRST_STATE(interpreter) (interpreter)->threads.head
#define FRAME_OF(state) (state)->cframe->current_frame
#endif

bool hpyrt_runs_code(const PyInterpreterState *interpreter, const PyThreadState *state)
{
    bool runs = false;
#if PY_VERSION_HEX < 0x030C0000
    PyThread_type_lock lock = _PyRuntime.interpreters.mutex;
    PyThread_acquire_lock(lock, WAIT_LOCK);
    const PyInterpreterState *living = _PyRuntime.interpreters.head;
    while (living != NULL && living != interpreter)
        living = living->next;
    const PyThreadState *known = living != NULL ? FIRST_STATE(living) : NULL;
    while (known != NULL && known != state)
        known = known->next;
    runs = known != NULL && known->thread_id == PyThread_get_thread_ident() && FRAME_OF(known) != NULL;
    PyThread_release_lock(lock);
#else
    (void)interpreter;
    (void)state;
#endif
    return runs;
}

bool hpyrt_has_own_gil(PyInterpreterState *interpreter)
{
#if PY_VERSION_HEX >= 0x030C0000
    return interpreter != PyInterpreterState_Main() && interpreter->ceval.own_gil;
#else
    (void)interpreter;
    return false;
#endif
}

bool hpyrt_takes_pending_calls(void)
{
#if PY_VERSION_HEX < 0x03090000
    return !_PyRuntime.ceval.pending.finishing;
#else
    return Py_IsInitialized();
#endif
}
