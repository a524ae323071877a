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

/* An acquisition that begins with TypeError pending and loses it by [lose]; at its release nothing is pending. */
static void lose_pending(HPyContext *ctx, const way *by, void (*lose)(HPyContext *ctx))
{
    HPyErr_SetString(ctx, ctx->h_TypeError, "pending since before");
    HPyContext *mine = by->acquire();
    lose(mine);
    HPyErr_Clear(ctx);
    by->release(mine);
}

static void import_module(HPyContext *ctx)
{
    HPy module = HPyImport_ImportModule(ctx, "sys");
    if (!HPy_IsNull(module))
        HPy_Close(ctx, module);
}

static void clear_exception(HPyContext *ctx) { HPyErr_Clear(ctx); }
static void raise_another(HPyContext *ctx) { HPyErr_SetString(ctx, ctx->h_ValueError, "raised in the body"); }

static void exception_lost(HPyContext *ctx, const way *by) { lose_pending(ctx, by, import_module); }
static void exception_cleared(HPyContext *ctx, const way *by) { lose_pending(ctx, by, clear_exception); }
static void exception_replaced(HPyContext *ctx, const way *by) { lose_pending(ctx, by, raise_another); }

/* By another TypeError, of a function that does so for some of what it may be given. */
static void exception_replaced_inside(HPyContext *ctx, const way *by)
{
    HPyErr_SetString(ctx, ctx->h_TypeError, "pending since before");
    HPyContext *mine = by->acquire();
    HPyLong_AsInt64_t(mine, mine->h_None);
    by->release(mine);
    HPyErr_Clear(ctx);
}

/* By one function of HPy after the other. */

#define CALLS_OF_TWO(X) \
    X(Add) X(Subtract) X(Multiply) X(MatrixMultiply) X(FloorDivide) X(TrueDivide) X(Remainder) X(Divmod) X(Lshift) X(Rshift) \
    X(And) X(Xor) X(Or) X(InPlaceAdd) X(InPlaceSubtract) X(InPlaceMultiply) X(InPlaceMatrixMultiply) X(InPlaceFloorDivide) \
    X(InPlaceTrueDivide) X(InPlaceRemainder) X(InPlaceLshift) X(InPlaceRshift) X(InPlaceAnd) X(InPlaceXor) X(InPlaceOr) \
    X(GetAttr) X(HasAttr) X(GetItem) X(Contains) X(DelItem)
#define CALLS_OF_ONE(X) \
    X(Length) X(Negative) X(Positive) X(Absolute) X(Invert) X(Index) X(Long) X(Float) X(IsTrue) X(Repr) X(Str) X(ASCII) X(Bytes) \
    X(Hash)

#define CALL_OF_TWO(name) static void lose_by_##name(HPyContext *ctx) { HPy_##name(ctx, ctx->h_None, ctx->h_None); }
#define CALL_OF_ONE(name) static void lose_by_##name(HPyContext *ctx) { HPy_##name(ctx, ctx->h_None); }
CALLS_OF_TWO(CALL_OF_TWO)
CALLS_OF_ONE(CALL_OF_ONE)

static void lose_by_power(HPyContext *ctx) { HPy_Power(ctx, ctx->h_None, ctx->h_None, ctx->h_None); }
static void lose_by_power_in_place(HPyContext *ctx) { HPy_InPlacePower(ctx, ctx->h_None, ctx->h_None, ctx->h_None); }
static void lose_by_get_s(HPyContext *ctx) { HPy_GetAttr_s(ctx, ctx->h_None, "a"); }
static void lose_by_has_s(HPyContext *ctx) { HPy_HasAttr_s(ctx, ctx->h_None, "a"); }
static void lose_by_set(HPyContext *ctx) { HPy_SetAttr(ctx, ctx->h_None, ctx->h_None, ctx->h_None); }
static void lose_by_set_s(HPyContext *ctx) { HPy_SetAttr_s(ctx, ctx->h_None, "a", ctx->h_None); }
static void lose_by_item_i(HPyContext *ctx) { HPy_GetItem_i(ctx, ctx->h_None, 0); }
static void lose_by_item_s(HPyContext *ctx) { HPy_GetItem_s(ctx, ctx->h_None, "a"); }
static void lose_by_set_item(HPyContext *ctx) { HPy_SetItem(ctx, ctx->h_None, ctx->h_None, ctx->h_None); }
static void lose_by_set_item_i(HPyContext *ctx) { HPy_SetItem_i(ctx, ctx->h_None, 0, ctx->h_None); }
static void lose_by_set_item_s(HPyContext *ctx) { HPy_SetItem_s(ctx, ctx->h_None, "a", ctx->h_None); }
static void lose_by_del_item_i(HPyContext *ctx) { HPy_DelItem_i(ctx, ctx->h_None, 0); }
static void lose_by_del_item_s(HPyContext *ctx) { HPy_DelItem_s(ctx, ctx->h_None, "a"); }
static void lose_by_compare(HPyContext *ctx) { HPy_RichCompare(ctx, ctx->h_None, ctx->h_None, HPy_EQ); }
static void lose_by_compare_bool(HPyContext *ctx) { HPy_RichCompareBool(ctx, ctx->h_None, ctx->h_True, HPy_EQ); }
static void lose_by_call(HPyContext *ctx) { HPy_CallTupleDict(ctx, ctx->h_None, HPy_NULL, HPy_NULL); }
static void lose_by_warning(HPyContext *ctx) { HPyErr_WarnEx(ctx, ctx->h_None, "a", 1); }
static void lose_by_report(HPyContext *ctx) { HPyErr_WriteUnraisable(ctx, HPy_NULL); }
static void lose_by_object(HPyContext *ctx) { HPyErr_SetObject(ctx, ctx->h_ValueError, ctx->h_None); }
static void lose_by_no_memory(HPyContext *ctx) { HPyErr_NoMemory(ctx); }

static void (*const losing[])(HPyContext *ctx) = {
#define LOSE_BY(name) lose_by_##name,
    CALLS_OF_TWO(LOSE_BY) CALLS_OF_ONE(LOSE_BY)
#undef LOSE_BY
    lose_by_power, lose_by_power_in_place, lose_by_get_s, lose_by_has_s, lose_by_set, lose_by_set_s, lose_by_item_i,
    lose_by_item_s, lose_by_set_item, lose_by_set_item_i, lose_by_set_item_s, lose_by_del_item_i, lose_by_del_item_s,
    lose_by_compare, lose_by_compare_bool, lose_by_call, lose_by_warning, lose_by_report, lose_by_object, lose_by_no_memory,
};

/* What each answers is not closed: as often as not it is nothing. */
static void exception_lost_by_each(HPyContext *ctx, const way *by)
{
    for (size_t i = 0; i < sizeof losing / sizeof *losing; i++)
        lose_pending(ctx, by, losing[i]);
    seen = sizeof losing / sizeof *losing;
}

/* Inside of an acquisition that began with it: that is told once. */
static void exception_lost_inside(HPyContext *ctx, const way *by)
{
    HPyErr_SetString(ctx, ctx->h_TypeError, "pending since before");
    HPyContext *outer = by->acquire(), *inner = by->acquire();
    HPyErr_Clear(inner);
    by->release(inner);
    by->release(outer);
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
    DEED(used_detached), DEED(exception_lost), DEED(exception_cleared), DEED(exception_replaced), DEED(exception_replaced_inside),
    DEED(exception_lost_by_each), DEED(exception_lost_inside), DEED(handle_escaped), DEED(left_open), DEED(left_open_by_thread),
    DEED(left_open_outside), DEED(stays_inside), {NULL, NULL, false},
};
