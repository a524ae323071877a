/* Where the function slots of a lease lead: one entry for each word of a context. An entry asks hpyrt_check_slot, with the
   context and the slot's offset, which function to go on to and with which context; all other arguments pass through. */

#define ENTRIES 320

	.text
	.balign 16
	.globl hpyrt_debug_slots
	.hidden hpyrt_debug_slots
	.type hpyrt_debug_slots, %function
hpyrt_debug_slots:
	.set offset, 0
	.rept ENTRIES
	.balign 16
#if defined(__x86_64__)
	endbr64
	movl $offset, %r11d
	jmp go_on
#elif defined(__aarch64__)
	hint #34		/* bti c */
	mov w16, #offset
	b go_on
#endif
	.set offset, offset + 8
	.endr
	.size hpyrt_debug_slots, . - hpyrt_debug_slots

	.balign 16
	.type go_on, %function
go_on:
	.cfi_startproc
#if defined(__x86_64__)
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	subq $176, %rsp
	movq %rsi, 0(%rsp)
	movq %rdx, 8(%rsp)
	movq %rcx, 16(%rsp)
	movq %r8, 24(%rsp)
	movq %r9, 32(%rsp)
	movq %rax, 40(%rsp)
	movups %xmm0, 48(%rsp)
	movups %xmm1, 64(%rsp)
	movups %xmm2, 80(%rsp)
	movups %xmm3, 96(%rsp)
	movups %xmm4, 112(%rsp)
	movups %xmm5, 128(%rsp)
	movups %xmm6, 144(%rsp)
	movups %xmm7, 160(%rsp)
	movl %r11d, %esi
	call hpyrt_check_slot
	movq %rax, %r11		/* the function */
	movq %rdx, %rdi		/* the context */
	movq 0(%rsp), %rsi
	movq 8(%rsp), %rdx
	movq 16(%rsp), %rcx
	movq 24(%rsp), %r8
	movq 32(%rsp), %r9
	movq 40(%rsp), %rax
	movups 48(%rsp), %xmm0
	movups 64(%rsp), %xmm1
	movups 80(%rsp), %xmm2
	movups 96(%rsp), %xmm3
	movups 112(%rsp), %xmm4
	movups 128(%rsp), %xmm5
	movups 144(%rsp), %xmm6
	movups 160(%rsp), %xmm7
	leave
	.cfi_def_cfa %rsp, 8
	jmp *%r11
#elif defined(__aarch64__)
	stp x29, x30, [sp, #-224]!
	.cfi_def_cfa_offset 224
	.cfi_offset x29, -224
	.cfi_offset x30, -216
	mov x29, sp
	stp x1, x2, [sp, #16]
	stp x3, x4, [sp, #32]
	stp x5, x6, [sp, #48]
	stp x7, x8, [sp, #64]
	stp q0, q1, [sp, #96]
	stp q2, q3, [sp, #128]
	stp q4, q5, [sp, #160]
	stp q6, q7, [sp, #192]
	mov w1, w16
	bl hpyrt_check_slot
	mov x16, x0		/* the function */
	mov x0, x1		/* the context */
	ldp x1, x2, [sp, #16]
	ldp x3, x4, [sp, #32]
	ldp x5, x6, [sp, #48]
	ldp x7, x8, [sp, #64]
	ldp q0, q1, [sp, #96]
	ldp q2, q3, [sp, #128]
	ldp q4, q5, [sp, #160]
	ldp q6, q7, [sp, #192]
	ldp x29, x30, [sp], #224
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	br x16
#endif
	.cfi_endproc
	.size go_on, . - go_on

	.section .note.GNU-stack, "", %progbits
