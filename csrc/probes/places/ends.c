/* The end of a process, as C sees it: when Python has finalized, what threads did is looked at, and the answer is written.

   By then nothing of Python can be used any more, so that this is the place to ask what a callback does that comes too late;
   and an answer that is written here says that the process came to its end. */
#include "steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST 64

static struct {
    const step *at, *end;
    pthread_t thread;
    int has_thread;
} watched[MOST];
static int watched_count;
static ending last;
static pid_t process;

int steps_watch(const step *at, const step *end, const pthread_t *thread)
{
    if (watched_count == MOST)
        return -1;
    watched[watched_count].at = at;
    watched[watched_count].end = end;
    watched[watched_count].has_thread = thread != NULL;
    if (thread != NULL)
        watched[watched_count].thread = *thread;
    watched_count++;
    return 0;
}

static const step *first_wrong(void)
{
    const step *wrong = NULL;
    for (int i = 0; i < watched_count; i++) {
        if (watched[i].has_thread)
            pthread_join(watched[i].thread, NULL);
        if (wrong == NULL)
            wrong = steps_wrong(watched[i].at, watched[i].end);
    }
    return wrong != NULL ? wrong : steps_wrong(last.at, last.end);
}

static const char *how_wrong(const step *wrong)
{
    return wrong->begun > wrong->done ? "the process ended inside of this step"
         : wrong->done == 0 ? "it was not done" : "it came to something else";
}

/* [what] is of the probes, and has no characters that JSON would have escaped. */
static void at_end(void)
{
    char text[600];
    if (getpid() != process)
        return;
    steps_run(last.at, last.end, NULL);
    const step *wrong = first_wrong();
    int length;
    if (wrong == NULL)
        length = snprintf(text, sizeof text, "%s\n", last.good);
    else
        length = snprintf(text, sizeof text,
                          "{\"outcome\": \"wrong\", \"detail\": \"%s is %lld; expected %lld: %s\", \"error\": {}}\n",
                          wrong->what, (long long)wrong->result, (long long)wrong->expected, how_wrong(wrong));
    if (write(last.fd, text, (size_t)length) != length)
        abort();
}

int steps_end_with(const ending *what)
{
    if (process != 0 || atexit(at_end) != 0)
        return -1;
    last = *what;
    process = getpid();
    return 0;
}
