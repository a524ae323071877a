/* Wrong uses of a context. Where a deed goes on after the wrong use, it is to leave the thread as a program in order would. */
#include "wrong_uses.h"

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

int64_t seen;
HPyContext *kept_context;

typedef struct {
    const way *by;
    HPyContext *given;
    void (*body)(const way *by, HPyContext *given);
} errand;

static void *run_errand(void *given)
{
    errand *what = given;
    what->body(what->by, what->given);
    return NULL;
}

void on_thread(HPyContext *ctx, const way *by, HPyContext *given, void (*body)(const way *by, HPyContext *given))
{
    pthread_t thread;
    errand what = {by, given, body};
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    if (pthread_create(&thread, NULL, run_errand, &what) == 0)
        pthread_join(thread, NULL);
    HPy_ReenterPythonExecution(ctx, left);
}

void use(HPyContext *ctx)
{
    HPy number = HPyLong_FromInt64_t(ctx, 7);
    HPy_Close(ctx, number);
}

/* ---- released */

static void released_null(HPyContext *ctx, const way *by) { (void)ctx; by->release(NULL); }

static void release_given(const way *by, HPyContext *given)
{
    by->release(given);
    see(is_attached());
}

/* On this thread, then on one that is not attached. Sees 1, 0: both are as they were. */
static void released_unacquired(HPyContext *ctx, const way *by)
{
    release_given(by, ctx);
    on_thread(ctx, by, ctx, release_given);
}

static void release_twice(const way *by, HPyContext *unused)
{
    (void)unused;
    HPyContext *outer = by->acquire(), *mine = by->acquire();
    if (mine == NULL)       /* by a way that attaches nobody */
        return;
    by->release(mine);
    see(is_attached());
    by->release(mine);      /* ends the outer one */
    see(is_attached());
    by->release(outer);     /* there is none any more */
    see(is_attached());
}

/* Sees 1 three times; then 1, 0, 0 on a thread that is attached for as long as the outer acquisition is open. */
static void released_twice(HPyContext *ctx, const way *by)
{
    release_twice(by, NULL);
    on_thread(ctx, by, NULL, release_twice);
}

static void release_out_of_order(const way *by, HPyContext *unused)
{
    (void)unused;
    HPyContext *first = by->acquire(), *second = by->acquire();
    if (second == NULL)
        return;
    by->release(first);
    see(is_attached());
    by->release(second);
    see(is_attached());
}

/* Sees 1 twice; then 1, 0 on a thread that is not attached before. */
static void released_out_of_order(HPyContext *ctx, const way *by)
{
    release_out_of_order(by, NULL);
    on_thread(ctx, by, NULL, release_out_of_order);
}

/* Of another thread's acquisition: without one of its own, then inside of one. */
static void release_of_another(const way *by, HPyContext *given)
{
    release_given(by, given);
    HPyContext *own = by->acquire();
    if (own == NULL)
        return;
    release_given(by, given);
    by->release(own);
    see(is_attached());
}

/* Sees 0 three times there: nothing, its own ended, nothing; then, in the acquiring thread, that its acquisition is open. */
static void released_elsewhere(HPyContext *ctx, const way *by)
{
    HPyContext *mine = by->acquire();
    on_thread(ctx, by, mine, release_of_another);
    use(mine);
    see(is_attached());
    by->release(mine);
}

static void released_detached(HPyContext *ctx, const way *by)
{
    HPyContext *mine = by->acquire();
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    by->release(mine);
    HPy_ReenterPythonExecution(ctx, left);
    by->release(mine);
}

static void released_raising(HPyContext *ctx, const way *by)
{
    HPyContext *mine = by->acquire();
    HPyErr_SetString(mine, mine->h_ValueError, "raised in the body");
    by->release(mine);
    HPyErr_Clear(ctx);
}

/* The context of an extension in another flavour: see keep. */
static void other_flavour(HPyContext *ctx, const way *by)
{
    (void)ctx;
    HPyContext *mine = by->acquire();
    by->release(kept_context);
    by->release(mine);
}

