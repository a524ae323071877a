/* The hook in HPy's calls into extensions in the debug flavour: see debug_contexts.h.

   HPy's trampolines call through the slot ctx_CallRealFunctionFromTrampoline of the root debug context, and pass that on. What
   stands in the slot takes the next context of the ring for the call, and marks the root as invalid until some call, on any
   thread, is over; it uses the root itself for buffers. Here each call is given a context of the pool in both places: as the
   next of the ring, and instead of the root. So nothing that a call changes is another's. */
#include "runtime.h"

#include "debug_contexts.h"

#include <dlfcn.h>
#include <string.h>

typedef void (*caller)(HPyContext *ctx, HPyFunc_Signature signature, HPyCFunction function, void *arguments);

static caller real;
static HPyContext *ring[HPYRT_DEBUG_RING];      /* HPy's own */
static __thread bool traversing;

/* Between here and where [real] takes the next of the ring nothing can run that would take one as well: it wraps the arguments
   in handles, which calls no Python. Without memory for a context the call is made as HPy makes it. */
static void call_on_own_context(HPyContext *root, HPyFunc_Signature signature, HPyCFunction function, void *arguments)
{
    hpyrt_debug_info *info = hpyrt_block_of(root)->info;
    size_t at = info->next;
    bool was_traversing = traversing;
    if (signature == HPyFunc_TRAVERSEPROC)
        traversing = true;
    HPyContext *lent = hpyrt_lend_debug_context();
    if (lent != NULL) {
        info->ring[at] = lent;
        real(lent, signature, function, arguments);
        if (info->ring[at] == lent)
            info->ring[at] = ring[at];
        hpyrt_take_back(lent);
    } else {
        info->ring[at] = ring[at];
        real(root, signature, function, arguments);
    }
    traversing = was_traversing;
}

/* HPy's root context, which extensions never see; NULL if the library that [ctx] comes from does not export how to get it. */
static HPyContext *root_of(const HPyContext *ctx)
{
    Dl_info from;
    if (!dladdr((void *)ctx->ctx_Dup, &from))
        return NULL;
    void *library = dlopen(from.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (library == NULL)
        return NULL;
    HPyContext *(*get)(HPyContext *universal) = (HPyContext *(*)(HPyContext *))dlsym(library, "hpy_debug_get_ctx");
    dlclose(library);
    return get != NULL ? get(hpyrt_block_of(ctx)->info->universal) : NULL;
}

const char *hpyrt_hook_debug_calls(const HPyContext *ctx)
{
    HPyContext *root = root_of(ctx);
    if (root == NULL || root->_private == NULL || hpyrt_block_of(root)->info != hpyrt_block_of(ctx)->info)
        return "their root cannot be found";
    memcpy(ring, hpyrt_block_of(ctx)->info->ring, sizeof ring);
    real = root->ctx_CallRealFunctionFromTrampoline;
    root->ctx_CallRealFunctionFromTrampoline = call_on_own_context;
    return NULL;
}

bool hpyrt_in_traverse(void)
{
    return traversing;
}
