/* See faults.h. */
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

static atomic_long until = -1;      /* how many succeed before one fails; negative: none does */
static atomic_long asked, alive;

__attribute__((visibility("default"))) void faults_fail_after(int64_t count)
{
    asked = 0;
    until = count;
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
    return atomic_fetch_add(&asked, 1) == until;
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
