/* What a thread is told to do in the tests of the thread core: see core_steps.c. */
#ifndef CORE_STEPS_H
#define CORE_STEPS_H

#include "runtime.h"

#include <semaphore.h>

typedef enum {
    ATTACH, AMBIENT, DETACH, NEST, UNNEST, ENSURE, RELEASE, SAVE, RESTORE, EXEC, WHERE, STATE, SLOT, WAIT, POST, END_THREAD, FORK,
    END_CHILD, USLEEP, CLOSE, CALL_BACK, AT_END,
} core_kind;

/* [origin]: of ATTACH, NEST, CLOSE; [number]: the policy of AMBIENT, how many of NEST, UNNEST, USLEEP; [text]: of EXEC;
   [event]: of WAIT and POST, and the function of CALL_BACK; of AT_END the first of [expected] steps that a thread-specific
   destructor of the thread does, of a key made before that of the runtime half ([number] 0) or after it (1).
   [result] is written: 0, -1 for a refusal or an exception; the interpreter's id of AMBIENT and WHERE; an address of STATE and
   SLOT; how many of NEST; a child's exit status of FORK, which is 0 if all its results are as [expected]. */
typedef struct {
    int64_t kind;
    hpyrt_origin *origin;
    int64_t number;
    const char *text;
    sem_t *event;
    int64_t expected, result;
} core_step;

__attribute__((visibility("default"))) void core_run(core_step *steps, int64_t count);

/* To be called once the runtime half has its own, before AT_END with 1. */
__attribute__((visibility("default"))) void core_make_newer_key(void);

/* An origin of the interpreter that the calling thread is attached to. NULL: it has no view. */
hpyrt_origin *core_new_origin(int64_t policy);

/* The id of the interpreter that the calling thread is attached to; -1 if it is to none. */
int64_t core_where(void);

/* Run [source] in __main__ of the current interpreter. 0, or -1 with the exception printed. */
int core_exec(const char *source);

#endif
