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

/* One batch: [loops] calls, timed together. The starter fills in the first group, the driver the second. */
typedef struct native_run {
    int (*call)(void *closure, int64_t arg, int64_t *result);
    void *closure;
    int64_t (*bare)(int64_t arg);       /* for drivers of code without user data; else NULL */
    int64_t loops;
    int64_t arg;
    int64_t size;                       /* the scenario's own: elements to sort, threads to start */
    native_mode mode;

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
