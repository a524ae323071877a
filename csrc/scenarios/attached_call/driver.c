/* A C library calls back on the thread that called into it: the thread is attached all along. */
#include "native.h"

__attribute__((visibility("default"))) int hpylab_drive(native_run *run)
{
    return native_call_loop(run);
}
