/* Leases: contexts that know whether they may be used. See debug.h. */
#define _GNU_SOURCE 1
#include "debug.h"
#include "finalization.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RETIRED_AT_LEAST 256    /* closed leases that wait before one is used again */
#define FIRST_CHUNK 16
#define CHUNKS 24               /* each twice as large as the one before */
#define WORD(field) (offsetof(HPyContext, field) / sizeof(void *))
#define WORDS (sizeof(HPyContext) / sizeof(void *))

/* debug_slots.S: entries of 16 bytes. */
extern char hpyrt_debug_slots[];
#define ENTRIES 320
_Static_assert(WORDS <= ENTRIES, "debug_slots.S has too few entries for HPy's context");

pthread_mutex_t hpyrt_debug_mutex = PTHREAD_MUTEX_INITIALIZER;
uint64_t hpyrt_debug_serial;
hpyrt_lease *hpyrt_open_leases;

/* Guarded by the mutex. A chunk's address is written once, before any lease of it is handed out. */
static hpyrt_lease *_Atomic chunks[CHUNKS];
static size_t carved;           /* how many leases there ever were */
static hpyrt_lease *first_retired, *last_retired;
static size_t retired;

/* ---- threads */

static pthread_key_t thread_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void print_inside(pthread_t thread, int open);

static void forget_borrowed(hpyrt_debugged_thread *me)
{
    while (me->borrowed != NULL) {
        hpyrt_lease *lease = me->borrowed;
        me->borrowed = lease->below;
        hpyrt_note_site(&lease->released, "the end of the thread");
        hpyrt_retire_lease(lease);
    }
}

/* What glibc calls at the end of a thread before any key's destructor, such as that of the runtime half's own records; and for
   the thread that calls exit(), when the process ends. */
extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *object, void *library) __attribute__((weak));
extern void *__dso_handle;

static bool is_main_thread(void)
{
    return (pid_t)syscall(SYS_gettid) == getpid();
}

static void look_at_left_open(void *ending)
{
    int open = 0;
    if (is_main_thread())
        return;                 /* its end is that of the process: see process_ends */
    ((hpyrt_debugged_thread *)ending)->ends = true;
    for (const hpyrt_lease *lease = ((hpyrt_debugged_thread *)ending)->top; lease != NULL; lease = lease->below)
        open++;
    if (!hpyrt_tell_left_open(HPYRT_LEFT_OPEN_BY_THREAD, NULL))
        abort();
    while (open-- > 0 && hpyrt_current_view() != NULL)     /* else it left Python inside, and hpyrt_end_thread sees to it */
        hpyrt_detach();         /* or Python would wait for this thread for good */
}

static void thread_ends(void *ending)
{
    pthread_setspecific(thread_key, ending);        /* for what is called from here */
    look_at_left_open(ending);
    forget_borrowed(ending);
    pthread_setspecific(thread_key, NULL);
    free(ending);
}

static void process_ends(void)
{
    bool go_on = hpyrt_tell_left_open(HPYRT_LEFT_OPEN_BY_PROCESS, NULL);
    if (!hpyrt_tell_leaked_objects() || !go_on)
        abort();
}

static void before_fork(void)
{
    pthread_mutex_lock(&hpyrt_debug_mutex);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&hpyrt_debug_mutex);
}

/* The other threads are gone, and so are their acquisitions. */
static void after_fork_in_child(void)
{
    pthread_mutex_init(&hpyrt_debug_mutex, NULL);
    hpyrt_debugged_thread *me = pthread_getspecific(thread_key);
    for (hpyrt_lease *lease = hpyrt_open_leases, *next; lease != NULL; lease = next) {
        next = lease->next;
        if (lease->thread != me)
            hpyrt_retire_lease(lease);
    }
}

static void start(void)
{
    void *stack[1];
    backtrace(stack, 1);        /* its first call loads a library, which a signal handler or a lock may not bear later */
    if (pthread_key_create(&thread_key, thread_ends) != 0)
        hpyrt_debug_out_of_memory();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    atexit(process_ends);
    hpyrt_report_inside = print_inside;
}

hpyrt_debugged_thread *hpyrt_debugged(void)
{
    pthread_once(&once, start);
    hpyrt_debugged_thread *me = pthread_getspecific(thread_key);
    if (me == NULL) {
        me = calloc(1, sizeof *me);
        if (me != NULL)
            me->id = pthread_self();
        if (me == NULL || pthread_setspecific(thread_key, me) != 0)
            hpyrt_debug_out_of_memory();
        if (__cxa_thread_atexit_impl != NULL)
            __cxa_thread_atexit_impl(look_at_left_open, me, &__dso_handle);
    }
    return me;
}

/* ---- the pool of leases */

static size_t chunk_size(int index)
{
    return (size_t)FIRST_CHUNK << index;
}

/* A lease that was never used. The mutex is held. */
static hpyrt_lease *carve(void)
{
    size_t place = carved;
    int index = 0;
    while (index < CHUNKS && place >= chunk_size(index))
        place -= chunk_size(index++);
    if (index == CHUNKS)
        hpyrt_debug_out_of_memory();
    if (chunks[index] == NULL && (chunks[index] = calloc(chunk_size(index), sizeof(hpyrt_lease))) == NULL)
        hpyrt_debug_out_of_memory();
    carved++;
    return &chunks[index][place];
}

hpyrt_lease *hpyrt_lease_of(const HPyContext *ctx)
{
    for (int index = 0; index < CHUNKS && chunks[index] != NULL; index++) {
        size_t distance = (size_t)((const char *)ctx - (const char *)chunks[index]);
        if (distance < chunk_size(index) * sizeof(hpyrt_lease))
            return distance % sizeof(hpyrt_lease) == 0 ? (hpyrt_lease *)(void *)ctx : NULL;
    }
    return NULL;
}

