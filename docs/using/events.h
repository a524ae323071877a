/* A small C library of the usual kind: it calls back without user data, on whatever thread an event comes from. It has never
   heard of Python. */
#ifndef EVENTS_H
#define EVENTS_H

/* Handles [event]: 0, or -1 if it could not. */
typedef int (*event_handler)(int event);

/* Let [handler] have all events from now on; NULL: nobody. There is one handler for the process; the call returns when the one
   before has answered all that it was given. It is an error to call this from a handler. */
void events_on(event_handler handler);

/* Let [event] happen, on this thread. What the handler answered; -1 without one. */
int events_emit(int event);

/* The same on a thread of the library's own, and wait for it. */
int events_emit_from_a_thread(int event);

#endif
