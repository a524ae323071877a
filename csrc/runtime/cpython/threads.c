/* Thread records: see threads.h. Lock order: a view's mutex is innermost and never held across a call into Python. */
#include "runtime.h"

#include <stdlib.h>

__thread hpyrt_record *hpyrt_this_thread;

static hpyrt_view *_Atomic views;       /* grows only; a view is never freed */
static hpyrt_view *_Atomic main_view;
static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int no_key;

/* ---- the dead: thread states whose OS thread has ended ---- */

/* Enter [kept] in its view's list, whose mutex the caller holds. */
static void link_kept(hpyrt_kept *kept)
{
    hpyrt_view *view = kept->view;
    kept->previous = NULL;
    kept->next = view->kept;
    if (kept->next != NULL)
        kept->next->previous = kept;
    view->kept = kept;
}

static void unlink_kept(hpyrt_kept *kept)
{
    if (kept->previous != NULL)
        kept->previous->next = kept->next;
    else
        kept->view->kept = kept->next;
    if (kept->next != NULL)
        kept->next->previous = kept->previous;
}

/* Free what the threads that ended left in [view]. The calling thread is attached to its interpreter. */
static void drain(hpyrt_view *view)
{
    pthread_mutex_lock(&view->mutex);
    hpyrt_kept *dead = view->dead;
    view->dead = NULL;
    pthread_mutex_unlock(&view->mutex);
    while (dead != NULL) {
        hpyrt_kept *next = dead->next;
        hpyrt_free_state(dead->state);
        free(dead);
        dead = next;
    }
}

static int drain_pending(void *unused)
{
    (void)unused;
    hpyrt_view *view = hpyrt_current_view();
    if (view != NULL)
        drain(view);
    return 0;
}

/* Move [kept] to its view's dead. Whether it is the first there, so that somebody has to be asked to free it. */
static bool bury(hpyrt_kept *kept)
{
    hpyrt_view *view = kept->view;
    pthread_mutex_lock(&view->mutex);
    unlink_kept(kept);
    bool first = view->dead == NULL;
    kept->next = view->dead;
    view->dead = kept;
    pthread_mutex_unlock(&view->mutex);
    return first;
}

/* Runs when an OS thread ends. It never takes the GIL: whoever joins this thread may be holding it. */
static void end_thread(void *argument)
{
    hpyrt_record *record = argument;
    hpyrt_kept *kept = record->kept;
    bool ask = false;
    while (kept != NULL) {
        hpyrt_kept *next = kept->next_of_thread;
        ask |= bury(kept);
        kept = next;
    }
    hpyrt_this_thread = NULL;
    free(record);
    if (ask && hpyrt_takes_pending_calls())
        Py_AddPendingCall(drain_pending, NULL);     /* if the queue is full, the next slow acquisition drains */
}

/* ---- fork: the child has one thread, the one that forked ---- */

static hpyrt_view *locked_views;        /* those whose mutex is held while this process forks */

static void before_fork(void)
{
    locked_views = views;
    for (hpyrt_view *view = locked_views; view != NULL; view = view->next)
        pthread_mutex_lock(&view->mutex);
}

static void after_fork_in_parent(void)
{
    for (hpyrt_view *view = locked_views; view != NULL; view = view->next)
        pthread_mutex_unlock(&view->mutex);
}

/* Python frees the thread states of the threads that are gone (PyOS_AfterFork_Child): forget those, or they would be freed
   twice, and keep this thread's. What little memory their records took stays with the child. */
static void after_fork_in_child(void)
{
    for (hpyrt_view *view = locked_views; view != NULL; view = view->next) {
        pthread_mutex_init(&view->mutex, NULL);
        view->kept = NULL;
        view->dead = NULL;
    }
    hpyrt_kept *kept = hpyrt_this_thread != NULL ? hpyrt_this_thread->kept : NULL;
    for (; kept != NULL; kept = kept->next_of_thread)
        link_kept(kept);
}

/* ---- records ---- */

static void make_key(void)
{
    no_key = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child)
          || pthread_key_create(&thread_end, end_thread);
}

static hpyrt_record *this_record(void)
{
    hpyrt_record *record = hpyrt_this_thread;
    if (record != NULL)
        return record;
    pthread_once(&once, make_key);
    if (no_key || (record = calloc(1, sizeof *record)) == NULL)
        return NULL;
    if (pthread_setspecific(thread_end, record) != 0) {
        free(record);
        return NULL;
    }
    record->thread = (unsigned long)pthread_self();
    hpyrt_this_thread = record;
    return record;
}

