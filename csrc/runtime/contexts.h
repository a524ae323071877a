/* Which context to hand out: HPy runs each extension on contexts of one flavour, universal, debug or trace.

   Universal and trace have one context for the process. A debug context is valid for one call alone, so in that flavour each
   acquisition is lent one of its own: see debug_contexts.h. Contexts of the CPython ABI hold constants and no functions; it is
   an error to admit one. */
#ifndef HPYRT_CONTEXTS_H
#define HPYRT_CONTEXTS_H

typedef enum {
    HPYRT_UNIVERSAL = 0,
    HPYRT_DEBUG = 1,
    HPYRT_TRACE = 2,
} hpyrt_flavour;

#define HPYRT_FLAVOURS 3

/* The flavour of [ctx], any context that HPy passed to an extension. */
hpyrt_flavour hpyrt_flavour_of(const HPyContext *ctx);

/* What to remember, for later hpyrt_hand_out, of [ctx], which HPy passed to an extension and which is still valid: the one
   context that stands for its flavour, the same for every [ctx] of it. NULL with RuntimeError set on [ctx]: contexts of that
   flavour cannot be handed out, and it says why. */
HPyContext *hpyrt_admit(HPyContext *ctx);

/* What hpyrt_admit returned for [flavour]; NULL before. */
extern HPyContext *hpyrt_admitted[HPYRT_FLAVOURS];

/* A debug context for the acquisition just begun, valid until it is given to hpyrt_take_back. NULL when there is no memory. The
   calling thread is attached, and a debug context has been admitted. */
HPyContext *hpyrt_lend_debug_context(void);

/* A debug context for a caller who will never say that he is done with it: valid until the calling thread ends, and usable now,
   which those are not that an HPy call under way on this thread was given. So it is the same one for each such depth. NULL when
   there is no memory. The calling thread is attached, and a debug context has been admitted. */
HPyContext *hpyrt_borrow_debug_context(void);

/* Whether the calling thread is inside of a tp_traverse, where Python must not be called. It can be told of extensions in the
   debug flavour alone, once a debug context has been admitted, and on PyPy not at all: false there. */
bool hpyrt_in_traverse(void);

/* The context for the body of the acquisition just begun by the calling thread, in the flavour of [admitted]. NULL when there
   is no memory: the acquisition has then been ended. */
static inline HPyContext *hpyrt_hand_out(HPyContext *admitted)
{
    if (__builtin_expect(admitted == hpyrt_admitted[HPYRT_DEBUG], 0)) {
        HPyContext *lent = hpyrt_lend_debug_context();
        if (lent != NULL)
            hpyrt_keep_lent(lent);
        else
            hpyrt_detach();
        return lent;
    }
    return admitted;
}

#endif
