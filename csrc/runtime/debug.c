/* The debug mode's table: what the wrappers of an extension half call. See debug.h. */
#include "debug.h"

static void report(hpyrt_misuse misuse, const char *function, const char *detail)
{
    hpyrt_site here;
    hpyrt_note_site(&here, function);
    hpyrt_report(misuse, &(hpyrt_story){.here = &here, .detail = detail});
}

static int acquiring(const char *function, const void *object, size_t size)
{
    if (hpyrt_in_traverse()) {
        report(HPYRT_IN_TRAVERSE, function, NULL);
        return -1;
    }
    return hpyrt_debug_used(function, object, size);
}

static void refused(const char *function, const char *condition)
{
    report(HPYRT_ARGUMENT_REFUSED, function, condition);
}

const HPyLab_Debug hpyrt_debug = {
    .acquiring = acquiring,
    .acquired = hpyrt_debug_acquired,
    .borrowed = hpyrt_debug_borrowed,
    .releasing = hpyrt_debug_releasing,
    .given = hpyrt_debug_given,
    .used = hpyrt_debug_used,
    .created = hpyrt_debug_created,
    .wrapped = hpyrt_debug_wrapped,
    .freeing = hpyrt_debug_freeing,
    .answered = hpyrt_debug_answered,
    .call_begins = hpyrt_debug_call_begins,
    .call_ends = hpyrt_debug_call_ends,
    .helper_begins = hpyrt_debug_helper_begins,
    .helper_ends = hpyrt_debug_helper_ends,
    .refused = refused,
    .on_misuse = hpyrt_set_hook,
};
