/* Closures: C function pointers with hidden state, without making code at run time.

   A thunk is 16 bytes of code in a page that is never writable; its state, a slot of two words, lies exactly
   HPYRT_THUNK_DISTANCE bytes further in a page that is never executable. The thunk loads the address of its slot into the
   register of the fourth integer argument and jumps to slot->code; the other arguments pass through. More thunks are had
   by mapping the same page of this library's file once more, so that no page is ever writable and executable. */
#ifndef HPYRT_THUNKS_H
#define HPYRT_THUNKS_H

#define HPYRT_THUNK_DISTANCE 65536

#ifndef __ASSEMBLER__

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "thunks.S has no thunk for this processor"
#endif

#pragma GCC visibility push(hidden)

typedef struct {
    void (*code)(void);     /* jumped to with the thunk's first three arguments and, as fourth, this slot */
    void *data;             /* the owner's; left as it is when the thunk is given back */
} hpyrt_slot;

/* The slot of a thunk that is in nobody's use and will jump to [code]. The caller owns it, sets data before anyone calls, and
   gives it back in two steps. NULL when none can be had; [*why] is then a sentence. Any thread may call these. */
hpyrt_slot *hpyrt_new_thunk(void (*code)(void), const char **why);

/* First: whoever calls from now on ends the process with a message. Threads that are inside may go on reading the slot. -1:
   that was done before. */
int hpyrt_close_thunk(hpyrt_slot *slot);

/* Then, when nobody is inside any more: its address may be used again. */
void hpyrt_recycle_thunk(hpyrt_slot *slot);

/* What to call. */
static inline void *hpyrt_thunk_of(hpyrt_slot *slot)
{
    return (char *)slot - HPYRT_THUNK_DISTANCE;
}

/* The slot of [thunk], in use or not; NULL for any other address. */
hpyrt_slot *hpyrt_slot_of(void *thunk);

#pragma GCC visibility pop

#endif
#endif
