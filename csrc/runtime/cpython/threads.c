/* Attaching and detaching, on the way that is not fast: see threads.h. */
#include "runtime.h"

#include <limits.h>

/* ---- which thread state ---- */

/* Whether the calling thread is attached, with [current]. [*slot] is what is in its gilstate slot, if that had to be looked at. */
static bool is_attached(const PyThreadState *current, PyThreadState **slot)
{
    *slot = HPYRT_STATE_IS_THREAD_LOCAL || current == NULL ? NULL : hpyrt_gilstate();
    return hpyrt_is_mine(current, *slot);
}

/* The thread state that [record]'s thread has for [view]'s interpreter: that of an open acquisition, or what one set aside; else
   what Python or another library has in the gilstate slot, [slot], which is never kept, for it dies when they say; else the
   kept one. NULL: it has none. */
static PyThreadState *find_state(hpyrt_record *record, const hpyrt_view *view, PyThreadState *slot)
{
    const PyInterpreterState *interpreter = view->interpreter;
    for (const hpyrt_frame *frame = record->top; frame-- > record->frames;) {
        const hpyrt_change *change = &frame->change;
        if (frame->view == view)
            return change->state;
        if ((frame->kind & FRAME_SWITCHED) && change->previous->interp == interpreter)
            return change->previous;
        if ((frame->kind & FRAME_CROSSED) && change->slot != NULL && change->slot->interp == interpreter)
            return change->slot;
    }
    if (slot != NULL && slot->interp == interpreter)
        return slot;
    return hpyrt_kept_state(record, view);
}

/* Make a state for [view], keep it and make it current on the calling thread, which has [current], NULL if it is not attached.
   [*slot] is what is in its gilstate slot. NULL when there is no memory; nothing is changed then. */
static PyThreadState *attach_new(hpyrt_record *record, hpyrt_view *view, PyThreadState *current, PyThreadState **slot)
{
    hpyrt_view *main = hpyrt_main_view;
    /* PyGILState_Ensure of another library means the main interpreter: so a foreign thread's slot starts with a state there */
    if (*slot == NULL && main != NULL && main != view && (*slot = hpyrt_kept_state(record, main)) == NULL
            && (*slot = hpyrt_keep_new_state(record, main)) == NULL)
        return NULL;
    bool by_way = HPYRT_FOUND_STATE_IS_USED && current == NULL && main != NULL && main != view;
    if (by_way)
        PyEval_RestoreThread(*slot);
    PyThreadState *state = hpyrt_keep_new_state(record, view);
    if (state == NULL) {
        if (by_way)
            PyEval_SaveThread();
    } else if (by_way || current != NULL)
        PyThreadState_Swap(state);
    else
        PyEval_RestoreThread(state);
    return state;
}

/* Whether an open acquisition will put [state] back, or is on it. */
static bool is_needed(const hpyrt_record *record, const PyThreadState *state)
{
    for (const hpyrt_frame *frame = record->frames; frame < record->top; frame++)
        if (frame->change.state == state || ((frame->kind & FRAME_SWITCHED) && frame->change.previous == state))
            return true;
    return false;
}

/* [state], of [view], is from now on what [record]'s thread is attached with, or NULL: it is attached no more. */
static void note(hpyrt_record *record, hpyrt_view *view, PyThreadState *state)
{
    if (!HPYRT_STATE_IS_THREAD_LOCAL)
        record->own.state = state;
    if (record->own.last != view)
        record->own.last = view;
}

/* ---- in ---- */

/* That the runtime finalizes is known from the view of the main interpreter, which is then closed; unless it has none. */
static bool may_enter(const hpyrt_record *record, const hpyrt_view *view)
{
    return view->interpreter != NULL && (hpyrt_main_view != NULL || !hpyrt_is_finalizing()) && !hpyrt_is_closed_to(record, view);
}

/* Make [view]'s interpreter current: with [current], this thread's own state in another one, switching; else attaching. The
   thread has set out. [slot] is what is in its gilstate slot; NULL: nobody has looked. 0, or -1 with nothing changed. */
