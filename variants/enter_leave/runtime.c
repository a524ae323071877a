/* Enter and leave, the runtime half. There is nothing to look up but the thread: who calls cannot be told, so the context
   is that of the extension that registered last in the interpreter. */
#include "runtime.h"

#include "autogen_context.h"

HPyContext *HPy_EnterContext(void)
{
    hpyrt_view *view = hpyrt_attach_ambient(HPYRT_ATTACH);
    return view == NULL ? NULL : hpyrt_hand_out(hpyrt_context(view));
}

void HPy_LeaveContext(HPyContext *ctx)
{
    (void)ctx;
    hpyrt_detach();
}
