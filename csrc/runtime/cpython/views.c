/* Views: which interpreters there are. See threads.h.

   The list is changed by threads that are attached, under the one GIL of all interpreters that can have a view, and may be
   walked by any thread: a view that leaves it is never freed and leads on into it. What remains of an interpreter that ended
   is that one small view, which tokens and trampolines may go on pointing to. */
#include "runtime.h"

#include <stdlib.h>

#define NAME "hpylab_runtime.view"

static hpyrt_view *_Atomic views;
hpyrt_view *_Atomic hpyrt_main_view;

hpyrt_view *hpyrt_view_of(const PyInterpreterState *interpreter)
{
    hpyrt_view *view = views;
    while (view != NULL && view->interpreter != interpreter)
        view = view->next;
    return view;
}

hpyrt_view *hpyrt_first_view(void)
{
    return views;
}

bool hpyrt_is_main(const hpyrt_view *view)
{
    return view->interpreter == PyInterpreterState_Main();
}

bool hpyrt_comes_from(const hpyrt_frame *frame, const hpyrt_view *view)
{
    return (frame->kind & FRAME_SWITCHED) && frame->change.previous->interp == view->interpreter;
}

/* The interpreter is gone: its dict, which held [capsule], is being cleared. Attached to what is left of it. */
static void close_view(PyObject *capsule)
{
    hpyrt_view *view = PyCapsule_GetPointer(capsule, NAME);
    if (view->closed_by == 0)
        view->closed_by = (unsigned long)pthread_self();
    view->interpreter = NULL;
    view->context = NULL;
    hpyrt_forget_kept(view, NULL);
    hpyrt_view *_Atomic *place = &views;
    while (*place != view)
        place = &(*place)->next;
    *place = view->next;
    if (hpyrt_main_view == view)
        hpyrt_main_view = NULL;
    PyInterpreterView_Close(view->pep_788);
}

/* Put [capsule] under [key] into the interpreter's own [dict], and have atexit close [view]. 0, or -1 with nothing changed. */
static int tie_as(PyObject *dict, PyObject *key, PyObject *capsule, hpyrt_view *view)
{
    if (PyDict_SetItem(dict, key, capsule) < 0)
        return -1;
    if (hpyrt_close_at_exit(view) == 0)
        return 0;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (PyDict_DelItem(dict, key) < 0)
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return -1;
}

/* Have the interpreter hold [view], and tell when it ends. 0, or -1 with an exception and nothing changed. The key is this copy's
   own: a process may have loaded the runtime half twice. */
static int tie(hpyrt_view *view)
{
    PyObject *dict = PyInterpreterState_GetDict(view->interpreter);
    PyObject *key = dict != NULL ? PyUnicode_FromFormat("%s %p", NAME, (void *)&views) : NULL;
    PyObject *capsule = key != NULL ? PyCapsule_New(view, NAME, NULL) : NULL;
    int status = capsule != NULL ? tie_as(dict, key, capsule, view) : -1;
    if (status == 0)
        PyCapsule_SetDestructor(capsule, close_view);
    else if (!PyErr_Occurred())
        PyErr_NoMemory();
    Py_XDECREF(capsule);
    Py_XDECREF(key);
    return status;
}

/* Attached to [interpreter]. 0, or -1 with an exception. */
static int open_view(PyInterpreterState *interpreter)
{
    if (hpyrt_view_of(interpreter) != NULL)
        return 0;
    hpyrt_view *view = hpyrt_prepare_records() == 0 ? calloc(1, sizeof *view) : NULL;
    if (view == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    view->interpreter = interpreter;
    view->pep_788 = PyInterpreterView_FromCurrent();
    if (view->pep_788 == NULL || tie(view) < 0) {
        if (view->pep_788 != NULL)
            PyInterpreterView_Close(view->pep_788);
        free(view);
        return -1;
    }
    if (hpyrt_main_view != NULL)
        view->closed_by = hpyrt_main_view->closed_by;       /* it may be open no longer than the main one */
    if (hpyrt_is_main(view))
        hpyrt_main_view = view;
    view->next = views;
    views = view;
    return 0;
}

/* Attached to another interpreter. 0, or -1 with an exception. */
static int open_main_view(void)
{
    PyThreadState *visitor = hpyrt_is_finalizing() ? NULL : PyThreadState_New(PyInterpreterState_Main());
    int status = -1;
    if (visitor != NULL) {
        PyThreadState *here = PyThreadState_Swap(visitor);
        status = open_view(visitor->interp);
        PyErr_Clear();
        PyThreadState_Clear(visitor);
        PyThreadState_Swap(here);
        PyThreadState_Delete(visitor);
    }
    if (status < 0)
        PyErr_SetString(PyExc_ImportError, "the runtime half cannot be initialised in the main interpreter, which finalizes or "
                        "has no memory");
    return status;
}

int hpyrt_open_view(void)
{
    PyInterpreterState *interpreter = PyThreadState_Get()->interp;
    if (hpyrt_has_own_gil(interpreter)) {
        PyErr_SetString(PyExc_ImportError, "this interpreter has a GIL of its own, and HPy cannot be imported into such a one; "
                        "make it with the main interpreter's GIL");
        return -1;
    }
    /* the main interpreter decides how the process ends, and threads that Python never saw have their first state there */
    if (hpyrt_main_view == NULL && interpreter != PyInterpreterState_Main() && open_main_view() < 0)
        return -1;
    return open_view(interpreter);
}
