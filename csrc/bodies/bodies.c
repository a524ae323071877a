/* What runs once there is a context: one HPy extension, built for the universal ABI and, for the arm that needs it, for the
   CPython ABI. The bodies are found by name and their addresses given to an arm's drive(). */
#include <hpy.h>
#include "autogen_context.h"
#include "native.h"

#include <string.h>
#include <time.h>

const HPyLab_Runtime *hpylab_runtime;   /* unused here: bodies get their context as an argument */

static HPyGlobal callable;              /* what `python`, `compare` and `nest…` call */

/* 0 for every address of a process, but neither compiler nor processor can know before it has [ctx]. */
static inline int64_t opaque_zero(HPyContext *ctx)
{
    return (int64_t)((uintptr_t)ctx >> 63);
}

/* Nothing: answers [arg], once the context is there. */
static int64_t nothing(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    return arg + opaque_zero(ctx);
}

/* Write when it ran, on CLOCK_MONOTONIC, to the int64_t that [arg] leads to, before anything else; answers 1. */
static int64_t stamp(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *(int64_t *)(intptr_t)arg = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    return 1 + opaque_zero(ctx);
}

/* As many HPy calls as the int64_t at [data] says, each a truth test of True; answers [arg]. */
static int64_t work(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    int64_t calls = *(const int64_t *)data;
    for (int64_t i = 0; i < calls; i++)
        arg += HPy_IsTrue(ctx, ctx->h_True);
    return arg - calls + opaque_zero(ctx);
}

/* Call the callable with [items], which are closed here; answers its result as an integer, or HPyLab_RAISED. */
static int64_t call_python(HPyContext *ctx, HPy *items, HPy_ssize_t count)
{
    int64_t answer = HPyLab_RAISED;
    HPy function = HPyGlobal_Load(ctx, callable);
    if (HPy_IsNull(function)) {
        HPyErr_SetString(ctx, ctx->h_RuntimeError, "set_callable() first");
        goto close_items;
    }
    HPy arguments = HPyTuple_FromArray(ctx, items, count);
    HPy result = HPy_IsNull(arguments) ? HPy_NULL : HPy_CallTupleDict(ctx, function, arguments, HPy_NULL);
    if (!HPy_IsNull(result)) {
        answer = HPyLong_AsInt64_t(ctx, result);
        if (answer == -1 && HPyErr_Occurred(ctx))
            answer = HPyLab_RAISED;
        HPy_Close(ctx, result);
    }
    if (!HPy_IsNull(arguments))
        HPy_Close(ctx, arguments);
    HPy_Close(ctx, function);
close_items:
    for (HPy_ssize_t i = 0; i < count; i++)
        HPy_Close(ctx, items[i]);
    return answer;
}

/* call_python with two new handles, of which one or both may be HPy_NULL: there was no memory. */
static int64_t call_with_two(HPyContext *ctx, HPy *items)
{
    if (!HPy_IsNull(items[0]) && !HPy_IsNull(items[1]))
        return call_python(ctx, items, 2);
    for (int i = 0; i < 2; i++)
        if (!HPy_IsNull(items[i]))
            HPy_Close(ctx, items[i]);
    return HPyLab_RAISED;
}

/* Call the callable with [arg]. */
static int64_t python(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    HPy item = HPyLong_FromInt64_t(ctx, arg);
    return HPy_IsNull(item) ? HPyLab_RAISED : call_python(ctx, &item, 1);
}

/* Call the callable with the two doubles that [arg], a pair of pointers, leads to: qsort's comparison. */
static int64_t compare(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    const double *const *pair = (const double *const *)(intptr_t)arg;
    HPy items[2] = {HPyFloat_FromDouble(ctx, *pair[0]), HPyFloat_FromDouble(ctx, *pair[1])};
    return call_with_two(ctx, items);
}

/* Call the callable with the captured object and [arg]. */
static int64_t with_captured(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)data;
    HPy items[2] = {HPy_Dup(ctx, captured), HPyLong_FromInt64_t(ctx, arg)};
    return call_with_two(ctx, items);
}

