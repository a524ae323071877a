/* Compiled into a runtime half for tests, with -Dmalloc=exposed_malloc: what it keeps to itself, and memory that runs out. */
#undef malloc
#include "debug.h"

#include <stdlib.h>

#define EXPOSED __attribute__((visibility("default")))

static _Atomic int64_t left = -1;       /* how many pieces there still are; negative: enough */
static _Atomic int64_t contexts;        /* how many pieces were of a context's size */

void *exposed_malloc(size_t size);
void *exposed_malloc(size_t size)
{
    if (left == 0)
        return NULL;
    if (left > 0)
        left--;
    contexts += size == sizeof(struct _HPyContext_s);
    return malloc(size);
}

EXPOSED void exposed_leave(int64_t pieces)
{
    left = pieces;
}

EXPOSED int64_t exposed_contexts(void)
{
    return contexts;
}

EXPOSED int exposed_in_traverse(void)
{
    return hpyrt_in_traverse();
}

/* Have the debug mode look after [count] interpreters, twice each: all in the calling thread's. 0, or -1 without memory. */
EXPOSED int exposed_watch(int64_t count)
{
    hpyrt_view *views = (calloc)((size_t)count, sizeof *views);
    if (views == NULL)
        return -1;
    for (int64_t i = 0; i < 2 * count; i++)
        hpyrt_debug_watch_interpreter(&views[i % count]);
    free(views);
    return 0;
}
