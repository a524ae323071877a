/* A callback written with enter and leave. */
#include "arm.h"

#if HPyLab_FORM == HPyLab_FORM_enter_leave_ambient

static int call(void *closure, int64_t arg, int64_t *result)
{
    HPyContext *ctx = HPy_EnterContext();
    if (ctx == NULL)
        return -1;
    int status = hpylab_run(ctx, closure, HPy_NULL, arg, result);
    HPy_LeaveContext(ctx);
    return status;
}

#endif

#include "keep_bind.h"
#include "bare.h"
