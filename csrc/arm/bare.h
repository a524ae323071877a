/* The bare half of an arm whose design gives it a C global as its place. Included by a stub.c after HPyLab_Bind,
   HPyLab_Unbind and a `static int call(void *closure, int64_t arg, int64_t *result)`, the one that bare code reaches. */

static HPyLab_Callback place;       /* the one callback that is bound here; closure NULL while there is none */

static int64_t bare(int64_t arg)
{
    int64_t result = HPyLab_REFUSED;
    return call(place.closure, arg, &result) > 0 ? HPyLab_RAISED : result;
}

int HPyLab_BindBare(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Bare *out)
{
    if (place.closure != NULL) {
        HPyErr_SetString(ctx, ctx->h_RuntimeError, "another callback is bound in this arm's one place; unbind it first");
        return -1;
    }
    HPyLab_Callback callback;
    if (HPyLab_Bind(ctx, binding, &callback) < 0)
        return -1;
    if (callback.call != call) {        /* bare code calls no pointer more than it must: one function, known here */
        HPyLab_Unbind(ctx, &callback);
        return hpylab_refuse_policy(ctx, binding->policy);
    }
    place = callback;
    *out = bare;
    return 0;
}

void HPyLab_UnbindBare(HPyContext *ctx)
{
    if (place.closure != NULL)
        HPyLab_Unbind(ctx, &place);
    place.closure = NULL;
}