static int cross(hpyrt_record *record, hpyrt_view *view, hpyrt_origin *origin, PyThreadState *current, PyThreadState *slot)
{
    if (hpyrt_take_guard(record, view) < 0)
        return -1;
    if (slot == NULL)
        slot = hpyrt_gilstate();
    PyThreadState *state = find_state(record, view, slot);
    if (state != NULL && slot == NULL)
        hpyrt_forget_slot(state);
    record->own.has_crossed = true;
    if (state == NULL)
        state = attach_new(record, view, current, &slot);
    else if (current != NULL)
        PyThreadState_Swap(state);
    else
        PyEval_RestoreThread(state);
    if (state == NULL) {
        hpyrt_drop_guard(&record->own.guard);
        return -1;
    }
    if (!HPYRT_SLOT_FOLLOWS && slot != state)
        hpyrt_set_slot(state);
    hpyrt_frame *frame = record->top++;
    frame->view = view;
    frame->origin = origin;
    frame->kind = current != NULL ? FRAME_SWITCHED : FRAME_ATTACHED;
    frame->change.state = state;
    frame->change.slot = slot;
    if (current != NULL)
        frame->change.previous = current;
    if (HPYRT_PEP_788) {
        frame->change.guard = record->own.guard;
        record->own.guard = NULL;
    }
    note(record, view, state);
    return 0;
}

/* As hpyrt_attach, for a thread that is not attached to [view]'s interpreter. */
static int enter(hpyrt_record *record, hpyrt_view *view, hpyrt_origin *origin, PyThreadState *current, PyThreadState *slot)
{
    if (!may_enter(record, view))       /* before setting out, or those who try all the time would keep it from ending */
        return -1;
    hpyrt_view *outer = hpyrt_set_out(record, view, origin);
    int status = -1;
    if ((origin == NULL || !origin->closed) && !hpyrt_is_closed_to(record, view))
        status = cross(record, view, origin, current, slot);
    hpyrt_arrive(record, outer);
    if (status < 0)
        return -1;
    if (view->dead != NULL)
        hpyrt_drain(view);
    if (origin == NULL || (!origin->closed && origin->view == view))
        return 0;
    hpyrt_forget_origin();      /* it was closed while this thread waited for the GIL */
    hpyrt_sweep_origins();
    hpyrt_detach();
    return -1;
}

/* Push a frame for a thread that is attached to [view]'s interpreter, with [current]. */
static void stay(hpyrt_record *record, hpyrt_view *view, hpyrt_origin *origin, PyThreadState *current)
{
    hpyrt_frame *frame = record->top++;
    frame->view = view;
    frame->origin = origin;
    frame->kind = FRAME_NOTHING;
    frame->change.state = current;
    note(record, view, current);
    if (view->dead != NULL)
        hpyrt_drain(view);
}

int hpyrt_attach_slow(hpyrt_origin *origin)
{
    hpyrt_record *record = hpyrt_ready_record();
    if (record == NULL)
        return -1;
    hpyrt_view *view = origin->view;
    PyThreadState *slot, *current = hpyrt_current_state();
    if (!is_attached(current, &slot))
        return origin->policy == HPYRT_ATTACH ? enter(record, view, origin, NULL, slot) : -1;
    if (current->interp != view->interpreter)
        return enter(record, view, origin, current, slot);
    stay(record, view, origin, current);
    return 0;
}

/* ---- in, where the thread says which interpreter ---- */

/* Remember that the calling thread is attached to [view] with [current], while [slot] is in its gilstate slot: up to 3.11 that
   may be the state of another interpreter. */
static void see(hpyrt_view *view, PyThreadState *current, const PyThreadState *slot)
{
    hpyrt_record *record = HPYRT_SLOT_FOLLOWS ? NULL : hpyrt_ready_record();
    if (record == NULL)
        return;
    record->own.seen = current != slot ? view : NULL;
    record->own.seen_state = current;
    record->own.seen_depth = hpyrt_depth(record);
}

