/* The C library calls back from threads that it started itself.

   run->size says how: 0, one thread, which has called back once before the timed part; 1, run->loops threads after one
   another, each of which makes one timed call, its first. The clock is read around each of those, so that reading it is in
   every arm's time alike. */
#include "native.h"

static int once(native_run *run)
{
    int64_t loops = run->loops;
    run->loops = 1;
    int status = native_call_loop(run);
    run->loops = loops;
    return status;
}

static int repeated(native_run *run)
{
    int status = once(run);
    return status != 0 || run->refused || run->raised ? status : native_call_loop(run);
}

static int each_on_its_own_thread(native_run *run)
{
    native_run sum = {0};
    int64_t backwards = 0;      /* below 0 where the clock went back in a call: no later call makes up for that */
    for (int64_t i = 0; i < run->loops; i++) {
        int status = native_on_new_thread(once, run);
        if (status != 0)
            return status;
        if (run->elapsed_ns < 0)
            backwards = run->elapsed_ns;
        sum.elapsed_ns += run->elapsed_ns;
        sum.checksum += run->checksum;
        sum.refused += run->refused;
        sum.raised += run->raised;
        sum.disturbance.voluntary_switches += run->disturbance.voluntary_switches;
        sum.disturbance.involuntary_switches += run->disturbance.involuntary_switches;
        sum.disturbance.page_faults += run->disturbance.page_faults;
        sum.disturbance.migrations |= run->disturbance.migrations;
    }
    run->elapsed_ns = backwards < 0 ? backwards : sum.elapsed_ns;
    run->checksum = sum.checksum;
    run->refused = sum.refused;
    run->raised = sum.raised;
    run->disturbance = sum.disturbance;
    run->calls = run->loops;
    return 0;
}

__attribute__((visibility("default"))) int hpylab_drive(native_run *run)
{
    return run->size > 0 ? each_on_its_own_thread(run) : native_on_new_thread(repeated, run);
}
