/* One context for the whole process, as a runtime would have to hand it out that has no more than one and serves
   sub-interpreters all the same: each of its functions asks which interpreter the thread is in, and goes on to the same
   function of that interpreter's own context, with that context.

   All functions are forwarded, by the word at which they stand. What a context has besides, its constants (h_None,
   h_ValueError, …), is data that nobody can forward: those are of the context that was copied first, which is right as far as
   the interpreters of a process share them. There is one for each extension half, of the flavour that it was loaded in first.
   It is an error to call a function of it on a thread that is not attached. */
#include "arm.h"

#include <stddef.h>
#include <string.h>

#define WORD_OF(field) (offsetof(HPyContext, field) / sizeof(void *))
#define WORDS (sizeof(HPyContext) / sizeof(void *))
#define ENTRIES 320         /* of dispatching_entries; more than any HPy has words in a context */
#define ENTRY_BYTES 16

_Static_assert(WORDS <= ENTRIES, "a context has more words than there are entries");

/* A context that may be gone on to in [interpreter], for as long as it is listed. */
typedef struct known known;
struct known {
    const void *interpreter;
    HPyContext *ctx;        /* borrowed from HPy */
    bool home;              /* of HPyLab_Init, and listed for good; else of a binding */
    known *next;
};

static known *newest;       /* bindings before homes; changed with the lock held that HPy's interpreters share */

/* What every callback is handed; filled in by the first HPyLab_Init. */
static HPyContext dispatching;

/* One entry for each word of a context. */
extern const char dispatching_entries[] __attribute__((visibility("hidden")));

__attribute__((visibility("hidden"))) HPyContext *dispatching_real(void);

static const void *interpreter_now(void)
{
#ifdef PYPY_VERSION
    return NULL;            /* PyPy has one */
#elif PY_VERSION_HEX < 0x03090000
    return _PyInterpreterState_Get();
#else
    return PyInterpreterState_Get();
#endif
}

/* The context of the interpreter that the calling thread is in. Ends the process on a thread that is in none. */
HPyContext *dispatching_real(void)
{
    const void *interpreter = interpreter_now();
    const known *each = newest;
    while (each != NULL && each->interpreter != interpreter)
        each = each->next;
    if (each == NULL)
        Py_FatalError("control/dispatching_ctx: no context is known of this interpreter, which never imported the extension");
    return each->ctx;
}

/* An entry has the number of its word and goes on to dispatch, which asks for the context, with the arguments that HPy's functions
   have kept, and jumps to the function at that word of it. */
__asm__(
    "   .text\n"
    "   .balign 16\n"
    "   .globl dispatching_entries\n"
    "   .hidden dispatching_entries\n"
    "dispatching_entries:\n"
    "   .set dispatching_word, 0\n"
    "   .rept 320\n"
    "   .balign 16\n"
#if defined(__x86_64__)
    "   endbr64\n"
    "   movl $dispatching_word, %eax\n"
    "   jmp dispatching_dispatch\n"
#elif defined(__aarch64__)
    "   hint #34\n"
    "   mov w9, #dispatching_word\n"
    "   b dispatching_dispatch\n"
#endif
    "   .set dispatching_word, dispatching_word + 1\n"
    "   .endr\n"
    "   .balign 16\n"
    "dispatching_dispatch:\n"
    "   .cfi_startproc\n"
#if defined(__x86_64__)
    "   subq $56, %rsp\n"
    "   .cfi_adjust_cfa_offset 56\n"
    "   movq %rax, 0(%rsp)\n"
    "   movq %rsi, 8(%rsp)\n"
    "   movq %rdx, 16(%rsp)\n"
    "   movq %rcx, 24(%rsp)\n"
    "   movq %r8, 32(%rsp)\n"
    "   movq %r9, 40(%rsp)\n"
    "   movsd %xmm0, 48(%rsp)\n"
    "   call dispatching_real\n"
    "   movq %rax, %rdi\n"
    "   movq 0(%rsp), %rax\n"
    "   movq 8(%rsp), %rsi\n"
    "   movq 16(%rsp), %rdx\n"
    "   movq 24(%rsp), %rcx\n"
    "   movq 32(%rsp), %r8\n"
    "   movq 40(%rsp), %r9\n"
    "   movsd 48(%rsp), %xmm0\n"
    "   addq $56, %rsp\n"
    "   .cfi_adjust_cfa_offset -56\n"
    "   jmp *(%rdi,%rax,8)\n"
#elif defined(__aarch64__)
    "   stp x29, x30, [sp, #-96]!\n"
    "   .cfi_adjust_cfa_offset 96\n"
    "   .cfi_rel_offset x29, 0\n"
    "   .cfi_rel_offset x30, 8\n"
    "   stp x1, x2, [sp, #16]\n"
    "   stp x3, x4, [sp, #32]\n"
    "   stp x5, x6, [sp, #48]\n"
    "   stp x7, x9, [sp, #64]\n"
    "   str d0, [sp, #80]\n"
    "   bl dispatching_real\n"
    "   ldp x1, x2, [sp, #16]\n"
    "   ldp x3, x4, [sp, #32]\n"
    "   ldp x5, x6, [sp, #48]\n"
    "   ldp x7, x9, [sp, #64]\n"
    "   ldr d0, [sp, #80]\n"
    "   ldp x29, x30, [sp], #96\n"
    "   .cfi_adjust_cfa_offset -96\n"
    "   .cfi_restore x29\n"
    "   .cfi_restore x30\n"
    "   ldr x16, [x0, x9, lsl #3]\n"
    "   br x16\n"
#else
#error "the entries are written for x86-64 and aarch64"
#endif
    "   .cfi_endproc\n");

