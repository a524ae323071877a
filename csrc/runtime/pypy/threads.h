/* How a thread gets into PyPy, and back out; what runtime.h promises, on cpyext.

   PyPy has one interpreter, and its PyGILState functions are exact: PyGILState_Check tells on every thread whether it is
   attached, and PyGILState_Ensure is right on foreign threads, nested, and where Python was left in between. Keeping thread
   states gains nothing there, so that a frame holds no more than what PyGILState_Release wants. */
#ifndef HPYRT_PYPY_THREADS_H
#define HPYRT_PYPY_THREADS_H

#ifndef PYPY_VERSION
#error "for PyPy alone"
#endif

/* What an acquisition changed. */
typedef struct {
    PyGILState_STATE state;     /* attached: what PyGILState_Ensure returned */
} hpyrt_change;

/* What is known of an OS thread beside its open acquisitions. */
typedef struct {
    bool is_known;              /* nothing but that it has been here */
} hpyrt_thread;

#include "../records.h"

/* The interpreter. */
struct hpyrt_view {
    hpyrt_view *next;                   /* NULL */
    HPyContext *_Atomic context;        /* of the extension that registered last; NULL before */
    _Atomic unsigned long closed_by;    /* the thread that ends the interpreter; 0 before */
    bool is_watched;                    /* by the debug mode; changed while attached */
};

extern hpyrt_view hpyrt_the_view;

/* Let signal handlers run. 0, or -1 with the exception that one raised. */
int hpyrt_check_signals(void);

#include "../finalization.h"

static inline hpyrt_view *hpyrt_first_view(void)
{
    return &hpyrt_the_view;
}

static inline bool hpyrt_is_main(const hpyrt_view *view)
{
    (void)view;
    return true;
}

static inline bool hpyrt_comes_from(const hpyrt_frame *frame, const hpyrt_view *view)
{
    (void)frame;
    (void)view;
    return false;
}

static inline void hpyrt_drop_guards(hpyrt_record *record)
{
    (void)record;
}

static inline void hpyrt_free_kept(hpyrt_view *view)
{
    (void)view;
}

/* Push a frame, on the way that is not fast: [origin] is NULL for an ambient acquisition. 0, or -1. */
int hpyrt_attach_slow(hpyrt_policy policy, hpyrt_origin *origin);

/* Undo what the frame on top, just popped, did. */
void hpyrt_detach_slow(hpyrt_record *record, const hpyrt_frame *frame);

static inline int hpyrt_attach_for(hpyrt_policy policy, hpyrt_origin *origin)
{
    hpyrt_record *record = hpyrt_this_thread;
    if (__builtin_expect(record == NULL || record->top == record->limit || !PyGILState_Check(), 0))
        return hpyrt_attach_slow(policy, origin);
    hpyrt_frame *frame = record->top++;
    frame->view = &hpyrt_the_view;
    frame->origin = origin;
    frame->kind = FRAME_NOTHING;
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

static inline void hpyrt_detach(void)
{
    hpyrt_record *record = hpyrt_this_thread;
    if (__builtin_expect(record == NULL || record->top == record->frames, 0))
        return;
    const hpyrt_frame *frame = --record->top;
    if (__builtin_expect(frame->kind != FRAME_NOTHING, 0))
        hpyrt_detach_slow(record, frame);
}

static inline HPyContext *hpyrt_context(const hpyrt_view *view)
{
    return view->context;
}

static inline void hpyrt_set_context(hpyrt_view *view, HPyContext *admitted)
{
    view->context = admitted;
}

#endif
