/* How a thread gets into CPython, and back out; what runtime.h promises.

   A thread that is attached already gets a frame that changes nothing. Everything else is in threads.c: a Python thread that
   left Python execution gets its own thread state back; a thread in another interpreter is switched; a foreign thread gets a
   thread state that is made on its first acquisition, kept for later ones and freed after the thread ended (kept.c). What an
   interpreter is to us is in views.c, and how it ends in ../finalization.h. */
#ifndef HPYRT_CPYTHON_THREADS_H
#define HPYRT_CPYTHON_THREADS_H

#include "versions.h"

typedef struct hpyrt_kept hpyrt_kept;

/* What an acquisition changed. */
typedef struct {
    PyThreadState *state;       /* current inside the acquisition */
    PyThreadState *previous;    /* switched: what was current before */
    PyThreadState *slot;        /* crossed: what was, and will again be, in the gilstate slot */
    PyInterpreterGuard *guard;  /* crossed, under HPYRT_PEP_788 */
} hpyrt_change;

/* What is known of an OS thread beside its open acquisitions. Only that thread touches it. */
typedef struct {
    PyThreadState *state;       /* known to be this thread's own while it is the current one (up to 3.11) */
    hpyrt_view *last;           /* of the interpreter that an acquisition, or its end, last attached the thread to */
    hpyrt_kept *kept;
    bool has_crossed;           /* since the thread began to end, or its last round of that */
    int rounds;                 /* of thread-specific destructors */
    PyInterpreterGuard *guard;  /* of the way in or out that the thread is on, under HPYRT_PEP_788 */
    hpyrt_view *seen;           /* where the thread was when it was last seen attached by somebody else (up to 3.11) */
    PyThreadState *seen_state;
    int seen_depth;
} hpyrt_thread;

#include "../records.h"

/* One interpreter. [kept] and [dead] are guarded by hpyrt_mutex. */
struct hpyrt_view {
    hpyrt_view *_Atomic next;                       /* among those that are not gone */
    PyInterpreterState *_Atomic interpreter;        /* NULL: it is gone */
    HPyContext *_Atomic context;    /* of the extension that registered last in this interpreter; NULL before */
    _Atomic unsigned long closed_by;        /* the thread that ends the interpreter; 0 before */
    hpyrt_kept *kept;               /* thread states of living threads */
    hpyrt_kept *_Atomic dead;       /* those of threads that ended, waiting for a thread that is attached to free them */
    PyInterpreterView *pep_788;
    bool is_watched;                /* by the debug mode; changed while attached */
};

#include "../finalization.h"

/* ---- guards of PEP 788 ---- */

static inline void hpyrt_drop_guard(PyInterpreterGuard **guard)
{
    if (HPYRT_PEP_788 && *guard != NULL) {
        PyInterpreterGuard *held = *guard;
        *guard = NULL;
        PyInterpreterGuard_Close(held);
    }
}

/* 0, or -1: the interpreter of [view] is finalizing. */
static inline int hpyrt_take_guard(hpyrt_record *record, const hpyrt_view *view)
{
    if (HPYRT_PEP_788)
        record->own.guard = PyInterpreterGuard_FromView(view->pep_788);
    return HPYRT_PEP_788 && record->own.guard == NULL ? -1 : 0;
}

/* Drop all guards of [record]'s thread, which has ended or is waited for no longer. */
static inline void hpyrt_drop_guards(hpyrt_record *record)
{
    hpyrt_drop_guard(&record->own.guard);
    for (hpyrt_frame *frame = record->frames; frame < record->top; frame++)
        if (frame->kind & FRAME_CROSSED)
            hpyrt_drop_guard(&frame->change.guard);
}

/* ---- views.c ---- */

extern hpyrt_view *_Atomic hpyrt_main_view;

/* The view of [interpreter], NULL if there is none. Takes as long as there are interpreters. */
hpyrt_view *hpyrt_view_of(const PyInterpreterState *interpreter);

hpyrt_view *hpyrt_first_view(void);
bool hpyrt_is_main(const hpyrt_view *view);

/* Let signal handlers run. 0, or -1 with the exception that one raised. */
static inline int hpyrt_check_signals(void)
{
    return PyErr_CheckSignals();
}

