#include "native.h"

#include <string.h>

#define EXPORTED __attribute__((visibility("default")))
#define STEPS_BITS 5                    /* 32 buckets for each doubling: a width of 3 % */
#define STEPS (1 << STEPS_BITS)
#define LARGEST_EXPONENT 36             /* the last doubling ends at 2^37 ns, 137 s */

_Static_assert(NATIVE_BUCKETS == STEPS + STEPS * (LARGEST_EXPONENT - STEPS_BITS + 1), "buckets of native.h");

EXPORTED int64_t native_bucket(int64_t value_ns)
{
    if (value_ns < STEPS)
        return value_ns;
    int exponent = 63 - __builtin_clzll((unsigned long long)value_ns);
    if (exponent > LARGEST_EXPONENT)
        return NATIVE_BUCKETS - 1;
    int64_t step = (value_ns >> (exponent - STEPS_BITS)) - STEPS;
    return STEPS + (int64_t)STEPS * (exponent - STEPS_BITS) + step;
}

EXPORTED int64_t native_bucket_start(int64_t bucket)
{
    if (bucket < STEPS)
        return bucket;
    int64_t doubling = (bucket - STEPS) / STEPS, step = (bucket - STEPS) % STEPS;
    return (STEPS + step) << doubling;
}

EXPORTED void native_histogram_clear(native_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

EXPORTED int native_histogram_add(native_histogram *histogram, int64_t value_ns)
{
    if (value_ns < 0)
        return -1;
    if (histogram->count == 0 || value_ns < histogram->smallest_ns)
        histogram->smallest_ns = value_ns;
    if (value_ns > histogram->largest_ns)
        histogram->largest_ns = value_ns;
    histogram->count++;
    histogram->sum_ns += value_ns;
    histogram->counts[native_bucket(value_ns)]++;
    return 0;
}

EXPORTED void native_histogram_merge(native_histogram *into, const native_histogram *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0 || from->smallest_ns < into->smallest_ns)
        into->smallest_ns = from->smallest_ns;
    if (from->largest_ns > into->largest_ns)
        into->largest_ns = from->largest_ns;
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    for (int64_t bucket = 0; bucket < NATIVE_BUCKETS; bucket++)
        into->counts[bucket] += from->counts[bucket];
}
