/* How a thread gets into an interpreter, and back out: what every proposal's runtime half is written with.

   A View stands for one interpreter; it is never freed, so that tokens, trampolines and VMs may point to it for good. A
   Record stands for one OS thread; it holds the thread's open acquisitions as a stack of frames, because the functions that
   end one (HPy_LeaveContext, HPyVM_CloseContext) carry nothing that could say what it changed.

   Each Python implementation has a folder of its own with a threads.h and a threads.c that keep what is promised here. An
   acquisition on a thread that is attached already is inline there, so that every proposal gets the same: it takes no lock,
   allocates nothing and makes no system call. */
#ifndef HPYRT_RUNTIME_H
#define HPYRT_RUNTIME_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <hpy.h>
#include <stdbool.h>
#include <stdint.h>

#define HPYRT_MAX_DEPTH 256     /* open acquisitions of one thread; one more is refused */

#pragma GCC visibility push(hidden)

typedef struct hpyrt_view hpyrt_view;

/* Called in each interpreter, attached to it, when the runtime module is initialised there. 0, or -1 with an exception. */
int hpyrt_open_view(void);

/* The view of the interpreter that the calling thread is attached to; NULL if there is none. */
hpyrt_view *hpyrt_current_view(void);

/* Attach the calling thread to [view]'s interpreter until hpyrt_detach. 0, or -1: refused, nothing changed. */
static inline int hpyrt_attach(hpyrt_view *view);

/* As hpyrt_attach, to the interpreter that HPy_EnterContext and HPyVM mean: the one the thread is attached to, else that of
   its last acquisition, else the main one. Its view; NULL: refused, nothing changed, as also where no extension has
   registered a context there. */
static inline hpyrt_view *hpyrt_attach_ambient(void);

/* End the calling thread's innermost acquisition. Without one it does nothing. */
static inline void hpyrt_detach(void);

/* The context of the extension that registered last in [view]'s interpreter; NULL if none has. */
static inline HPyContext *hpyrt_context(const hpyrt_view *view);
static inline void hpyrt_set_context(hpyrt_view *view, HPyContext *ctx);

#include "threads.h"

#pragma GCC visibility pop

#endif
