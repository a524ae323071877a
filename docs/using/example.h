/* What the eight examples share: one extension module around events.h, of which each example is the part that gets a context.

   csrc/autogen_context.h stands for the header that HPy would ship. HPy's contexts have no room for the functions that take
   one (HPy_GetVM and its like), so here they go through a table that example.c asks the runtime half for; with HPy's own
   support that file would keep its methods and nothing else. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <hpy.h>
#include "autogen_context.h"

#include "events.h"

#include <stdbool.h>

/* ---- What each example defines ---- */

/* The event handler: called by the C library, on any thread, with no context in sight. */
int on_event(int event);

/* Make on_event work, and call [callable]: on every thread if [attach], else on threads that are attached to an interpreter.
   0, or -1 with an exception set on [ctx] and nothing changed. */
int start(HPyContext *ctx, HPy callable, bool attach);

/* Undo start. */
void stop(HPyContext *ctx);

/* Called while the module is initialised. 0, or -1 with an exception set on [ctx]. Only HPyVM has something to do there. */
int prepare(HPyContext *ctx);

/* ---- What they use ---- */

/* Where an example keeps its callable, if the API has no place for it. */
extern HPyGlobal listener;

/* Call [callable] with [event] and report what it raises. 0. */
int call_python(HPyContext *ctx, HPy callable, int event);

/* The same with what [listener] holds. */
int call_listener(HPyContext *ctx, int event);

#endif
