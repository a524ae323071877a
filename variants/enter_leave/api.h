/* Enter and leave: the current context for the asking.

   Suggestion 1 of hpyproject/hpy#268. Nothing has to be kept to use HPy_GetContext and HPy_EnterContext, so they can be called
   anywhere, and nothing says which interpreter or which extension asks. They are found as symbols of the process: an
   extension that calls them has undefined symbols that only a Python implementation can supply. A reference, made where a
   context is at hand, says both and carries its own way back; it needs no symbol and a place to be kept. */
#ifndef HPY_ENTER_LEAVE_H
#define HPY_ENTER_LEAVE_H

/* ---- Get: nothing to give back ---- */

/* Return the context of the calling thread, or NULL if it is not attached to an interpreter. Changes nothing.

   The context is valid on this thread until control returns to Python, or the thread leaves Python execution. It is an error
   to keep it longer: nothing ends its life, so nothing can tell that it was cached. */
HPyLab_API(get, BORROW, SYMBOL)
HPyContext *HPy_GetContext(void);

/* ---- Enter and leave: for a limited time ---- */

/* Return a context for the calling thread, or NULL if there is none to be had; then nothing has changed.

   A thread that is attached to an interpreter gets that interpreter's. Any other thread is attached for the time up to
   HPy_LeaveContext: to the interpreter it was last attached to, else to the main one. NULL while that interpreter finalizes,
   and after it is gone.

   The context is valid on this thread until it is given to HPy_LeaveContext. It is an error to keep it longer, to use it
   on another thread, or to return to a caller that has a context of its own before leaving. Acquisitions nest, at least
   1,000 deep, and end in the reverse order. A pending exception is left as it is. */
HPyLab_API(ambient, ACQUIRE, SYMBOL)
HPyContext *HPy_EnterContext(void);

/* As HPy_EnterContext, but NULL on a thread that is not attached to an interpreter. */
HPyLab_API(ambient, ACQUIRE, SYMBOL)
HPyContext *HPy_EnterContextIfAttached(void);

/* End the acquisition that returned [ctx], and leave the thread as it was found.

   It is an error to pass anything but the context of this thread's innermost open acquisition. */
HPyLab_API(ambient, RELEASE, SYMBOL)
HPyLab_API(token, RELEASE, TABLE)
void HPy_LeaveContext(HPyContext *ctx);

/* ---- References: which interpreter, and whose context ---- */

typedef struct _HPyContextReference_s *HPyContextReference;

/* Owned by the Python implementation; not for use. */
struct _HPyContextReference_s {
    HPyContext *(*_enter)(HPyContextReference reference);
};

/* Make a reference to the interpreter of [ctx] and to the kind of context that [ctx] is (universal, debug, trace). The caller
   owns it and gives it to HPyContextReference_Close; it does not keep the interpreter alive. Returns NULL with an exception
   set on [ctx]: MemoryError when there is no memory, RuntimeError when none can be made here (the runtime was not initialised
   in this interpreter, or the kind of context that [ctx] is cannot be handed out). */
HPyLab_API(token, CREATE, TABLE)
HPyContextReference HPy_GetContextReference(HPyContext *ctx);

/* As HPy_GetContextReference, but entering from it answers NULL on a thread that is not attached to any interpreter. */
HPyLab_API(token, CREATE, TABLE)
HPyContextReference HPy_GetAttachedContextReference(HPyContext *ctx);

/* Return a context of the interpreter that [reference] was made in, or NULL if there is none to be had (that interpreter
   finalizes or is gone; [reference] is NULL); then nothing has changed.

   A thread that is attached to another interpreter is switched, one that is not attached is attached, until
   HPy_LeaveContext. The rules for the context are those of HPy_EnterContext. */
HPyLab_API(token, ACQUIRE, INLINE)
static inline HPyContext *HPy_EnterContextFrom(HPyContextReference reference)
{
    HPyLab_REFUSE_UNLESS(reference != NULL, NULL);
    return __atomic_load_n(&reference->_enter, __ATOMIC_ACQUIRE)(reference);     /* another thread may be closing it */
}

/* Give [reference] back. Threads that are inside an acquisition of it stay there. Any context and any interpreter will do.
   Returns 0, or -1 with ValueError set on [ctx] for NULL and for one that was closed before. It is an error to enter from it
   afterwards. */
HPyLab_API(token, FREE, TABLE)
int HPyContextReference_Close(HPyContext *ctx, HPyContextReference reference);

#endif
