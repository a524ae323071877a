/* HPyVM, the runtime half: one structure for the process, whose _data is the runtime's magic number. The interpreter is
   found from the thread, as enter and leave do. */
#include "runtime.h"

#include "autogen_context.h"

static HPyContext *open_context(HPyVM *vm)
{
    (void)vm;
    hpyrt_view *view = hpyrt_attach_ambient(HPYRT_ATTACH);
    return view == NULL ? NULL : hpyrt_hand_out(hpyrt_context(view));
}

static void close_context(HPyVM *vm, HPyContext *ctx)
{
    (void)vm;
    (void)ctx;
    hpyrt_detach();
}

static HPyVM the_vm = {HPyLab_MAGIC, open_context, close_context};

void ctx_GetVM(HPyContext *ctx, HPyVM **storage)
{
    if (*storage != NULL && (*storage)->_data != HPyLab_MAGIC)
        HPy_FatalError(ctx, "cannot use HPy_GetVM with multiple incompatible Python runtimes within one process");
    *storage = &the_vm;
}
