/* DO NOT EDIT. Made by lab/autogen.py with lab/templates/autogen_context.h.j2
   from csrc/interface.h, each variants/…/api.h and the descriptions of the arms; made again by the command

       lab generate

   It holds 17 arms, 17 table entries and 5 interface functions.

   An arm's stub.c includes it after hpy.h and defines the functions of the interface. A proposal's runtime.c includes it with
   HPYLAB_RUNTIME defined and defines the proposal's symbols and its part of the table. */
#ifndef HPYLAB_AUTOGEN_CONTEXT_H
#define HPYLAB_AUTOGEN_CONTEXT_H

#ifndef HPy_H
#error "include hpy.h first"
#endif

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HPyLab_HIDDEN __attribute__((visibility("hidden")))

/* ---- csrc/interface.h: what every arm implements */

#define HPyLab_RAISED INT64_MIN
#define HPyLab_REFUSED (INT64_MIN + 1)

/* Which threads a binding serves. */
typedef enum {
    HPyLab_ATTACH = 0,          /* a thread that is not attached to an interpreter gets attached for the call */
    HPyLab_ATTACHED_ONLY = 1,   /* such a thread is refused, and nothing is changed */
} HPyLab_Policy;

/* What runs once there is a context. [captured] refers to the object that the binding captured, for the duration of the call;
   it means nothing where none was. [data] is the binding's; [arg] is what native code passed. The result is the body's own, but
   for one value: HPyLab_RAISED with an exception set on [ctx] says that it raised. It is an error to keep [ctx] or [captured]
   after returning. */
typedef int64_t (*HPyLab_Body)(HPyContext *ctx, HPy captured, void *data, int64_t arg);

/* What to bind. Read during Bind; [data] is borrowed until Unbind. [captured] is HPy_NULL or refers to an object that each call
   of the body is given a handle of; the arm keeps it alive by its own means until Unbind, and the caller keeps the handle. */
typedef struct {
    HPyLab_Body body;
    void *data;
    HPyLab_Policy policy;
    HPy captured;
} HPyLab_Binding;

/* What native code keeps and calls, without a context, on any thread that the policy serves.
   [call] answers  0 and the body's result;
                   1: the body raised; it was reported with HPyErr_WriteUnraisable before the release;
                  -1: refused; the body did not run and [result] is untouched.
   [closure] belongs to the arm. It is an error to call after Unbind. */
typedef struct {
    int (*call)(void *closure, int64_t arg, int64_t *result);
    void *closure;
} HPyLab_Callback;

/* The same for native code that offers no user data: a bare function. It answers the body's result, HPyLab_RAISED after a
   body that raised (and was reported), or HPyLab_REFUSED. */
typedef int64_t (*HPyLab_Bare)(int64_t arg);

/* Make [out] callable from code that has no context.
   Returns 0, or -1 with an error set on [ctx] and [out] untouched: NotImplementedError for a policy that the arm does not
   serve, RuntimeError where the arm's one place for a captured object is taken. The caller owns [out] and gives it to
   Unbind. */
HPyLab_HIDDEN int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out);

/* Give back what Bind made. It is an error to do so while a call is under way. */
HPyLab_HIDDEN void HPyLab_Unbind(HPyContext *ctx, HPyLab_Callback *callback);

/* The case of issue #268 itself: native code that offers no user data. The arm finds its token, trampoline or VM in the
   one place its design gives it (a C global). Returns 0; or -1 with an error set on [ctx]: while another is bound, or
   when the design has no such place. */
HPyLab_HIDDEN int HPyLab_BindBare(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Bare *out);

/* Give back what BindBare made, and its place. */
HPyLab_HIDDEN void HPyLab_UnbindBare(HPyContext *ctx);

/* Take what the design takes while the extension's module is initialised. Called once, before any Bind; an arm that takes
   nothing then need not define it. Returns 0, or -1 with an error set on [ctx]. */
HPyLab_HIDDEN int HPyLab_Init(HPyContext *ctx);

/* Drivers and the worker read these types too, through cffi: both must see one layout. */
_Static_assert(sizeof(HPyLab_Policy) == 4, "cffi sees another layout");
_Static_assert(sizeof(HPyLab_Binding) == 32, "cffi sees another layout");
_Static_assert(offsetof(HPyLab_Binding, body) == 0, "cffi sees another layout");
_Static_assert(offsetof(HPyLab_Binding, data) == 8, "cffi sees another layout");
_Static_assert(offsetof(HPyLab_Binding, policy) == 16, "cffi sees another layout");
_Static_assert(offsetof(HPyLab_Binding, captured) == 24, "cffi sees another layout");
_Static_assert(sizeof(HPyLab_Callback) == 16, "cffi sees another layout");
_Static_assert(offsetof(HPyLab_Callback, call) == 0, "cffi sees another layout");
_Static_assert(offsetof(HPyLab_Callback, closure) == 8, "cffi sees another layout");

/* ---- The arms and what each can do */

enum {
    HPyLab_CAN_ATTACHED = 1 << 0,
    HPyLab_CAN_BARE = 1 << 1,
    HPyLab_CAN_BODY = 1 << 2,
    HPyLab_CAN_FOREIGN = 1 << 3,
    HPyLab_CAN_RELEASED = 1 << 4,
};

