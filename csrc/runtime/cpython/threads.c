/* Attaching and detaching, on the way that is not fast: see threads.h. */
#include "runtime.h"

/* ---- which thread state ---- */

/* The thread state with which [record]'s thread enters [view]'s interpreter: that of an open acquisition, or what one set
   aside; else what Python or another library has in the gilstate slot, which is never kept, for it dies when they say; else the
   kept one; else a new one. [*slot] is what is in that slot. NULL when there is no memory. */
static PyThreadState *state_for(hpyrt_record *record, hpyrt_view *view, bool attached, PyThreadState **slot)
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
    if (*slot != NULL && (*slot)->interp == interpreter)
        return *slot;
    PyThreadState *kept = hpyrt_kept_state(record, view);
    if (kept != NULL)
        return kept;
    /* PyGILState_Ensure of another library means the main interpreter: so a foreign thread's slot starts with a state there */
    if (*slot == NULL && !attached && hpyrt_main_view != NULL && hpyrt_main_view != view) {
        *slot = hpyrt_keep_new_state(record, hpyrt_main_view);
        if (*slot == NULL)
            return NULL;
    }
    return hpyrt_keep_new_state(record, view);
}

/* Whether an open acquisition will put [state] back, or is on it. */
static bool is_needed(const hpyrt_record *record, const PyThreadState *state)
{
    for (const hpyrt_frame *frame = record->frames; frame < record->top; frame++)
        if (frame->change.state == state || ((frame->kind & FRAME_SWITCHED) && frame->change.previous == state))
            return true;
    return false;
}

/* ---- in ---- */

static bool may_enter(const hpyrt_record *record, const hpyrt_view *view)
{
    return view->interpreter != NULL && !hpyrt_is_finalizing() && !hpyrt_is_closed_to(record, view);
}

/* Make [view]'s interpreter current: with [current], this thread's own state in another one, switching; else attaching. The
   thread has set out. 0, or -1 with nothing changed. */
static int cross(hpyrt_record *record, hpyrt_view *view, hpyrt_origin *origin, PyThreadState *current, PyThreadState *slot)
{
    PyInterpreterGuard *guard = PyInterpreterGuard_FromView(view->pep_788);
    if (guard == NULL)
        return -1;
    PyThreadState *state = state_for(record, view, current != NULL, &slot);
    if (state == NULL) {
        PyInterpreterGuard_Close(guard);
        return -1;
    }
    if (current != NULL)
        PyThreadState_Swap(state);
    else
        PyEval_RestoreThread(state);
    if (!HPYRT_SLOT_FOLLOWS && slot != state)
        hpyrt_set_slot(state);
    *record->top++ = (hpyrt_frame){
        .view = view, .origin = origin, .kind = current != NULL ? FRAME_SWITCHED : FRAME_ATTACHED,
        .change = {.state = state, .previous = current, .slot = slot, .guard = guard},
    };
    record->own.state = state;
    record->own.last = view;
    return 0;
}

/* As hpyrt_attach, for a thread that is not attached to [view]'s interpreter. */
static int enter(hpyrt_record *record, hpyrt_view *view, hpyrt_origin *origin, PyThreadState *current, PyThreadState *slot)
{
    if (!may_enter(record, view))       /* before setting out, or those who try all the time would keep it from ending */
        return -1;
    hpyrt_view *outer = hpyrt_set_out(record, view, origin);
    int status = -1;
    if ((origin == NULL || (!origin->closed && origin->view == view)) && !hpyrt_is_closed_to(record, view))
        status = cross(record, view, origin, current, slot);
    hpyrt_arrive(record, outer);
    if (status < 0)
        return -1;
    if (view->dead != NULL)
        hpyrt_drain(view);
    if (origin == NULL || !origin->closed)
        return 0;
    hpyrt_forget_origin();      /* it was closed while this thread waited for the GIL */
    hpyrt_sweep_origins();
    hpyrt_detach();
    return -1;
}

/* Push a frame for a thread that is attached to [view]'s interpreter, with [current]. */
static void stay(hpyrt_record *record, hpyrt_view *view, hpyrt_origin *origin, PyThreadState *current)
{
    *record->top++ = (hpyrt_frame){.view = view, .origin = origin, .change = {.state = current}};
    record->own.state = current;
    record->own.last = view;
    if (view->dead != NULL)
        hpyrt_drain(view);
}

int hpyrt_attach_slow(hpyrt_origin *origin)
{
    hpyrt_record *record = hpyrt_ready_record();
    if (record == NULL)
        return -1;
    hpyrt_view *view = origin->view;
    PyThreadState *slot = PyGILState_GetThisThreadState(), *current = hpyrt_current_state();
    if (!hpyrt_is_mine(current, slot))
        return origin->policy == HPYRT_ATTACH ? enter(record, view, origin, NULL, slot) : -1;
    if (current->interp != view->interpreter)
        return enter(record, view, origin, current, slot);
    stay(record, view, origin, current);
    return 0;
}

/* ---- in, where the thread says which interpreter ---- */

