/* Enter and leave: the current context for the asking.

   Suggestion 1 of hpyproject/hpy#268. Nothing has to be kept to use it, so it can be called anywhere, and nothing says
   which interpreter or which extension asks. Its functions are found as symbols of the process: an extension that calls
   them has an undefined symbol that only a Python implementation can supply. */
#ifndef HPY_ENTER_LEAVE_H
#define HPY_ENTER_LEAVE_H

/* Return a context for the calling thread, or NULL if there is none to be had.

   A thread that is attached to an interpreter gets that interpreter's. Any other thread is attached for the time up to
   HPy_LeaveContext: to the interpreter it was last attached to, else to the main one.

   The context is valid on this thread until it is given to HPy_LeaveContext. It is an error to keep it longer, to use it
   on another thread, or to return to a caller that has a context of its own before leaving. Acquisitions nest, at least
   64 deep, and end in the reverse order. A pending exception is left as it is. */
HPyLab_API(ambient, ACQUIRE, SYMBOL)
HPyContext *HPy_EnterContext(void);

/* End the acquisition that returned [ctx], and leave the thread as HPy_EnterContext found it.

   It is an error to pass anything but the context of this thread's innermost open acquisition. */
HPyLab_API(ambient, RELEASE, SYMBOL)
void HPy_LeaveContext(HPyContext *ctx);

#endif
