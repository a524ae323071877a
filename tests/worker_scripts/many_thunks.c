/* The pool of csrc/runtime/thunks.c under load, from C: what each thunk answers, and threads that make and free at once. */
#include "thunks.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

typedef int64_t (*thunk)(int64_t first, int64_t second, int64_t third);

/* Where the thunks jump: all that was passed, and the thunk's own state. */
static int64_t sum(int64_t first, int64_t second, int64_t third, hpyrt_slot *slot)
{
    return first + 10 * second + 100 * third + (int64_t)(intptr_t)slot->data;
}

static thunk make(int64_t data)
{
    const char *why;
    hpyrt_slot *slot = hpyrt_new_thunk((void (*)(void))sum, &why);
    if (slot == NULL)
        return NULL;
    slot->data = (void *)(intptr_t)data;
    return (thunk)hpyrt_thunk_of(slot);
}

static void give_back(thunk given)
{
    hpyrt_slot *slot = hpyrt_slot_of((void *)given);
    if (slot == NULL || hpyrt_close_thunk(slot) < 0)
        abort();
    hpyrt_recycle_thunk(slot);
}

/* With [count] thunks alive, each made with a state of its own: how many there are that do not answer with theirs; -1: no
   memory. They are freed, every other one first. Aborts when a thunk cannot be had. */
int64_t check_states(int64_t count)
{
    thunk *all = malloc((size_t)count * sizeof *all);
    int64_t wrong = 0;
    for (int64_t i = 0; all != NULL && i < count; i++)
        if ((all[i] = make(1000 * i)) == NULL)
            abort();
    if (all == NULL)
        return -1;
    for (int64_t i = 0; i < count; i++)
        wrong += all[i](1, 2, 3) != 321 + 1000 * i;
    for (int64_t i = 0; i < count; i += 2)
        give_back(all[i]);
    for (int64_t i = 1; i < count; i += 2) {
        wrong += all[i](1, 2, 3) != 321 + 1000 * i;
        give_back(all[i]);
    }
    free(all);
    return wrong;
}

static void *check_rounds(void *argument)
{
    int64_t wrong = 0, count = *(int64_t *)argument;
    for (int round = 0; round < 5; round++)
        wrong += check_states(count);
    *(int64_t *)argument = wrong;
    return NULL;
}

/* check_states(count), five times over, on each of [threads] threads at once; the sum of what it answered. */
int64_t check_threads(int threads, int64_t count)
{
    pthread_t ids[64];
    int64_t answers[64], wrong = 0;
    for (int i = 0; i < threads; i++) {
        answers[i] = count;
        if (pthread_create(&ids[i], NULL, check_rounds, &answers[i]) != 0)
            return -1;
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        wrong += answers[i];
    }
    return wrong;
}
