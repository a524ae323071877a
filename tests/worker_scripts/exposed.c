/* Compiled into a runtime half for tests, with -Dmalloc=exposed_malloc: what it keeps to itself, and memory that runs out. */
#undef malloc
#include "runtime.h"

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
