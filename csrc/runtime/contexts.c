/* Flavours of contexts: see contexts.h. */
#include "runtime.h"

#include <string.h>

HPyContext *hpyrt_admitted[HPYRT_FLAVOURS];

hpyrt_flavour hpyrt_flavour_of(const HPyContext *ctx)
{
    if (strstr(ctx->name, "Debug") != NULL)
        return HPYRT_DEBUG;
    return strstr(ctx->name, "Trace") != NULL ? HPYRT_TRACE : HPYRT_UNIVERSAL;
}

HPyContext *hpyrt_admit(HPyContext *ctx)
{
    hpyrt_flavour flavour = hpyrt_flavour_of(ctx);
    if (flavour == HPYRT_DEBUG) {
        HPyErr_SetString(ctx, ctx->h_RuntimeError, "debug contexts cannot be handed out");
        return NULL;
    }
    hpyrt_admitted[flavour] = ctx;
    return ctx;
}

HPyContext *hpyrt_lend_debug_context(void)
{
    return NULL;
}

void hpyrt_take_back(HPyContext *lent)
{
    (void)lent;
}
