/* Trampolines: a closure that brings the context with it.

   Suggestion 2 of hpyproject/hpy#268. Where a context is at hand the runtime makes a C function pointer with hidden state;
   called from anywhere, it calls a helper with a context that is valid for the duration of that call: of the interpreter in
   which the trampoline was made, and of the kind it was made from (universal, debug, trace).

   A thread that is attached to another interpreter is switched for the call, one that is not attached is attached, and put
   back as it was. Calls nest, at least 1,000 deep. A pending exception is left as it is. A trampoline does not keep its
   interpreter alive: when that finalizes or is gone, calls are refused. Those of HPy_GetAttached… also refuse a thread that
   is not attached to any interpreter. */
#ifndef HPY_TRAMPOLINE_H
#define HPY_TRAMPOLINE_H

/* ---- Plain ---- */

/* What runs inside the call: [arg] is passed through. It is an error to keep [ctx] after returning, or to return with an
   exception pending. */
typedef void *(*HPyContextHelper)(HPyContext *ctx, void *arg);

/* Calls [helper] with a context and returns what it returned.

   NULL also says that the call was refused (no context could be had, or [helper] is NULL) and nothing was called: it cannot
   be told from a helper that returned NULL, so helpers had better not. */
HPyLab_API(plain, CALL, POINTER)
typedef void *(*HPyContextTrampoline)(HPyContextHelper helper, void *arg);

/* Make a trampoline. The caller owns it and gives it to HPyContextTrampoline_Free. Returns NULL with an exception set on [ctx]:
   MemoryError when there is no room for another, RuntimeError when none can be made here (the runtime was not initialised in
   this interpreter, or the kind of context that [ctx] is cannot be handed out). */
HPyLab_API(plain, CREATE, TABLE)
HPyContextTrampoline HPy_GetContextTrampoline(HPyContext *ctx);

/* As HPy_GetContextTrampoline; it refuses a thread that is not attached to any interpreter. */
HPyLab_API(plain, CREATE, TABLE)
HPyContextTrampoline HPy_GetAttachedContextTrampoline(HPyContext *ctx);

/* Give [trampoline] back. Threads that are inside stay there; its address is used again when the last has left. Any context
   and any interpreter will do. Returns 0, or -1 with ValueError set on [ctx] for NULL, for what is no trampoline and for one
   that was freed before. It is an error to call it afterwards. */
HPyLab_API(plain, FREE, TABLE)
int HPyContextTrampoline_Free(HPyContext *ctx, HPyContextTrampoline trampoline);

/* ---- With a handle ---- */

/* What runs inside the call: [handle] refers to the object that the trampoline was made with. It is the runtime's, which closes
   it after the call; it is an error to close it or to keep it. */
typedef void *(*HPyHandleHelper)(HPyContext *ctx, HPy handle, void *arg);

/* As HPyContextTrampoline. */
HPyLab_API(handle, CALL, POINTER)
typedef void *(*HPyHandleTrampoline)(HPyHandleHelper helper, void *arg);

/* As HPy_GetContextTrampoline, but the trampoline owns a strong reference to the object of [h]; the caller keeps [h] and gives
   the trampoline to HPyHandleTrampoline_Free. Returns NULL also for HPy_NULL, with ValueError set on [ctx]. */
HPyLab_API(handle, CREATE, TABLE)
HPyHandleTrampoline HPy_GetHandleTrampoline(HPyContext *ctx, HPy h);

/* As HPy_GetHandleTrampoline; it refuses a thread that is not attached to any interpreter. */
HPyLab_API(handle, CREATE, TABLE)
HPyHandleTrampoline HPy_GetAttachedHandleTrampoline(HPyContext *ctx, HPy h);

/* As HPyContextTrampoline_Free. The object is released in the interpreter that it belongs to, when the last thread has left;
   where that interpreter has ended, it is dropped with it. */
HPyLab_API(handle, FREE, TABLE)
int HPyHandleTrampoline_Free(HPyContext *ctx, HPyHandleTrampoline trampoline);

/* ---- Checked ---- */

/* As HPyContextTrampoline, but a refusal can be told: returns 0 and stores what [helper] returned in [*result], unless
   [result] is NULL; or -1: refused, [helper] was not called and [*result] is untouched. */
HPyLab_API(checked, CALL, POINTER)
typedef int (*HPyCheckedTrampoline)(HPyContextHelper helper, void *arg, void **result);

/* As HPy_GetContextTrampoline; the trampoline is given to HPyCheckedTrampoline_Free. */
HPyLab_API(checked, CREATE, TABLE)
HPyCheckedTrampoline HPy_GetCheckedTrampoline(HPyContext *ctx);

/* As HPy_GetCheckedTrampoline; it refuses a thread that is not attached to any interpreter. */
HPyLab_API(checked, CREATE, TABLE)
HPyCheckedTrampoline HPy_GetAttachedCheckedTrampoline(HPyContext *ctx);

/* As HPyContextTrampoline_Free. */
HPyLab_API(checked, FREE, TABLE)
int HPyCheckedTrampoline_Free(HPyContext *ctx, HPyCheckedTrampoline trampoline);

#endif
