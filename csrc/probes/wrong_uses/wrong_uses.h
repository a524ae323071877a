/* An extension that breaks the rules of every proposal, one at a time; and keeps them, to show that nothing is said then.

   A deed is one wrong use. Those of contexts are done by a way in, which is a form's; those of tokens, trampolines and VMs name
   their functions. A body is a wrong use that any arm can run as its callback's. It is built as arms are, with the lab's
   debug mode and without: what a deed comes to without is for the probes to say, and nothing where the header promises
   nothing. A new proposal adds its forms to ways.c; until then they have no way in. */
#ifndef HPYLAB_WRONG_USES_H
#define HPYLAB_WRONG_USES_H

#include <hpy.h>
#include "autogen_context.h"

#include <stdbool.h>

/* Checkouts may have some of the proposals alone. */
#ifdef HPyLab_FORM_enter_leave_get
#define WITH_ENTER_LEAVE
#endif
#ifdef HPyLab_FORM_hpyvm_pointer
#define WITH_HPYVM
#endif
#ifdef HPyLab_FORM_trampoline_plain
#define WITH_TRAMPOLINES
#endif

#pragma GCC visibility push(hidden)

/* ---- ways.c */

/* How a form acquires and releases where that is two calls. [acquire] answers NULL where it is refused. */
typedef struct {
    const char *form;
    HPyContext *(*acquire)(void);
    void (*release)(HPyContext *ctx);
} way;

/* NULL for a form that has none. */
const way *find_way(const char *form);

/* What the ways need, made from [ctx]. 0, or -1 with an exception set on [ctx]. */
int make_ways(HPyContext *ctx);

/* Give it back. */
void free_ways(HPyContext *ctx);

/* Whether the calling thread is attached to an interpreter; -1 where no proposal can tell. */
int is_attached(void);

#ifdef WITH_ENTER_LEAVE
extern HPyContextReference kept_token;
#endif
#ifdef WITH_TRAMPOLINES
extern HPyContextTrampoline kept_plain;
extern HPyHandleTrampoline kept_handle;
extern HPyCheckedTrampoline kept_checked;
#endif
#ifdef WITH_HPYVM
extern HPyVM *kept_vm;
extern HPyVMValue kept_value;
#endif

/* ---- deeds */

typedef struct {
    const char *name;
    void (*does)(HPyContext *ctx, const way *by);      /* attached; [ctx] is the calling method's */
    bool needs_way;                                     /* else [by] may be NULL */
} deed;

extern const deed deeds_with_contexts[], deeds_with_objects[];      /* to the first without a name */

/* What a deed saw, for its probe: the digits of a number, one for each look. Set to 0 before each deed. */
extern int64_t seen;
static inline void see(int digit)
{
    seen = 10 * seen + digit;
}

/* A context that somebody kept against the rules. */
extern HPyContext *kept_context;

/* Call [body] with both arguments on a new thread and wait for its end, with Python left. */
void on_thread(HPyContext *ctx, const way *by, HPyContext *given, void (*body)(const way *by, HPyContext *given));

/* Any use of [ctx] that is in order. */
void use(HPyContext *ctx);

/* ---- bodies.c */

/* A body by its name; NULL. */
HPyLab_Body find_body(const char *name);

/* What bodies call, and the handle that one keeps or uses. */
extern HPyGlobal called;
extern HPy kept_bits;

#pragma GCC visibility pop

#endif
