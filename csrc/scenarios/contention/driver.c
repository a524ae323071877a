/* Threads that the C library started call back at times fixed beforehand, whatever became of the calls before.

   A thread makes one call in each slot of run->latencies->gap_ns, at a moment of that slot drawn from the seed. So the rate is
   fixed, every moment is as likely as any other (a call never keeps step with the interpreter's own clock), and each batch of
   each arm has the same number of calls; exponential gaps would bunch them by accident, and a batch has few.

   A call that comes late because the one before it took long counts from the moment it was due: a caller that waits for an
   answer before it asks again would count a stall once, however many calls it held up ("coordinated omission"). Each thread
   calls back once before the first slot, since the first acquisition of a thread is another scenario's question. */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define LEAD_NS 2000000     /* from the opening to the first slot: the threads, and whoever is to be busy beside them, wake up */
#define SPIN_NS 200000      /* a thread sleeps until so long before a call is due, as a timer is late by a good part of that */

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t ready;          /* threads that wait for the opening */
    int64_t start;          /* when the first slot begins; 0: not open yet, -1: it will not open */
    int64_t calling;        /* threads that have calls left */
} gate;

typedef struct {
    native_run run;         /* of this thread */
    native_latencies latencies;
    gate *opening;
    int64_t acquired;       /* where the body writes when it ran */
    int backwards;          /* the clock went back */
    pthread_t thread;
} caller;

static int64_t wait_for_opening(gate *opening)
{
    pthread_mutex_lock(&opening->lock);
    opening->ready++;
    pthread_cond_broadcast(&opening->changed);
    while (opening->start == 0)
        pthread_cond_wait(&opening->changed, &opening->lock);
    int64_t start = opening->start;
    pthread_mutex_unlock(&opening->lock);
    return start;
}

/* Open for [threads] that have come, or will come; -1 for a time that there will be none. */
static void open_gate(gate *opening, int64_t threads, native_latencies *latencies, int may_start)
{
    pthread_mutex_lock(&opening->lock);
    while (opening->ready < threads)
        pthread_cond_wait(&opening->changed, &opening->lock);
    __atomic_store_n(&latencies->phase, 1, __ATOMIC_SEQ_CST);
    opening->start = may_start ? native_now() + LEAD_NS : -1;
    opening->calling = threads;
    pthread_cond_broadcast(&opening->changed);
    pthread_mutex_unlock(&opening->lock);
}

/* Vigna's splitmix64. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Return at [due] or as soon after it as this thread runs, with the time then. */
static int64_t wait_until(int64_t due)
{
    int64_t wake = due - SPIN_NS, now = native_now();
    if (now < wake) {
        struct timespec time = {wake / 1000000000, wake % 1000000000};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
            ;
    }
    while ((now = native_now()) < due)
        ;
    return now;
}

/* Call back; what was not a plain success is counted. */
static int call_back(caller *self)
{
    int64_t result = 0;
    int status = self->run.call(self->run.closure, (int64_t)(intptr_t)&self->acquired, &result);
    if (status < 0)
        self->run.refused++;
    else if (status > 0)
        self->run.raised++;
    else
        self->run.checksum += result;
    return status;
}

static void call_when_due(caller *self, int64_t due)
{
    int64_t called = wait_until(due);
    int status = call_back(self);
    int64_t returned = native_now();
    self->run.calls++;
    if (status != 0)
        return;
    if (self->acquired < called || returned < self->acquired)
        self->backwards = 1;
    else if (native_histogram_add(&self->latencies.wait, self->acquired - due) < 0
             || native_histogram_add(&self->latencies.service, returned - self->acquired) < 0)
        self->backwards = 1;
}

static void *caller_main(void *argument)
{
    caller *self = argument;
    native_witness begin;
    call_back(self);
    self->run.checksum = 0;
    int64_t slot = wait_for_opening(self->opening);
    if (slot < 0)
        return NULL;
    native_watch(&begin);
    for (int64_t i = 0; i < self->latencies.arrivals; i++) {
        double share = (double)(next_random(&self->latencies.seed) >> 11) / 9007199254740992.0;
        call_when_due(self, slot + (int64_t)(share * (double)self->latencies.gap_ns));
        slot += self->latencies.gap_ns;
    }
    native_disturbed(&begin, &self->run);
    /* before the thread ends: giving its thread state back is not to be waited for beside a busy Python */
    if (__atomic_sub_fetch(&self->opening->calling, 1, __ATOMIC_SEQ_CST) == 0)
        __atomic_store_n(&self->run.latencies->phase, 2, __ATOMIC_SEQ_CST);
    return NULL;
}

static void take_in(native_run *run, const caller *one)
{
    run->calls += one->run.calls;
    run->checksum += one->run.checksum;
    run->refused += one->run.refused;
    run->raised += one->run.raised;
    run->disturbance.voluntary_switches += one->run.disturbance.voluntary_switches;
    run->disturbance.involuntary_switches += one->run.disturbance.involuntary_switches;
    run->disturbance.page_faults += one->run.disturbance.page_faults;
    run->disturbance.migrations |= one->run.disturbance.migrations;
    native_histogram_merge(&run->latencies->wait, &one->latencies.wait);
    native_histogram_merge(&run->latencies->service, &one->latencies.service);
}

/* Start the threads, open, and wait for their end. 0, or the errno value of a thread that could not be made. */
static int run_callers(native_run *run, caller *callers)
{
    gate opening = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0};
    int64_t started = 0;
    int status = 0;
    while (started < run->size) {
        caller *one = &callers[started];
        one->run = *run;
        one->latencies = *run->latencies;
        one->latencies.seed += (uint64_t)started << 32;
        one->opening = &opening;
        status = pthread_create(&one->thread, NULL, caller_main, one);
        if (status != 0)
            break;
        started++;
    }
    open_gate(&opening, started, run->latencies, status == 0);
    for (int64_t i = 0; i < started; i++)
        pthread_join(callers[i].thread, NULL);
    return status;
}

__attribute__((visibility("default"))) int hpylab_drive(native_run *run)
{
    native_latencies *latencies = run->latencies;
    if (run->call == NULL || latencies == NULL || run->size < 1 || latencies->arrivals < 1 || latencies->gap_ns < 1)
        return EINVAL;
    run->calls = run->checksum = run->refused = run->raised = 0;
    run->disturbance = (native_disturbance){0};
    __atomic_store_n(&latencies->phase, 0, __ATOMIC_SEQ_CST);
    native_histogram_clear(&latencies->wait);
    native_histogram_clear(&latencies->service);
    caller *callers = calloc((size_t)run->size, sizeof *callers);
    if (callers == NULL)
        return ENOMEM;
    int status = run_callers(run, callers), backwards = 0;
    for (int64_t i = 0; status == 0 && i < run->size; i++) {
        take_in(run, &callers[i]);
        backwards |= callers[i].backwards;
    }
    /* the time of all calls together, from when each was due */
    run->elapsed_ns = backwards ? -1 : latencies->wait.sum_ns + latencies->service.sum_ns;
    free(callers);
    return status;
}
