/* HPyVM: a structure that knows how to get a context, after JNI's JavaVM.

   Suggestion 3 of hpyproject/hpy#268. The extension asks for it while its module is initialised and keeps it in a C
   global. The functions travel in the structure, so that nothing has to be linked. */
#ifndef HPY_VM_H
#define HPY_VM_H

typedef struct _HPyVM_s HPyVM;

/* One Python runtime of the process. Made, owned and never freed by that runtime. [_data] is the runtime's. */
struct _HPyVM_s {
    uintptr_t _data;
    HPyContext *(*open_context)(HPyVM *vm);
    void (*close_context)(HPyVM *vm, HPyContext *ctx);
};

/* Set [*storage] to the VM that [ctx] belongs to.

   [*storage] must be NULL or what an earlier call left there: a VM of another runtime is a conflict that ends the process
   with a message. It is an error to call this outside of module initialisation. */
HPyLab_API(pointer, CREATE, TABLE)
void HPy_GetVM(HPyContext *ctx, HPyVM **storage);

/* Return a context for the calling thread, or NULL if there is none to be had.

   A thread that is attached to an interpreter gets that interpreter's. Any other thread is attached for the time up to
   HPyVM_CloseContext: to the interpreter it was last attached to, else to the main one.

   The context is valid on this thread until it is given to HPyVM_CloseContext. Acquisitions nest, at least 64 deep, and
   end in the reverse order. A pending exception is left as it is. */
HPyLab_API(pointer, ACQUIRE, INLINE)
static inline HPyContext *HPyVM_OpenContext(HPyVM *vm)
{
    return vm->open_context(vm);
}

/* End the acquisition that returned [ctx], and leave the thread as HPyVM_OpenContext found it.

   It is an error to pass anything but the context of this thread's innermost open acquisition. */
HPyLab_API(pointer, RELEASE, INLINE)
static inline void HPyVM_CloseContext(HPyVM *vm, HPyContext *ctx)
{
    vm->close_context(vm, ctx);
}

#endif
