/* What the extension halves of all arms share. Included by each stub.c, which then defines the functions of interface.h. */
#ifndef HPYLAB_ARM_H
#define HPYLAB_ARM_H

#include <hpy.h>
#include "autogen_context.h"

#include <stdbool.h>
#include <stdlib.h>

/* What native code calls: HPyLab_Callback's. */
typedef int hpylab_call(void *closure, int64_t arg, int64_t *result);

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

/* A captured object, for a design that has no place for one: an HPyGlobal, loaded in each call (capture.c).

   Keep [wanted]->captured, if there is one, and make [kept], a copy of [wanted], load it before its body. 0, or -1 with
   RuntimeError set on [ctx] while another object is captured. */
int hpylab_capture(HPyContext *ctx, const HPyLab_Binding *wanted, HPyLab_Binding *kept);

/* Undo hpylab_capture. */
void hpylab_release_captured(HPyContext *ctx, const HPyLab_Binding *kept);

/* The HPyGlobal, for the module's definition. */
extern HPyGlobal hpylab_captured_object;

/* Set NotImplementedError on [ctx]: the arm does not serve this policy. Answers -1. */
static inline int hpylab_refuse_policy(HPyContext *ctx, HPyLab_Policy policy)
{
    HPyErr_SetString(ctx, ctx->h_NotImplementedError, policy == HPyLab_ATTACH
                     ? "this arm never attaches a thread: it serves the policy attached_only alone"
                     : "this arm serves the policy attach alone");
    return -1;
}

/* The closure of an arm that needs no more than the binding: a copy of [binding], owned by the caller and given back with
   hpylab_drop(). NULL with an error set on [ctx]. */
static inline HPyLab_Binding *hpylab_keep(HPyContext *ctx, const HPyLab_Binding *binding)
{
    HPyLab_Binding *kept = malloc(sizeof *kept);
    if (kept == NULL)
        HPyErr_NoMemory(ctx);
    else if (hpylab_capture(ctx, binding, kept) < 0) {
        free(kept);
        kept = NULL;
    }
    return kept;
}

static inline void hpylab_drop(HPyContext *ctx, HPyLab_Binding *kept)
{
    hpylab_release_captured(ctx, kept);
    free(kept);
}

/* The closure of an arm that hands out the context it was bound with, whatever the thread. */
typedef struct {
    HPyContext *ctx;
    HPyLab_Binding binding;
} hpylab_carrier;

/* A new carrier of [ctx] and a copy of [binding], owned by the caller and given back with hpylab_drop_carrier(). NULL with an
   error set on [ctx]. */
static inline hpylab_carrier *hpylab_carry(HPyContext *ctx, const HPyLab_Binding *binding)
{
    if (binding->policy != HPyLab_ATTACH) {
        hpylab_refuse_policy(ctx, binding->policy);
        return NULL;
    }
    hpylab_carrier *carrier = malloc(sizeof *carrier);
    if (carrier == NULL)
        HPyErr_NoMemory(ctx);
    else if (hpylab_capture(ctx, binding, &carrier->binding) < 0) {
        free(carrier);
        carrier = NULL;
    } else
        carrier->ctx = ctx;
    return carrier;
}

static inline void hpylab_drop_carrier(HPyContext *ctx, hpylab_carrier *carrier)
{
    hpylab_release_captured(ctx, &carrier->binding);
    free(carrier);
}

#endif
