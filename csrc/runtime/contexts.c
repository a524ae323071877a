/* Flavours of contexts: see contexts.h. */
#include "runtime.h"
#include "debug.h"

#include "debug_contexts.h"

#include <string.h>

HPyContext *hpyrt_admitted[HPYRT_FLAVOURS];

/* By the name: CPython's are "HPy Universal ABI (CPython backend)", "HPy Debug Mode ABI" and "HPy Trace Mode ABI"; all of
   PyPy's end in "(PyPy backend)". */
hpyrt_flavour hpyrt_flavour_of(const HPyContext *ctx)
{
    if (strstr(ctx->name, "Debug Mode") != NULL)
        return HPYRT_DEBUG;
    return strstr(ctx->name, "Trace Mode") != NULL ? HPYRT_TRACE : HPYRT_UNIVERSAL;
}

/* The universal context and the trace context are one object each, so that they stand for themselves. */
HPyContext *hpyrt_admit(HPyContext *ctx)
{
    ctx = hpyrt_original_context(ctx);      /* a copy that the lab's debug mode handed out ends with its acquisition */
    hpyrt_flavour flavour = hpyrt_flavour_of(ctx);
    HPyContext *admitted = flavour == HPYRT_DEBUG ? hpyrt_admit_debug_context(ctx) : ctx;
    if (admitted != NULL)
        hpyrt_admitted[flavour] = admitted;
    return admitted;
}
