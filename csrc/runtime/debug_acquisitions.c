/* Acquisitions in the debug mode: what may be done with a lease, and when it ends. See debug.h. */
#include "debug.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- reports */

static void report(hpyrt_misuse misuse, const char *function, const hpyrt_lease *lease, const char *detail)
{
    hpyrt_site here;
    hpyrt_note_site(&here, function);
    hpyrt_story story = {.here = &here, .detail = detail};
    hpyrt_site opened, closed;
    if (lease != NULL) {
        opened = lease->acquired;
        closed = lease->released;
        story.verb = lease->kind == LEASE_BORROWED ? "borrowed" : "acquired";
        story.opened = &opened;
        story.closed = &closed;
    }
    hpyrt_report(misuse, &story);
}

/* ---- exceptions and handles at the ends of an acquisition */

/* What is to be compared when [lease] ends. The calling thread is attached. */
static void note_state(hpyrt_lease *lease)
{
    lease->view = hpyrt_current_view();
    hpyrt_debug_watch_interpreter(lease->view);
    hpyrt_debug_deliver();
    hpyrt_note_pending(lease);
    /* HPy does not say on which context a handle was made. Inside of a method there is another one, of which handles may well
       stay open; where the thread came from outside there is none */
    bool is_first = lease->below == NULL && (hpyrt_this_thread->top[-1].kind & FRAME_ATTACHED) != 0;
    if (is_first && hpyrt_flavour_of(lease->real) == HPYRT_DEBUG)
        lease->generation = hpyrt_new_generation();
}

/* An exception in the place of the caller's is told as the loss of that one, unless that was told before. */
static void check_pending_at_end(const char *function, hpyrt_lease *lease)
{
    bool was_pending = lease->pending_type != NULL;
    if (was_pending && hpyrt_is_still_pending(lease))
        return;
    PyObject *pending = PyErr_Occurred();
    if (was_pending && !lease->told_lost) {
        hpyrt_note_lost(lease);
        report(HPYRT_EXCEPTION_DROPPED, function, lease, NULL);
    } else if (pending != NULL) {
        report(HPYRT_RELEASED_RAISING, function, lease, ((PyTypeObject *)pending)->tp_name);
    }
}

static void check_state(const char *function, hpyrt_lease *lease)
{
    check_pending_at_end(function, lease);
    hpyrt_forget_pending(lease);
    char text[256];
    void *generation = lease->generation;
    lease->generation = NULL;
    if (generation != NULL && hpyrt_open_handles(generation, text, sizeof text) > 0)
        report(HPYRT_HANDLE_ESCAPED, function, lease, text);
}

/* ---- what wrappers of ACQUIRE, BORROW and RELEASE call */

HPyContext *hpyrt_debug_acquired(const char *function, HPyContext *ctx)
{
    if (ctx == NULL)
        return NULL;
    hpyrt_debugged_thread *me = hpyrt_debugged();
    hpyrt_site site;
    hpyrt_note_site(&site, function);
    hpyrt_lease *lease = hpyrt_open_lease(me, ctx, LEASE_ACQUIRED, &site);
    lease->below = me->top;
    me->top = lease;
    note_state(lease);
    return &lease->copy;
}

HPyContext *hpyrt_debug_borrowed(const char *function, HPyContext *ctx)
{
    if (ctx == NULL)
        return NULL;
    hpyrt_debugged_thread *me = hpyrt_debugged();
    for (hpyrt_lease *lease = me->borrowed; lease != NULL; lease = lease->below)
        if (lease->real == ctx)
            return &lease->copy;
    hpyrt_site site;
    hpyrt_note_site(&site, function);
    hpyrt_lease *lease = hpyrt_open_lease(me, ctx, LEASE_BORROWED, &site);
    lease->below = me->borrowed;
    me->borrowed = lease;
    lease->view = hpyrt_current_view();
    return &lease->copy;
}

/* Whether the memory at [ctx] can be read, without a signal. */
static bool readable(const HPyContext *ctx)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    bool all = write(ends[1], ctx, sizeof(char *)) == sizeof(char *);
    close(ends[0]);
    close(ends[1]);
    return all && ctx->name != NULL;
}

/* [ctx] is no lease: which rule its release breaks. */
static hpyrt_misuse judge_stranger(const hpyrt_debugged_thread *me, HPyContext *ctx)
{
    for (int flavour = 0; flavour < HPYRT_FLAVOURS; flavour++)
        if (me->top != NULL && ctx == hpyrt_admitted[flavour] && hpyrt_flavour_of(me->top->real) != (hpyrt_flavour)flavour)
            return HPYRT_OTHER_FLAVOUR;
    if (me->top != NULL && readable(ctx) && readable((const HPyContext *)(const void *)ctx->name)
        && strncmp(ctx->name, "HPy ", 4) == 0 && hpyrt_flavour_of(ctx) != hpyrt_flavour_of(me->top->real))
        return HPYRT_OTHER_FLAVOUR;
    return HPYRT_RELEASED_UNACQUIRED;
}

