/* The lab's debug mode, as an extension half sees it: what the wrappers in autogen_context.h call around the functions of a
   proposal, by their role. Compiled into an extension half with HPYLAB_DEBUG alone; the runtime half always has the other side.

   A wrong use is reported: a message on stderr with the native stacks, then the process aborts, unless a hook was set. What a
   function answers after the hook returned is said below: the wrapper then does as little as it can. [function] names the
   wrapped function, a string for good. Any thread may call these. */
#ifndef HPYLAB_DEBUG_TABLE_H
#define HPYLAB_DEBUG_TABLE_H

/* One call through a function pointer that brings a context, while it lasts. The wrapper's, on its stack. */
typedef struct HPyLab_DebugCall {
    const char *function;
    void (*helper)(void);               /* what the caller wants called */
    void (*original)(void);             /* what the proposal made */
    struct HPyLab_DebugCall *below;     /* of the same thread */
} HPyLab_DebugCall;

/* Called with each report instead of aborting, on the thread that did wrong, attached or not. It may return. */
typedef void (*HPyLab_OnMisuse)(void *data, const char *report);

/* What a proposal makes (a token, a trampoline, a VM) is known by its bytes: [object] points to [size] of them. NULL and 0
   where the function has none. */
typedef struct HPyLab_Debug {
    /* ACQUIRE, before: 0, or -1: reported, do not. After: [ctx] as it may be used until it is released; NULL for NULL. */
    int (*acquiring)(const char *function, const void *object, size_t size);
    HPyContext *(*acquired)(const char *function, HPyContext *ctx);

    /* BORROW, after: as acquired, but nothing ends it. */
    HPyContext *(*borrowed)(const char *function, HPyContext *ctx);

    /* RELEASE, before: the context to release; NULL: reported, release nothing. */
    HPyContext *(*releasing)(const char *function, HPyContext *ctx);

    /* A context or an object given to any function. The context to pass on; NULL: reported. 0; -1: reported. */
    HPyContext *(*given)(const char *function, HPyContext *ctx);
    int (*used)(const char *function, const void *object, size_t size);

    /* CREATE, after. [object] is NULL where nothing was made. [freed_by]: what takes it back; NULL if nothing does. */
    void (*created)(const char *function, HPyContext *ctx, const void *object, size_t size, const char *freed_by);

    /* CREATE of a function pointer, after: one that jumps to [entry] with [original]'s first three arguments and, as fourth,
       what call_begins wants. It stands for [original], also with [created] and [freeing]. */
    void (*(*wrapped)(void (*original)(void), void (*entry)(void)))(void);

    /* FREE, before: 0, and [object] is what the proposal knows; -1: reported, do not. After, where it failed. */
    int (*freeing)(const char *function, void *object, size_t size);
    void (*answered)(const char *function, HPyContext *ctx);

    /* CALL: around the original, 0, or -1: reported, do not. Around the helper: the context for it. */
    int (*call_begins)(HPyLab_DebugCall *call, const char *function, void *slot, void (*helper)(void));
    void (*call_ends)(HPyLab_DebugCall *call);
    HPyContext *(*helper_begins)(HPyContext *ctx, void (**helper)(void));
    void (*helper_ends)(HPyContext *ctx);

    /* HPyLab_REFUSE_UNLESS: [condition] does not hold. */
    void (*refused)(const char *function, const char *condition);

    /* Call [hook] instead of aborting; NULL: abort again. */
    void (*on_misuse)(HPyLab_OnMisuse hook, void *data);
} HPyLab_Debug;

#endif