/* A stub with several forms is compiled once for each, with HPyLab_FORM defined as one of these. None is 0, which is what
   the preprocessor takes an undefined HPyLab_FORM for. */
#define HPyLab_FORM_enter_leave_get 1
#define HPyLab_FORM_enter_leave_ambient 2
#define HPyLab_FORM_enter_leave_token 3
#define HPyLab_FORM_hpyvm_pointer 4
#define HPyLab_FORM_hpyvm_value 5
#define HPyLab_FORM_trampoline_plain 6
#define HPyLab_FORM_trampoline_handle 7
#define HPyLab_FORM_trampoline_checked 8
#define HPyLab_FORM_control_cached_ctx 9
#define HPyLab_FORM_control_copied_ctx 10
#define HPyLab_FORM_control_dispatching_ctx 11
#define HPyLab_FORM_control_empty 12
#define HPyLab_FORM_control_hpy_cpython_abi 13
#define HPyLab_FORM_control_hpy_universal_global 14
#define HPyLab_FORM_control_pass_ctx 15
#define HPyLab_FORM_peer_pygilstate 16
#define HPyLab_FORM_peer_save_restore 17

/* X(proposal, form, capabilities) for each form, control and peer. */
#define HPyLab_FORMS(X) \
    X(enter_leave, get, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY) \
    X(enter_leave, ambient, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(enter_leave, token, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(hpyvm, pointer, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(hpyvm, value, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(trampoline, plain, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(trampoline, handle, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(trampoline, checked, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(control, cached_ctx, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY) \
    X(control, copied_ctx, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BODY) \
    X(control, dispatching_ctx, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY) \
    X(control, empty, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(control, hpy_cpython_abi, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY) \
    X(control, hpy_universal_global, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY) \
    X(control, pass_ctx, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BODY) \
    X(peer, pygilstate, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(peer, save_restore, \
      HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED)

/* The capabilities of an arm by its id, such as "trampoline/plain"; -1 for an id that no arm has. */
static inline int hpylab_capabilities(const char *arm_id)
{
#define HPyLab_MATCH(proposal, form, capabilities) \
    if (strcmp(arm_id, #proposal "/" #form) == 0) return capabilities;
    HPyLab_FORMS(HPyLab_MATCH)
#undef HPyLab_MATCH
    return -1;
}

/* ---- The proposals, each as its users would see it */

/* How a function is reached. TABLE functions are wrappers around an entry of the runtime's table; the runtime half has no
   use for those. */
#define _HPyLab_SYMBOL extern __attribute__((visibility("default")))
#define _HPyLab_INLINE
#define _HPyLab_POINTER
#ifdef HPYLAB_RUNTIME
#define _HPyLab_TABLE extern
#else
#define _HPyLab_TABLE static inline
#endif
#define HPyLab_API(form, role, reach) _HPyLab_##reach

/* What several forms have is marked with all of them. Where they differ, HPyLab_FORM decides. */
#define HPyLab_APIS(function, ...) _HPyLab_##function
#if HPyLab_FORM == HPyLab_FORM_enter_leave_token
#define _HPyLab_HPy_LeaveContext _HPyLab_TABLE
#else
#define _HPyLab_HPy_LeaveContext _HPyLab_SYMBOL
#endif

/* In an inline function of a proposal: unless [condition] holds the function returns [answer], as the release policy of the
   proposals says for NULL and the like. With HPYLAB_UNCHECKED such a call is undefined instead, and nothing is compiled. */
#ifdef HPYLAB_UNCHECKED
#define HPyLab_REFUSE_UNLESS(condition, answer) ((void)0)
#else
#define HPyLab_REFUSE_UNLESS(condition, answer) \
    do { \
        if (__builtin_expect(!(condition), 0)) { \
            HPyLab_TELL_REFUSED(#condition); \
            return answer; \
        } \
    } while (0)
#endif
#ifdef HPYLAB_DEBUG
static void _HPyLabDebug_refused(const char *function, const char *condition);
#define HPyLab_TELL_REFUSED(condition) _HPyLabDebug_refused(__func__, condition " does not hold")
#else
#define HPyLab_TELL_REFUSED(condition) ((void)0)
#endif /* HPYLAB_DEBUG */

/* ---- variants/enter_leave/api.h */

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
HPyLab_APIS(HPy_LeaveContext, ambient RELEASE SYMBOL, token RELEASE TABLE)
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

/* ---- variants/hpyvm/api.h */

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

/* ---- variants/trampoline/api.h */

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

#undef HPyLab_API
#undef HPyLab_APIS
#undef _HPyLab_HPy_LeaveContext
#undef _HPyLab_SYMBOL
#undef _HPyLab_INLINE
#undef _HPyLab_POINTER
#undef _HPyLab_TABLE

/* ---- The runtime's table: what the two halves have in common */

#define HPyLab_MAGIC UINT64_C(0x4850794c61620001)

/* A hash of the types and prototypes above: halves that were built from different specifications refuse each other. */
#define HPyLab_SPEC UINT64_C(0xf2f75084948fe7c8)

/* The capsule that holds the table, and the module that it is an attribute of. */
#define HPyLab_RUNTIME_CAPSULE "hpylab_runtime.table"
#define HPyLab_RUNTIME_MODULE "hpylab_runtime"

/* Made and owned by the runtime half, never freed. An extension that takes it compares magic, spec and size before it uses
   anything else, then registers the context of its module. */
typedef struct HPyLab_Runtime {
    uint64_t magic;
    uint64_t spec;
    size_t size;
    void (*register_context)(HPyContext *ctx);
    void (*ctx_LeaveContext)(HPyContext *ctx);
    HPyContextReference (*ctx_GetContextReference)(HPyContext *ctx);
    HPyContextReference (*ctx_GetAttachedContextReference)(HPyContext *ctx);
    int (*ctx_ContextReference_Close)(HPyContext *ctx, HPyContextReference reference);
    int (*ctx_GetVM)(HPyContext *ctx, HPyVM **storage);
    int (*ctx_GetAttachedVM)(HPyContext *ctx, HPyVM **storage);
    int (*ctx_GetVMValue)(HPyContext *ctx, HPyVMValue *storage);
    int (*ctx_GetAttachedVMValue)(HPyContext *ctx, HPyVMValue *storage);
    HPyContextTrampoline (*ctx_GetContextTrampoline)(HPyContext *ctx);
    HPyContextTrampoline (*ctx_GetAttachedContextTrampoline)(HPyContext *ctx);
    int (*ctx_ContextTrampoline_Free)(HPyContext *ctx, HPyContextTrampoline trampoline);
    HPyHandleTrampoline (*ctx_GetHandleTrampoline)(HPyContext *ctx, HPy h);
    HPyHandleTrampoline (*ctx_GetAttachedHandleTrampoline)(HPyContext *ctx, HPy h);
    int (*ctx_HandleTrampoline_Free)(HPyContext *ctx, HPyHandleTrampoline trampoline);
    HPyCheckedTrampoline (*ctx_GetCheckedTrampoline)(HPyContext *ctx);
    HPyCheckedTrampoline (*ctx_GetAttachedCheckedTrampoline)(HPyContext *ctx);
    int (*ctx_CheckedTrampoline_Free)(HPyContext *ctx, HPyCheckedTrampoline trampoline);
    const struct HPyLab_Debug *debug;       /* for extension halves that are built with HPYLAB_DEBUG: debug_table.h */
} HPyLab_Runtime;

#define HPyLab_ENTRY(n) (2 * sizeof(uint64_t) + sizeof(size_t) + (n) * sizeof(void (*)(void)))
_Static_assert(offsetof(HPyLab_Runtime, register_context) == HPyLab_ENTRY(0), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_LeaveContext) == HPyLab_ENTRY(1), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetContextReference) == HPyLab_ENTRY(2), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetAttachedContextReference) == HPyLab_ENTRY(3), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_ContextReference_Close) == HPyLab_ENTRY(4), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetVM) == HPyLab_ENTRY(5), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetAttachedVM) == HPyLab_ENTRY(6), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetVMValue) == HPyLab_ENTRY(7), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetAttachedVMValue) == HPyLab_ENTRY(8), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetContextTrampoline) == HPyLab_ENTRY(9), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetAttachedContextTrampoline) == HPyLab_ENTRY(10), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_ContextTrampoline_Free) == HPyLab_ENTRY(11), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetHandleTrampoline) == HPyLab_ENTRY(12), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetAttachedHandleTrampoline) == HPyLab_ENTRY(13), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_HandleTrampoline_Free) == HPyLab_ENTRY(14), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetCheckedTrampoline) == HPyLab_ENTRY(15), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetAttachedCheckedTrampoline) == HPyLab_ENTRY(16), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_CheckedTrampoline_Free) == HPyLab_ENTRY(17), "the table has a hole");
_Static_assert(sizeof(HPyLab_Runtime) == HPyLab_ENTRY(19), "the table has a hole");
#undef HPyLab_ENTRY

