/* What a thread is told to do by the probes that ask where and when a callback can be made: a program of steps, one after the
   other, of which some are done inside of a callback. See steps.c.

   A program is an array that belongs to the worker, which keeps it alive for as long as a thread may do it. */
#ifndef HPYLAB_STEPS_H
#define HPYLAB_STEPS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <hpy.h>
#include "autogen_context.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

typedef enum {
    STEP_FIRE,          /* call [target], an HPyLab_Callback, and inside of it do the [count] steps that follow: its status */
    STEP_INTERPRETER,   /* the id of the interpreter that the thread is attached to; -1: to none */
    STEP_STATE,         /* the address of the thread state it is attached with; 0: none */
    STEP_STATES,        /* how many thread states its interpreter has */
    STEP_USE,           /* an HPy call through the context of the innermost callback: 0, or -1 */
    STEP_ENSURE,        /* PyGILState_Ensure: what it returned */
    STEP_RELEASE,       /* PyGILState_Release */
    STEP_SAVE,          /* PyEval_SaveThread */
    STEP_RESTORE,       /* PyEval_RestoreThread */
    STEP_RUN,           /* the Python source [target] in __main__ of the current interpreter: 0; -1: it raised */
    STEP_WAIT,          /* for the event [target] */
    STEP_POST,          /* the event [target] */
    STEP_HAMMER,        /* STEP_FIRE, again and again, up to [times] times or until the status is not 0 */
    STEP_FORK,          /* do the [count] steps that follow in a child: its exit status, 0 if all came to what they should */
    STEP_CALL,          /* the function [target] with the context of the innermost callback and the address [times]: its status */
    STEP_VISIT,         /* attach to the interpreter of the thread state [target], with a new one: 0, or -1 */
    STEP_DEPART,        /* the end of the innermost visit, and of its thread state */
} step_kind;

/* A callback that did not run the program that it was called with. */
#define STEP_ANOTHER_RESULT (-2)

/* An expected result: any will do. */
#define STEP_ANYTHING (INT64_MIN + 1)

typedef struct {
    int64_t kind;
    int64_t count;          /* how many of the steps that follow are part of this one */
    void *target;
    int64_t times;          /* of STEP_HAMMER: at most; then how often the body ran */
    int64_t expected;
    int64_t result;
    int64_t done;           /* how often it was done to its end */
    int64_t begun;
    const char *what;       /* the result, in words */
} step;

/* Do the steps from [at] up to [end]. [ctx] is that of the innermost callback, or NULL. */
void steps_run(step *at, step *end, HPyContext *ctx);

/* The first step that was not done, or did not come to what was expected; NULL if there is none. */
const step *steps_wrong(const step *at, const step *end);

/* The body of the callbacks that steps call: does the steps that belong to the one at the address [arg], and answers [arg]. */
int64_t steps_body(HPyContext *ctx, HPy captured, void *data, int64_t arg);

/* ---- ends.c ---- */

/* When the process has ended as far as Python is concerned: do the program at [at], join [threads], look at all programs that
   steps_watch was told of, and write [good] to [fd], or what went wrong. */
typedef struct {
    step *at, *end;
    char *good;
    int fd;
} ending;

/* 0, or -1: there can be one ending only. The caller gives [what]->good away. */
int steps_end_with(const ending *what);

/* Look at a program then, after [thread], if there is one, has ended. 0, or -1: too many. */
int steps_watch(const step *at, const step *end, const pthread_t *thread);

#pragma GCC visibility pop

#endif
