/* A copy of the context of the calling HPy method for each callback: what a runtime has to do at the least that makes a context for
   an acquisition and disposes of it at the release. On top of control/pass_ctx it takes a place from a list, copies the whole
   context (2,128 bytes in HPy 0.9.0) and gives the place back. */
#include "arm.h"

#include <string.h>

typedef struct place place;
struct place {
    HPyContext copy;
    place *next;        /* among the unused */
};

static place *unused;   /* owned; changed by threads that are attached */

/* Not a constant to the compiler, which would write the copying out, with the offsets of slots in it that no extension may use. */
static volatile size_t context_size = sizeof(HPyContext);

/* NULL when there is no memory. */
static place *take(void)
{
    place *taken = unused;
    if (taken == NULL)
        return malloc(sizeof *taken);
    unused = taken->next;
    return taken;
}

static void give_back(place *taken)
{
    taken->next = unused;
    unused = taken;
}

static int call(void *closure, int64_t arg, int64_t *result)
{
    const hpylab_carrier *carried = closure;
    place *mine = take();
    if (mine == NULL)
        return -1;
    memcpy(&mine->copy, carried->ctx, context_size);
    int status = hpylab_run(&mine->copy, &carried->binding, HPy_NULL, arg, result);
    give_back(mine);
    return status;
}

#include "carry_bind.h"
#include "no_bare.h"