#ifdef HPYLAB_RUNTIME

#include "debug_table.h"

/* What each runtime.c defines. */
HPyLab_HIDDEN void ctx_LeaveContext(HPyContext *ctx);
HPyLab_HIDDEN HPyContextReference ctx_GetContextReference(HPyContext *ctx);
HPyLab_HIDDEN HPyContextReference ctx_GetAttachedContextReference(HPyContext *ctx);
HPyLab_HIDDEN int ctx_ContextReference_Close(HPyContext *ctx, HPyContextReference reference);
HPyLab_HIDDEN int ctx_GetVM(HPyContext *ctx, HPyVM **storage);
HPyLab_HIDDEN int ctx_GetAttachedVM(HPyContext *ctx, HPyVM **storage);
HPyLab_HIDDEN int ctx_GetVMValue(HPyContext *ctx, HPyVMValue *storage);
HPyLab_HIDDEN int ctx_GetAttachedVMValue(HPyContext *ctx, HPyVMValue *storage);
HPyLab_HIDDEN HPyContextTrampoline ctx_GetContextTrampoline(HPyContext *ctx);
HPyLab_HIDDEN HPyContextTrampoline ctx_GetAttachedContextTrampoline(HPyContext *ctx);
HPyLab_HIDDEN int ctx_ContextTrampoline_Free(HPyContext *ctx, HPyContextTrampoline trampoline);
HPyLab_HIDDEN HPyHandleTrampoline ctx_GetHandleTrampoline(HPyContext *ctx, HPy h);
HPyLab_HIDDEN HPyHandleTrampoline ctx_GetAttachedHandleTrampoline(HPyContext *ctx, HPy h);
HPyLab_HIDDEN int ctx_HandleTrampoline_Free(HPyContext *ctx, HPyHandleTrampoline trampoline);
HPyLab_HIDDEN HPyCheckedTrampoline ctx_GetCheckedTrampoline(HPyContext *ctx);
HPyLab_HIDDEN HPyCheckedTrampoline ctx_GetAttachedCheckedTrampoline(HPyContext *ctx);
HPyLab_HIDDEN int ctx_CheckedTrampoline_Free(HPyContext *ctx, HPyCheckedTrampoline trampoline);

