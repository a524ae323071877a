/* The caller left Python execution before it called into the C library: every callback must come back in. */
#include "native.h"

__attribute__((visibility("default"))) int hpylab_drive(native_run *run)
{
    return native_call_loop(run);
}
