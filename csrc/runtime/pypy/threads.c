/* Attaching and detaching, on the way that is not fast: see threads.h. */
#include "runtime.h"

hpyrt_view hpyrt_the_view;

/* Attach the calling thread, which has set out. 0, or -1 with nothing changed. */
static int cross(hpyrt_record *record, hpyrt_origin *origin)
{
    if ((origin != NULL && origin->closed) || hpyrt_is_closed_to(record, &hpyrt_the_view))
        return -1;
    PyGILState_STATE state = PyGILState_Ensure();
    *record->top++ = (hpyrt_frame){
        .view = &hpyrt_the_view, .origin = origin, .kind = FRAME_ATTACHED, .change = {.state = state},
    };
    return 0;
}

int hpyrt_attach_slow(hpyrt_policy policy, hpyrt_origin *origin)
{
    hpyrt_record *record = hpyrt_ready_record();
    if (record == NULL)
        return -1;
    if (PyGILState_Check()) {
        *record->top++ = (hpyrt_frame){.view = &hpyrt_the_view, .origin = origin};
        return 0;
    }
    if (policy == HPYRT_ATTACHED_ONLY || hpyrt_is_closed_to(record, &hpyrt_the_view))
        return -1;
    hpyrt_view *outer = hpyrt_set_out(record, &hpyrt_the_view, origin);
    int status = cross(record, origin);
    hpyrt_arrive(record, outer);
    if (status < 0 || origin == NULL || !origin->closed)
        return status;
    hpyrt_forget_origin();      /* it was closed while this thread waited for the GIL */
    hpyrt_sweep_origins();
    hpyrt_detach();
    return -1;
}

void hpyrt_detach_slow(hpyrt_record *record, const hpyrt_frame *popped)
{
    const hpyrt_frame frame = *popped;      /* Python code may run from here on, and acquire */
    if (frame.kind & FRAME_LENT)
        hpyrt_take_back(frame.lent);
    if (!(frame.kind & FRAME_ATTACHED))
        return;
    hpyrt_view *outer = hpyrt_set_out_attached(record, frame.view);
    PyGILState_Release(frame.change.state);
    hpyrt_arrive(record, outer);
}

hpyrt_view *hpyrt_current_view(void)
{
    return PyGILState_Check() ? &hpyrt_the_view : NULL;
}

/* PyPy looks for signals between the turns of a loop, and PyErr_CheckSignals does nothing. */
int hpyrt_check_signals(void)
{
    PyObject *names = PyDict_New();
    PyObject *result = names != NULL ? PyRun_String("for turn in (1, 2): pass", Py_file_input, names, names) : NULL;
    Py_XDECREF(names);
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

int hpyrt_open_view(void)
{
    static bool is_open;
    if (!is_open && hpyrt_prepare_records() < 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (!is_open && hpyrt_close_at_exit(&hpyrt_the_view) < 0)
        return -1;
    is_open = true;
    return 0;
}

bool hpyrt_is_attached(void)
{
    return PyGILState_Check();
}

/* What glibc runs when a thread ends, before the destructors of its thread-specific data: one of those is PyPy's, after which
   its functions crash on that thread. NULL where there is no such thing. */
extern int __cxa_thread_atexit_impl(void (*function)(void *), void *argument, void *library) __attribute__((weak));
extern void *__dso_handle;

/* A thread that ends inside may hold the GIL, and then nobody would ever hold it again. */
static void let_go(void *argument)
{
    (void)argument;
    const hpyrt_record *record = hpyrt_this_thread;
    if (record == NULL || record->top == record->frames || !PyGILState_Check())
        return;
    const hpyrt_frame *attached = NULL;     /* what the thread is inside of, if an acquisition attached it */
    for (const hpyrt_frame *frame = record->top; frame-- > record->frames;) {
        if (frame->kind & FRAME_LENT)
            hpyrt_take_back(frame->lent);
        if (attached == NULL && (frame->kind & FRAME_ATTACHED))
            attached = frame;
    }
    if (attached != NULL)
        PyGILState_Release(attached->change.state);
    else
        PyEval_SaveThread();
}

int hpyrt_begin_thread(void)
{
    return __cxa_thread_atexit_impl != NULL ? __cxa_thread_atexit_impl(let_go, NULL, &__dso_handle) : 0;
}

void hpyrt_leave_all(hpyrt_record *record)
{
    (void)record;
}

bool hpyrt_may_come_back(hpyrt_record *record)
{
    (void)record;
    return false;
}

void hpyrt_end_thread(hpyrt_record *record)
{
    (void)record;
}

/* If the thread that forked was not attached, the GIL may be held by one that is gone: nobody gets in. */
void hpyrt_forget_other_threads(hpyrt_record *record, bool attached)
{
    (void)record;
    if (!attached)
        hpyrt_the_view.closed_by = ~0ul;
}
