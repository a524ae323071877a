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
    void *data;
} hpyrt_slot;

/* A thunk that jumps to [code] and whose slot holds [data]. The caller owns it and gives it to hpyrt_free_thunk. NULL when
   none can be had; [*why] is then a sentence. Any thread may call this. */
void *hpyrt_new_thunk(void (*code)(void), void *data, const char **why);

/* Give [thunk] back; the data it was made with. Its address will be used again; until then calling it, or giving it back
   once more, ends the process with a message. It is an error to do so while a thread is inside. */
void *hpyrt_free_thunk(void *thunk);

#pragma GCC visibility pop

#endif
#endif
