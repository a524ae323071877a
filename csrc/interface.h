/* What every arm implements, so that all of them can stand behind the same hot loop.

   A trampoline has no "acquire" that stands alone; what all designs share is the boundary of a callback. An arm therefore
   turns a body (code that needs an HPyContext) into something that native code can call without having one.

   This file is read by the generator (`lab generate`) and never included: what it declares reaches C through
   autogen_context.h. Functions are numbered densely from 0 by HPyLab_ID; a gap or a repeat is refused. */

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
HPyLab_ID(0)
int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out);

/* Give back what Bind made. It is an error to do so while a call is under way. */
HPyLab_ID(1)
void HPyLab_Unbind(HPyContext *ctx, HPyLab_Callback *callback);

/* The case of issue #268 itself: native code that offers no user data. The arm finds its token, trampoline or VM in the
   one place its design gives it (a C global). Returns 0; or -1 with an error set on [ctx]: while another is bound, or
   when the design has no such place. */
HPyLab_ID(2)
int HPyLab_BindBare(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Bare *out);

/* Give back what BindBare made, and its place. */
HPyLab_ID(3)
void HPyLab_UnbindBare(HPyContext *ctx);

/* Take what the design takes while the extension's module is initialised. Called once, before any Bind; an arm that takes
   nothing then need not define it. Returns 0, or -1 with an error set on [ctx]. */
HPyLab_ID(4)
int HPyLab_Init(HPyContext *ctx);
