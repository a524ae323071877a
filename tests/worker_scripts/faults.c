/* See faults.h. */
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

static atomic_long until = -1;      /* how many succeed before one fails; negative: none does */
static atomic_long failing;         /* how many fail then */
static atomic_long asked, alive;

__attribute__((visibility("default"))) void faults_fail_after(int64_t count)
{
    asked = 0;
    failing = 1;
    until = count;
}

__attribute__((visibility("default"))) void faults_fail_from(int64_t count)
{
    faults_fail_after(count);
    failing = LONG_MAX;
}

/* How many allocations were asked for since then. */
__attribute__((visibility("default"))) int64_t faults_asked(void)
{
    return asked;
}

/* How many pieces of memory there are that were not freed. */
__attribute__((visibility("default"))) int64_t faults_alive(void)
{
    return alive;
}

__attribute__((visibility("hidden"))) int faults_next(void)
{
    long place = atomic_fetch_add(&asked, 1) - until;
    return until >= 0 && place >= 0 && place < failing;
}

__attribute__((visibility("hidden"))) void *faults_made(void *memory)
{
    alive += memory != NULL;
    return memory;
}

__attribute__((visibility("hidden"))) void *faults_moved(int is_new, void *memory)
{
    alive += is_new && memory != NULL;
    return memory;
}

__attribute__((visibility("hidden"))) void faults_freed(void *memory)
{
    alive -= memory != NULL;
}
