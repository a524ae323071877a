/* DO NOT EDIT. Made by lab/autogen.py with lab/templates/autogen_context.h.j2
   from csrc/interface.h, each variants/…/api.h and the descriptions of the arms; made again by the command

       lab generate

   It holds 10 arms, 3 table entries and 5 interface functions.

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

/* What runs once there is a context. [captured] is HPy_NULL unless the binding captured an object; [data] is the
   binding's; [arg] is what native code passed. The result is the body's own, but for one value: HPyLab_RAISED with an
   exception set on [ctx] says that it raised. It is an error to keep [ctx] or [captured] after returning. */
typedef int64_t (*HPyLab_Body)(HPyContext *ctx, HPy captured, void *data, int64_t arg);

/* What to bind. Read during Bind; [data] is borrowed until Unbind. */
typedef struct {
    HPyLab_Body body;
    void *data;
    HPyLab_Policy policy;
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
   Returns 0, or -1 with an error set on [ctx] and [out] untouched. The caller owns [out] and gives it to Unbind. */
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
_Static_assert(sizeof(HPyLab_Binding) == 24, "cffi sees another layout");
_Static_assert(offsetof(HPyLab_Binding, body) == 0, "cffi sees another layout");
_Static_assert(offsetof(HPyLab_Binding, data) == 8, "cffi sees another layout");
_Static_assert(offsetof(HPyLab_Binding, policy) == 16, "cffi sees another layout");
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
#define HPyLab_FORM_enter_leave_ambient 1
#define HPyLab_FORM_hpyvm_pointer 2
#define HPyLab_FORM_trampoline_plain 3
#define HPyLab_FORM_control_cached_ctx 4
#define HPyLab_FORM_control_empty 5
#define HPyLab_FORM_control_hpy_cpython_abi 6
#define HPyLab_FORM_control_hpy_universal_global 7
#define HPyLab_FORM_control_pass_ctx 8
#define HPyLab_FORM_peer_pygilstate 9
#define HPyLab_FORM_peer_save_restore 10

/* X(proposal, form, capabilities) for each form, control and peer. */
#define HPyLab_FORMS(X) \
    X(enter_leave, ambient, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(hpyvm, pointer, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(trampoline, plain, \
      HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE | HPyLab_CAN_BODY | HPyLab_CAN_FOREIGN | HPyLab_CAN_RELEASED) \
    X(control, cached_ctx, \
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

/* ---- variants/enter_leave/api.h */

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

/* ---- variants/hpyvm/api.h */

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

/* ---- variants/trampoline/api.h */

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

#undef HPyLab_API
#undef _HPyLab_SYMBOL
#undef _HPyLab_INLINE
#undef _HPyLab_POINTER
#undef _HPyLab_TABLE

/* ---- The runtime's table: what the two halves have in common */

#define HPyLab_MAGIC UINT64_C(0x4850794c61620001)

/* A hash of the types and prototypes above: halves that were built from different specifications refuse each other. */
#define HPyLab_SPEC UINT64_C(0xb11714a85d10c925)

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
    void (*ctx_GetVM)(HPyContext *ctx, HPyVM **storage);
    HPyContextTrampoline (*ctx_GetContextTrampoline)(HPyContext *ctx);
    void (*ctx_ContextTrampoline_Free)(HPyContext *ctx, HPyContextTrampoline trampoline);
} HPyLab_Runtime;

#define HPyLab_ENTRY(n) (2 * sizeof(uint64_t) + sizeof(size_t) + (n) * sizeof(void (*)(void)))
_Static_assert(offsetof(HPyLab_Runtime, register_context) == HPyLab_ENTRY(0), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetVM) == HPyLab_ENTRY(1), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_GetContextTrampoline) == HPyLab_ENTRY(2), "the table has a hole");
_Static_assert(offsetof(HPyLab_Runtime, ctx_ContextTrampoline_Free) == HPyLab_ENTRY(3), "the table has a hole");
_Static_assert(sizeof(HPyLab_Runtime) == HPyLab_ENTRY(4), "the table has a hole");
#undef HPyLab_ENTRY

#ifdef HPYLAB_RUNTIME

/* What each runtime.c defines. */
HPyLab_HIDDEN void ctx_GetVM(HPyContext *ctx, HPyVM **storage);
HPyLab_HIDDEN HPyContextTrampoline ctx_GetContextTrampoline(HPyContext *ctx);
HPyLab_HIDDEN void ctx_ContextTrampoline_Free(HPyContext *ctx, HPyContextTrampoline trampoline);

/* The table's entries, for its initialiser. */
#define HPyLab_RUNTIME_TABLE \
    .ctx_GetVM = ctx_GetVM, \
    .ctx_GetContextTrampoline = ctx_GetContextTrampoline, \
    .ctx_ContextTrampoline_Free = ctx_ContextTrampoline_Free,

#else

/* Set when the extension's module is initialised, before anything below is called. */
extern HPyLab_HIDDEN const HPyLab_Runtime *hpylab_runtime;

static inline void HPy_GetVM(HPyContext *ctx, HPyVM **storage)
{
    hpylab_runtime->ctx_GetVM(ctx, storage);
}

static inline HPyContextTrampoline HPy_GetContextTrampoline(HPyContext *ctx)
{
    return hpylab_runtime->ctx_GetContextTrampoline(ctx);
}

static inline void HPyContextTrampoline_Free(HPyContext *ctx, HPyContextTrampoline trampoline)
{
    hpylab_runtime->ctx_ContextTrampoline_Free(ctx, trampoline);
}

#endif /* HPYLAB_RUNTIME */

#endif /* HPYLAB_AUTOGEN_CONTEXT_H */
