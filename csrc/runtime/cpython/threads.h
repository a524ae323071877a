/* How a thread gets into CPython, and back out; what runtime.h promises.

   A thread that is attached already gets a frame that changes nothing. Everything else is in threads.c: a Python thread that
   left Python execution gets its own thread state back; a foreign thread gets one that is made on its first acquisition,
   kept for later ones and freed after the thread ended.

   Their places are kept for: switching to another interpreter (hpyrt_frame_kind), refusing while an interpreter finalizes
   (hpyrt_is_finalizing in attach), and tracking misuse (hpyrt_detach). */
#ifndef HPYRT_CPYTHON_THREADS_H
#define HPYRT_CPYTHON_THREADS_H

#include "versions.h"

#include <pthread.h>

typedef struct hpyrt_record hpyrt_record;
typedef struct hpyrt_kept hpyrt_kept;

/* One interpreter. [kept] and [dead] are guarded by [mutex]. */
struct hpyrt_view {
    hpyrt_view *next;
    PyInterpreterState *interpreter;
    int64_t id;
    HPyContext *_Atomic context;    /* of the extension that registered last in this interpreter; NULL before */
    pthread_mutex_t mutex;
    hpyrt_kept *kept;           /* thread states of living foreign threads */
    hpyrt_kept *_Atomic dead;   /* those of threads that ended, waiting for a thread that is attached to free them */
};

/* A thread state made for a foreign thread. In two lists: its thread's and its view's. */
struct hpyrt_kept {
    PyThreadState *state;
    hpyrt_view *view;
    hpyrt_kept *next_of_thread;
    hpyrt_kept *previous, *next;
};

typedef enum {
    FRAME_NOTHING = 0,          /* the thread was attached to the right interpreter */
    FRAME_ATTACHED = 1,         /* it was not attached; the release detaches it */
    FRAME_LENT = 4,             /* beside either: a context was lent for it */
} hpyrt_frame_kind;

typedef struct {
    hpyrt_view *view;
    PyThreadState *state;       /* current inside the acquisition */
    hpyrt_origin *origin;       /* NULL for an ambient one */
    HPyContext *lent;           /* NULL unless the kind says so */
    hpyrt_frame_kind kind;
} hpyrt_frame;

/* One OS thread. Only that thread touches its record. */
struct hpyrt_record {
    PyThreadState *state;       /* known to be this thread's own while it is the current one (up to 3.11) */
    unsigned long thread;
    hpyrt_view *last;           /* the view of the last acquisition */
    hpyrt_kept *kept;
    int depth;
    hpyrt_frame frames[HPYRT_MAX_DEPTH];
};

/* The calling thread's record; NULL before its first acquisition. One pointer, because initial-exec storage is scarce. */
extern __thread hpyrt_record *hpyrt_this_thread __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Make [view]'s interpreter the calling thread's, on the way that is not fast. 0, or -1 with nothing changed. */
int hpyrt_attach_slow(hpyrt_view *view, hpyrt_policy policy, hpyrt_origin *origin);

/* The ambient view, and attach to it, on the way that is not fast. */
hpyrt_view *hpyrt_attach_ambient_slow(hpyrt_policy policy);

/* Undo what the frame on top, just popped, changed. */
void hpyrt_detach_slow(hpyrt_record *record, const hpyrt_frame *frame);

/* The fast path: push a frame that changes nothing, if the calling thread is attached to [view]'s interpreter and has room
   for one, as far as that can be told without looking further. Whether it was. */
static inline bool hpyrt_push_nothing(hpyrt_record *record, hpyrt_view *view, hpyrt_origin *origin)
{
    PyThreadState *current = hpyrt_current_state();
    if (current == NULL || record->depth == HPYRT_MAX_DEPTH)
        return false;
#if !HPYRT_STATE_IS_THREAD_LOCAL
    /* the pointer alone is not enough: a freed state's address may have become another thread's */
    if (current != record->state || current->thread_id != record->thread)
        return false;
#endif
    if (current->interp != view->interpreter)
        return false;
    hpyrt_frame *frame = &record->frames[record->depth++];
    frame->view = view;
    frame->state = current;
    frame->origin = origin;
    frame->kind = FRAME_NOTHING;
    return true;
}

static inline int hpyrt_attach(hpyrt_origin *origin)
{
    hpyrt_record *record = hpyrt_this_thread;
    if (__builtin_expect(record != NULL && hpyrt_push_nothing(record, origin->view, origin), 1))
        return 0;
    return hpyrt_attach_slow(origin->view, origin->policy, origin);
}

static inline hpyrt_view *hpyrt_attach_ambient(hpyrt_policy policy)
{
    hpyrt_record *record = hpyrt_this_thread;
    if (__builtin_expect(record != NULL && record->last != NULL && hpyrt_push_nothing(record, record->last, NULL), 1))
        return record->last;
    return hpyrt_attach_ambient_slow(policy);
}

static inline void hpyrt_detach(void)
{
    hpyrt_record *record = hpyrt_this_thread;
    if (__builtin_expect(record == NULL || record->depth == 0, 0))
        return;
    const hpyrt_frame *frame = &record->frames[--record->depth];
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
