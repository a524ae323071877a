/* The lab's debug mode, the runtime half: finding what is against the rules of the proposals, whatever proposal it is.

   Each acquisition is handed out as a context of its own, a Lease: a copy of the real one in which every function slot leads
   to debug_slots.S and from there to hpyrt_check_slot, which looks whether the lease is open, and whose it is, before it lets
   the call through to the real context. A lease that was released stays as it is for as long as can be (first in, first out),
   so that a use after the release finds it closed. The same holds for leases of other kinds: borrowed contexts, which
   nothing ends but their thread, and those that a trampoline brings, which end when the helper returns.

   What cannot be told: a borrowed context that is used on the same thread after control returned to Python and came back; a
   token whose address was given to a new one in the meantime; and, in a process where an extension half was built without the
   debug mode, whatever that one does.

   One mutex guards everything that threads share. It is never held while something is reported. */
#ifndef HPYRT_DEBUG_H
#define HPYRT_DEBUG_H

#include "runtime.h"
#include "thunks.h"

#include "autogen_context.h"
#include "debug_words.h"

#include <pthread.h>
#include <sys/types.h>

#pragma GCC visibility push(hidden)

#define HPYRT_STACK_DEPTH 16

/* Where something happened. */
typedef struct {
    const char *function;       /* of the API; NULL: nowhere */
    pid_t thread;
    int depth;
    void *stack[HPYRT_STACK_DEPTH];
} hpyrt_site;

typedef enum {
#define HPYRT_MISUSE(name, what, remedy) HPYRT_##name,
    HPYRT_MISUSES(HPYRT_MISUSE)
#undef HPYRT_MISUSE
} hpyrt_misuse;

/* ---- debug_report.c */

/* Fill in [site]: the calling thread, here. */
void hpyrt_note_site(hpyrt_site *site, const char *function);

/* What is told about a misuse beside the rule that it breaks. Any may be NULL. */
typedef struct {
    const hpyrt_site *here;     /* the wrong call */
    const char *verb;           /* "acquired" or "made" */
    const hpyrt_site *opened, *closed;
    const char *detail;
} hpyrt_story;

/* Say so on stderr. What was said; the caller's, to be given to free(). */
char *hpyrt_print(hpyrt_misuse misuse, const hpyrt_story *story);

/* Say so on stderr and call the hook. Whether there was one. It is an error to hold the mutex. */
bool hpyrt_tell(hpyrt_misuse misuse, const hpyrt_story *story);

/* The same, and abort where there was none. */
void hpyrt_report(hpyrt_misuse misuse, const hpyrt_story *story);

/* The lines about [site], for somebody else's report: "acquired by HPy_EnterContext, on thread 7:" and the stack. The caller's,
   to be given to free(); NULL when there is no memory. */
char *hpyrt_site_text(const char *verb, const hpyrt_site *site);

void hpyrt_set_hook(HPyLab_OnMisuse hook, void *data);

/* End the process: the debug mode itself has no memory. */
_Noreturn void hpyrt_debug_out_of_memory(void);

/* ---- debug_leases.c */

typedef enum {
    LEASE_ACQUIRED,
    LEASE_BORROWED,
    LEASE_CALL,                 /* a helper's */
} hpyrt_lease_kind;

typedef struct hpyrt_lease hpyrt_lease;

/* One OS thread. Only that thread uses it, but for the address and the id. Freed when it ends. */
typedef struct {
    pthread_t id;
    hpyrt_lease *top;           /* its open leases but the borrowed ones, innermost first */
    hpyrt_lease *borrowed;      /* one for each real context */
    HPyLab_DebugCall *calls;    /* on their way, innermost first */
    bool ends;                  /* it must not wait for the GIL any more: whoever joins it may hold it */
} hpyrt_debugged_thread;

struct hpyrt_lease {
    HPyContext copy;            /* handed out; first, so that it leads here */
    HPyContext *real;
    hpyrt_lease_kind kind;
    bool open;
    hpyrt_debugged_thread *thread;
    hpyrt_view *view;
    PyObject *pending_type;     /* of the exception that was pending at the acquisition: references of its own, given back when */
    PyObject *pending_value;    /* the lease ends in order */
    bool told_lost;             /* that the exception was lost was reported */
    void *generation;           /* of HPy's debug handles; NULL in other flavours */
    uint64_t serial;
    hpyrt_site acquired, released;
    hpyrt_lease *below;         /* of the same thread; among the retired ones, the next to be used again */
    hpyrt_lease *previous, *next;   /* among the open ones of all threads */
};

extern pthread_mutex_t hpyrt_debug_mutex;

/* Counts everything that can be left open, from 1; guarded by the mutex. */
extern uint64_t hpyrt_debug_serial;

/* The calling thread. Never NULL. */
hpyrt_debugged_thread *hpyrt_debugged(void);

/* A new lease on [real] for the calling thread, which [me] is, and which keeps it. */
hpyrt_lease *hpyrt_open_lease(hpyrt_debugged_thread *me, HPyContext *real, hpyrt_lease_kind kind, const hpyrt_site *site);