/* The table's entries, for its initialiser. */
#define HPyLab_RUNTIME_TABLE \
    .ctx_LeaveContext = ctx_LeaveContext, \
    .ctx_GetContextReference = ctx_GetContextReference, \
    .ctx_GetAttachedContextReference = ctx_GetAttachedContextReference, \
    .ctx_ContextReference_Close = ctx_ContextReference_Close, \
    .ctx_GetVM = ctx_GetVM, \
    .ctx_GetAttachedVM = ctx_GetAttachedVM, \
    .ctx_GetVMValue = ctx_GetVMValue, \
    .ctx_GetAttachedVMValue = ctx_GetAttachedVMValue, \
    .ctx_GetContextTrampoline = ctx_GetContextTrampoline, \
    .ctx_GetAttachedContextTrampoline = ctx_GetAttachedContextTrampoline, \
    .ctx_ContextTrampoline_Free = ctx_ContextTrampoline_Free, \
    .ctx_GetHandleTrampoline = ctx_GetHandleTrampoline, \
    .ctx_GetAttachedHandleTrampoline = ctx_GetAttachedHandleTrampoline, \
    .ctx_HandleTrampoline_Free = ctx_HandleTrampoline_Free, \
    .ctx_GetCheckedTrampoline = ctx_GetCheckedTrampoline, \
    .ctx_GetAttachedCheckedTrampoline = ctx_GetAttachedCheckedTrampoline, \
    .ctx_CheckedTrampoline_Free = ctx_CheckedTrampoline_Free,

#else

/* Set when the extension's module is initialised, before anything below is called. */
extern HPyLab_HIDDEN const HPyLab_Runtime *hpylab_runtime;

#if HPyLab_FORM == HPyLab_FORM_enter_leave_token
static inline void HPy_LeaveContext(HPyContext *ctx)
{
    hpylab_runtime->ctx_LeaveContext(ctx);
}
#endif

static inline HPyContextReference HPy_GetContextReference(HPyContext *ctx)
{
    return hpylab_runtime->ctx_GetContextReference(ctx);
}

static inline HPyContextReference HPy_GetAttachedContextReference(HPyContext *ctx)
{
    return hpylab_runtime->ctx_GetAttachedContextReference(ctx);
}

static inline int HPyContextReference_Close(HPyContext *ctx, HPyContextReference reference)
{
    return hpylab_runtime->ctx_ContextReference_Close(ctx, reference);
}

static inline int HPy_GetVM(HPyContext *ctx, HPyVM **storage)
{
    return hpylab_runtime->ctx_GetVM(ctx, storage);
}

static inline int HPy_GetAttachedVM(HPyContext *ctx, HPyVM **storage)
{
    return hpylab_runtime->ctx_GetAttachedVM(ctx, storage);
}

static inline int HPy_GetVMValue(HPyContext *ctx, HPyVMValue *storage)
{
    return hpylab_runtime->ctx_GetVMValue(ctx, storage);
}

static inline int HPy_GetAttachedVMValue(HPyContext *ctx, HPyVMValue *storage)
{
    return hpylab_runtime->ctx_GetAttachedVMValue(ctx, storage);
}

static inline HPyContextTrampoline HPy_GetContextTrampoline(HPyContext *ctx)
{
    return hpylab_runtime->ctx_GetContextTrampoline(ctx);
}

static inline HPyContextTrampoline HPy_GetAttachedContextTrampoline(HPyContext *ctx)
{
    return hpylab_runtime->ctx_GetAttachedContextTrampoline(ctx);
}

static inline int HPyContextTrampoline_Free(HPyContext *ctx, HPyContextTrampoline trampoline)
{
    return hpylab_runtime->ctx_ContextTrampoline_Free(ctx, trampoline);
}

static inline HPyHandleTrampoline HPy_GetHandleTrampoline(HPyContext *ctx, HPy h)
{
    return hpylab_runtime->ctx_GetHandleTrampoline(ctx, h);
}

