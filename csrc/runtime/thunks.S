/* The template of a page of thunks; see thunks.h. Mapped again by thunks.c, never executed where the linker put it. */
#include "thunks.h"

	.text
	.balign HPYRT_THUNK_DISTANCE
	.globl hpyrt_thunk_template
	.hidden hpyrt_thunk_template
	.type hpyrt_thunk_template, %object
hpyrt_thunk_template:
	.rept HPYRT_THUNK_DISTANCE / 16
#if defined(__x86_64__)
0:	leaq HPYRT_THUNK_DISTANCE+0b(%rip), %rcx
	jmp *HPYRT_THUNK_DISTANCE+0b(%rip)
	.balign 16, 0xcc
#elif defined(__aarch64__)
0:	hint #34		/* bti c */
	adr x3, 0b + HPYRT_THUNK_DISTANCE
	ldr x16, [x3]
	br x16
#endif
	.endr
	.size hpyrt_thunk_template, . - hpyrt_thunk_template

	.section .note.GNU-stack, "", %progbits