/* Raise ValueError. */
static int64_t raise_error(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    (void)arg;
    HPyErr_SetString(ctx, ctx->h_ValueError, "raised by the body");
    return HPyLab_RAISED;
}

/* Call back [arg] levels deep through the native_run at [data], then call the callable with the level, on the way out.
   Answers the number of levels that ran. */
static int64_t nest_level(HPyContext *ctx, native_run *run, int64_t arg, int leave)
{
    int64_t inner = 0;
    if (arg > 1) {
        HPyThreadState left;
        if (leave)
            left = HPy_LeavePythonExecution(ctx);
        int status = run->call(run->closure, arg - 1, &inner);
        if (leave)
            HPy_ReenterPythonExecution(ctx, left);
        if (status != 0) {
            HPyErr_SetString(ctx, ctx->h_RuntimeError, "an inner callback was refused or raised");
            return HPyLab_RAISED;
        }
    }
    HPy item = HPyLong_FromInt64_t(ctx, arg);
    if (HPy_IsNull(item) || call_python(ctx, &item, 1) == HPyLab_RAISED)
        return HPyLab_RAISED;
    return inner + 1;
}

static int64_t nest(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    return nest_level(ctx, data, arg, 0);
}

/* As nest, with Python execution left around every inner callback. */
static int64_t nest_left(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    return nest_level(ctx, data, arg, 1);
}

/* With [arg] 0: whether an exception is pending, which is left as it is. Else set ValueError and call back through the
   native_run at [data] with 0, for [arg] 2 with Python execution left around that; the sum of 2 for an exception that was
   pending inside (nothing, where that was refused) and 1 for ValueError that is pending afterwards. It is cleared. */
static int64_t pending(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    native_run *run = data;
    int64_t inside = 0;
    if (arg == 0)
        return HPyErr_Occurred(ctx) != 0;
    HPyErr_SetString(ctx, ctx->h_ValueError, "set before the callback");
    HPyThreadState left;
    if (arg == 2)
        left = HPy_LeavePythonExecution(ctx);
    run->call(run->closure, 0, &inside);
    if (arg == 2)
        HPy_ReenterPythonExecution(ctx, left);
    int after = HPyErr_ExceptionMatches(ctx, ctx->h_ValueError) != 0;
    HPyErr_Clear(ctx);
    return 2 * inside + after;
}

static const struct {
    const char *name;
    HPyLab_Body body;
} bodies[] = {
    {"nothing", nothing}, {"work", work},           {"python", python}, {"compare", compare},
    {"raise", raise_error}, {"nest", nest}, {"nest_left", nest_left}, {"captured", with_captured},
    {"pending", pending}, {"stamp", stamp},
};

/* address(name) -> int: where a body is. Raises LookupError. */
HPyDef_METH(address, "address", HPyFunc_O)
static HPy address_impl(HPyContext *ctx, HPy self, HPy name)
{
    (void)self;
    const char *wanted = HPyUnicode_AsUTF8AndSize(ctx, name, NULL);
    if (wanted == NULL)
        return HPy_NULL;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        if (strcmp(bodies[i].name, wanted) == 0)
            return HPyLong_FromInt64_t(ctx, (int64_t)(intptr_t)bodies[i].body);
    HPyErr_SetString(ctx, ctx->h_LookupError, "no body has that name");
    return HPy_NULL;
}

/* set_callable(function): what the bodies call from now on. None releases the one before. */
HPyDef_METH(set_callable, "set_callable", HPyFunc_O)
static HPy set_callable_impl(HPyContext *ctx, HPy self, HPy function)
{
    (void)self;
    HPyGlobal_Store(ctx, &callable, function);
    return HPy_Dup(ctx, ctx->h_None);
}

static HPyDef *defines[] = {&address, &set_callable, NULL};
static HPyGlobal *globals[] = {&callable, NULL};

static HPyModuleDef definition = {
    .doc = "What runs once there is a context.",
    .defines = defines,
    .globals = globals,
};

HPy_MODINIT(bodies, definition)
