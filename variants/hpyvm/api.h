/* HPyVM: a structure that knows how to get a context, after JNI's JavaVM.

   Suggestion 3 of hpyproject/hpy#268. The extension asks for it while its module is initialised and keeps it in a C
   global. The functions travel in the structure, so that nothing has to be linked.

   Opening: a thread that is attached to an interpreter gets that interpreter's context. Any other thread is attached for the
   time up to the close: to the interpreter it was last attached to, else to the main one. The context is of the kind that the
   VM was made from (universal, debug, trace), and valid on this thread until it is closed. Acquisitions nest, at least 1,000
   deep, and end in the reverse order. A pending exception is left as it is. */
#ifndef HPY_VM_H
#define HPY_VM_H

/* ---- Kept by pointer ---- */

typedef struct _HPyVM_s HPyVM;

/* One Python runtime of the process. Made, owned and never freed by that runtime. [_data] is the runtime's. */
struct _HPyVM_s {
    uintptr_t _data;
    HPyContext *(*open_context)(HPyVM *vm);
    void (*close_context)(HPyVM *vm, HPyContext *ctx);
};

/* Set [*storage] to the VM that [ctx] belongs to.

   [*storage] must be NULL or what an earlier call left there. A VM of another runtime is a conflict that ends the process
   with a message; what is no VM at all is refused. Returns 0, or -1 with an exception set on [ctx]
   (ValueError for what is none, or a [storage] that is NULL; RuntimeError where the kind of context that [ctx] is cannot be
   handed out) and [*storage] untouched. It is an error to call this outside of module initialisation. */
HPyLab_API(pointer, CREATE, TABLE)
int HPy_GetVM(HPyContext *ctx, HPyVM **storage);

/* As HPy_GetVM; the VM refuses a thread that is not attached to any interpreter. */
HPyLab_API(pointer, CREATE, TABLE)
int HPy_GetAttachedVM(HPyContext *ctx, HPyVM **storage);

/* Return a context for the calling thread, or NULL if there is none to be had ([vm] is NULL; the interpreter finalizes or is
   gone); then nothing has changed. */
HPyLab_API(pointer, ACQUIRE, INLINE)
static inline HPyContext *HPyVM_OpenContext(HPyVM *vm)
{
    HPyLab_REFUSE_UNLESS(vm != NULL, NULL);
    return vm->open_context(vm);
}

/* End the acquisition that returned [ctx], and leave the thread as HPyVM_OpenContext found it.

   Nothing for a [vm] that is NULL. It is an error to pass anything but the context of this thread's innermost open
   acquisition. */
HPyLab_API(pointer, RELEASE, INLINE)
static inline void HPyVM_CloseContext(HPyVM *vm, HPyContext *ctx)
{
    HPyLab_REFUSE_UNLESS(vm != NULL, );
    vm->close_context(vm, ctx);
}

/* ---- Kept by value ---- */

typedef struct _HPyVMValue_s HPyVMValue;

/* The same, stored where the extension wants it: nobody has to own the memory. Three words cannot be read or written at once:
   it is an error to store to it while another thread may read it. Set while the module is initialised, and never again, it
   needs no lock. */
struct _HPyVMValue_s {
    uintptr_t _data;
    HPyContext *(*open_context)(HPyVMValue vm);
    void (*close_context)(HPyVMValue vm, HPyContext *ctx);
};

/* What to initialise an HPyVMValue with; static storage is so of itself. It is refused by HPyVMValue_OpenContext. */
#define HPyVMValue_UNSET {0, NULL, NULL}

/* As HPy_GetVM, for [*storage] that is unset or was set by an earlier call. */
HPyLab_API(value, CREATE, TABLE)
int HPy_GetVMValue(HPyContext *ctx, HPyVMValue *storage);

/* As HPy_GetAttachedVM. */
HPyLab_API(value, CREATE, TABLE)
int HPy_GetAttachedVMValue(HPyContext *ctx, HPyVMValue *storage);

/* As HPyVM_OpenContext; NULL also for a [vm] that is unset. */
HPyLab_API(value, ACQUIRE, INLINE)
static inline HPyContext *HPyVMValue_OpenContext(HPyVMValue vm)
{
    HPyLab_REFUSE_UNLESS(vm.open_context != NULL, NULL);
    return vm.open_context(vm);
}

/* As HPyVM_CloseContext; nothing for a [vm] that is unset. */
HPyLab_API(value, RELEASE, INLINE)
static inline void HPyVMValue_CloseContext(HPyVMValue vm, HPyContext *ctx)
{
    HPyLab_REFUSE_UNLESS(vm.close_context != NULL, );
    vm.close_context(vm, ctx);
}

#endif
