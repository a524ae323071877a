/* A captured object in an HPyGlobal: what a form does whose design has no place for one. An HPyGlobal must be static and known
   to the module, so that there is one for each arm. */
#include "arm.h"

HPyGlobal hpylab_captured_object;

/* The binding that it belongs to, and what to run once it is loaded. One at a time. */
static struct {
    bool taken;
    HPyLab_Body body;
    void *data;
} place;

static int64_t load_and_run(HPyContext *ctx, HPy unused, void *data, int64_t arg)
{
    (void)unused;
    (void)data;
    HPy captured = HPyGlobal_Load(ctx, hpylab_captured_object);
    int64_t answer = place.body(ctx, captured, place.data, arg);
    HPy_Close(ctx, captured);
    return answer;
}

int hpylab_capture(HPyContext *ctx, const HPyLab_Binding *wanted, HPyLab_Binding *kept)
{
    *kept = *wanted;
    kept->captured = HPy_NULL;      /* it was the caller's handle */
    if (HPy_IsNull(wanted->captured))
        return 0;
    if (place.taken) {
        HPyErr_SetString(ctx, ctx->h_RuntimeError, "this arm's one place holds another captured object; unbind that first");
        return -1;
    }
    HPyGlobal_Store(ctx, &hpylab_captured_object, wanted->captured);
    place.taken = true;
    place.body = wanted->body;
    place.data = wanted->data;
    kept->body = load_and_run;
    return 0;
}

void hpylab_release_captured(HPyContext *ctx, const HPyLab_Binding *kept)
{
    if (kept->body != load_and_run)
        return;
    HPyGlobal_Store(ctx, &hpylab_captured_object, HPy_NULL);
    place.taken = false;
}