/* Up to 3.11: the view of the interpreter that [record]'s thread, which is not attached, left inside of an acquisition, or of code
   that Python itself was made to run in another interpreter. NULL if it cannot be told so. */
static hpyrt_view *left_view(const hpyrt_record *record)
{
    const hpyrt_thread *own = &record->own;
    if (own->seen != NULL && own->seen->interpreter != NULL && own->seen_depth == hpyrt_depth(record)
            && hpyrt_runs_code(own->seen->interpreter, own->seen_state))
        return own->seen;
    const hpyrt_frame *frame = record->top;
    while (frame != record->frames && frame[-1].view->interpreter == NULL)      /* left open in an interpreter that ended since */
        frame--;
    return frame != record->frames ? frame[-1].view : NULL;
}

/* The view of the interpreter that the calling thread, which is not attached, with [record], was attached to last; [*slot]
   becomes what is in its gilstate slot. NULL: that interpreter has no view. The thread has set out: the state in the slot may be a
   Python thread's, which Python frees when it finalizes. */
static hpyrt_view *last_view(const hpyrt_record *record, PyThreadState **slot)
{
    hpyrt_view *left = HPYRT_SLOT_FOLLOWS ? NULL : left_view(record);
    if (left != NULL)
        return left;
    *slot = hpyrt_gilstate();
    if (*slot != NULL && !hpyrt_keeps(record, *slot))
        return hpyrt_view_of((*slot)->interp);      /* a Python thread, which went back to where it came from */
    return record->own.last != NULL ? record->own.last : hpyrt_main_view;
}

/* Attach the calling thread, which is not, to where it was last: the view, or NULL. */
static hpyrt_view *enter_last(void)
{
    hpyrt_record *record = hpyrt_ready_record();
    hpyrt_view *main = hpyrt_main_view;
    if (record == NULL || (main != NULL ? hpyrt_is_closed_to(record, main) : hpyrt_is_finalizing()))
        return NULL;
    hpyrt_view *outer = hpyrt_set_out(record, main, NULL), *view = NULL;
    PyThreadState *slot = NULL;
    if (main == NULL || !hpyrt_is_closed_to(record, main))
        view = last_view(record, &slot);
    if (view != NULL && (view->context == NULL || enter(record, view, NULL, NULL, slot) < 0))
        view = NULL;
    hpyrt_arrive(record, outer);
    return view;
}

hpyrt_view *hpyrt_current_view(void)
{
    PyThreadState *slot, *current = hpyrt_current_state();
    if (!is_attached(current, &slot))
        return NULL;
    hpyrt_view *view = hpyrt_view_of(current->interp);
    if (view != NULL)
        see(view, current, slot);
    return view;
}

hpyrt_view *hpyrt_attach_ambient_slow(hpyrt_policy policy)
{
    PyThreadState *slot, *current = hpyrt_current_state();
    if (!is_attached(current, &slot))
        return policy == HPYRT_ATTACH ? enter_last() : NULL;
    hpyrt_view *view = hpyrt_view_of(current->interp);
    hpyrt_record *record = view != NULL && view->context != NULL ? hpyrt_ready_record() : NULL;
    if (record == NULL)
        return NULL;
    see(view, current, slot);
    stay(record, view, NULL, current);
    return view;
}

/* ---- out ---- */

/* Detach the calling thread from the interpreter of [frame]. [is_last]: its state is kept no longer. */
static void leave(hpyrt_record *record, const hpyrt_frame *frame, bool is_last)
{
    PyThreadState *state = frame->change.state, *slot = frame->change.slot;
    bool has_other = slot != NULL && slot != state;
    if (is_last)
        PyThreadState_Clear(state);
    if (HPYRT_SLOT_FOLLOWS && has_other)
        PyThreadState_Swap(slot);
    else if (has_other)
        hpyrt_set_slot(slot);
    if (is_last && HPYRT_SLOT_FOLLOWS && has_other)
        PyThreadState_Delete(state);
    if (is_last && !(HPYRT_SLOT_FOLLOWS && has_other))
        PyThreadState_DeleteCurrent();
    else
        PyEval_SaveThread();
    note(record, record->top != record->frames ? record->top[-1].view : frame->view, NULL);
}

