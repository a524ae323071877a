/* What CPython does not offer to extensions, and each version keeps elsewhere. */
#ifndef HPYRT_INTERNALS_H
#define HPYRT_INTERNALS_H

/* What is in the calling thread's gilstate slot: as PyGILState_GetThisThreadState, with a third of the calls. */
PyThreadState *hpyrt_gilstate(void);

/* Put [state] into the calling thread's gilstate slot, which PyGILState_GetThisThreadState reads. Up to 3.11; nothing later. */
void hpyrt_set_slot(PyThreadState *state);

/* Let [state] be the last of its interpreter's. Up to 3.12; nothing later. */
void hpyrt_stand_back(PyThreadState *state);

/* Up to 3.11, where the gilstate slot does not show it: whether [state] is the calling thread's, in [interpreter], and runs Python
   code, be it that it left Python. Either may be gone. Later: false. */
bool hpyrt_runs_code(const PyInterpreterState *interpreter, const PyThreadState *state);

/* Whether [interpreter] has a GIL of its own. Attached to it. */
bool hpyrt_has_own_gil(PyInterpreterState *interpreter);

/* Whether Py_AddPendingCall may be called on a thread that is not attached. On 3.8 it crashes there once Py_Finalize has made
   the last pending calls, which is before the functions of atexit run. */
bool hpyrt_takes_pending_calls(void);

#endif
