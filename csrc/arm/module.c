/* The Python module that every arm is: it binds a callback, runs a scenario's driver on it and unbinds.

   All addresses come from the worker as integers; the worker keeps what they point to alive. It is an error to pass
   anything else: nothing here can check an address. */
#include "arm.h"
#include "native.h"

#include <time.h>

const HPyLab_Runtime *hpylab_runtime;

/* How drive() calls the driver. */
enum {
    DRIVE_LEAVE = 1,    /* leave Python execution around the driver */
    DRIVE_BARE = 2,     /* hand it a bare function instead of a callback with user data */
};

/* What drive() is given, in this order. */
typedef struct {
    native_driver driver;
    native_run *run;
    HPyLab_Binding binding;
    int64_t flags;
} order;

/* Read the first [count] of [args] into [into]. 0, or -1 with an exception set. */
static int read_integers(HPyContext *ctx, const HPy *args, size_t nargs, size_t count, int64_t *into)
{
    for (size_t i = 0; i < count; i++) {
        if (i == nargs) {
            HPyErr_SetString(ctx, ctx->h_TypeError, "an integer is missing");
            return -1;
        }
        into[i] = HPyLong_AsInt64_t(ctx, args[i]);
        if (into[i] == -1 && HPyErr_Occurred(ctx))
            return -1;
    }
    return 0;
}

static int read_order(HPyContext *ctx, const HPy *args, size_t nargs, order *out)
{
    int64_t given[6];
    if (nargs != 6 && nargs != 7) {
        HPyErr_SetString(ctx, ctx->h_TypeError, "drive() takes six integers: driver, run, body, data, policy, flags; and an object");
        return -1;
    }
    if (read_integers(ctx, args, nargs, 6, given) < 0)
        return -1;
    out->driver = (native_driver)(intptr_t)given[0];
    out->run = (native_run *)(intptr_t)given[1];
    out->binding.body = (HPyLab_Body)(intptr_t)given[2];
    out->binding.data = (void *)(intptr_t)given[3];
    out->binding.policy = (HPyLab_Policy)given[4];
    out->binding.captured = nargs == 7 ? args[6] : HPy_NULL;
    out->flags = given[5];
    if (given[4] != HPyLab_ATTACH && given[4] != HPyLab_ATTACHED_ONLY) {
        HPyErr_SetString(ctx, ctx->h_ValueError, "the policy is 0 (attach) or 1 (attached_only)");
        return -1;
    }
    return 0;
}

static int run_driver(HPyContext *ctx, const order *what)
{
    if (!(what->flags & DRIVE_LEAVE))
        return what->driver(what->run);
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    int status = what->driver(what->run);
    HPy_ReenterPythonExecution(ctx, left);
    return status;
}

/* drive(driver, run, body, data, policy, flags[, captured]): bind [body] with [data] and the object [captured], fill in
   [run]'s callback, call [driver] on [run], unbind. Returns the driver's status, 0 or an errno value; raises what Bind raised. */
HPyDef_METH(drive, "drive", HPyFunc_VARARGS)
static HPy drive_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    order what;
    HPyLab_Callback callback = {0};
    int status;

    if (read_order(ctx, args, nargs, &what) < 0)
        return HPy_NULL;
    if (what.flags & DRIVE_BARE) {
        if (HPyLab_BindBare(ctx, &what.binding, &what.run->bare) < 0)
            return HPy_NULL;
        status = run_driver(ctx, &what);
        what.run->bare = NULL;
        HPyLab_UnbindBare(ctx);
    } else {
        if (HPyLab_Bind(ctx, &what.binding, &callback) < 0)
            return HPy_NULL;
        what.run->call = callback.call;
        what.run->closure = callback.closure;
        status = run_driver(ctx, &what);
        what.run->call = NULL;
        what.run->closure = NULL;
        HPyLab_Unbind(ctx, &callback);
    }
    return HPyLong_FromInt64_t(ctx, status);
}

/* bind(callback, body, data, policy): fill in the HPyLab_Callback at the address [callback], for as long as the caller
   wants to have it: unbind() gives it back. Raises what Bind raised. (`bind` alone is a symbol of libc, which takes its
   place where symbols are visible.) */
HPyDef_METH(bind_for_good, "bind", HPyFunc_VARARGS)
static HPy bind_for_good_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    int64_t given[4];
    if (read_integers(ctx, args, nargs, 4, given) < 0)
        return HPy_NULL;
    HPyLab_Binding binding = {
        .body = (HPyLab_Body)(intptr_t)given[1], .data = (void *)(intptr_t)given[2], .policy = (HPyLab_Policy)given[3],
        .captured = HPy_NULL,
    };
    if (HPyLab_Bind(ctx, &binding, (HPyLab_Callback *)(intptr_t)given[0]) < 0)
        return HPy_NULL;
    return HPy_Dup(ctx, ctx->h_None);
}

