/* Bind and Unbind of an arm whose closure carries the context of Bind beside the binding. Included by a stub.c after its
   `static int call(void *closure, int64_t arg, int64_t *result)`. */

int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out)
{
    hpylab_carrier *kept = hpylab_carry(ctx, binding);
    if (kept == NULL)
        return -1;
    *out = (HPyLab_Callback){call, kept};
    return 0;
}

void HPyLab_Unbind(HPyContext *ctx, HPyLab_Callback *callback)
{
    hpylab_drop_carrier(ctx, callback->closure);
}