/* Make a thread state for this foreign thread and keep it. NULL when there is no memory. */
static PyThreadState *keep_new_state(hpyrt_record *record, hpyrt_view *view)
{
    hpyrt_kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL)
        return NULL;
    kept->state = PyThreadState_New(view->interpreter);
    if (kept->state == NULL) {
        free(kept);
        return NULL;
    }
    kept->view = view;
    kept->next_of_thread = record->kept;
    record->kept = kept;
    pthread_mutex_lock(&view->mutex);
    link_kept(kept);
    pthread_mutex_unlock(&view->mutex);
    return kept->state;
}

/* The thread state with which this thread, not attached, enters [view]'s interpreter: that of an open acquisition, which
   Python was left inside of; else the kept one; else the one that Python or another library made for this thread, which
   is used and never kept, for it dies when they say; else a new one. */
static PyThreadState *state_for(hpyrt_record *record, hpyrt_view *view)
{
    for (int i = record->depth - 1; i >= 0; i--)
        if (record->frames[i].view == view)
            return record->frames[i].state;
    for (hpyrt_kept *kept = record->kept; kept != NULL; kept = kept->next_of_thread)
        if (kept->view == view)
            return kept->state;
    PyThreadState *others = PyGILState_GetThisThreadState();
    if (others != NULL && others->interp == view->interpreter)
        return others;
    return keep_new_state(record, view);
}

/* ---- attach and detach ---- */

int hpyrt_attach_slow(hpyrt_view *view, hpyrt_policy policy, hpyrt_origin *origin)
{
    PyThreadState *current = hpyrt_current_state();
    hpyrt_record *record = this_record();
    if (record == NULL || record->depth == HPYRT_MAX_DEPTH)
        return -1;
    hpyrt_frame *frame = &record->frames[record->depth];
    if (hpyrt_is_mine(current)) {
        if (current->interp != view->interpreter)
            return -1;          /* switching interpreters has its place here */
        frame->kind = FRAME_NOTHING;
        frame->state = current;
    } else {
        if (policy == HPYRT_ATTACHED_ONLY || hpyrt_is_finalizing())
            return -1;
        frame->state = state_for(record, view);
        if (frame->state == NULL)
            return -1;
        PyEval_RestoreThread(frame->state);
        frame->kind = FRAME_ATTACHED;
    }
    frame->view = view;
    frame->origin = origin;
    record->depth++;
    record->state = frame->state;
    record->last = view;
    if (view->dead != NULL)
        drain(view);
    return 0;
}

void hpyrt_detach_slow(hpyrt_record *record, const hpyrt_frame *frame)
{
    if (frame->kind & FRAME_LENT)
        hpyrt_take_back(frame->lent);
    if (!(frame->kind & FRAME_ATTACHED))
        return;
    PyEval_SaveThread();
    record->state = NULL;
}

bool hpyrt_in_use(const hpyrt_origin *origin)
{
    (void)origin;
    return false;
}

void hpyrt_forget_origin(void)
{
    hpyrt_record *record = hpyrt_this_thread;
    record->frames[record->depth - 1].origin = NULL;
}

void hpyrt_keep_lent(HPyContext *context)
{
    hpyrt_record *record = hpyrt_this_thread;
    hpyrt_frame *frame = &record->frames[record->depth - 1];
    frame->lent = context;
    frame->kind |= FRAME_LENT;
}

/* ---- views ---- */

static hpyrt_view *view_of(const PyInterpreterState *interpreter)
{
    hpyrt_view *view = views;
    while (view != NULL && view->interpreter != interpreter)
        view = view->next;
    return view;
}

hpyrt_view *hpyrt_current_view(void)
{
    PyThreadState *current = hpyrt_current_state();
    return hpyrt_is_mine(current) ? view_of(current->interp) : NULL;
}

static hpyrt_view *ambient_view(void)
{
    PyThreadState *current = hpyrt_current_state();
    if (hpyrt_is_mine(current))
        return view_of(current->interp);
    hpyrt_record *record = hpyrt_this_thread;
    return record != NULL && record->last != NULL ? record->last : main_view;
}

hpyrt_view *hpyrt_attach_ambient_slow(hpyrt_policy policy)
{
    hpyrt_view *view = ambient_view();
    if (view == NULL || view->context == NULL)
        return NULL;
    return hpyrt_attach_slow(view, policy, NULL) == 0 ? view : NULL;
}

int hpyrt_open_view(void)
{
    PyInterpreterState *interpreter = PyThreadState_Get()->interp;
    if (view_of(interpreter) != NULL)
        return 0;
    if (interpreter != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "the runtime half serves the main interpreter alone");
        return -1;
    }
    hpyrt_view *view = calloc(1, sizeof *view);
    if (view == NULL || pthread_mutex_init(&view->mutex, NULL) != 0) {
        free(view);
        PyErr_NoMemory();
        return -1;
    }
    view->interpreter = interpreter;
    view->id = PyInterpreterState_GetID(interpreter);
    view->next = views;
    views = view;
    main_view = view;
    return 0;
}
