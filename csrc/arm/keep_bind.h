/* Bind and Unbind of an arm whose closure is a copy of the binding and nothing else. Included by a stub.c after its
   `static int call(void *closure, int64_t arg, int64_t *result)`, which serves the policy attach; or, with HPYLAB_CHOOSES
   defined, after its `static hpylab_call *choose(HPyLab_Policy policy)`: what serves that policy, NULL for one it does not. */

#ifndef HPYLAB_CHOOSES
static hpylab_call *choose(HPyLab_Policy policy)
{
    return policy == HPyLab_ATTACH ? call : NULL;
}
#endif

int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out)
{
    hpylab_call *chosen = choose(binding->policy);
    if (chosen == NULL)
        return hpylab_refuse_policy(ctx, binding->policy);
    HPyLab_Binding *kept = hpylab_keep(ctx, binding);
    if (kept == NULL)
        return -1;
    *out = (HPyLab_Callback){chosen, kept};
    return 0;
}

void HPyLab_Unbind(HPyContext *ctx, HPyLab_Callback *callback)
{
    hpylab_drop(ctx, callback->closure);
}
