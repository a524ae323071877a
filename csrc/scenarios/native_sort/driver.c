/* libc's qsort, which offers its comparison no user data: the callback has to find its context by itself.

   run->size doubles are sorted, made from run->arg; the clock runs around qsort alone. The checksum counts what came out
   in the wrong order: it must be 0. */
#include "native.h"

#include <errno.h>
#include <stdlib.h>

typedef struct {
    const void *left, *right;
} pair;

static native_run *sorting;     /* what the comparison needs and qsort does not carry */

static int compare(const void *left, const void *right)
{
    pair both = {left, right};
    int64_t order = sorting->bare((int64_t)(intptr_t)&both);
    sorting->calls++;
    if (__builtin_expect(order > 1 || order < -1, 0)) {
        if (order == INT64_MIN + 1)
            sorting->refused++;
        else
            sorting->raised++;
        return 0;
    }
    return (int)order;
}

/* A fixed shuffle for each seed (a 64-bit linear congruential generator, constants of Knuth's MMIX). */
static void fill(double *values, int64_t count, uint64_t seed)
{
    for (int64_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        values[i] = (double)(seed >> 11) / 9007199254740992.0;
    }
}

__attribute__((visibility("default"))) int hpylab_drive(native_run *run)
{
    if (run->bare == NULL || run->size < 2)
        return EINVAL;
    double *values = malloc((size_t)run->size * sizeof *values);
    if (values == NULL)
        return ENOMEM;
    fill(values, run->size, (uint64_t)run->arg);
    run->calls = run->refused = run->raised = run->checksum = 0;
    sorting = run;
    native_witness begin;
    native_watch(&begin);
    int64_t start = native_now();
    qsort(values, (size_t)run->size, sizeof *values, compare);
    run->elapsed_ns = native_now() - start;
    native_disturbed(&begin, run);
    sorting = NULL;
    for (int64_t i = 1; i < run->size; i++)
        run->checksum += values[i - 1] > values[i];
    free(values);
    return 0;
}
