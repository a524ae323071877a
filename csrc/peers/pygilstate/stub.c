/* PyGILState around the body, as extensions of the C API have done since PEP 311. The body gets the universal context that
   the callback was bound with. */
#include "arm.h"

static int call(void *closure, int64_t arg, int64_t *result)
{
    const hpylab_carrier *carried = closure;
    PyGILState_STATE state = PyGILState_Ensure();
    int status = hpylab_run(carried->ctx, &carried->binding, HPy_NULL, arg, result);
    PyGILState_Release(state);
    return status;
}

#include "carry_bind.h"
#include "bare.h"
