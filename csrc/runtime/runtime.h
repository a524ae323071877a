/* How a thread gets into an interpreter, and back out: what every proposal's runtime half is written with.

   A View stands for one interpreter; it is never freed, so that tokens, trampolines and VMs may point to it for good. A
   Record stands for one OS thread; it holds the thread's open acquisitions as a stack of frames, because the functions that
   end one (HPy_LeaveContext, HPyVM_CloseContext) carry nothing that could say what it changed.

   Each Python implementation has a folder of its own with a threads.h that keeps what is promised here. An
   acquisition on a thread that is attached already is inline there, so that every proposal gets the same: it takes no lock,
   allocates nothing and makes no system call. */
#ifndef HPYRT_RUNTIME_H
#define HPYRT_RUNTIME_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <hpy.h>
#include <stdbool.h>
#include <stdint.h>

#define HPYRT_MAX_DEPTH 65536   /* open acquisitions of one thread; one more is refused */

#pragma GCC visibility push(hidden)

typedef struct hpyrt_view hpyrt_view;

/* What an acquisition does for a thread that is not attached to any interpreter. */
typedef enum {
    HPYRT_ATTACH = 0,           /* attaches it */
    HPYRT_ATTACHED_ONLY = 1,    /* refuses it, and changes nothing */
} hpyrt_policy;

/* What a token or a trampoline remembers of the context it was made from, and owns. It is used again for the next one but never
   freed, so that a thread on its way in may read it whatever another thread does: see origins.h. */
typedef struct hpyrt_origin hpyrt_origin;
struct hpyrt_origin {
    hpyrt_view *view;
    HPyContext *context;        /* as admitted, see contexts.h */
    hpyrt_policy policy;
    _Atomic bool closed;        /* given back: whoever is on the way in is refused */
    PyObject *captured;         /* a strong reference, or NULL */
    void (*recycle)(hpyrt_origin *origin);      /* called once when it is closed and nobody is inside: it may be used again */
    void *owner;                /* the token or the trampoline */
    hpyrt_origin *next;         /* among the closed ones that somebody is inside of */
};

/* Called in each interpreter, attached to it, when the runtime module is initialised there. 0, or -1 with an exception. */
int hpyrt_open_view(void);

/* The view of the interpreter that the calling thread is attached to; NULL if there is none. */
hpyrt_view *hpyrt_current_view(void);

/* Attach the calling thread to the interpreter of [origin] until hpyrt_detach; a thread that is attached to another one is
   switched, under either policy. 0, or -1: refused, nothing changed. */
static inline int hpyrt_attach(hpyrt_origin *origin);

/* As hpyrt_attach, to the interpreter that HPy_EnterContext and HPyVM mean: the one the thread is attached to, else that of
   its last acquisition, else the main one. Its view; NULL: refused, nothing changed, as also where no extension has
   registered a context there. */
static inline hpyrt_view *hpyrt_attach_ambient(hpyrt_policy policy);

/* End the calling thread's innermost acquisition. Without one it does nothing. */
static inline void hpyrt_detach(void);

/* Whether a thread is inside an acquisition of [origin], or on its way into one. The calling thread is attached, and [origin]
   is closed, so that the answer false stays true. */
bool hpyrt_in_use(const hpyrt_origin *origin);

/* Let the calling thread's innermost acquisition no longer count as one of its origin. */
void hpyrt_forget_origin(void);

/* Leave [context], which was lent for the calling thread's innermost acquisition, to the detach that ends it. */
void hpyrt_keep_lent(HPyContext *context);

/* In contexts.c; called by hpyrt_detach, on the thread that is still attached, with what was left to it. */
void hpyrt_take_back(HPyContext *lent);

/* The context (as admitted) of the extension that registered last in [view]'s interpreter; NULL if none has. */
static inline HPyContext *hpyrt_context(const hpyrt_view *view);
static inline void hpyrt_set_context(hpyrt_view *view, HPyContext *admitted);

#include "threads.h"
#include "contexts.h"
#include "origins.h"

/* The view of the interpreter that the calling thread is attached to, if an extension has registered a context there; else
   NULL. Like hpyrt_current_view, but quick where it is that of the thread's last acquisition. */
static inline hpyrt_view *hpyrt_attached_view(void)
{
    hpyrt_view *view = hpyrt_attach_ambient(HPYRT_ATTACHED_ONLY);
    if (view != NULL)
        hpyrt_detach();
    return view;
}

#pragma GCC visibility pop

#endif