static inline HPyHandleTrampoline HPy_GetAttachedHandleTrampoline(HPyContext *ctx, HPy h)
{
    return hpylab_runtime->ctx_GetAttachedHandleTrampoline(ctx, h);
}

static inline int HPyHandleTrampoline_Free(HPyContext *ctx, HPyHandleTrampoline trampoline)
{
    return hpylab_runtime->ctx_HandleTrampoline_Free(ctx, trampoline);
}

static inline HPyCheckedTrampoline HPy_GetCheckedTrampoline(HPyContext *ctx)
{
    return hpylab_runtime->ctx_GetCheckedTrampoline(ctx);
}

static inline HPyCheckedTrampoline HPy_GetAttachedCheckedTrampoline(HPyContext *ctx)
{
    return hpylab_runtime->ctx_GetAttachedCheckedTrampoline(ctx);
}

static inline int HPyCheckedTrampoline_Free(HPyContext *ctx, HPyCheckedTrampoline trampoline)
{
    return hpylab_runtime->ctx_CheckedTrampoline_Free(ctx, trampoline);
}

#ifdef HPYLAB_DEBUG

/* ---- The debug mode: each function again, with a look at whether it may be called */

#include "debug_table.h"

#define _HPyLab_WRAPPER static __attribute__((unused, noinline))

/* An HPyLab_REFUSE_UNLESS found what it refuses. */
_HPyLab_WRAPPER void _HPyLabDebug_refused(const char *function, const char *condition)
{
    hpylab_runtime->debug->refused(function, condition);
}

_HPyLab_WRAPPER HPyContext *_HPyLabDebug_HPy_GetContext(void)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    if (debug->acquiring("HPy_GetContext", NULL, 0) < 0)
        return NULL;
    return debug->borrowed("HPy_GetContext", HPy_GetContext());
}

_HPyLab_WRAPPER HPyContext *_HPyLabDebug_HPy_EnterContext(void)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    if (debug->acquiring("HPy_EnterContext", NULL, 0) < 0)
        return NULL;
    return debug->acquired("HPy_EnterContext", HPy_EnterContext());
}

_HPyLab_WRAPPER HPyContext *_HPyLabDebug_HPy_EnterContextIfAttached(void)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    if (debug->acquiring("HPy_EnterContextIfAttached", NULL, 0) < 0)
        return NULL;
    return debug->acquired("HPy_EnterContextIfAttached", HPy_EnterContextIfAttached());
}

_HPyLab_WRAPPER void _HPyLabDebug_HPy_LeaveContext(HPyContext *ctx)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->releasing("HPy_LeaveContext", ctx);
    if (ctx == NULL)
        return;
    HPy_LeaveContext(ctx);
}

_HPyLab_WRAPPER HPyContextReference _HPyLabDebug_HPy_GetContextReference(HPyContext *ctx)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetContextReference", ctx);
    if (ctx == NULL)
        return (HPyContextReference)0;
    HPyContextReference made = HPy_GetContextReference(ctx);
    debug->created("HPy_GetContextReference", ctx, &made, sizeof made, "HPyContextReference_Close");
    return made;
}

_HPyLab_WRAPPER HPyContextReference _HPyLabDebug_HPy_GetAttachedContextReference(HPyContext *ctx)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetAttachedContextReference", ctx);
    if (ctx == NULL)
        return (HPyContextReference)0;
    HPyContextReference made = HPy_GetAttachedContextReference(ctx);
    debug->created("HPy_GetAttachedContextReference", ctx, &made, sizeof made, "HPyContextReference_Close");
    return made;
}

_HPyLab_WRAPPER HPyContext *_HPyLabDebug_HPy_EnterContextFrom(HPyContextReference reference)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    if (debug->acquiring("HPy_EnterContextFrom", &reference, sizeof reference) < 0)
        return NULL;
    return debug->acquired("HPy_EnterContextFrom", HPy_EnterContextFrom(reference));
}

_HPyLab_WRAPPER int _HPyLabDebug_HPyContextReference_Close(HPyContext *ctx, HPyContextReference reference)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPyContextReference_Close", ctx);
    if (ctx == NULL)
        return -1;
    if (debug->freeing("HPyContextReference_Close", &reference, sizeof reference) < 0) {
        HPyErr_SetString(ctx, ctx->h_ValueError, "HPyContextReference_Close: what was given is not to be freed");
        return -1;
    }
    int answer = HPyContextReference_Close(ctx, reference);
    if (answer < 0)
        debug->answered("HPyContextReference_Close", ctx);
    return answer;
}

_Static_assert(sizeof(HPyVMValue) == sizeof(((HPyVMValue *)0)->_data)
        + sizeof(((HPyVMValue *)0)->open_context)
        + sizeof(((HPyVMValue *)0)->close_context),
    "HPyVMValue has padding, and is known to the debug mode by its bytes");