/* ---- used */

static void used_after_release(HPyContext *ctx, const way *by)
{
    (void)ctx;
    HPyContext *mine = by->acquire();
    by->release(mine);
    HPyLong_FromInt64_t(mine, 7);
}

static void use_given(const way *by, HPyContext *given)
{
    HPyContext *mine = by->acquire();
    HPyLong_FromInt64_t(given, 7);
    if (mine != NULL)
        by->release(mine);
}

static void used_elsewhere(HPyContext *ctx, const way *by)
{
    HPyContext *mine = by->acquire();
    on_thread(ctx, by, mine, use_given);
    by->release(mine);
}

static void used_detached(HPyContext *ctx, const way *by)
{
    HPyContext *mine = by->acquire();
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    HPyLong_FromInt64_t(mine, 7);
    HPy_ReenterPythonExecution(ctx, left);
    by->release(mine);
}

static void exception_lost(HPyContext *ctx, const way *by)
{
    HPyErr_SetString(ctx, ctx->h_ValueError, "pending since before");
    HPyContext *mine = by->acquire();
    HPy module = HPyImport_ImportModule(mine, "sys");
    HPyErr_Clear(ctx);
    HPy_Close(mine, module);
    by->release(mine);
}

/* By a thread that comes from outside: inside of a method nobody can say on which context a handle was made. */
static void handle_escaped(HPyContext *ctx, const way *by)
{
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    HPyContext *mine = by->acquire();
    HPy number = HPyLong_FromInt64_t(mine, 123456);
    by->release(mine);
    HPy_ReenterPythonExecution(ctx, left);
    HPy_Close(ctx, number);
}

/* ---- left open */

static void leave_open(const way *by, HPyContext *unused) { (void)unused; kept_context = by->acquire(); }
static void left_open(HPyContext *ctx, const way *by) { leave_open(by, ctx); }
static void left_open_by_thread(HPyContext *ctx, const way *by) { on_thread(ctx, by, NULL, leave_open); }

static sem_t is_outside;

static void *leave_open_outside(void *by)
{
    leave_open(by, NULL);
    HPy_LeavePythonExecution(kept_context);
    sem_post(&is_outside);
    return NULL;
}

/* By a thread that has left Python inside, and is waited for by one that is in Python. */
static void left_open_outside(HPyContext *ctx, const way *by)
{
    pthread_t thread;
    sem_init(&is_outside, 0, 0);
    if (pthread_create(&thread, NULL, leave_open_outside, (void *)by) != 0)
        return;
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    sem_wait(&is_outside);
    HPy_ReenterPythonExecution(ctx, left);
    pthread_join(thread, NULL);
}

/* A thread that is inside for a while, which nobody waits for. */
static void *stay(void *by)
{
    const way *through = by;
    HPyContext *mine = through->acquire();
    HPyThreadState left = HPy_LeavePythonExecution(mine);
    usleep(700 * 1000);
    HPy_ReenterPythonExecution(mine, left);
    through->release(mine);
    return NULL;
}

static void stays_inside(HPyContext *ctx, const way *by)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, stay, (void *)by) == 0)
        pthread_detach(thread);
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    usleep(200 * 1000);     /* until it is inside */
    HPy_ReenterPythonExecution(ctx, left);
}

#define DEED(name) {#name, name, true}

const deed deeds_with_contexts[] = {
    DEED(released_null), DEED(released_unacquired), DEED(released_twice), DEED(released_out_of_order), DEED(released_elsewhere),
    DEED(released_detached), DEED(released_raising), DEED(other_flavour), DEED(used_after_release), DEED(used_elsewhere),
    DEED(used_detached), DEED(exception_lost), DEED(handle_escaped), DEED(left_open), DEED(left_open_by_thread),
    DEED(left_open_outside), DEED(stays_inside), {NULL, NULL, false},
};