/* unbind(callback): give back what bind() made. */
HPyDef_METH(unbind_again, "unbind", HPyFunc_VARARGS)
static HPy unbind_again_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    int64_t given;
    if (read_integers(ctx, args, nargs, 1, &given) < 0)
        return HPy_NULL;
    HPyLab_Unbind(ctx, (HPyLab_Callback *)(intptr_t)given);
    return HPy_Dup(ctx, ctx->h_None);
}

/* ---- many at once, for what they take */

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* bind_many(callbacks, count, body, policy) -> int: as bind(), [count] times, into the array at [callbacks]; the nanoseconds
   that it took. Raises what Bind raised; none is bound then. */
HPyDef_METH(bind_many, "bind_many", HPyFunc_VARARGS)
static HPy bind_many_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    int64_t given[4];
    if (read_integers(ctx, args, nargs, 4, given) < 0)
        return HPy_NULL;
    HPyLab_Binding binding = {
        .body = (HPyLab_Body)(intptr_t)given[2], .data = NULL, .policy = (HPyLab_Policy)given[3], .captured = HPy_NULL,
    };
    HPyLab_Callback *callbacks = (HPyLab_Callback *)(intptr_t)given[0];
    int64_t begin = now_ns();
    for (int64_t i = 0; i < given[1]; i++)
        if (HPyLab_Bind(ctx, &binding, &callbacks[i]) < 0) {
            while (i-- > 0)
                HPyLab_Unbind(ctx, &callbacks[i]);
            return HPy_NULL;
        }
    return HPyLong_FromInt64_t(ctx, now_ns() - begin);
}

/* unbind_many(callbacks, order, count) -> int: give back what bind_many() made, in the order of the indices, [count] of
   int64_t, at [order]; the nanoseconds that it took. */
HPyDef_METH(unbind_many, "unbind_many", HPyFunc_VARARGS)
static HPy unbind_many_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    int64_t given[3];
    if (read_integers(ctx, args, nargs, 3, given) < 0)
        return HPy_NULL;
    HPyLab_Callback *callbacks = (HPyLab_Callback *)(intptr_t)given[0];
    const int64_t *order = (const int64_t *)(intptr_t)given[1];
    int64_t begin = now_ns();
    for (int64_t i = 0; i < given[2]; i++)
        HPyLab_Unbind(ctx, &callbacks[order[i]]);
    return HPyLong_FromInt64_t(ctx, now_ns() - begin);
}

/* ---- the module */

/* The runtime half's table: a capsule, or an integer where the interpreter's HPy has its capsule functions elsewhere. */
static const void *table_address(HPyContext *ctx, HPy table)
{
    if (HPyNumber_Check(ctx, table)) {
        const void *address = (const void *)(intptr_t)HPyLong_AsInt64_t(ctx, table);
        if (address == NULL && !HPyErr_Occurred(ctx))
            HPyErr_SetString(ctx, ctx->h_ImportError, "the runtime half's table is at address 0");
        return address;
    }
    return HPyCapsule_GetPointer(ctx, table, HPyLab_RUNTIME_CAPSULE);
}

static int find_runtime(HPyContext *ctx)
{
    HPy module = HPyImport_ImportModule(ctx, HPyLab_RUNTIME_MODULE);
    if (HPy_IsNull(module))
        return -1;
    HPy table = HPy_GetAttr_s(ctx, module, "table");
    HPy_Close(ctx, module);
    if (HPy_IsNull(table))
        return -1;
    const HPyLab_Runtime *found = table_address(ctx, table);
    HPy_Close(ctx, table);
    if (found == NULL || HPyErr_Occurred(ctx))
        return -1;
    if (found->magic != HPyLab_MAGIC || found->spec != HPyLab_SPEC || found->size != sizeof *found) {
        HPyErr_SetString(ctx, ctx->h_ImportError, "the runtime half was built from another specification; run: lab build");
        return -1;
    }
    hpylab_runtime = found;
    return 0;
}

/* For arms that take nothing while their module is initialised. */
__attribute__((weak)) int HPyLab_Init(HPyContext *ctx)
{
    (void)ctx;
    return 0;
}

HPyDef_SLOT(module_exec, HPy_mod_exec)
static int module_exec_impl(HPyContext *ctx, HPy module)
{
    (void)module;
    if (find_runtime(ctx) < 0)
        return -1;
#ifndef HPY_ABI_CPYTHON
    /* that ABI's context holds constants alone, and others, who call functions through theirs, would be handed it */
    hpylab_runtime->register_context(ctx);
    if (HPyErr_Occurred(ctx))       /* contexts of its flavour cannot be handed out */
        return -1;
#endif
    return HPyLab_Init(ctx);
}

static HPyDef *defines[] = {&module_exec, &drive, &bind_for_good, &unbind_again, &bind_many, &unbind_many, NULL};

static HPyGlobal *globals[] = {&hpylab_captured_object, NULL};

static HPyModuleDef definition = {
    .doc = "One arm of the lab: its extension half.",
    .defines = defines,
    .globals = globals,
};

HPy_MODINIT(arm, definition)
