/* Wrong uses that a callback's body commits, whatever arm runs it; and what tells a context's flavour. */
#include "wrong_uses.h"
#include "native.h"

#include <string.h>

HPyGlobal called;
HPy kept_bits;

/* Call what was given to set_callable with [arg]; its answer as an integer, or HPyLab_RAISED with an exception
   set. */
static int64_t call_it(HPyContext *ctx, int64_t arg)
{
    HPy function = HPyGlobal_Load(ctx, called), items[] = {HPyLong_FromInt64_t(ctx, arg)};
    HPy arguments = HPyTuple_FromArray(ctx, items, 1);
    HPy result = HPy_CallTupleDict(ctx, function, arguments, HPy_NULL);
    int64_t answer = HPy_IsNull(result) ? HPyLab_RAISED : HPyLong_AsInt64_t(ctx, result);
    if (!HPy_IsNull(result))
        HPy_Close(ctx, result);
    HPy_Close(ctx, arguments);
    HPy_Close(ctx, items[0]);
    HPy_Close(ctx, function);
    return answer;
}

/* Keep the context beyond the release. */
static int64_t keep(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    kept_context = ctx;
    return arg;
}

/* Keep a handle, of the number [arg], beyond the release. */
static int64_t escape(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    kept_bits = HPyLong_FromInt64_t(ctx, arg);
    return arg;
}

/* Use the handle that a method keeps: see with_handle. The number it refers to. */
static int64_t use_handle(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    (void)arg;
    return HPyLong_AsInt64_t(ctx, kept_bits);
}

/* Set an exception and say nothing of it. */
static int64_t raise_silently(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    HPyErr_SetString(ctx, ctx->h_ValueError, "raised by the body");
    return arg;
}

/* With [arg] 0: call Python, whatever is pending. Else set ValueError and call back through the native_run at [data] with 0;
   10 for each callback that did not answer 0, and 1 where ValueError is pending after it, 2 for another exception, which is
   cleared. */
static int64_t call_with_pending(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    native_run *run = data;
    int64_t inside;
    if (arg == 0)
        return call_it(ctx, 0);
    HPyErr_SetString(ctx, ctx->h_ValueError, "pending since before");
    int64_t found = 10 * (run->call(run->closure, 0, &inside) != 0 || inside != 0);
    found += HPyErr_ExceptionMatches(ctx, ctx->h_ValueError) ? 1 : HPyErr_Occurred(ctx) ? 2 : 0;
    HPyErr_Clear(ctx);
    return found;
}

/* The first letter of the context's flavour: 'U', 'D' or 'T'. */
static int64_t flavour(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    (void)arg;
    const char *word = strchr(ctx->name, ' ');
    return word != NULL ? word[1] : 0;
}

static const struct {
    const char *name;
    HPyLab_Body body;
} bodies[] = {{"keep", keep}, {"escape", escape}, {"use_handle", use_handle}, {"raise_silently", raise_silently},
              {"call_with_pending", call_with_pending}, {"flavour", flavour}};

HPyLab_Body find_body(const char *name)
{
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        if (strcmp(bodies[i].name, name) == 0)
            return bodies[i].body;
    return NULL;
}
