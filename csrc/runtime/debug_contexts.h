/* HPy's debug contexts, which every acquisition in that flavour needs one of to itself.

   HPy's debug mode wraps the universal context. What all debug contexts share (open handles, limits) is one hpyrt_debug_info;
   each context points to a small block of its own, which says whether it may be used now. Every function of a debug context
   looks there first and ends the process with "Wrong HPy Context!" if it may not. A call into an extension makes the context
   that it passes valid and, when the call is over, invalid again, so that an extension that kept it is found out.

   HPy takes the contexts that it passes from a ring of 16, so that each 17th call gets the first one again, also while the
   first call is still running, and leaves it invalid. That happens 16 calls deep, where native code lies in between, and after
   16 calls on other threads while one has left Python. So the runtime half has a pool of its own, which grows: for what it
   lends, and, through a hook, for HPy's calls as well (hpyrt_hook_debug_calls).

   A context that came back lies idle while at least 15 others are used before it, first in first out, so that HPy finds out who
   kept it. The pool is as large as was ever needed at once and 16 more, and is never freed.

   None of this takes a lock: whoever comes here is attached, and all interpreters that can import HPy share one GIL. Threads
   that end are not attached; what they had borrowed waits in a list of its own for the next who comes. */
#ifndef HPYRT_DEBUG_CONTEXTS_H
#define HPYRT_DEBUG_CONTEXTS_H

#define HPYRT_DEBUG_RING 16

/* What HPy 0.9.0 keeps beside its debug contexts, by its hpy/debug/src/debug_internal.h; PyPy 7.3.19's is the same. Private to
   it, and therefore compared with what is found before any of it is used. */
typedef struct {
    long magic;
    HPyContext *universal;
    long generation;
    HPyContext *ring[HPYRT_DEBUG_RING];
    size_t next;                            /* which of the ring the next call into an extension gets */
    HPy_ssize_t rest[15];                   /* handlers, limits and lists of handles: HPy's business */
} hpyrt_debug_info;

/* The block of one context, its _private. */
typedef struct {
    long magic;
    bool valid;
    hpyrt_debug_info *info;
} hpyrt_debug_block;

static inline hpyrt_debug_block *hpyrt_block_of(const HPyContext *ctx)
{
    return ctx->_private;
}

/* hpyrt_admit for [ctx] of the debug flavour. */
HPyContext *hpyrt_admit_debug_context(HPyContext *ctx);

/* Let each of HPy's calls into an extension in the debug flavour have a context of the pool for as long as it lasts. Called
   once. [ctx] is any debug context. NULL, or why it cannot be done. On PyPy, which passes all extensions the same context,
   there is nothing to hook and nothing is done. */
const char *hpyrt_hook_debug_calls(const HPyContext *ctx);

#endif
