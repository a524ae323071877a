/* What the extension halves of all arms share. Included by each stub.c, which then defines the functions of interface.h. */
#ifndef HPYLAB_ARM_H
#define HPYLAB_ARM_H

#include <hpy.h>
#include "autogen_context.h"

#include <stdlib.h>

/* Run [binding]'s body on [ctx], which the caller has acquired. Answers 0 and the body's [result], or 1: the body raised,
   and its exception was reported, so that none is pending when the caller releases [ctx]. */
static inline int hpylab_run(HPyContext *ctx, const HPyLab_Binding *binding, HPy captured, int64_t arg, int64_t *result)
{
    int64_t answer = binding->body(ctx, captured, binding->data, arg);
    if (__builtin_expect(answer == HPyLab_RAISED, 0) && HPyErr_Occurred(ctx)) {
        HPyErr_WriteUnraisable(ctx, HPy_NULL);
        return 1;
    }
    *result = answer;
    return 0;
}

/* The closure of an arm that needs no more than the binding: a copy of [binding], owned by the caller and given back with
   free(). NULL with MemoryError set on [ctx] when there is no memory. */
static inline HPyLab_Binding *hpylab_keep(HPyContext *ctx, const HPyLab_Binding *binding)
{
    HPyLab_Binding *kept = malloc(sizeof *kept);
    if (kept == NULL)
        HPyErr_NoMemory(ctx);
    else
        *kept = *binding;
    return kept;
}

/* The closure of an arm that hands out the context it was bound with. Owned by the caller, given back with free(). */
typedef struct {
    HPyContext *ctx;
    HPyLab_Binding binding;
} hpylab_carrier;

/* A new carrier of [ctx] and a copy of [binding]; NULL with MemoryError set on [ctx] when there is no memory. */
static inline hpylab_carrier *hpylab_carry(HPyContext *ctx, const HPyLab_Binding *binding)
{
    hpylab_carrier *carrier = malloc(sizeof *carrier);
    if (carrier == NULL)
        HPyErr_NoMemory(ctx);
    else
        *carrier = (hpylab_carrier){ctx, *binding};
    return carrier;
}

#endif
