/* Origins: see origins.h. The list needs no lock of its own: whoever reads or changes it is attached. */
#include "runtime.h"

static hpyrt_origin *closing;       /* closed, with somebody inside when that was last looked at */

hpyrt_origin *hpyrt_take_origin(hpyrt_origin_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    hpyrt_origin *origin = pool->count >= HPYRT_FEWEST_IDLE ? pool->first : NULL;
    if (origin != NULL) {
        pool->first = origin->next;
        pool->count--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return origin;
}

void hpyrt_give_origin(hpyrt_origin_pool *pool, hpyrt_origin *origin)
{
    pthread_mutex_lock(&pool->mutex);
    origin->next = NULL;
    if (pool->first == NULL)
        pool->first = origin;
    else
        pool->last->next = origin;
    pool->last = origin;
    pool->count++;
    pthread_mutex_unlock(&pool->mutex);
}

int hpyrt_open_origin(HPyContext *ctx, hpyrt_origin *origin, hpyrt_policy policy, HPy captured)
{
    hpyrt_view *view = hpyrt_current_view();
    if (view == NULL) {
        HPyErr_SetString(ctx, ctx->h_RuntimeError, "the runtime half has not been initialised in this interpreter");
        return -1;
    }
    HPyContext *admitted = hpyrt_admit(ctx);
    if (admitted == NULL)
        return -1;
    hpyrt_sweep_origins();
    origin->view = view;
    origin->context = admitted;
    origin->policy = policy;
    origin->captured = HPy_IsNull(captured) ? NULL : HPy_AsPyObject(ctx, captured);
    origin->closed = false;
    return 0;
}

/* Drop what [origin] captured where that belongs. An exception that is pending stays pending. False: there is no memory to get
   there, and it is as before. */
static bool release_captured(hpyrt_origin *origin)
{
    hpyrt_origin home = {.view = origin->view, .policy = HPYRT_ATTACH};
    bool is_there = origin->captured == NULL || hpyrt_current_view() == origin->view;
    bool attached = !is_there && hpyrt_attach(&home) == 0;
    if (!is_there && !attached && origin->view->closed_by == 0)
        return false;
    PyObject *captured = origin->captured;
    origin->captured = NULL;
    if (captured != NULL && (is_there || attached)) {   /* else its interpreter ends or is gone, and takes it along */
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        Py_DECREF(captured);
        PyErr_Restore(type, value, traceback);
    }
    if (attached)
        hpyrt_detach();
    return true;
}

void hpyrt_sweep_origins(void)
{
    hpyrt_origin *left = NULL;          /* for a later time */
    hpyrt_origin **place = &closing;
    while (*place != NULL) {
        hpyrt_origin *origin = *place;
        if (hpyrt_in_use(origin)) {
            place = &origin->next;
            continue;
        }
        *place = origin->next;
        if (release_captured(origin)) {     /* may run Python, and so come here again */
            origin->recycle(origin);
        } else {
            origin->next = left;
            left = origin;
        }
        place = &closing;
    }
    while (*place != NULL)
        place = &(*place)->next;
    *place = left;
}

void hpyrt_close_origin(hpyrt_origin *origin)
{
    origin->closed = true;
    origin->next = closing;
    closing = origin;
    hpyrt_sweep_origins();
}
