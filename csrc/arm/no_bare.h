/* The bare half of an arm whose design has no place to find anything from bare code. */

int HPyLab_BindBare(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Bare *out)
{
    (void)binding;
    (void)out;
    HPyErr_SetString(ctx, ctx->h_NotImplementedError, "this arm has no place that code without user data could reach");
    return -1;
}

void HPyLab_UnbindBare(HPyContext *ctx)
{
    (void)ctx;
}