HPyContext *hpyrt_original_context(HPyContext *ctx)
{
    hpyrt_lease *lease = hpyrt_lease_of(ctx);
    return lease == NULL ? ctx : lease->real;
}

static bool is_function(size_t word)
{
    return (word >= WORD(ctx_Dup) && word < WORD(h_ComplexType)) || word >= WORD(ctx_Capsule_New);
}

/* Make [copy] one of [real] whose functions lead to the entries. */
static void fill(HPyContext *copy, const HPyContext *real)
{
    void **words = (void **)(void *)copy;
    memcpy(copy, real, sizeof *copy);
    for (size_t word = 0; word < WORDS; word++)
        if (is_function(word))
            words[word] = hpyrt_debug_slots + 16 * word;
}

/* The handles of a lease that is over are no handles. */
static void blank(HPyContext *copy)
{
    void **words = (void **)(void *)copy;
    for (size_t word = WORD(h_None); word < WORDS; word++)
        if (!is_function(word))
            words[word] = NULL;
}

hpyrt_lease *hpyrt_open_lease(hpyrt_debugged_thread *me, HPyContext *real, hpyrt_lease_kind kind, const hpyrt_site *site)
{
    pthread_mutex_lock(&hpyrt_debug_mutex);
    hpyrt_lease *lease = first_retired;
    if (retired > RETIRED_AT_LEAST) {
        first_retired = lease->below;
        retired--;
    } else {
        lease = carve();
    }
    *lease = (hpyrt_lease){.real = real, .kind = kind, .open = true, .thread = me, .acquired = *site,
                           .serial = ++hpyrt_debug_serial, .next = hpyrt_open_leases};
    if (hpyrt_open_leases != NULL)
        hpyrt_open_leases->previous = lease;
    hpyrt_open_leases = lease;
    pthread_mutex_unlock(&hpyrt_debug_mutex);
    fill(&lease->copy, real);
    return lease;
}

void hpyrt_retire_lease(hpyrt_lease *lease)
{
    pthread_mutex_lock(&hpyrt_debug_mutex);
    lease->open = false;
    *(lease->previous != NULL ? &lease->previous->next : &hpyrt_open_leases) = lease->next;
    if (lease->next != NULL)
        lease->next->previous = lease->previous;
    blank(&lease->copy);
    lease->below = NULL;
    *(retired++ > 0 ? &last_retired->below : &first_retired) = lease;
    last_retired = lease;
    pthread_mutex_unlock(&hpyrt_debug_mutex);
}

/* ---- what is open */

bool hpyrt_tell_left_open(hpyrt_misuse misuse, const hpyrt_view *view)
{
    bool go_on = true;
    hpyrt_lease **place = &hpyrt_debugged()->top;
    while (*place != NULL) {
        hpyrt_lease *lease = *place;
        if (view != NULL && (lease->view != view || lease->kind == LEASE_CALL)) {
            place = &lease->below;
            continue;
        }
        hpyrt_site opened = lease->acquired;
        *place = lease->below;
        hpyrt_retire_lease(lease);
        go_on &= hpyrt_tell(misuse, &(hpyrt_story){.opened = &opened});
    }
    return go_on;
}

/* What hpyrt_each_open_object and the leases are gathered into. */
typedef struct {
    hpyrt_open_thing *things;
    size_t count, room;
    uint64_t since;
} gathering;

static void gather(gathering *into, const hpyrt_open_thing *thing)
{
    if (thing->serial <= into->since)
        return;
    if (into->count == into->room) {
        into->room = into->room == 0 ? 16 : 2 * into->room;
        into->things = realloc(into->things, into->room * sizeof *into->things);
        if (into->things == NULL)
            hpyrt_debug_out_of_memory();
    }
    into->things[into->count++] = *thing;
}

static void gather_object(const hpyrt_object *object, void *data)
{
    gather(data, &(hpyrt_open_thing){.serial = object->serial, .verb = "made", .freed_by = object->freed_by,
                                     .opened = object->made});
}

static int by_serial(const void *a, const void *b)
{
    uint64_t one = ((const hpyrt_open_thing *)a)->serial, other = ((const hpyrt_open_thing *)b)->serial;
    return one < other ? -1 : one > other;
}

size_t hpyrt_open_things(uint64_t since, hpyrt_open_thing **things)
{
    gathering found = {.since = since};
    pthread_mutex_lock(&hpyrt_debug_mutex);
    for (const hpyrt_lease *lease = hpyrt_open_leases; lease != NULL; lease = lease->next)
        if (lease->kind == LEASE_ACQUIRED)
            gather(&found, &(hpyrt_open_thing){.serial = lease->serial, .verb = "acquired", .thread = lease->thread->id,
                                               .opened = lease->acquired});
    hpyrt_each_open_object(gather_object, &found);
    pthread_mutex_unlock(&hpyrt_debug_mutex);
    if (found.count > 0)
        qsort(found.things, found.count, sizeof *found.things, by_serial);
    *things = found.things;
    return found.count;
}

/* Told by the runtime half for whom it waits. That is not wrong yet, for that thread may be about to leave: no hook is called and
   the process goes on. */
static void print_inside(pthread_t thread, int open)
{
    (void)open;
    hpyrt_open_thing *things;
    size_t count = hpyrt_open_things(0, &things);
    for (size_t i = 0; i < count; i++)
        if (things[i].freed_by == NULL && pthread_equal(things[i].thread, thread))
            free(hpyrt_print(HPYRT_STAYS_INSIDE, &(hpyrt_story){.opened = &things[i].opened}));
    free(things);
}
