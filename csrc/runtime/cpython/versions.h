/* Where CPython's versions differ, 3.8 to 3.15: the one file that asks which it is, but for internals.c. */
#ifndef HPYRT_VERSIONS_H
#define HPYRT_VERSIONS_H

#ifdef PYPY_VERSION
#error "for CPython alone"
#endif

#include "internals.h"

#include <pthread.h>

/* From 3.12 on the current thread state is a thread-local; before, it is one global: the state of whoever holds the GIL. */
#define HPYRT_STATE_IS_THREAD_LOCAL (PY_VERSION_HEX >= 0x030C0000)

/* The gilstate slot is what PyGILState_Ensure enters with: a thread-specific state. From 3.12 on it is the state that was
   attached last, and put right by attaching another. Before, it is the thread's first state and stays so: what an acquisition
   attaches has to be written there, and what was there written back. */
#define HPYRT_SLOT_FOLLOWS HPYRT_STATE_IS_THREAD_LOCAL

/* Up to 3.11 an interpreter other than the main one cannot end while a second thread state is in it, and in 3.12 it ends on
   whichever Python finds first: on the last there where it is destroyed, on the first where it is given up. None may be kept. */
#define HPYRT_KEEPS_ANYWHERE (PY_VERSION_HEX >= 0x030D0000)

/* Up to 3.12 Python's own module for interpreters runs code in one, and ends it, on a thread state that it finds there: up to
   3.12.0 the first, and so a new one of ours, which comes first, is moved to the end; then the last. It is made, and moved, with
   the GIL held. */
#define HPYRT_FOUND_STATE_IS_USED (PY_VERSION_HEX < 0x030D0000)

/* 3.15 has guards of its own against finalization (PEP 788), which each acquisition that attaches takes behind ours. Alone they
   would not do: new ones are granted as long as others are open, and so the interpreter never ends. */
#ifndef HPYRT_PEP_788
#define HPYRT_PEP_788 (PY_VERSION_HEX >= 0x030F0000)
#endif

#if !HPYRT_PEP_788
typedef void PyInterpreterView;
typedef void PyInterpreterGuard;
#define PyInterpreterView_FromCurrent() ((PyInterpreterView *)"")     /* anything but NULL, which means no memory */
#define PyInterpreterView_Close(view) ((void)(view))
#define PyInterpreterGuard_FromView(view) (view)
#define PyInterpreterGuard_Close(guard) ((void)(guard))
#endif

/* The current thread state, NULL if there is none. Up to 3.11 it may be another thread's: see hpyrt_is_mine. */
static inline PyThreadState *hpyrt_current_state(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

/* Whether [state], just read as the current one, is that of the calling thread, which has [slot] in its gilstate slot: whether
   that thread is attached. */
static inline bool hpyrt_is_mine(const PyThreadState *state, const PyThreadState *slot)
{
#if HPYRT_STATE_IS_THREAD_LOCAL
    (void)slot;
    return state != NULL;
#else
    /* by address: another thread's state may be freed at any time, so that nothing should be read from it */
    if (state == NULL || state == slot)
        return state != NULL;
    /* which is the thread's first state. It has others where there are sub-interpreters: taken for detached inside of one, it
       would wait for itself. Only then the id is read, at the risk that the state is another's and was just freed: CPython's own
       PyGILState_Check has nothing better to offer there */
    return PyInterpreterState_Head() != PyInterpreterState_Main() && state->thread_id == (unsigned long)pthread_self();
#endif
}

/* Whether the runtime is shutting down or gone: no thread may attach any more. Py_Finalize takes the flag back as soon as it
   begins to shut down, so that one call tells both. */
static inline bool hpyrt_is_finalizing(void)
{
    return !Py_IsInitialized();
}

/* The gilstate slot of the calling thread, which ends, was cleared behind the back of its [state]: let attaching write it anew. */
static inline void hpyrt_forget_slot(PyThreadState *state)
{
#if HPYRT_SLOT_FOLLOWS
    state->_status.bound_gilstate = 0;
#else
    (void)state;
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
