#include "events.h"

#include <pthread.h>
#include <stddef.h>

static event_handler the_handler;
static pthread_rwlock_t changing = PTHREAD_RWLOCK_INITIALIZER;      /* read: a handler is at work */

typedef struct {
    int event;
    int answer;
} happening;

void events_on(event_handler handler)
{
    pthread_rwlock_wrlock(&changing);
    the_handler = handler;
    pthread_rwlock_unlock(&changing);
}

int events_emit(int event)
{
    pthread_rwlock_rdlock(&changing);
    int answer = the_handler == NULL ? -1 : the_handler(event);
    pthread_rwlock_unlock(&changing);
    return answer;
}

static void *thread_main(void *argument)
{
    happening *now = argument;
    now->answer = events_emit(now->event);
    return NULL;
}

int events_emit_from_a_thread(int event)
{
    happening now = {event, -1};
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_main, &now) != 0)
        return -1;
    pthread_join(thread, NULL);
    return now.answer;
}