_HPyLab_WRAPPER int _HPyLabDebug_HPy_GetVM(HPyContext *ctx, HPyVM **storage)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetVM", ctx);
    if (ctx == NULL)
        return -1;
    if (storage == NULL) {
        debug->refused("HPy_GetVM", "storage is NULL");
        return HPy_GetVM(ctx, storage);
    }
    int status = HPy_GetVM(ctx, storage);
    debug->created("HPy_GetVM", ctx, status < 0 ? NULL : storage, sizeof *storage, NULL);
    return status;
}

_HPyLab_WRAPPER int _HPyLabDebug_HPy_GetAttachedVM(HPyContext *ctx, HPyVM **storage)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetAttachedVM", ctx);
    if (ctx == NULL)
        return -1;
    if (storage == NULL) {
        debug->refused("HPy_GetAttachedVM", "storage is NULL");
        return HPy_GetAttachedVM(ctx, storage);
    }
    int status = HPy_GetAttachedVM(ctx, storage);
    debug->created("HPy_GetAttachedVM", ctx, status < 0 ? NULL : storage, sizeof *storage, NULL);
    return status;
}

_HPyLab_WRAPPER HPyContext *_HPyLabDebug_HPyVM_OpenContext(HPyVM *vm)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    if (debug->acquiring("HPyVM_OpenContext", &vm, sizeof vm) < 0)
        return NULL;
    return debug->acquired("HPyVM_OpenContext", HPyVM_OpenContext(vm));
}

_HPyLab_WRAPPER void _HPyLabDebug_HPyVM_CloseContext(HPyVM *vm, HPyContext *ctx)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    if (debug->used("HPyVM_CloseContext", &vm, sizeof vm) < 0)
        return;
    ctx = debug->releasing("HPyVM_CloseContext", ctx);
    if (ctx == NULL)
        return;
    HPyVM_CloseContext(vm, ctx);
}

_HPyLab_WRAPPER int _HPyLabDebug_HPy_GetVMValue(HPyContext *ctx, HPyVMValue *storage)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetVMValue", ctx);
    if (ctx == NULL)
        return -1;
    if (storage == NULL) {
        debug->refused("HPy_GetVMValue", "storage is NULL");
        return HPy_GetVMValue(ctx, storage);
    }
    int status = HPy_GetVMValue(ctx, storage);
    debug->created("HPy_GetVMValue", ctx, status < 0 ? NULL : storage, sizeof *storage, NULL);
    return status;
}

_HPyLab_WRAPPER int _HPyLabDebug_HPy_GetAttachedVMValue(HPyContext *ctx, HPyVMValue *storage)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetAttachedVMValue", ctx);
    if (ctx == NULL)
        return -1;
    if (storage == NULL) {
        debug->refused("HPy_GetAttachedVMValue", "storage is NULL");
        return HPy_GetAttachedVMValue(ctx, storage);
    }
    int status = HPy_GetAttachedVMValue(ctx, storage);
    debug->created("HPy_GetAttachedVMValue", ctx, status < 0 ? NULL : storage, sizeof *storage, NULL);
    return status;
}

_HPyLab_WRAPPER HPyContext *_HPyLabDebug_HPyVMValue_OpenContext(HPyVMValue vm)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    if (debug->acquiring("HPyVMValue_OpenContext", &vm, sizeof vm) < 0)
        return NULL;
    return debug->acquired("HPyVMValue_OpenContext", HPyVMValue_OpenContext(vm));
}

_HPyLab_WRAPPER void _HPyLabDebug_HPyVMValue_CloseContext(HPyVMValue vm, HPyContext *ctx)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    if (debug->used("HPyVMValue_CloseContext", &vm, sizeof vm) < 0)
        return;
    ctx = debug->releasing("HPyVMValue_CloseContext", ctx);
    if (ctx == NULL)
        return;
    HPyVMValue_CloseContext(vm, ctx);
}

_HPyLab_WRAPPER void *_HPyLabDebugHelper_HPyContextTrampoline(HPyContext *ctx, void *given1)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    void (*helper)(void);
    ctx = debug->helper_begins(ctx, &helper);
    void *answer = ((HPyContextHelper)helper)(ctx, given1);
    debug->helper_ends(ctx);
    return answer;
}

_HPyLab_WRAPPER void *_HPyLabDebugCall_HPyContextTrampoline(HPyContextHelper helper, void *arg, intptr_t unpassed2,
    void *slot)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    HPyLab_DebugCall call;
    if (debug->call_begins(&call, "HPyContextTrampoline", slot, (void (*)(void))helper) < 0)
        return (void *)0;
    void *answer = ((HPyContextTrampoline)call.original)(_HPyLabDebugHelper_HPyContextTrampoline, arg);
    debug->call_ends(&call);
    return answer;
}

_HPyLab_WRAPPER void *_HPyLabDebugHelper_HPyHandleTrampoline(HPyContext *ctx, HPy given1, void *given2)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    void (*helper)(void);
    ctx = debug->helper_begins(ctx, &helper);
    void *answer = ((HPyHandleHelper)helper)(ctx, given1, given2);
    debug->helper_ends(ctx);
    return answer;
}