/* Whether [frame] switched a thread away from the interpreter of [view]. */
bool hpyrt_comes_from(const hpyrt_frame *frame, const hpyrt_view *view);

/* ---- kept.c ---- */

/* The thread state kept for [record]'s thread in [view]; NULL if there is none. */
PyThreadState *hpyrt_kept_state(hpyrt_record *record, const hpyrt_view *view);

/* Make one and keep it. NULL when there is no memory. */
PyThreadState *hpyrt_keep_new_state(hpyrt_record *record, hpyrt_view *view);

bool hpyrt_keeps(const hpyrt_record *record, const PyThreadState *state);

/* Keep [state] no longer: it is the caller's. False if it was not kept. */
bool hpyrt_give_up_state(hpyrt_record *record, const PyThreadState *state);

/* Leave what is kept for [record]'s thread, which ends, to others to free. */
void hpyrt_bury_kept(hpyrt_record *record);

/* Free what threads that ended left in [view]. Attached to its interpreter. */
void hpyrt_drain(hpyrt_view *view);

/* Nobody is inside of [view] any more, nor comes back: free what is kept there, so that the interpreter can end; for the main
   one, what is kept in all others, while its own states are Python's to free. Attached to its interpreter. */
void hpyrt_free_kept(hpyrt_view *view);

/* Python has freed the thread states kept for [view], or is about to. [but]: NULL, or the one record that keeps its own. */
void hpyrt_forget_kept(hpyrt_view *view, hpyrt_record *but);

/* ---- threads.c ---- */

/* hpyrt_attach and hpyrt_attach_ambient, on the way that is not fast. */
int hpyrt_attach_slow(hpyrt_origin *origin);
hpyrt_view *hpyrt_attach_ambient_slow(hpyrt_policy policy);

/* Undo what the frame on top, just popped, did. */
void hpyrt_detach_slow(hpyrt_record *record, const hpyrt_frame *frame);

/* ---- the fast path ---- */

/* Push a frame that changes nothing, if the calling thread is attached to [view]'s interpreter and has room for one, as far as
   that can be told without looking further. Whether it was. */
static inline bool hpyrt_push_nothing(hpyrt_record *record, hpyrt_view *view, hpyrt_origin *origin)
{
    PyThreadState *current = hpyrt_current_state();
    hpyrt_frame *frame = record->top;
    if (current == NULL || frame == record->limit)
        return false;
#if !HPYRT_STATE_IS_THREAD_LOCAL
    /* the pointer alone is not enough: a freed state's address may have become another thread's */
    if (current != record->own.state || current->thread_id != record->thread)
        return false;
#endif
    if (current->interp != atomic_load_explicit(&view->interpreter, memory_order_relaxed))
        return false;
    frame->view = view;
    frame->origin = origin;
    frame->kind = FRAME_NOTHING;
    frame->change.state = current;
    record->top = frame + 1;
    return true;
}

static inline int hpyrt_attach(hpyrt_origin *origin)
{
    hpyrt_record *record = hpyrt_this_thread;
    if (__builtin_expect(record != NULL && hpyrt_push_nothing(record, origin->view, origin), 1))
        return 0;
    return hpyrt_attach_slow(origin);
}

static inline hpyrt_view *hpyrt_attach_ambient(hpyrt_policy policy)
{
    hpyrt_record *record = hpyrt_this_thread;
    hpyrt_view *last = record != NULL ? record->own.last : NULL;
    if (__builtin_expect(last != NULL && last->context != NULL && hpyrt_push_nothing(record, last, NULL), 1))
        return last;
    return hpyrt_attach_ambient_slow(policy);
}

static inline void hpyrt_detach(void)
{
    hpyrt_record *record = hpyrt_this_thread;
    if (__builtin_expect(record == NULL || record->top == record->frames, 0))
        return;
    const hpyrt_frame *frame = --record->top;
    if (__builtin_expect(frame->kind != FRAME_NOTHING, 0))
        hpyrt_detach_slow(record, frame);
}

static inline HPyContext *hpyrt_context(const hpyrt_view *view)
{
    return view->context;
}

static inline void hpyrt_set_context(hpyrt_view *view, HPyContext *admitted)
{
    view->context = admitted;
}

#endif
