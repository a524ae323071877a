/* Which context to hand out: HPy runs each extension on contexts of one flavour, universal, debug or trace.

   Universal and trace have one context for the process. A debug context taken from elsewhere aborts, so in that flavour each
   acquisition is lent one of its own. */
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

/* What to remember, for later hpyrt_hand_out, of [ctx], which HPy passed to an extension: the one context that stands for its
   flavour. NULL with an exception set on [ctx]: contexts of that flavour cannot be handed out, and it says why. */
HPyContext *hpyrt_admit(HPyContext *ctx);

/* What hpyrt_admit returned last for [flavour]; NULL before. */
extern HPyContext *hpyrt_admitted[HPYRT_FLAVOURS];

/* A debug context for the acquisition just begun, which ends with it. NULL when there is no memory. */
HPyContext *hpyrt_lend_debug_context(void);

/* The context for the body of the acquisition just begun by the calling thread, in the flavour of [admitted]. NULL when there
   is no memory:
   the acquisition has then been ended. */
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
