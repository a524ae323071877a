/* The call itself: nothing is obtained and nothing runs. */
#include "arm.h"

static int call(void *closure, int64_t arg, int64_t *result)
{
    (void)closure;
    *result = arg;
    return 0;
}

#include "keep_bind.h"
#include "no_bare.h"
