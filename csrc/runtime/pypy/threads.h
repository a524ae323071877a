/* How a thread gets into PyPy, and back out; what runtime.h promises, on cpyext.

   PyPy has one interpreter, and its PyGILState functions are exact: PyGILState_Check tells on every thread whether it is
   attached, and PyGILState_Ensure is right on foreign threads, nested, and where Python was left in between. Keeping thread
   states gains nothing there, so a record holds no more than the stack of what each acquisition has to undo. */
#ifndef HPYRT_PYPY_THREADS_H
#define HPYRT_PYPY_THREADS_H

#ifndef PYPY_VERSION
#error "for PyPy alone"
#endif

#define HPYRT_ATTACHED_ALREADY (-1)     /* the frame of an acquisition that changed nothing */

/* The interpreter. */
struct hpyrt_view {
    HPyContext *context;        /* of the extension that registered last */
};

/* One OS thread. Only that thread touches its record; freed when it ends. */
typedef struct {
    int state;                  /* a PyGILState_STATE, or HPYRT_ATTACHED_ALREADY */
    hpyrt_origin *origin;       /* NULL for an ambient acquisition */
    HPyContext *lent;           /* NULL unless a context was lent for it */
} hpyrt_frame;

typedef struct {
    int depth;
    hpyrt_frame frames[HPYRT_MAX_DEPTH];
} hpyrt_record;

/* The calling thread's record; NULL before its first acquisition. One pointer, because initial-exec storage is scarce. */
extern __thread hpyrt_record *hpyrt_this_thread __attribute__((tls_model("initial-exec"), visibility("hidden")));

extern hpyrt_view hpyrt_the_view __attribute__((visibility("hidden")));

/* The calling thread's record, made if need be; NULL when there is no memory. */
hpyrt_record *hpyrt_make_record(void);

static inline int hpyrt_attach_for(hpyrt_policy policy, hpyrt_origin *origin)
{
    hpyrt_record *record = hpyrt_this_thread;
    if (__builtin_expect(record == NULL, 0) && (record = hpyrt_make_record()) == NULL)
        return -1;
    if (record->depth == HPYRT_MAX_DEPTH)
        return -1;
    int frame = HPYRT_ATTACHED_ALREADY;
    if (!PyGILState_Check()) {
        if (policy == HPYRT_ATTACHED_ONLY || !Py_IsInitialized())
            return -1;
        frame = (int)PyGILState_Ensure();
    }
    record->frames[record->depth++] = (hpyrt_frame){frame, origin, NULL};
    return 0;
}

static inline int hpyrt_attach(hpyrt_origin *origin)
{
    return hpyrt_attach_for(origin->policy, origin);
}

static inline hpyrt_view *hpyrt_attach_ambient(hpyrt_policy policy)
{
    if (hpyrt_the_view.context == NULL)
        return NULL;
    return hpyrt_attach_for(policy, NULL) == 0 ? &hpyrt_the_view : NULL;
}

static inline HPyContext *hpyrt_context(const hpyrt_view *view)
{
    return view->context;
}

static inline void hpyrt_set_context(hpyrt_view *view, HPyContext *admitted)
{
    view->context = admitted;
}

static inline void hpyrt_detach(void)
{
    hpyrt_record *record = hpyrt_this_thread;
    if (__builtin_expect(record == NULL || record->depth == 0, 0))
        return;
    const hpyrt_frame *frame = &record->frames[--record->depth];
    if (__builtin_expect(frame->lent != NULL, 0))
        hpyrt_take_back(frame->lent);
    if (frame->state != HPYRT_ATTACHED_ALREADY)
        PyGILState_Release((PyGILState_STATE)frame->state);
}

#endif