/* Switch the calling thread back to where [frame] came from. [is_last]: its state is kept no longer. */
static void switch_back(hpyrt_record *record, const hpyrt_frame *frame, bool is_last)
{
    PyThreadState *state = frame->change.state, *previous = frame->change.previous;
    if (is_last)
        PyThreadState_Clear(state);
    if (!HPYRT_SLOT_FOLLOWS && frame->change.slot != state)
        hpyrt_set_slot(frame->change.slot);
    PyThreadState_Swap(previous);
    if (is_last)
        PyThreadState_Delete(state);
    note(record, hpyrt_view_of(previous->interp), previous);
}

void hpyrt_detach_slow(hpyrt_record *record, const hpyrt_frame *popped)
{
    const hpyrt_frame frame = *popped;      /* Python code may run from here on, and acquire */
    if (frame.kind & FRAME_LENT)
        hpyrt_take_back(frame.lent);
    if (!(frame.kind & FRAME_CROSSED))
        return;
    hpyrt_view *outer = hpyrt_set_out_attached(record, frame.view);
    if (HPYRT_PEP_788)
        record->own.guard = frame.change.guard;
    bool is_last = !HPYRT_KEEPS_ANYWHERE && frame.view != hpyrt_main_view && !is_needed(record, frame.change.state)
                && hpyrt_give_up_state(record, frame.change.state);
    if (frame.kind & FRAME_SWITCHED)
        switch_back(record, &frame, is_last);
    else
        leave(record, &frame, is_last);
    hpyrt_drop_guard(&record->own.guard);
    hpyrt_arrive(record, outer);
}

/* ---- threads that end, and fork ---- */

bool hpyrt_is_attached(void)
{
    PyThreadState *slot;
    return is_attached(hpyrt_current_state(), &slot);
}

int hpyrt_begin_thread(void)
{
    return 0;
}

void hpyrt_leave_all(hpyrt_record *record)
{
    const PyThreadState *current = hpyrt_current_state();
    bool is_inside = hpyrt_depth(record) > 0 && current != NULL && current == record->top[-1].change.state
                  && current->thread_id == record->thread;      /* else it is another's, at the address of a freed one */
    for (const hpyrt_frame *frame = record->top; is_inside && frame-- > record->frames;)
        if (frame->kind & FRAME_LENT)
            hpyrt_take_back(frame->lent);
    if (is_inside)
        PyEval_SaveThread();        /* or nobody would ever hold the GIL again */
    pthread_mutex_lock(&hpyrt_mutex);
    hpyrt_drop_guards(record);
    record->top = record->frames;
    pthread_mutex_unlock(&hpyrt_mutex);
}

/* Destructors of other libraries may run after ours, in this round of them or in the next, and acquire or call PyGILState_Ensure,
   which enters with the state in the slot. So what is kept is buried in a round in which nothing came. */
bool hpyrt_may_come_back(hpyrt_record *record)
{
    bool may = record->own.kept != NULL && (record->own.rounds == 0 || record->own.has_crossed);
    record->own.has_crossed = false;
    return may && ++record->own.rounds < PTHREAD_DESTRUCTOR_ITERATIONS;
}

void hpyrt_end_thread(hpyrt_record *record)
{
    hpyrt_bury_kept(record);
}

/* Python frees the thread states of the threads that are gone (PyOS_AfterFork_Child): forget those, or they would be freed
   twice, and keep this thread's. If it was not attached the GIL may be held by a thread that is gone: nobody gets in. */
void hpyrt_forget_other_threads(hpyrt_record *record, bool attached)
{
    for (hpyrt_view *view = hpyrt_first_view(); view != NULL; view = view->next) {
        hpyrt_forget_kept(view, record);
        if (!attached)
            view->closed_by = ~0ul;
    }
}
