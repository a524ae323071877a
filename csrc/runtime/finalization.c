/* Finalization: see finalization.h. */
#include "runtime.h"

#include <time.h>

#ifndef HPYRT_PATIENCE_MS
#define HPYRT_PATIENCE_MS 10000     /* of waiting, after which the process says what it waits for */
#endif

void (*hpyrt_report_inside)(pthread_t thread, int open);

/* What ends: the interpreter of [view], and with the main one all others. */
typedef struct {
    hpyrt_view *view;
    bool all;
} ending;

/* How many acquisitions [record]'s thread has open in what ends, of those with one of [kinds] or, if that is 0, of all; they
   are marked [mark]. The mutex is held. */
static int count_open(const hpyrt_record *record, ending what, int kinds, int mark)
{
    int count = 0;
    for (hpyrt_frame *frame = record->frames; frame < record->top; frame++) {
        bool is_meant = kinds == 0 || (frame->kind & kinds) != 0;
        if (is_meant && (what.all || frame->view == what.view || hpyrt_comes_from(frame, what.view))) {
            frame->kind |= mark;
            count++;
        }
    }
    return count;
}

#define MOST_REPORTED 32

/* A thread that is waited for, and how many acquisitions it has open. */
typedef struct {
    unsigned long thread;
    int open;
} inside;

/* Close what ends to all threads that are not inside, and mark the acquisitions that are to be waited for. Attached. */
static void close_to_others(ending what, const hpyrt_record *own)
{
    unsigned long thread = (unsigned long)pthread_self();
    inside found[MOST_REPORTED];
    int count = 0;
    pthread_mutex_lock(&hpyrt_mutex);
    for (hpyrt_view *view = what.all ? hpyrt_first_view() : what.view; view != NULL; view = what.all ? view->next : NULL)
        if (view->closed_by == 0)
            view->closed_by = thread;
    hpyrt_barrier_for_all();
    for (const hpyrt_record *record = hpyrt_records; record != NULL; record = record->next) {
        int open = record != own ? count_open(record, what, 0, FRAME_AWAITED) : 0;
        if (open > 0 && count < MOST_REPORTED)
            found[count++] = (inside){record->thread, open};
    }
    pthread_mutex_unlock(&hpyrt_mutex);
    for (int i = 0; i < count && hpyrt_report_inside != NULL; i++)
        hpyrt_report_inside((pthread_t)found[i].thread, found[i].open);
}

/* How many other threads are inside of what ends, or on their way in or out. Attached. */
static int count_threads(ending what, const hpyrt_record *own)
{
    int count = 0;
    pthread_mutex_lock(&hpyrt_mutex);
    for (const hpyrt_record *record = hpyrt_records; record != NULL; record = record->next) {
        if (record == own)
            continue;
        const hpyrt_view *crossing = atomic_load(&record->crossing);
        bool is_crossing = crossing != NULL && (what.all || crossing == what.view);
        count += is_crossing || count_open(record, what, FRAME_CROSSED | FRAME_AWAITED, 0) > 0;
    }
    pthread_mutex_unlock(&hpyrt_mutex);
    return count;
}

/* Python is not to wait either. */
static void drop_others_guards(const hpyrt_record *own)
{
    pthread_mutex_lock(&hpyrt_mutex);
    for (hpyrt_record *record = hpyrt_records; record != NULL; record = record->next)
        if (record != own && atomic_load(&record->crossing) == NULL)
            hpyrt_drop_guards(record);
    pthread_mutex_unlock(&hpyrt_mutex);
}

/* Wait until no other thread is inside of what ends. 0, or -1 with the exception of an interrupt. */
static int wait_for_others(ending what, const hpyrt_record *own)
{
    long pause_us = 50, waited_us = 0;
    for (int count; (count = count_threads(what, own)) > 0; waited_us += pause_us) {
        if (waited_us >= HPYRT_PATIENCE_MS * 1000L && waited_us < HPYRT_PATIENCE_MS * 1000L + pause_us)
            PySys_WriteStderr("hpylab_runtime: the interpreter cannot end: it waits for %d thread(s) with a context that was "
                              "not given back; an interrupt (Ctrl-C) ends the waiting\n", count);
        if (pause_us < 2000)
            pause_us *= 2;
        Py_BEGIN_ALLOW_THREADS
        nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
        Py_END_ALLOW_THREADS
        if (hpyrt_check_signals() < 0) {
            drop_others_guards(own);
            return -1;
        }
    }
    return 0;
}

/* What atexit calls. An interpreter that the main one closed when it began to end is not waited for again: up to CPython 3.11
   releasing the GIL by then would end the thread. */
static PyObject *finalize(PyObject *capsule, PyObject *unused)
{
    (void)unused;
    hpyrt_view *view = PyCapsule_GetPointer(capsule, NULL);
    if (view == NULL)
        return NULL;
    ending what = {view, hpyrt_is_main(view)};
    hpyrt_record *own = hpyrt_this_thread;
    if (view->closed_by == 0) {
        close_to_others(what, own);
        if (wait_for_others(what, own) < 0)
            return NULL;
    }
    if (own != NULL && what.all)
        hpyrt_drop_guards(own);     /* Python would wait for the acquisition that it is ended from */
    if (count_threads(what, own) == 0)
        hpyrt_free_kept(view);
    Py_RETURN_NONE;
}

static PyMethodDef finalize_definition = {"hpyrt_finalize", finalize, METH_NOARGS, NULL};

int hpyrt_close_at_exit(hpyrt_view *view)
{
    PyObject *capsule = PyCapsule_New(view, NULL, NULL);
    PyObject *function = capsule != NULL ? PyCFunction_New(&finalize_definition, capsule) : NULL;
    PyObject *atexit = function != NULL ? PyImport_ImportModule("atexit") : NULL;
    PyObject *registered = atexit != NULL ? PyObject_CallMethod(atexit, "register", "O", function) : NULL;
    Py_XDECREF(registered);
    Py_XDECREF(atexit);
    Py_XDECREF(function);
    Py_XDECREF(capsule);
    return registered != NULL ? 0 : -1;
}

bool hpyrt_is_inside(const hpyrt_record *record, const hpyrt_view *view)
{
    bool is_own = view->closed_by == record->thread;
    bool is_inside = false;
    pthread_mutex_lock(&hpyrt_mutex);       /* whoever closes the interpreter may just be marking these frames */
    for (const hpyrt_frame *frame = record->frames; frame < record->top && !is_inside; frame++) {
        bool is_waited_for = is_own || (frame->kind & (FRAME_CROSSED | FRAME_AWAITED)) != 0;
        is_inside = (frame->view == view && is_waited_for) || hpyrt_comes_from(frame, view);
    }
    pthread_mutex_unlock(&hpyrt_mutex);
    return is_inside;
}