/* Remember that the calling thread is attached to [view] with [current]: up to 3.11 its gilstate slot may not show it. */
static void see(hpyrt_view *view, PyThreadState *current, const PyThreadState *slot)
{
    hpyrt_record *record = HPYRT_SLOT_FOLLOWS ? NULL : hpyrt_ready_record();
    if (record == NULL)
        return;
    record->own.seen = current != slot ? view : NULL;
    record->own.seen_state = current;
    record->own.seen_depth = hpyrt_depth(record);
}

/* The view of the interpreter that a thread without a state of its own was last attached to. [slot]: what is in its gilstate
   slot. NULL: it has none that has a view. */
static hpyrt_view *last_view(const hpyrt_record *record, PyThreadState *slot)
{
    if (record != NULL && !HPYRT_SLOT_FOLLOWS) {
        const hpyrt_thread *own = &record->own;
        if (own->seen != NULL && own->seen->interpreter != NULL && own->seen_depth == hpyrt_depth(record)
                && hpyrt_runs_code(own->seen_state))
            return own->seen;
        if (hpyrt_depth(record) > 0)
            return record->top[-1].view;
    }
    if (slot != NULL && (record == NULL || !hpyrt_keeps(record, slot)))
        return hpyrt_view_of(slot->interp);     /* a Python thread, which went back to where it came from */
    return record != NULL && record->own.last != NULL ? record->own.last : hpyrt_main_view;
}

hpyrt_view *hpyrt_current_view(void)
{
    PyThreadState *slot = PyGILState_GetThisThreadState(), *current = hpyrt_current_state();
    if (!hpyrt_is_mine(current, slot))
        return NULL;
    hpyrt_view *view = hpyrt_view_of(current->interp);
    if (view != NULL)
        see(view, current, slot);
    return view;
}

hpyrt_view *hpyrt_attach_ambient_slow(hpyrt_policy policy)
{
    PyThreadState *slot = PyGILState_GetThisThreadState(), *current = hpyrt_current_state();
    bool is_attached = hpyrt_is_mine(current, slot);
    if (!is_attached && policy == HPYRT_ATTACHED_ONLY)
        return NULL;
    hpyrt_view *view = is_attached ? hpyrt_view_of(current->interp) : last_view(hpyrt_this_thread, slot);
    hpyrt_record *record = view != NULL && view->context != NULL ? hpyrt_ready_record() : NULL;
    if (record == NULL)
        return NULL;
    if (is_attached) {
        see(view, current, slot);
        stay(record, view, NULL, current);
        return view;
    }
    return enter(record, view, NULL, NULL, slot) == 0 ? view : NULL;
}

/* ---- out ---- */

/* Detach the calling thread from the interpreter of [frame]. [is_last]: its state is kept no longer. */
static void leave(hpyrt_record *record, const hpyrt_frame *frame, bool is_last)
{
    PyThreadState *state = frame->change.state, *slot = frame->change.slot;
    if (is_last)
        PyThreadState_Clear(state);
    if (HPYRT_SLOT_FOLLOWS) {
        if (slot != NULL && slot != state)
            PyThreadState_Swap(slot);
    } else if (slot != state && slot != NULL)
        hpyrt_set_slot(slot);
    if (is_last)
        PyThreadState_DeleteCurrent();
    else
        PyEval_SaveThread();
    record->own.state = NULL;
    if (record->top != record->frames)
        record->own.last = record->top[-1].view;
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
    record->own.state = previous;
    record->own.last = hpyrt_view_of(previous->interp);
}

void hpyrt_detach_slow(hpyrt_record *record, const hpyrt_frame *popped)
{
    const hpyrt_frame frame = *popped;      /* Python code may run from here on, and acquire */
    if (frame.kind & FRAME_LENT)
        hpyrt_take_back(frame.lent);
    if (!(frame.kind & FRAME_CROSSED))
        return;
    hpyrt_view *outer = hpyrt_set_out_attached(record, frame.view);
    bool is_last = !HPYRT_KEEPS_ANYWHERE && frame.view != hpyrt_main_view && !is_needed(record, frame.change.state)
                && hpyrt_give_up_state(record, frame.change.state);
    if (frame.kind & FRAME_SWITCHED)
        switch_back(record, &frame, is_last);
    else
        leave(record, &frame, is_last);
    PyInterpreterGuard_Close(frame.change.guard);
    hpyrt_arrive(record, outer);
}

/* ---- threads that end, and fork ---- */

bool hpyrt_is_attached(void)
{
    return hpyrt_is_mine(hpyrt_current_state(), PyGILState_GetThisThreadState());
}

/* The gilstate slot is empty by now: glibc clears all thread-specific values before it runs their destructors. */
void hpyrt_end_thread(hpyrt_record *record)
{
    const PyThreadState *current = hpyrt_current_state();
    bool is_inside = hpyrt_depth(record) > 0 && current != NULL && current == record->top[-1].change.state
                  && current->thread_id == record->thread;      /* else it is another's, at the address of a freed one */
    for (const hpyrt_frame *frame = record->top; is_inside && frame-- > record->frames;)
        if (frame->kind & FRAME_LENT)
            hpyrt_take_back(frame->lent);
    if (is_inside)
        PyEval_SaveThread();        /* or nobody would ever hold the GIL again */
    for (const hpyrt_frame *frame = record->frames; frame < record->top; frame++)
        if (frame->kind & FRAME_CROSSED)
            PyInterpreterGuard_Close(frame->change.guard);
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
