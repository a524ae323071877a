/* Kept thread states: see threads.h. A kept state is in two lists: its thread's, which only that thread changes, and its view's,
   under hpyrt_mutex. Whoever takes it out of the view's frees the state, or knows that Python does. */
#include "runtime.h"

#include <stdlib.h>

struct hpyrt_kept {
    PyThreadState *_Atomic state;       /* NULL: freed, or to be freed by others, and not in its view's list any more */
    hpyrt_view *view;
    hpyrt_kept *next_of_thread;
    hpyrt_kept *previous, *next;
};

/* Enter [kept] in its view's list. The mutex is held here and in unlink_kept. */
static void link_kept(hpyrt_kept *kept)
{
    hpyrt_view *view = kept->view;
    kept->previous = NULL;
    kept->next = view->kept;
    if (kept->next != NULL)
        kept->next->previous = kept;
    view->kept = kept;
}

/* Take [kept] out of its view's list; its state, if it was still there. */
static PyThreadState *unlink_kept(hpyrt_kept *kept)
{
    PyThreadState *state = kept->state;
    if (state == NULL)
        return NULL;
    if (kept->previous != NULL)
        kept->previous->next = kept->next;
    else
        kept->view->kept = kept->next;
    if (kept->next != NULL)
        kept->next->previous = kept->previous;
    kept->state = NULL;         /* last: its thread may now free [kept] */
    return state;
}

PyThreadState *hpyrt_kept_state(hpyrt_record *record, const hpyrt_view *view)
{
    hpyrt_kept **place = &record->own.kept;
    while (*place != NULL) {
        hpyrt_kept *kept = *place;
        PyThreadState *state = kept->state;
        if (state == NULL) {            /* its interpreter has ended */
            *place = kept->next_of_thread;
            pthread_mutex_lock(&hpyrt_mutex);       /* whoever took it out has let go of it */
            pthread_mutex_unlock(&hpyrt_mutex);
            free(kept);
        } else if (kept->view == view)
            return state;
        else
            place = &kept->next_of_thread;
    }
    return NULL;
}

PyThreadState *hpyrt_keep_new_state(hpyrt_record *record, hpyrt_view *view)
{
    hpyrt_kept *kept = malloc(sizeof *kept);
    PyThreadState *state = kept != NULL ? PyThreadState_New(view->interpreter) : NULL;
    if (state == NULL) {
        free(kept);
        return NULL;
    }
    if (view != hpyrt_main_view)
        hpyrt_stand_back(state);
    *kept = (hpyrt_kept){.state = state, .view = view, .next_of_thread = record->own.kept};
    record->own.kept = kept;
    pthread_mutex_lock(&hpyrt_mutex);
    link_kept(kept);
    pthread_mutex_unlock(&hpyrt_mutex);
    return state;
}

bool hpyrt_keeps(const hpyrt_record *record, const PyThreadState *state)
{
    const hpyrt_kept *kept = record->own.kept;
    while (kept != NULL && kept->state != state)
        kept = kept->next_of_thread;
    return kept != NULL;
}

bool hpyrt_give_up_state(hpyrt_record *record, const PyThreadState *state)
{
    hpyrt_kept **place = &record->own.kept;
    while (*place != NULL && (*place)->state != state)
        place = &(*place)->next_of_thread;
    hpyrt_kept *kept = *place;
    if (kept == NULL)
        return false;
    *place = kept->next_of_thread;
    pthread_mutex_lock(&hpyrt_mutex);
    unlink_kept(kept);
    pthread_mutex_unlock(&hpyrt_mutex);
    free(kept);
    return true;
}

/* ---- the dead: thread states whose OS thread has ended ---- */

static int drain_pending(void *unused)
{
    (void)unused;
    hpyrt_view *view = hpyrt_current_view();
    if (view != NULL)
        hpyrt_drain(view);
    return 0;
}

void hpyrt_bury_kept(hpyrt_record *record)
{
    bool ask = false;
    for (hpyrt_kept *kept = record->own.kept, *next; kept != NULL; kept = next) {
        hpyrt_view *view = kept->view;
        next = kept->next_of_thread;
        pthread_mutex_lock(&hpyrt_mutex);
        PyThreadState *state = unlink_kept(kept);
        if (state != NULL) {
            kept->state = state;
            kept->next = view->dead;
            ask |= view->dead == NULL && view->closed_by == 0;
            view->dead = kept;
        }
        pthread_mutex_unlock(&hpyrt_mutex);
        if (state == NULL)
            free(kept);
    }
    record->own.kept = NULL;
    if (ask && hpyrt_takes_pending_calls())
        Py_AddPendingCall(drain_pending, NULL);     /* if the queue is full, the next slow acquisition drains */
}

void hpyrt_drain(hpyrt_view *view)
{
    hpyrt_kept *dead;
    do {        /* one by one: freeing a state may run Python code, which may fork or come here */
        pthread_mutex_lock(&hpyrt_mutex);
        dead = view->dead;
        if (dead != NULL)
            view->dead = dead->next;
        pthread_mutex_unlock(&hpyrt_mutex);
        if (dead != NULL)
            hpyrt_free_state(dead->state);
        free(dead);
    } while (dead != NULL);
}

/* ---- interpreters that end ---- */

/* Attached to the interpreter of [view]: on one of the kept states, if somebody took what was not his. */
static void free_all(hpyrt_view *view)
{
    const PyThreadState *current = hpyrt_current_state();
    PyThreadState *state;
    do {
        pthread_mutex_lock(&hpyrt_mutex);
        hpyrt_kept *kept = view->kept;
        while (kept != NULL && kept->state == current)
            kept = kept->next;
        state = kept != NULL ? unlink_kept(kept) : NULL;
        pthread_mutex_unlock(&hpyrt_mutex);
        if (state != NULL)
            hpyrt_free_state(state);
    } while (state != NULL);
    hpyrt_drain(view);
}

/* The same, attached to the main interpreter. Without memory it is left undone: that is not worth more at this time. */
static void free_all_from_main(hpyrt_view *view)
{
    PyThreadState *visitor = PyThreadState_New(view->interpreter);
    if (visitor == NULL)
        return;
    PyThreadState *home = PyThreadState_Swap(visitor);
    free_all(view);
    PyThreadState_Clear(visitor);
    PyThreadState_Swap(home);
    PyThreadState_Delete(visitor);
}

void hpyrt_free_kept(hpyrt_view *view)
{
    if (!hpyrt_is_main(view)) {
        free_all(view);
        return;
    }
    for (hpyrt_view *other = hpyrt_first_view(); other != NULL; other = other->next)
        if (other != view && (other->kept != NULL || other->dead != NULL))
            free_all_from_main(other);
}

void hpyrt_forget_kept(hpyrt_view *view, hpyrt_record *but)
{
    pthread_mutex_lock(&hpyrt_mutex);
    hpyrt_kept *dead = view->dead;
    view->dead = NULL;
    for (hpyrt_kept *kept = view->kept, *next; kept != NULL; kept = next) {
        next = kept->next;
        if (but == NULL || !hpyrt_keeps(but, kept->state))
            unlink_kept(kept);
    }
    pthread_mutex_unlock(&hpyrt_mutex);
    for (hpyrt_kept *next; dead != NULL; dead = next) {
        next = dead->next;
        free(dead);
    }
}