/* Close [lease], which its thread keeps no longer. It is not used again for as long as can be. */
void hpyrt_retire_lease(hpyrt_lease *lease);

/* The lease, open or not, that [ctx] is; NULL where it is none. */
hpyrt_lease *hpyrt_lease_of(const HPyContext *ctx);

/* The real context behind [ctx]; [ctx] itself where it is no lease. For whoever remembers a context. */
HPyContext *hpyrt_original_context(HPyContext *ctx);

/* Tell of every lease that the calling thread left open, innermost first, and close them: for NULL all, else those that were
   acquired in the interpreter of [view]. A helper's is not among those: it may still return, as where Python code calls what
   atexit would. Whether to go on: there was none, or a hook. */
bool hpyrt_tell_left_open(hpyrt_misuse misuse, const hpyrt_view *view);

/* Something that is still open: an acquisition or an object. */
typedef struct {
    uint64_t serial;
    const char *verb;
    const char *freed_by;       /* of an object */
    pthread_t thread;           /* of an acquisition */
    hpyrt_site opened;
} hpyrt_open_thing;

/* What was opened after [since] and is not closed, oldest first: objects, and the acquisitions of all threads. The caller gives
   [*things] to free(). How many. */
size_t hpyrt_open_things(uint64_t since, hpyrt_open_thing **things);

/* ---- debug_acquisitions.c: what the table holds */

HPyContext *hpyrt_debug_acquired(const char *function, HPyContext *ctx);
HPyContext *hpyrt_debug_borrowed(const char *function, HPyContext *ctx);
HPyContext *hpyrt_debug_releasing(const char *function, HPyContext *ctx);
HPyContext *hpyrt_debug_given(const char *function, HPyContext *ctx);
HPyContext *hpyrt_debug_helper_begins(HPyContext *ctx, void (**helper)(void));
void hpyrt_debug_helper_ends(HPyContext *ctx);

/* ---- debug_exceptions.c */

/* Note in [lease], which begins, what is pending. Attached, as for all of these. */
void hpyrt_note_pending(hpyrt_lease *lease);
void hpyrt_forget_pending(hpyrt_lease *lease);

/* Whether the exception that was pending when [lease] began is pending now. */
bool hpyrt_is_still_pending(const hpyrt_lease *lease);

/* That exception is lost, which is told once. */
void hpyrt_note_lost(hpyrt_lease *lease);

/* Whether the function of HPy at [offset] loses an exception that is pending whatever it is given, and [*how] to say so. */
bool hpyrt_loses_pending(size_t offset, hpyrt_misuse *how);

/* ---- debug_objects.c */

/* What a proposal made, known by its bytes. A structure has no padding: the wrappers assert that. */
typedef struct hpyrt_object hpyrt_object;
struct hpyrt_object {
    unsigned char bytes[32];
    size_t size;
    const char *freed_by;       /* NULL: nobody has to */
    hpyrt_slot *slot;           /* of the debug mode's own thunk, whose data is the original; NULL where the object is none */
    bool open;
    uint64_t serial;
    hpyrt_site made, freed;
    hpyrt_object *next;         /* in its bucket */
    hpyrt_object *later;        /* among the freed ones, the next to be forgotten */
};

/* Call [visit] with each object that is not freed and has to be; the mutex is held. */
void hpyrt_each_open_object(void (*visit)(const hpyrt_object *object, void *data), void *data);

/* Tell of every object that was never freed. Whether to go on, as above. */
bool hpyrt_tell_leaked_objects(void);

int hpyrt_debug_used(const char *function, const void *object, size_t size);
void hpyrt_debug_created(const char *function, HPyContext *ctx, const void *object, size_t size, const char *freed_by);
void (*hpyrt_debug_wrapped(void (*original)(void), void (*entry)(void)))(void);
int hpyrt_debug_freeing(const char *function, void *object, size_t size);
void hpyrt_debug_answered(const char *function, HPyContext *ctx);
int hpyrt_debug_call_begins(HPyLab_DebugCall *call, const char *function, void *slot, void (*helper)(void));
void hpyrt_debug_call_ends(HPyLab_DebugCall *call);

/* ---- debug_python.c */

/* Look after the interpreter that the calling thread is attached to: once for each, from its first acquisition on. */
void hpyrt_debug_watch_interpreter(hpyrt_view *view);

/* Call the hook for what threads reported that ended detached. Called attached, wherever it may run. */
void hpyrt_debug_deliver(void);

/* A new generation of HPy's debug handles, a Python object that is owned; NULL where there is none. */
void *hpyrt_new_generation(void);

/* How many handles opened since [generation] are open, as a sentence in [text]; 0 also where that cannot be told. Gives
   [generation] back. */
int hpyrt_open_handles(void *generation, char *text, size_t size);

/* Functions of the runtime module. */
extern PyMethodDef hpyrt_debug_methods[];

/* What autogen_context.h calls the debug table. */
extern const HPyLab_Debug hpyrt_debug;

#pragma GCC visibility pop

#endif
