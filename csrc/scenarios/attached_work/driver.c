/* As attached_call; the body makes as many HPy calls as the cell says. */
#include "native.h"

__attribute__((visibility("default"))) int hpylab_drive(native_run *run)
{
    return native_call_loop(run);
}
