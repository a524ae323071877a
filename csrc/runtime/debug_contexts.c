/* The pool of debug contexts: see debug_contexts.h. */
#include "runtime.h"

#include "debug_contexts.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "HPy Debug Mode ABI"
#define FEWEST_IDLE 16          /* as many as HPy's ring: so long is a context that was given back known to be stale */

/* HPY_DEBUG_INFO_MAGIC and HPY_DEBUG_CTX_INFO_MAGIC of debug_internal.h. */
#define INFO_MAGIC 0xDEB00FF
#define BLOCK_MAGIC 0xDDA003F

/* A context of the pool, in two pieces of memory as HPy's own are: another runtime half that finds one in the ring looks at the
   sizes. */
typedef struct pooled pooled;
struct pooled {
    hpyrt_debug_block block;    /* first: the context's _private leads here */
    HPyContext *context;
    pooled *next;               /* among the idle, those borrowed by one thread, or those left behind */
};

static struct {
    pooled *first, *last;
    size_t count;
} idle;

/* A copy of the first context admitted, never valid: what the others are copied from, and what stands for the flavour. Not of
   HPy's root context or of one of the ring, because PyPy passes a third, whose functions are not all the same. */
static struct _HPyContext_s template;
static hpyrt_debug_block template_block;

/* ---- the layout ---- */

/* Whether [memory] was allocated for [size] bytes. An allocator may give up to 24 more. */
static bool has_size(void *memory, size_t size)
{
    if (memory == NULL || (uintptr_t)memory % sizeof(void *) != 0)
        return false;
    size_t usable = malloc_usable_size(memory);
    return size <= usable && usable <= size + 24;
}

static const char *check_block(const HPyContext *ctx)
{
    if (strncmp(ctx->name, NAME, strlen(NAME)) != 0)
        return "their name is another";
    if (ctx->abi_version != HPY_ABI_VERSION)
        return "their ABI is another";
    if (!has_size(ctx->_private, sizeof(hpyrt_debug_block)))
        return "their private data has another size";
    if (hpyrt_block_of(ctx)->magic != BLOCK_MAGIC)
        return "their private data has another magic number";
    return NULL;
}

static const char *check_info(hpyrt_debug_info *info)
{
    if (!has_size(info, sizeof *info))
        return "what they share has another size";
    if (info->magic != INFO_MAGIC)
        return "what they share has another magic number";
    if (info->next >= HPYRT_DEBUG_RING)
        return "their ring has another size";
    return NULL;
}

/* NULL if [ctx], a valid one, its block, what it shares with others and the whole ring are laid out as debug_contexts.h says;
   else what differs. Nothing is read before the size of where it lies is known. */
static const char *check_layout(const HPyContext *ctx)
{
    const char *differs = check_block(ctx);
    if (differs != NULL)
        return differs;
    if (*(const unsigned char *)&hpyrt_block_of(ctx)->valid != 1)
        return "one in use is not marked as valid";
    hpyrt_debug_info *info = hpyrt_block_of(ctx)->info;
    differs = check_info(info);
    for (size_t i = 0; differs == NULL && i < HPYRT_DEBUG_RING; i++) {
        HPyContext *other = info->ring[i];
        if (!has_size(other, sizeof *other))
            return "one of their ring has another size";
        differs = check_block(other);
        if (differs == NULL && hpyrt_block_of(other)->info != info)
            return "one of their ring does not share what the others do";
    }
    return differs;
}

/* ---- admission ---- */

static const char *learn(const HPyContext *ctx)
{
    const char *why = check_layout(ctx);
    if (why == NULL)
        why = hpyrt_hook_debug_calls(ctx);
    if (why != NULL)
        return why;
    template_block = *hpyrt_block_of(ctx);
    template_block.valid = false;
    template = *ctx;
    template._private = &template_block;
    return NULL;
}

HPyContext *hpyrt_admit_debug_context(HPyContext *ctx)
{
    static bool learned;        /* or found that they cannot be handed out: it stays at that */
    static const char *why;
    if (!learned) {
        why = learn(ctx);
        learned = true;
    }
    const char *refused = why;
    if (refused == NULL && hpyrt_block_of(ctx)->info != template_block.info)
        refused = "they are of another HPy than the first";
    if (refused == NULL)
        return &template;
    char text[256];
    snprintf(text, sizeof text, "contexts of HPy's debug mode cannot be handed out: %s (the runtime half knows those of "
             "HPy 0.9.0); load this extension in universal mode", refused);
    HPyErr_SetString(ctx, ctx->h_RuntimeError, text);
    return NULL;
}

/* ---- the pool ---- */

/* NULL when there is no memory. */
static pooled *make(void)
{
    pooled *one = malloc(sizeof *one);
    if (one == NULL)
        return NULL;
    one->context = malloc(sizeof *one->context);
    if (one->context == NULL) {
        free(one);
        return NULL;
    }
    one->block = template_block;
    *one->context = template;
    one->context->_private = &one->block;
    return one;
}

/* The one that has been idle for the longest; NULL if none is. */
static pooled *take_oldest(void)
{
    pooled *one = idle.first;
    if (one == NULL)
        return NULL;
    idle.first = one->next;
    idle.count--;
    return one;
}

static void put_last(pooled *one)
{
    one->block.valid = false;
    one->next = NULL;
    if (idle.first == NULL)
        idle.first = one;
    else
        idle.last->next = one;
    idle.last = one;
    idle.count++;
}

/* What threads had borrowed that have ended since. */
static pooled *_Atomic left_behind;

static void collect_left_behind(void)
{
    pooled *one = atomic_exchange_explicit(&left_behind, NULL, memory_order_acquire);
    while (one != NULL) {
        pooled *next = one->next;
        put_last(one);
        one = next;
    }
}

HPyContext *hpyrt_lend_debug_context(void)
{
    if (atomic_load_explicit(&left_behind, memory_order_relaxed) != NULL)
        collect_left_behind();
    pooled *one = idle.count < FEWEST_IDLE ? make() : NULL;
    if (one == NULL && (one = take_oldest()) == NULL)
        return NULL;
    one->block.valid = true;
    return one->context;
}

void hpyrt_take_back(HPyContext *lent)
{
    put_last(lent->_private);
}

/* ---- contexts that nobody gives back ---- */

static pthread_key_t borrowed;      /* the calling thread's, the last one first */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_key;

/* Runs when an OS thread ends, which is not attached. */
static void leave_behind(void *first)
{
    pooled *last = first;
    while (last->next != NULL)
        last = last->next;
    last->next = atomic_load_explicit(&left_behind, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&left_behind, &last->next, first, memory_order_release, memory_order_relaxed))
        ;
}

static void make_key(void)
{
    has_key = pthread_key_create(&borrowed, leave_behind) == 0;
}

HPyContext *hpyrt_borrow_debug_context(void)
{
    pthread_once(&once, make_key);
    if (!has_key)
        return NULL;
    pooled *first = pthread_getspecific(borrowed);
    for (pooled *one = first; one != NULL; one = one->next)
        if (one->block.valid)
            return one->context;
    HPyContext *lent = hpyrt_lend_debug_context();
    if (lent == NULL)
        return NULL;
    pooled *one = lent->_private;
    one->next = first;
    if (pthread_setspecific(borrowed, one) != 0) {
        hpyrt_take_back(lent);
        return NULL;
    }
    return lent;
}