/* Whether a function stands at [word]: not among the first fields and the constants, of which a later HPy has more. */
static bool is_function(size_t word)
{
    return word >= WORD_OF(ctx_Dup) && !(word >= WORD_OF(h_ComplexType) && word < WORD_OF(ctx_Capsule_New));
}

/* Copy [ctx] as what callbacks are handed, with an entry in the place of each function. */
static void make_dispatching(const HPyContext *ctx)
{
    uintptr_t words[WORDS];
    memcpy(words, ctx, sizeof words);
    for (size_t word = 0; word < WORDS; word++)
        if (is_function(word))
            words[word] = (uintptr_t)(dispatching_entries + word * ENTRY_BYTES);
    memcpy(&dispatching, words, sizeof words);
}

/* List [ctx] for the interpreter that the calling thread is in. NULL with an error set on [ctx]. */
static known *list(HPyContext *ctx, bool home)
{
    known *made = malloc(sizeof *made);
    if (made == NULL) {
        HPyErr_NoMemory(ctx);
        return NULL;
    }
    known **place = &newest;
    while (home && *place != NULL)
        place = &(*place)->next;
    *made = (known){interpreter_now(), ctx, home, *place};
    *place = made;
    return made;
}

static void unlist(known *gone)
{
    known **place = &newest;
    while (*place != gone)
        place = &(*place)->next;
    *place = gone->next;
    free(gone);
}

/* A context of this interpreter that was listed when its module, or that of one before it at the same address, was made. */
static known *find_home(void)
{
    known *each = newest;
    while (each != NULL && !(each->home && each->interpreter == interpreter_now()))
        each = each->next;
    return each;
}

int HPyLab_Init(HPyContext *ctx)
{
    if (dispatching.name == NULL)
        make_dispatching(ctx);
    known *home = find_home();
    if (home != NULL)
        home->ctx = ctx;
    return home != NULL || list(ctx, true) != NULL ? 0 : -1;
}

/* What a callback has: no context, which it finds in the global. */
typedef struct {
    HPyLab_Binding *binding;
    known *listed;
} closure_of;

static int call(void *closure, int64_t arg, int64_t *result)
{
    const closure_of *mine = closure;
    return hpylab_run(&dispatching, mine->binding, HPy_NULL, arg, result);
}

int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out)
{
    if (binding->policy != HPyLab_ATTACH)
        return hpylab_refuse_policy(ctx, binding->policy);
    closure_of *made = malloc(sizeof *made);
    if (made == NULL) {
        HPyErr_NoMemory(ctx);
        return -1;
    }
    made->binding = hpylab_keep(ctx, binding);
    if (made->binding == NULL)
        goto free_closure;
    made->listed = list(ctx, false);
    if (made->listed == NULL)
        goto drop_binding;
    *out = (HPyLab_Callback){call, made};
    return 0;
drop_binding:
    hpylab_drop(ctx, made->binding);
free_closure:
    free(made);
    return -1;
}

void HPyLab_Unbind(HPyContext *ctx, HPyLab_Callback *callback)
{
    closure_of *mine = callback->closure;
    unlist(mine->listed);
    hpylab_drop(ctx, mine->binding);
    free(mine);
}

#include "bare.h"