/* Whether the calling thread may release [lease], the one that [ctx] is; where not, that was reported. */
static bool may_release(const char *function, hpyrt_debugged_thread *me, HPyContext *ctx, const hpyrt_lease *lease)
{
    if (lease == NULL)
        report(ctx == NULL ? HPYRT_RELEASED_NULL : judge_stranger(me, ctx), function, ctx == NULL ? NULL : me->top, NULL);
    else if (!lease->open)
        report(HPYRT_RELEASED_TWICE, function, lease, NULL);
    else if (lease->kind != LEASE_ACQUIRED)
        report(HPYRT_RELEASED_UNACQUIRED, function, lease, NULL);
    else if (lease->thread != me)
        report(HPYRT_RELEASED_ELSEWHERE, function, lease, NULL);
    else if (hpyrt_current_view() == NULL)
        report(HPYRT_RELEASED_DETACHED, function, lease, NULL);
    else
        return true;
    return false;
}

HPyContext *hpyrt_debug_releasing(const char *function, HPyContext *ctx)
{
    hpyrt_debugged_thread *me = hpyrt_debugged();
    hpyrt_lease *lease = ctx == NULL ? NULL : hpyrt_lease_of(ctx);
    if (!may_release(function, me, ctx, lease))
        return NULL;
    if (lease != me->top)
        report(HPYRT_RELEASED_OUT_OF_ORDER, function, lease, NULL);
    check_state(function, lease);
    hpyrt_lease **place = &me->top;
    while (*place != lease)
        place = &(*place)->below;
    *place = lease->below;
    hpyrt_note_site(&lease->released, function);
    HPyContext *real = lease->real;
    hpyrt_retire_lease(lease);
    return real;
}

/* ---- what wrappers of CALL call */

HPyContext *hpyrt_debug_helper_begins(HPyContext *ctx, void (**helper)(void))
{
    hpyrt_debugged_thread *me = hpyrt_debugged();
    *helper = me->calls->helper;
    hpyrt_site site;
    hpyrt_note_site(&site, me->calls->function);
    hpyrt_lease *lease = hpyrt_open_lease(me, ctx, LEASE_CALL, &site);
    lease->below = me->top;
    me->top = lease;
    note_state(lease);
    return &lease->copy;
}

void hpyrt_debug_helper_ends(HPyContext *ctx)
{
    hpyrt_debugged_thread *me = hpyrt_debugged();
    hpyrt_lease *lease = hpyrt_lease_of(ctx);
    while (me->top != NULL && me->top != lease) {
        hpyrt_lease *left = me->top;
        report(HPYRT_LEFT_OPEN_BY_HELPER, me->calls->function, left, NULL);
        me->top = left->below;
        hpyrt_retire_lease(left);
        hpyrt_detach();
    }
    check_state(me->calls->function, lease);
    me->top = lease->below;
    hpyrt_note_site(&lease->released, me->calls->function);
    hpyrt_retire_lease(lease);
}

/* ---- use */

static void check_pending(hpyrt_lease *lease, uintptr_t offset)
{
    hpyrt_misuse how;
    if (lease->pending_type == NULL || lease->told_lost || !hpyrt_loses_pending(offset, &how) || !hpyrt_is_still_pending(lease))
        return;
    hpyrt_note_lost(lease);
    report(how, "an HPy function", lease, NULL);
}

/* Whether the calling thread may use [lease] for the function at [offset]; where not, that was reported. */
static bool may_use(const char *function, hpyrt_lease *lease, uintptr_t offset)
{
    if (!lease->open)
        report(HPYRT_USED_AFTER_RELEASE, function, lease, NULL);
    else if (lease->thread != hpyrt_debugged())
        report(HPYRT_USED_ELSEWHERE, function, lease, NULL);
    else if (offset != offsetof(HPyContext, ctx_ReenterPythonExecution) && hpyrt_current_view() == NULL)
        report(HPYRT_USED_DETACHED, function, lease, NULL);
    else
        return true;
    return false;
}

HPyContext *hpyrt_debug_given(const char *function, HPyContext *ctx)
{
    hpyrt_lease *lease = ctx == NULL ? NULL : hpyrt_lease_of(ctx);
    if (lease == NULL)
        return ctx;
    return may_use(function, lease, 0) ? lease->real : NULL;
}

static uintptr_t answer_nothing(void)
{
    return 0;
}

/* Where a call of a slot goes on. */
typedef struct {
    void *function;
    HPyContext *ctx;
} hpyrt_way;

/* Called by debug_slots.S, with what the slot at [offset] was called with. */
hpyrt_way hpyrt_check_slot(HPyContext *ctx, uintptr_t offset);
hpyrt_way hpyrt_check_slot(HPyContext *ctx, uintptr_t offset)
{
    hpyrt_lease *lease = hpyrt_lease_of(ctx);
    if (lease == NULL) {
        report(HPYRT_USED_AFTER_RELEASE, "an HPy function", NULL, "through the slots of one context, with another");
        return (hpyrt_way){(void *)answer_nothing, ctx};
    }
    if (!may_use("an HPy function", lease, offset))
        return (hpyrt_way){(void *)answer_nothing, ctx};
    check_pending(lease, offset);
    return (hpyrt_way){*(void **)((char *)lease->real + offset), lease->real};
}