_HPyLab_WRAPPER void *_HPyLabDebugCall_HPyHandleTrampoline(HPyHandleHelper helper, void *arg, intptr_t unpassed2,
    void *slot)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    HPyLab_DebugCall call;
    if (debug->call_begins(&call, "HPyHandleTrampoline", slot, (void (*)(void))helper) < 0)
        return (void *)0;
    void *answer = ((HPyHandleTrampoline)call.original)(_HPyLabDebugHelper_HPyHandleTrampoline, arg);
    debug->call_ends(&call);
    return answer;
}

_HPyLab_WRAPPER void *_HPyLabDebugHelper_HPyCheckedTrampoline(HPyContext *ctx, void *given1)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    void (*helper)(void);
    ctx = debug->helper_begins(ctx, &helper);
    void *answer = ((HPyContextHelper)helper)(ctx, given1);
    debug->helper_ends(ctx);
    return answer;
}

_HPyLab_WRAPPER int _HPyLabDebugCall_HPyCheckedTrampoline(HPyContextHelper helper, void *arg, void **result,
    void *slot)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    HPyLab_DebugCall call;
    if (debug->call_begins(&call, "HPyCheckedTrampoline", slot, (void (*)(void))helper) < 0)
        return -1;
    int answer = ((HPyCheckedTrampoline)call.original)(_HPyLabDebugHelper_HPyCheckedTrampoline, arg, result);
    debug->call_ends(&call);
    return answer;
}

_HPyLab_WRAPPER HPyContextTrampoline _HPyLabDebug_HPy_GetContextTrampoline(HPyContext *ctx)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetContextTrampoline", ctx);
    if (ctx == NULL)
        return (HPyContextTrampoline)0;
    HPyContextTrampoline made = HPy_GetContextTrampoline(ctx);
    made = (HPyContextTrampoline)debug->wrapped((void (*)(void))made,
        (void (*)(void))_HPyLabDebugCall_HPyContextTrampoline);
    debug->created("HPy_GetContextTrampoline", ctx, &made, sizeof made, "HPyContextTrampoline_Free");
    return made;
}

_HPyLab_WRAPPER HPyContextTrampoline _HPyLabDebug_HPy_GetAttachedContextTrampoline(HPyContext *ctx)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetAttachedContextTrampoline", ctx);
    if (ctx == NULL)
        return (HPyContextTrampoline)0;
    HPyContextTrampoline made = HPy_GetAttachedContextTrampoline(ctx);
    made = (HPyContextTrampoline)debug->wrapped((void (*)(void))made,
        (void (*)(void))_HPyLabDebugCall_HPyContextTrampoline);
    debug->created("HPy_GetAttachedContextTrampoline", ctx, &made, sizeof made, "HPyContextTrampoline_Free");
    return made;
}

_HPyLab_WRAPPER int _HPyLabDebug_HPyContextTrampoline_Free(HPyContext *ctx, HPyContextTrampoline trampoline)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPyContextTrampoline_Free", ctx);
    if (ctx == NULL)
        return -1;
    if (debug->freeing("HPyContextTrampoline_Free", &trampoline, sizeof trampoline) < 0) {
        HPyErr_SetString(ctx, ctx->h_ValueError, "HPyContextTrampoline_Free: what was given is not to be freed");
        return -1;
    }
    int answer = HPyContextTrampoline_Free(ctx, trampoline);
    if (answer < 0)
        debug->answered("HPyContextTrampoline_Free", ctx);
    return answer;
}

_HPyLab_WRAPPER HPyHandleTrampoline _HPyLabDebug_HPy_GetHandleTrampoline(HPyContext *ctx, HPy h)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetHandleTrampoline", ctx);
    if (ctx == NULL)
        return (HPyHandleTrampoline)0;
    HPyHandleTrampoline made = HPy_GetHandleTrampoline(ctx, h);
    made = (HPyHandleTrampoline)debug->wrapped((void (*)(void))made,
        (void (*)(void))_HPyLabDebugCall_HPyHandleTrampoline);
    debug->created("HPy_GetHandleTrampoline", ctx, &made, sizeof made, "HPyHandleTrampoline_Free");
    return made;
}

_HPyLab_WRAPPER HPyHandleTrampoline _HPyLabDebug_HPy_GetAttachedHandleTrampoline(HPyContext *ctx, HPy h)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetAttachedHandleTrampoline", ctx);
    if (ctx == NULL)
        return (HPyHandleTrampoline)0;
    HPyHandleTrampoline made = HPy_GetAttachedHandleTrampoline(ctx, h);
    made = (HPyHandleTrampoline)debug->wrapped((void (*)(void))made,
        (void (*)(void))_HPyLabDebugCall_HPyHandleTrampoline);
    debug->created("HPy_GetAttachedHandleTrampoline", ctx, &made, sizeof made, "HPyHandleTrampoline_Free");
    return made;
}

_HPyLab_WRAPPER int _HPyLabDebug_HPyHandleTrampoline_Free(HPyContext *ctx, HPyHandleTrampoline trampoline)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPyHandleTrampoline_Free", ctx);
    if (ctx == NULL)
        return -1;
    if (debug->freeing("HPyHandleTrampoline_Free", &trampoline, sizeof trampoline) < 0) {
        HPyErr_SetString(ctx, ctx->h_ValueError, "HPyHandleTrampoline_Free: what was given is not to be freed");
        return -1;
    }
    int answer = HPyHandleTrampoline_Free(ctx, trampoline);
    if (answer < 0)
        debug->answered("HPyHandleTrampoline_Free", ctx);
    return answer;
}

