/* Thread records on PyPy: see threads.h. */
#include "runtime.h"

#include <pthread.h>
#include <stdlib.h>

__thread hpyrt_record *hpyrt_this_thread;
hpyrt_view hpyrt_the_view;

static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int no_key;

static void end_thread(void *record)
{
    hpyrt_this_thread = NULL;
    free(record);
}

static void make_key(void)
{
    no_key = pthread_key_create(&thread_end, end_thread);
}

hpyrt_record *hpyrt_make_record(void)
{
    pthread_once(&once, make_key);
    hpyrt_record *record = no_key ? NULL : calloc(1, sizeof *record);
    if (record != NULL && pthread_setspecific(thread_end, record) != 0) {
        free(record);
        return NULL;
    }
    hpyrt_this_thread = record;
    return record;
}

bool hpyrt_in_use(const hpyrt_origin *origin)
{
    (void)origin;
    return false;
}

void hpyrt_forget_origin(void)
{
    hpyrt_record *record = hpyrt_this_thread;
    record->frames[record->depth - 1].origin = NULL;
}

void hpyrt_keep_lent(HPyContext *context)
{
    hpyrt_record *record = hpyrt_this_thread;
    record->frames[record->depth - 1].lent = context;
}

hpyrt_view *hpyrt_current_view(void)
{
    return PyGILState_Check() ? &hpyrt_the_view : NULL;
}

int hpyrt_open_view(void)
{
    return 0;
}
