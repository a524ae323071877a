/* The debug mode, as Python sees it: a hook for reports, lists of what is open, and the end of an interpreter. See debug.h. */
#include "debug.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the hook: a callable, which belongs to the interpreter that set it. Changed and read while attached there. */

static PyObject *the_callable;
static hpyrt_view *callable_view;

/* Call it, attached. */
static void call_callable(const char *report)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *callable = the_callable;
    Py_XINCREF(callable);
    PyObject *answer = callable == NULL ? NULL : PyObject_CallFunction(callable, "s", report);
    if (answer == NULL && PyErr_Occurred())
        PyErr_WriteUnraisable(callable);
    Py_XDECREF(answer);
    Py_XDECREF(callable);
    PyErr_Restore(type, value, traceback);
}

/* Reports of threads that ended detached, oldest first; guarded by the mutex. */
typedef struct deferred deferred;
struct deferred {
    deferred *next;
    char report[];
};

static deferred *first_deferred, **last_deferred = &first_deferred;

static void defer(const char *report)
{
    deferred *kept = malloc(sizeof *kept + strlen(report) + 1);
    if (kept == NULL)
        hpyrt_debug_out_of_memory();
    kept->next = NULL;
    strcpy(kept->report, report);
    pthread_mutex_lock(&hpyrt_debug_mutex);
    *last_deferred = kept;
    last_deferred = &kept->next;
    pthread_mutex_unlock(&hpyrt_debug_mutex);
}

void hpyrt_debug_deliver(void)
{
    if (the_callable == NULL || callable_view != hpyrt_current_view() || hpyrt_in_traverse())
        return;
    pthread_mutex_lock(&hpyrt_debug_mutex);
    deferred *first = first_deferred;
    first_deferred = NULL;
    last_deferred = &first_deferred;
    pthread_mutex_unlock(&hpyrt_debug_mutex);
    for (deferred *next; first != NULL; first = next) {
        next = first->next;
        call_callable(first->report);
        free(first);
    }
}

/* With no way into that interpreter there is nobody to tell: then the process aborts, as without a hook. */
static void call_hook(void *data, const char *report)
{
    (void)data;
    hpyrt_origin home = {.view = callable_view, .policy = HPYRT_ATTACH};
    if (hpyrt_debugged()->ends && hpyrt_current_view() == NULL) {
        defer(report);
        return;
    }
    if (callable_view == NULL || hpyrt_in_traverse() || hpyrt_attach(&home) < 0)
        abort();
    call_callable(report);
    hpyrt_detach();
}

static void set_callable(PyObject *callable)
{
    PyObject *before = the_callable;
    hpyrt_debug_deliver();
    callable_view = callable != NULL ? hpyrt_current_view() : NULL;
    the_callable = callable;
    hpyrt_set_hook(callable != NULL ? call_hook : NULL, NULL);
    Py_XDECREF(before);
}

static PyObject *on_misuse(PyObject *module, PyObject *callable)
{
    (void)module;
    if (callable != Py_None && !PyCallable_Check(callable)) {
        PyErr_SetString(PyExc_TypeError, "debug_on_misuse(hook): hook is not callable; give a function of one str, or None");
        return NULL;
    }
    hpyrt_debug_watch_interpreter(hpyrt_current_view());
    if (callable != Py_None)
        Py_INCREF(callable);
    set_callable(callable != Py_None ? callable : NULL);
    Py_RETURN_NONE;
}

/* ---- what is open */

static PyObject *mark(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    pthread_mutex_lock(&hpyrt_debug_mutex);
    unsigned long long now = hpyrt_debug_serial;
    pthread_mutex_unlock(&hpyrt_debug_mutex);
    return PyLong_FromUnsignedLongLong(now);
}

static int append_text(PyObject *list, const hpyrt_open_thing *thing)
{
    char *text = hpyrt_site_text(thing->verb, &thing->opened);
    PyObject *line = text == NULL ? PyErr_NoMemory() : PyUnicode_DecodeLocale(text, "surrogateescape");
    free(text);
    int status = line == NULL ? -1 : PyList_Append(list, line);
    Py_XDECREF(line);
    return status;
}

