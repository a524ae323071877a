/* A C library that has never heard of Python: a clock, threads, and the calling conventions between a scenario's hot loop
   and whoever starts it. Neither HPy.h nor Python.h is included here or in anything built from here; it is compiled as
   translation units of its own, without link-time optimisation, so that the loop cannot see through the pointers it calls.

   Read by the generator too: what is declared here is what cffi sees. */
#ifndef HPYLAB_NATIVE_H
#define HPYLAB_NATIVE_H

#include <stdint.h>

/* How successive calls of a batch relate. */
typedef enum {
    NATIVE_THROUGHPUT = 0,   /* independent: out-of-order execution may overlap them */
    NATIVE_DEPENDENT = 1,    /* the argument and the closure of each depend on the result of the one before */
    NATIVE_SERIALISED = 2,   /* a serialising instruction between them */
} native_mode;

/* What else happened to the thread during a batch; read outside the timed part. */
typedef struct {
    int64_t voluntary_switches;
    int64_t involuntary_switches;
    int64_t page_faults;
    int64_t migrations;      /* 0 or 1: the batch ended on another CPU than it began on */
} native_disturbance;

/* Durations in buckets: below 32 ns one for each nanosecond, above that 32 for each doubling, so that a bucket is never wider
   than 1/32 of what is in it, up to 137 s. Longer ones are counted in the last. */
enum { NATIVE_BUCKETS = 1056 };
typedef struct {
    int64_t count;
    int64_t sum_ns;
    int64_t smallest_ns;                /* these two exactly; 0 while nothing is counted */
    int64_t largest_ns;
    int64_t counts[NATIVE_BUCKETS];
} native_histogram;

/* For drivers whose calls fall due at times that are fixed beforehand. The starter fills in the first group, the driver the
   second. */
typedef struct {
    int64_t arrivals;                   /* calls of each thread */
    int64_t gap_ns;                     /* how long a slot is, in each of which one call of each thread falls due */
    uint64_t seed;                      /* of the moments within the slots */

    int64_t phase;                      /* 0, then 1 shortly before the first slot, then 2 when all calls have returned */
    native_histogram wait;              /* from the moment a call was due until its body ran */
    native_histogram service;           /* from then until it had returned */
} native_latencies;

/* One batch: [loops] calls, timed together. The starter fills in the first group, the driver the second. */
typedef struct native_run {
    int (*call)(void *closure, int64_t arg, int64_t *result);
    void *closure;
    int64_t (*bare)(int64_t arg);       /* for drivers of code without user data; else NULL */
    int64_t loops;
    int64_t arg;
    int64_t size;                       /* the scenario's own: elements to sort, threads to start */
    native_mode mode;
    native_latencies *latencies;        /* for drivers that measure them; else NULL */

    int64_t elapsed_ns;
    int64_t calls;                      /* callbacks made inside the timed part */
    int64_t checksum;                   /* of the results; what it must be is the scenario's to know */
    int64_t refused;
    int64_t raised;
    native_disturbance disturbance;
} native_run;

/* A scenario's driver: runs one batch. 0, or an errno value. */
typedef int (*native_driver)(native_run *run);

/* The driver that each scenario's library exports. */
int hpylab_drive(native_run *run);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t native_now(void);

/* Read the thread's disturbance counters into [begin]; native_disturbed then leaves in [run] what came since. */
typedef struct {
    native_disturbance counters;
    int64_t cpu;
} native_witness;
void native_watch(native_witness *begin);
void native_disturbed(const native_witness *begin, native_run *run);

/* Run [driver] on [run] in a new OS thread and wait for the thread to end. 0, or the errno value of creating it or of the
   driver. It is an error to call this with an interpreter's lock held: a callback on the new thread waits for that lock. */
int native_on_new_thread(native_driver driver, native_run *run);

/* The hot loop: [run]->loops calls through [run]->call in [run]->mode, timed. Every scenario whose calls stand alone ends
   up here, so that the loop is the same machine code for all of them. */
int native_call_loop(native_run *run);

/* ---- histograms: nothing here allocates, and adding a value touches one bucket */

/* The bucket that holds [value_ns], which is not negative. */
int64_t native_bucket(int64_t value_ns);

/* The smallest value that [bucket] holds. */
int64_t native_bucket_start(int64_t bucket);

/* Count nothing yet. */
void native_histogram_clear(native_histogram *histogram);

/* Count [value_ns]. 0, or -1 with nothing counted for a value below 0. */
int native_histogram_add(native_histogram *histogram, int64_t value_ns);

/* Count in [into] all that [from] has counted. */
void native_histogram_merge(native_histogram *into, const native_histogram *from);

/* ---- closures of libffi, to set beside a runtime's own */

/* libffi's functions, found by the caller, and a call interface [cif] of one int64_t argument and an int64_t result; a closure
   takes [size] bytes. */
typedef struct {
    void *(*allocate)(unsigned long size, void **code);
    int (*prepare)(void *closure, void *cif, void (*function)(void *cif, void *result, void **arguments, void *data), void *data,
                   void *code);
    void (*release)(void *closure);
    void *cif;
    unsigned long size;
} native_closure_api;

/* What is released, and what is called. */
typedef struct {
    void *closure;
    int64_t (*code)(int64_t arg);
} native_closure;

/* Make [count] closures in [made], each of which answers its argument and one more. The nanoseconds that it took, or -1 where
   libffi refused one; none is left then. */
int64_t native_make_closures(const native_closure_api *api, native_closure *made, int64_t count);

/* Release [count] of [made], in the order of the indices at [order]. The nanoseconds that it took. */
int64_t native_release_closures(const native_closure_api *api, native_closure *made, const int64_t *order, int64_t count);

#endif