_HPyLab_WRAPPER HPyCheckedTrampoline _HPyLabDebug_HPy_GetCheckedTrampoline(HPyContext *ctx)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetCheckedTrampoline", ctx);
    if (ctx == NULL)
        return (HPyCheckedTrampoline)0;
    HPyCheckedTrampoline made = HPy_GetCheckedTrampoline(ctx);
    made = (HPyCheckedTrampoline)debug->wrapped((void (*)(void))made,
        (void (*)(void))_HPyLabDebugCall_HPyCheckedTrampoline);
    debug->created("HPy_GetCheckedTrampoline", ctx, &made, sizeof made, "HPyCheckedTrampoline_Free");
    return made;
}

_HPyLab_WRAPPER HPyCheckedTrampoline _HPyLabDebug_HPy_GetAttachedCheckedTrampoline(HPyContext *ctx)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPy_GetAttachedCheckedTrampoline", ctx);
    if (ctx == NULL)
        return (HPyCheckedTrampoline)0;
    HPyCheckedTrampoline made = HPy_GetAttachedCheckedTrampoline(ctx);
    made = (HPyCheckedTrampoline)debug->wrapped((void (*)(void))made,
        (void (*)(void))_HPyLabDebugCall_HPyCheckedTrampoline);
    debug->created("HPy_GetAttachedCheckedTrampoline", ctx, &made, sizeof made, "HPyCheckedTrampoline_Free");
    return made;
}

_HPyLab_WRAPPER int _HPyLabDebug_HPyCheckedTrampoline_Free(HPyContext *ctx, HPyCheckedTrampoline trampoline)
{
    const HPyLab_Debug *debug = hpylab_runtime->debug;
    ctx = debug->given("HPyCheckedTrampoline_Free", ctx);
    if (ctx == NULL)
        return -1;
    if (debug->freeing("HPyCheckedTrampoline_Free", &trampoline, sizeof trampoline) < 0) {
        HPyErr_SetString(ctx, ctx->h_ValueError, "HPyCheckedTrampoline_Free: what was given is not to be freed");
        return -1;
    }
    int answer = HPyCheckedTrampoline_Free(ctx, trampoline);
    if (answer < 0)
        debug->answered("HPyCheckedTrampoline_Free", ctx);
    return answer;
}

#define HPy_GetContext _HPyLabDebug_HPy_GetContext
#define HPy_EnterContext _HPyLabDebug_HPy_EnterContext
#define HPy_EnterContextIfAttached _HPyLabDebug_HPy_EnterContextIfAttached
#define HPy_LeaveContext _HPyLabDebug_HPy_LeaveContext
#define HPy_GetContextReference _HPyLabDebug_HPy_GetContextReference
#define HPy_GetAttachedContextReference _HPyLabDebug_HPy_GetAttachedContextReference
#define HPy_EnterContextFrom _HPyLabDebug_HPy_EnterContextFrom
#define HPyContextReference_Close _HPyLabDebug_HPyContextReference_Close
#define HPy_GetVM _HPyLabDebug_HPy_GetVM
#define HPy_GetAttachedVM _HPyLabDebug_HPy_GetAttachedVM
#define HPyVM_OpenContext _HPyLabDebug_HPyVM_OpenContext
#define HPyVM_CloseContext _HPyLabDebug_HPyVM_CloseContext
#define HPy_GetVMValue _HPyLabDebug_HPy_GetVMValue
#define HPy_GetAttachedVMValue _HPyLabDebug_HPy_GetAttachedVMValue
#define HPyVMValue_OpenContext _HPyLabDebug_HPyVMValue_OpenContext
#define HPyVMValue_CloseContext _HPyLabDebug_HPyVMValue_CloseContext
#define HPy_GetContextTrampoline _HPyLabDebug_HPy_GetContextTrampoline
#define HPy_GetAttachedContextTrampoline _HPyLabDebug_HPy_GetAttachedContextTrampoline
#define HPyContextTrampoline_Free _HPyLabDebug_HPyContextTrampoline_Free
#define HPy_GetHandleTrampoline _HPyLabDebug_HPy_GetHandleTrampoline
#define HPy_GetAttachedHandleTrampoline _HPyLabDebug_HPy_GetAttachedHandleTrampoline
#define HPyHandleTrampoline_Free _HPyLabDebug_HPyHandleTrampoline_Free
#define HPy_GetCheckedTrampoline _HPyLabDebug_HPy_GetCheckedTrampoline
#define HPy_GetAttachedCheckedTrampoline _HPyLabDebug_HPy_GetAttachedCheckedTrampoline
#define HPyCheckedTrampoline_Free _HPyLabDebug_HPyCheckedTrampoline_Free

#endif /* HPYLAB_DEBUG */

#endif /* HPYLAB_RUNTIME */

#endif /* HPYLAB_AUTOGEN_CONTEXT_H */
