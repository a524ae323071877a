/* Trampolines: a closure that brings the context with it.

   Suggestion 2 of hpyproject/hpy#268. Where a context is at hand the runtime makes a C function pointer with hidden
   state; called from anywhere, it calls a helper with a context that is valid for the duration of that call. */
#ifndef HPY_TRAMPOLINE_H
#define HPY_TRAMPOLINE_H

/* What runs inside the call: [arg] is passed through. It is an error to keep [ctx] after returning, or to return with an
   exception pending. */
typedef void *(*HPyContextHelper)(HPyContext *ctx, void *arg);

/* A trampoline: attaches the calling thread to the interpreter in which the trampoline was made, calls [helper], puts the
   thread back as it was and returns what [helper] returned.

   NULL also says that no context could be had and [helper] was not called: it cannot be told from a helper that returned
   NULL, so helpers had better not. A pending exception is left as it is. */
HPyLab_API(plain, CALL, POINTER)
typedef void *(*HPyContextTrampoline)(HPyContextHelper helper, void *arg);

/* Make a trampoline for the interpreter of [ctx]. The caller owns it and gives it to HPyContextTrampoline_Free; it does
   not keep the interpreter alive. Returns NULL with MemoryError set when there is no room for another. */
HPyLab_API(plain, CREATE, TABLE)
HPyContextTrampoline HPy_GetContextTrampoline(HPyContext *ctx);

/* Give [trampoline] back. Its address will be used again. It is an error to call it afterwards, and to free it twice. */
HPyLab_API(plain, FREE, TABLE)
void HPyContextTrampoline_Free(HPyContext *ctx, HPyContextTrampoline trampoline);

#endif
