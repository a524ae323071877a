/* What happens when an interpreter begins to finalize: it is closed to threads that are not attached, and waits for those
   that are inside.

   A function that atexit calls, once in each interpreter, does both: after Python has joined its threads, before it kills the
   rest. It waits, with the GIL released, for the acquisitions that were open when it began, on other threads than its own. What
   an attached thread acquires later changes nothing and is not waited for, or daemon threads could keep a process alive
   for ever between them. A thread that stays inside for good does keep it alive, as a thread that Python joins would; the
   process says so after a while, a debug build at once (hpyrt_report_inside), and an interrupt (Ctrl-C) ends the waiting. */
#ifndef HPYRT_FINALIZATION_H
#define HPYRT_FINALIZATION_H

/* Have atexit of the interpreter that the calling thread is attached to close [view], which is that interpreter's. 0, or -1
   with an exception. */
int hpyrt_close_at_exit(hpyrt_view *view);

/* Whether the calling thread, with [record], is inside of [view], which is being closed, so that it is waited for and let in again
   where it left Python execution. */
bool hpyrt_is_inside(const hpyrt_record *record, const hpyrt_view *view);

/* Whether [view] is closed to the calling thread, with [record], if it is not attached there. */
static inline bool hpyrt_is_closed_to(const hpyrt_record *record, const hpyrt_view *view)
{
    return __builtin_expect(view->closed_by != 0, 0) && !hpyrt_is_inside(record, view);
}

/* A debug build's, else NULL. Called, attached, by the thread that is about to wait for [thread], which had [open] acquisitions
   in interpreters that finalize, and may have ended meanwhile. */
extern void (*hpyrt_report_inside)(pthread_t thread, int open);

#endif
