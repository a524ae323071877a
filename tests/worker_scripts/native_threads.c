/* Native code for the tests of the runtime half: threads that end when they are told to, and calls with an exception pending.
   It knows nothing of Python: what it needs of it comes as pointers. */
#include "native.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

/* A thread that runs [driver] on each of [runs], then waits for the word. [late] is NULL, or what a thread-specific
   destructor runs when the thread ends, as another library would that calls back while it cleans up. */
typedef struct {
    native_driver driver;
    native_run **runs;
    int64_t count;
    native_run *late;
    pthread_key_t key;
    pthread_t thread;
    sem_t ran, end, begin_late;
    int status;
} job;

static void at_thread_end(void *argument)
{
    job *work = argument;
    sem_wait(&work->begin_late);
    work->status |= work->driver(work->late);
}

static void *thread_main(void *argument)
{
    job *work = argument;
    for (int64_t i = 0; i < work->count; i++)
        work->status |= work->driver(work->runs[i]);
    if (work->late != NULL)
        pthread_setspecific(work->key, work);
    sem_post(&work->ran);
    sem_wait(&work->end);
    return NULL;
}

/* Start a thread; NULL if that could not be done. What it is given is borrowed until thread_join. */
job *thread_start(native_driver driver, native_run **runs, int64_t count, native_run *late)
{
    job *work = calloc(1, sizeof *work);
    if (work == NULL)
        return NULL;
    *work = (job){.driver = driver, .runs = runs, .count = count, .late = late};
    sem_init(&work->ran, 0, 0);
    sem_init(&work->end, 0, 0);
    sem_init(&work->begin_late, 0, 0);
    if ((late != NULL && pthread_key_create(&work->key, at_thread_end) != 0)
            || pthread_create(&work->thread, NULL, thread_main, work) != 0) {
        free(work);
        return NULL;
    }
    return work;
}

/* Wait until the thread has run what it was given. */
void thread_wait(job *work)
{
    sem_wait(&work->ran);
}

void thread_let_end(job *work)
{
    sem_post(&work->end);
}

void thread_begin_late(job *work)
{
    sem_post(&work->begin_late);
}

/* Wait for the end of a thread that may end. What its drivers returned, or'd. */
int thread_join(job *work)
{
    pthread_join(work->thread, NULL);
    int status = work->status;
    if (work->late != NULL)
        pthread_key_delete(work->key);
    free(work);
    return status;
}

/* Functions of Python's C API. */
typedef struct {
    void (*set)(void *kind, const char *text);
    void *(*occurred)(void);
    void (*clear)(void);
    void *(*save)(void);
    void (*restore)(void *state);
} python;

/* Run [driver] on [run] with an exception of [kind] pending, detached meanwhile if [leave]. Whether it is pending afterwards;
   it is cleared. The calling thread is attached. */
int call_with_exception(const python *api, void *kind, native_driver driver, native_run *run, int leave)
{
    api->set(kind, "set before the call");
    void *state = leave ? api->save() : NULL;
    int status = driver(run);
    if (leave)
        api->restore(state);
    int is_pending = api->occurred() == kind;
    api->clear();
    return status == 0 && is_pending;
}

/* Wait for [microseconds], then answer what [function] does: a call that comes while the caller's thread is long detached. */
void *call_after(int64_t microseconds, void *(*function)(void *, void *), void *first, void *second)
{
    usleep((useconds_t)microseconds);
    return function(first, second);
}
