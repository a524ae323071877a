#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/resource.h>
#include <time.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int64_t native_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static native_disturbance thread_counters(void)
{
    struct rusage usage;
    native_disturbance counters = {0};
    if (getrusage(RUSAGE_THREAD, &usage) == 0) {
        counters.voluntary_switches = usage.ru_nvcsw;
        counters.involuntary_switches = usage.ru_nivcsw;
        counters.page_faults = usage.ru_minflt + usage.ru_majflt;
    }
    return counters;
}

EXPORTED void native_watch(native_witness *begin)
{
    begin->counters = thread_counters();
    begin->cpu = sched_getcpu();
}

EXPORTED void native_disturbed(const native_witness *begin, native_run *run)
{
    native_disturbance end = thread_counters();
    run->disturbance.voluntary_switches = end.voluntary_switches - begin->counters.voluntary_switches;
    run->disturbance.involuntary_switches = end.involuntary_switches - begin->counters.involuntary_switches;
    run->disturbance.page_faults = end.page_faults - begin->counters.page_faults;
    run->disturbance.migrations = sched_getcpu() != begin->cpu;
}

typedef struct {
    native_driver driver;
    native_run *run;
    int status;
} job;

static void *thread_main(void *argument)
{
    job *work = argument;
    work->status = work->driver(work->run);
    return NULL;
}

EXPORTED int native_on_new_thread(native_driver driver, native_run *run)
{
    job work = {driver, run, 0};
    pthread_t thread;
    int status = pthread_create(&thread, NULL, thread_main, &work);
    if (status == 0)
        status = pthread_join(thread, NULL);
    return status != 0 ? status : work.status;
}

/* Wait until every instruction before has finished. */
static inline void serialise(void)
{
#if defined(__x86_64__)
    __asm__ volatile("lfence" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    __sync_synchronize();
#endif
}

/* Count what was not a plain success. */
static void count(native_run *run, int status)
{
    if (status < 0)
        run->refused++;
    else if (status > 0)
        run->raised++;
}

/* The three loops are kept apart so that none pays for the choice. Each makes run->loops calls and adds up the results. */
static int64_t loop_throughput(native_run *run)
{
    int64_t sum = 0, result = 0, begin = native_now();
    for (int64_t i = run->loops; i > 0; i--) {
        int status = run->call(run->closure, run->arg, &result);
        if (__builtin_expect(status != 0, 0))
            count(run, status);
        sum += result;
    }
    run->elapsed_ns = native_now() - begin;
    return sum;
}

static int64_t loop_dependent(native_run *run)
{
    int64_t result = run->arg, begin = native_now();
    char *closure = run->closure;
    for (int64_t i = run->loops; i > 0; i--) {
        /* 0 for every result that is not negative, but the processor cannot know before it has the result */
        closure += (uint64_t)result >> 63;
        int status = run->call(closure, result, &result);
        if (__builtin_expect(status != 0, 0))
            count(run, status);
    }
    run->elapsed_ns = native_now() - begin;
    return result * run->loops;
}

static int64_t loop_serialised(native_run *run)
{
    int64_t sum = 0, result = 0, begin = native_now();
    for (int64_t i = run->loops; i > 0; i--) {
        serialise();
        int status = run->call(run->closure, run->arg, &result);
        serialise();
        if (__builtin_expect(status != 0, 0))
            count(run, status);
        sum += result;
    }
    run->elapsed_ns = native_now() - begin;
    return sum;
}

EXPORTED int native_call_loop(native_run *run)
{
    native_witness begin;
    if (run->call == NULL || run->loops < 1 || run->arg < 0)
        return EINVAL;
    run->refused = run->raised = 0;
    native_watch(&begin);
    switch (run->mode) {
    case NATIVE_THROUGHPUT: run->checksum = loop_throughput(run); break;
    case NATIVE_DEPENDENT: run->checksum = loop_dependent(run); break;
    case NATIVE_SERIALISED: run->checksum = loop_serialised(run); break;
    default: return EINVAL;
    }
    run->calls = run->loops;
    native_disturbed(&begin, run);
    return 0;
}
