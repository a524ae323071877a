/* The life of what tokens and trampolines remember: opened from a context, closed by its owner, used again when the last
   thread has left.

   Closing never waits. It may come while other threads are inside, or on their way in: those inside go on, those on their way
   are refused, and the origin is recycled when the last one is out. Open, close and leave happen on attached threads. */
#ifndef HPYRT_ORIGINS_H
#define HPYRT_ORIGINS_H

#include <pthread.h>

#define HPYRT_FEWEST_IDLE 16

/* Origins waiting to be used again, with what owns them: first in, first out, and none before HPYRT_FEWEST_IDLE are idle, so
   that one used after it was closed shows for a while. */
typedef struct {
    pthread_mutex_t mutex;
    hpyrt_origin *first, *last;
    int count;
} hpyrt_origin_pool;

#define HPYRT_ORIGIN_POOL {.mutex = PTHREAD_MUTEX_INITIALIZER}

/* One that was given; NULL if there are too few, then the caller makes one. */
hpyrt_origin *hpyrt_take_origin(hpyrt_origin_pool *pool);
void hpyrt_give_origin(hpyrt_origin_pool *pool, hpyrt_origin *origin);

/* Fill in [origin] from [ctx]; unless it is HPy_NULL, [captured] is kept by a strong reference. [owner] and [recycle] are the
   caller's. 0, or -1 with an exception set on [ctx]. */
int hpyrt_open_origin(HPyContext *ctx, hpyrt_origin *origin, hpyrt_policy policy, HPy captured);

/* Close [origin]: its captured object is released in the interpreter that it belongs to, or dropped when that one is gone, and
   then it is recycled, at once or when the last thread has left. It is an error to close it twice. */
void hpyrt_close_origin(hpyrt_origin *origin);

/* Recycle the closed ones that nobody is inside of any more. */
void hpyrt_sweep_origins(void);

/* A context for the body: attached to the interpreter of [origin], in its flavour. NULL: refused, nothing changed. */
static inline HPyContext *hpyrt_enter(hpyrt_origin *origin)
{
    return hpyrt_attach(origin) < 0 ? NULL : hpyrt_hand_out(origin->context);
}

/* End the innermost acquisition, which was of [origin]. */
static inline void hpyrt_leave(const hpyrt_origin *origin)
{
    if (__builtin_expect(origin->closed, 0)) {
        hpyrt_forget_origin();
        hpyrt_sweep_origins();
    }
    hpyrt_detach();
}

#endif