static PyObject *list_open(PyObject *module, PyObject *since)
{
    (void)module;
    unsigned long long mark = PyLong_AsUnsignedLongLong(since);
    if (mark == (unsigned long long)-1 && PyErr_Occurred())
        return NULL;
    hpyrt_debug_deliver();
    PyObject *list = PyList_New(0);
    hpyrt_open_thing *things = NULL;
    size_t count = list == NULL ? 0 : hpyrt_open_things(mark, &things);
    for (size_t i = 0; i < count; i++)
        if (append_text(list, &things[i]) < 0) {
            Py_CLEAR(list);
            break;
        }
    free(things);
    return list;
}

PyMethodDef hpyrt_debug_methods[] = {
    {"debug_on_misuse", on_misuse, METH_O,
     "debug_on_misuse(hook): have hook(report: str) called for each misuse instead of aborting; None: abort again."},
    {"debug_mark", mark, METH_NOARGS, "debug_mark() -> int: for debug_open, how much was opened up to now."},
    {"debug_open", list_open, METH_O,
     "debug_open(mark) -> list of str: the acquisitions, tokens and trampolines that were opened since and are open."},
    {NULL, NULL, 0, NULL},
};

/* ---- the end of an interpreter */

static PyObject *at_exit(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (!hpyrt_tell_left_open(HPYRT_LEFT_OPEN_BY_INTERPRETER, hpyrt_current_view()))
        abort();
    if (callable_view == hpyrt_current_view())
        set_callable(NULL);
    Py_RETURN_NONE;
}

static PyMethodDef at_exit_definition = {"hpylab_debug_at_exit", at_exit, METH_NOARGS, NULL};

void hpyrt_debug_watch_interpreter(hpyrt_view *view)
{
    if (view == NULL || view->is_watched)
        return;
    view->is_watched = true;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *module = PyImport_ImportModule("atexit");
    PyObject *function = PyCFunction_New(&at_exit_definition, NULL);
    PyObject *done = module == NULL || function == NULL ? NULL : PyObject_CallMethod(module, "register", "O", function);
    Py_XDECREF(done);
    Py_XDECREF(function);
    Py_XDECREF(module);
    PyErr_Restore(type, value, traceback);      /* without the hook the end of an interpreter goes unnoticed, no more */
}

/* ---- HPy's debug handles */

/* hpy.universal._debug.NAME(argument), new; NULL without an exception where it cannot be had. What is pending is put aside. */
static PyObject *call_hpy(const char *name, PyObject *argument)
{
    PyObject *module = PyImport_ImportModule("hpy.universal");
    PyObject *debug = module == NULL ? NULL : PyObject_GetAttrString(module, "_debug");
    PyObject *function = debug == NULL ? NULL : PyObject_GetAttrString(debug, name);
    PyObject *answer = function == NULL ? NULL : PyObject_CallFunctionObjArgs(function, argument, NULL);
    Py_XDECREF(function);
    Py_XDECREF(debug);
    Py_XDECREF(module);
    if (answer == NULL)
        PyErr_Clear();
    return answer;
}

/* Whether no other thread runs Python: their handles cannot be told from those of the calling one. */
static bool is_alone(void)
{
    PyObject *frames = PySys_GetObject("_current_frames");
    PyObject *all = frames == NULL ? NULL : PyObject_CallObject(frames, NULL);
    Py_ssize_t threads = all == NULL ? 0 : PyObject_Length(all);
    Py_XDECREF(all);
    if (all == NULL)
        PyErr_Clear();
    return threads <= 1;
}

void *hpyrt_new_generation(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *generation = call_hpy("new_generation", NULL);
    PyErr_Restore(type, value, traceback);
    return generation;
}

int hpyrt_open_handles(void *generation, char *text, size_t size)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *open = is_alone() ? call_hpy("get_open_handles", generation) : NULL;
    Py_ssize_t count = open == NULL ? 0 : PyObject_Length(open);
    PyObject *first = count <= 0 ? NULL : PySequence_GetItem(open, 0);
    PyObject *shown = first == NULL ? NULL : PyObject_Repr(first);
    const char *utf8 = shown == NULL ? NULL : PyUnicode_AsUTF8(shown);
    if (count > 0)
        snprintf(text, size, "%zd open, the first %.180s", count, utf8 != NULL ? utf8 : "(without a name)");
    Py_XDECREF(shown);
    Py_XDECREF(first);
    Py_XDECREF(open);
    Py_DECREF((PyObject *)generation);
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return (int)count;
}
