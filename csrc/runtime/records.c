/* Records: see records.h. */
#include "runtime.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Helgrind takes no notice of C11's atomics: a build for it says which words threads share without a lock. */
#if defined HPYLAB_HELGRIND && __has_include(<valgrind/helgrind.h>)
#include <valgrind/helgrind.h>
#define SHARED(word) VALGRIND_HG_DISABLE_CHECKING(&(word), sizeof (word))
#else
#define SHARED(word) ((void)0)
#endif

/* Of linux/membarrier.h, which old systems lack. */
#define BARRIER_FOR_ALL (1 << 3)
#define REGISTER_BARRIER_FOR_ALL (1 << 4)

#define FIRST_ROOM 8        /* frames */

__thread hpyrt_record *hpyrt_this_thread;
pthread_mutex_t hpyrt_mutex = PTHREAD_MUTEX_INITIALIZER;
hpyrt_record *hpyrt_records;
bool hpyrt_has_membarrier;

static pthread_key_t thread_end;
static bool is_prepared;

static long membarrier(int command)
{
#ifdef SYS_membarrier
    return syscall(SYS_membarrier, command, 0, 0);
#else
    (void)command;
    return -1;
#endif
}

void hpyrt_barrier_for_all(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (hpyrt_has_membarrier)
        membarrier(BARRIER_FOR_ALL);
}

/* ---- the list ---- */

/* The mutex is held. */
static void link_record(hpyrt_record *record)
{
    record->previous = NULL;
    record->next = hpyrt_records;
    if (record->next != NULL)
        record->next->previous = record;
    hpyrt_records = record;
}

static void unlink_record(hpyrt_record *record)
{
    if (record->previous != NULL)
        record->previous->next = record->next;
    else
        hpyrt_records = record->next;
    if (record->next != NULL)
        record->next->previous = record->previous;
}

/* ---- threads that end, and fork ---- */

/* Runs when an OS thread ends, be it inside an acquisition (pthread_exit). It never takes the GIL: whoever joins this thread
   may be holding it. */
static void end_thread(void *argument)
{
    hpyrt_record *record = argument;
    hpyrt_leave_all(record);
    if (hpyrt_may_come_back(record) && pthread_setspecific(thread_end, record) == 0)
        return;
    hpyrt_end_thread(record);
    pthread_mutex_lock(&hpyrt_mutex);
    unlink_record(record);
    pthread_mutex_unlock(&hpyrt_mutex);
    hpyrt_this_thread = NULL;
    free(record->frames);
    free(record);
}

static bool forked_attached;        /* whether the thread that forks is attached; guarded by the mutex */

static void before_fork(void)
{
    bool attached = hpyrt_is_attached();
    pthread_mutex_lock(&hpyrt_mutex);
    forked_attached = attached;
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&hpyrt_mutex);
}

/* The other threads are gone. What memory their records took stays with the child. */
static void after_fork_in_child(void)
{
    hpyrt_record *record = hpyrt_this_thread;
    for (hpyrt_record *other = hpyrt_records; other != NULL; other = other->next)
        if (other != record)
            hpyrt_drop_guards(other);
    pthread_mutex_init(&hpyrt_mutex, NULL);
    hpyrt_has_membarrier = hpyrt_has_membarrier && membarrier(REGISTER_BARRIER_FOR_ALL) == 0;
    hpyrt_records = NULL;
    if (record != NULL)
        link_record(record);
    hpyrt_forget_other_threads(record, forked_attached);
}

int hpyrt_prepare_records(void)
{
    if (is_prepared)
        return 0;
    if (pthread_key_create(&thread_end, end_thread) != 0)
        return -1;
    if (pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0) {
        pthread_key_delete(thread_end);
        return -1;
    }
    hpyrt_has_membarrier = membarrier(REGISTER_BARRIER_FOR_ALL) == 0 && membarrier(BARRIER_FOR_ALL) == 0;
    is_prepared = true;
    return 0;
}

/* ---- one record ---- */

static hpyrt_record *make_record(void)
{
    hpyrt_record *record = calloc(1, sizeof *record);
    if (record == NULL)
        return NULL;
    record->frames = malloc(FIRST_ROOM * sizeof *record->frames);
    if (record->frames == NULL || hpyrt_begin_thread() != 0 || pthread_setspecific(thread_end, record) != 0) {
        free(record->frames);
        free(record);
        return NULL;
    }
    record->top = record->frames;
    record->limit = record->frames + FIRST_ROOM;
    record->thread = (unsigned long)pthread_self();
    SHARED(record->origin);
    SHARED(record->crossing);
    pthread_mutex_lock(&hpyrt_mutex);
    link_record(record);
    pthread_mutex_unlock(&hpyrt_mutex);
    hpyrt_this_thread = record;
    return record;
}

/* Double the room of [record], which has none left. 0, or -1. */
static int grow(hpyrt_record *record)
{
    size_t room = (size_t)(record->limit - record->frames);
    hpyrt_frame *old = record->frames;
    hpyrt_frame *frames = room < HPYRT_MAX_DEPTH ? malloc(2 * room * sizeof *frames) : NULL;
    if (frames == NULL)
        return -1;
    pthread_mutex_lock(&hpyrt_mutex);       /* this thread may not be attached, and others read and mark frames */
    memcpy(frames, old, room * sizeof *frames);
    record->frames = frames;
    record->top = frames + room;
    record->limit = frames + 2 * room;
    pthread_mutex_unlock(&hpyrt_mutex);
    free(old);
    return 0;
}

hpyrt_record *hpyrt_make_room(hpyrt_record *record)
{
    if (record == NULL)
        return make_record();
    return grow(record) == 0 ? record : NULL;
}

/* ---- what frames hold ---- */

static bool is_in_use_by(const hpyrt_record *record, const hpyrt_origin *origin)
{
    if (atomic_load(&record->origin) == origin)
        return true;
    for (const hpyrt_frame *frame = record->frames; frame < record->top; frame++)
        if (frame->origin == origin)
            return true;
    return false;
}

/* A thread that is on its way in and has only just said so may be overlooked. It will find the origin closed when it has the GIL,
   which the caller holds. */
bool hpyrt_in_use(const hpyrt_origin *origin)
{
    pthread_mutex_lock(&hpyrt_mutex);
    const hpyrt_record *record = hpyrt_records;
    while (record != NULL && !is_in_use_by(record, origin))
        record = record->next;
    pthread_mutex_unlock(&hpyrt_mutex);
    return record != NULL;
}

void hpyrt_forget_origin(void)
{
    hpyrt_this_thread->top[-1].origin = NULL;
}

void hpyrt_keep_lent(HPyContext *context)
{
    hpyrt_frame *frame = &hpyrt_this_thread->top[-1];
    frame->lent = context;
    frame->kind |= FRAME_LENT;
}
