/* The record of an OS thread: its open acquisitions, as a stack of frames.

   Only its own thread changes a record, and pushes and pops only while it is attached, so that whoever holds the GIL may
   read all frames there are (hpyrt_mutex keeps the records themselves alive meanwhile). A thread on its way into an
   interpreter holds no GIL: it first says in its record where it goes, and then looks whether that is closed; who closes it does
   it the other way round. One of the two sees the other, without a lock and without a counter that all threads write to. The
   barrier between saying and looking is on the side of the one who closes, where the kernel has one for all threads
   (membarrier): on the other side it would make each acquisition a tenth dearer.

   Included by each threads.h behind its hpyrt_change, what an acquisition changed, and its hpyrt_thread, what else is known of
   a thread. */
#ifndef HPYRT_RECORDS_H
#define HPYRT_RECORDS_H

#include <pthread.h>
#include <stdatomic.h>

/* What an acquisition did. */
typedef enum {
    FRAME_NOTHING = 0,          /* the thread was attached to the right interpreter */
    FRAME_ATTACHED = 1,         /* it was not attached; the release detaches it */
    FRAME_SWITCHED = 2,         /* it was attached to another interpreter; the release switches back */
    FRAME_CROSSED = FRAME_ATTACHED | FRAME_SWITCHED,
    FRAME_LENT = 4,             /* beside any of them: a context was lent for it */
    FRAME_AWAITED = 8,          /* beside any of them: it was open when its interpreter began to finalize */
} hpyrt_frame_kind;

typedef struct {
    hpyrt_view *view;
    hpyrt_origin *origin;       /* NULL for an ambient acquisition */
    HPyContext *lent;           /* NULL unless the kind says so */
    hpyrt_frame_kind kind;
    hpyrt_change change;
} hpyrt_frame;

typedef struct hpyrt_record hpyrt_record;
struct hpyrt_record {
    hpyrt_frame *top;           /* where the next frame goes */
    hpyrt_frame *limit;         /* the end of the room there is; more is had by hpyrt_ready_record */
    hpyrt_frame *frames;
    unsigned long thread;
    hpyrt_thread own;
    hpyrt_origin *_Atomic origin;       /* with which the thread is on its way in; NULL when it is not */
    hpyrt_view *_Atomic crossing;       /* into or out of which the thread is on its way; NULL when it is not */
    hpyrt_record *next, *previous;      /* guarded by hpyrt_mutex */
};

/* Guards the list of records and whatever an implementation's threads.h says. Innermost: no memory is allocated while it is held,
   and nothing of Python called but PyInterpreterGuard_Close, which calls nothing. */
extern pthread_mutex_t hpyrt_mutex;
extern hpyrt_record *hpyrt_records;

/* The calling thread's record; NULL before its first acquisition. One pointer, because initial-exec storage is scarce. */
extern __thread hpyrt_record *hpyrt_this_thread __attribute__((tls_model("initial-exec")));

/* To be called, attached, before the first acquisition can come. 0, or -1 when there is no memory. */
int hpyrt_prepare_records(void);

/* A record for the calling thread, which has none, or the double of the room in [record]. NULL when there is no memory or no more
   depth. */
hpyrt_record *hpyrt_make_room(hpyrt_record *record);

/* The calling thread's record, made if need be, with room for one more frame. NULL as above. */
static inline hpyrt_record *hpyrt_ready_record(void)
{
    hpyrt_record *record = hpyrt_this_thread;
    if (__builtin_expect(record != NULL && record->top != record->limit, 1))
        return record;
    return hpyrt_make_room(record);
}

/* For each implementation to define. */
/* The calling thread is about to have a record. 0, or -1 when there is no memory. */
int hpyrt_begin_thread(void);
/* The calling thread begins to end with [record]: undo what its open acquisitions changed, without waiting for the GIL. */
void hpyrt_leave_all(hpyrt_record *record);
/* Whether it may acquire again before it is gone, so that its record has to wait for another round of thread-specific
   destructors. */
bool hpyrt_may_come_back(hpyrt_record *record);
/* It ends now, without waiting for the GIL. */
void hpyrt_end_thread(hpyrt_record *record);
bool hpyrt_is_attached(void);
/* In a child process, whose only thread is the calling one, with [record] or NULL. hpyrt_mutex is not held, and not needed. */
void hpyrt_forget_other_threads(hpyrt_record *record, bool attached);

/* Whether the kernel has that barrier. */
extern bool hpyrt_has_membarrier;

/* After it each other thread either has said where it goes, if it looked before, or will look and see what was closed before. */
void hpyrt_barrier_for_all(void);

static inline int hpyrt_depth(const hpyrt_record *record)
{
    return (int)(record->top - record->frames);
}

/* Say that the calling thread is on its way into [view] with [origin], or NULL, before it looks whether it may. Returns what
   hpyrt_arrive needs. */
static inline hpyrt_view *hpyrt_set_out(hpyrt_record *record, hpyrt_view *view, hpyrt_origin *origin)
{
    hpyrt_view *outer = atomic_load_explicit(&record->crossing, memory_order_relaxed);
    if (origin != NULL)
        atomic_store_explicit(&record->origin, origin, memory_order_relaxed);
    atomic_store_explicit(&record->crossing, view, memory_order_relaxed);
    if (__builtin_expect(hpyrt_has_membarrier, 1))
        atomic_signal_fence(memory_order_seq_cst);
    else
        atomic_thread_fence(memory_order_seq_cst);
    return outer;
}

/* The same for a thread that is attached, and so is not overlooked. */
static inline hpyrt_view *hpyrt_set_out_attached(hpyrt_record *record, hpyrt_view *view)
{
    hpyrt_view *outer = atomic_load_explicit(&record->crossing, memory_order_relaxed);
    atomic_store_explicit(&record->crossing, view, memory_order_relaxed);
    return outer;
}

/* It is where it went, or has given up. [outer]: it may have set out while it was on its way out of something. */
static inline void hpyrt_arrive(hpyrt_record *record, hpyrt_view *outer)
{
    if (atomic_load_explicit(&record->origin, memory_order_relaxed) != NULL)
        atomic_store_explicit(&record->origin, NULL, memory_order_release);
    atomic_store_explicit(&record->crossing, outer, memory_order_release);
}

#endif
