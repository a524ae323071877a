/* One arm's stub with a known number of instructions more: what the instrument must find. Compiled beside the arm's own stub.c,
   which is included as it is, with HPYLAB_PLANTED set to how many (0 to 32).

   Each of them waits for the one before and takes a cycle: `or` of a register with itself, on the argument that the body is then
   called with. All HPYLAB_MOST lie in every copy, and the jump at their head passes over those that are not to run: copies differ
   in the distance of that jump and in nothing else, so that no other instruction lies elsewhere. */
#include "arm.h"

#define HPYLAB_MOST 32
_Static_assert(HPYLAB_PLANTED >= 0 && HPYLAB_PLANTED <= HPYLAB_MOST, "HPYLAB_PLANTED is 0 to 32");

#if defined(__x86_64__)
#define ONE_CYCLE "or %0, %0\n"
#define JUMP "jmp 1f\n"
#elif defined(__aarch64__)
#define ONE_CYCLE "orr %0, %0, %0\n"
#define JUMP "b 1f\n"
#else
#error "which instruction takes a cycle, and which jumps, is not known of this processor"
#endif

static inline int run_planted(HPyContext *ctx, const HPyLab_Binding *binding, HPy captured, int64_t arg, int64_t *result)
{
    __asm__ volatile(JUMP
                     ".rept %c1\n" ONE_CYCLE ".endr\n"
                     "1:\n"
                     ".rept %c2\n" ONE_CYCLE ".endr\n"
                     : "+r"(arg)
                     : "i"(HPYLAB_MOST - HPYLAB_PLANTED), "i"(HPYLAB_PLANTED)
                     : "cc");
    return hpylab_run(ctx, binding, captured, arg, result);
}

#define hpylab_run run_planted
#include "stub.c"       /* the arm's own: its folder is on the path */
