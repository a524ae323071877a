/* An HPy extension for the tests of flavours: what has to be done with a context in C, and threads that run at once. It asks
   the runtime half for nothing. */
#include <hpy.h>
#include "native.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- bodies (HPyLab_Body) and what else is called by its address ---- */

/* Answers where the context is. */
static int64_t context(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    (void)arg;
    return (int64_t)(intptr_t)ctx;
}

/* A handle is made and never closed. */
static int64_t leak(HPyContext *ctx, HPy captured, void *data, int64_t arg)
{
    (void)captured;
    (void)data;
    (void)HPyLong_FromInt64_t(ctx, arg);
    return arg;
}

/* Any use of [ctx]; 1. The calling thread is attached. */
static int use(HPyContext *ctx)
{
    return HPy_IsTrue(ctx, ctx->h_True);
}

static native_driver loop;      /* what each thread of a crowd runs */

/* One of many threads that begin at once, with a batch of its own. */
typedef struct {
    pthread_barrier_t *begin;
    native_run run;
    pthread_t thread;
    int status;
} member;

static void *member_main(void *argument)
{
    member *one = argument;
    pthread_barrier_wait(one->begin);
    one->status = loop(&one->run);
    return NULL;
}

/* A driver: [run] on as many new threads as its size says, all at once; it gets the sums. */
static int crowd(native_run *run)
{
    pthread_barrier_t begin;
    int64_t count = run->size;
    member *members = calloc((size_t)count, sizeof *members);
    if (members == NULL)
        return ENOMEM;
    pthread_barrier_init(&begin, NULL, (unsigned)count);
    for (int64_t i = 0; i < count; i++) {
        members[i] = (member){.begin = &begin, .run = *run};
        if (pthread_create(&members[i].thread, NULL, member_main, &members[i]) != 0)
            abort();        /* those that wait already would wait for ever */
    }
    int status = 0;
    for (int64_t i = 0; i < count; i++) {
        pthread_join(members[i].thread, NULL);
        status |= members[i].status;
        run->checksum += members[i].run.checksum;
        run->refused += members[i].run.refused;
        run->raised += members[i].run.raised;
    }
    pthread_barrier_destroy(&begin);
    free(members);
    return status;
}

static const struct {
    const char *name;
    void *code;
} functions[] = {{"context", (void *)context}, {"leak", (void *)leak}, {"use", (void *)use}, {"crowd", (void *)crowd}};

/* address(name) -> int */
HPyDef_METH(address, "address", HPyFunc_O)
static HPy address_impl(HPyContext *ctx, HPy self, HPy name)
{
    (void)self;
    const char *wanted = HPyUnicode_AsUTF8AndSize(ctx, name, NULL);
    if (wanted == NULL)
        return HPy_NULL;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strcmp(functions[i].name, wanted) == 0)
            return HPyLong_FromInt64_t(ctx, (int64_t)(intptr_t)functions[i].code);
    HPyErr_SetString(ctx, ctx->h_LookupError, "no function has that name");
    return HPy_NULL;
}

/* set_loop(address): what each thread of a crowd runs. */
HPyDef_METH(set_loop, "set_loop", HPyFunc_O)
static HPy set_loop_impl(HPyContext *ctx, HPy self, HPy given)
{
    (void)self;
    loop = (native_driver)(intptr_t)HPyLong_AsInt64_t(ctx, given);
    return HPy_Dup(ctx, ctx->h_None);
}

/* ---- methods, called as HPy calls extensions ---- */

/* passed() -> int: where the context is that HPy passed. */
HPyDef_METH(passed, "passed", HPyFunc_NOARGS)
static HPy passed_impl(HPyContext *ctx, HPy self)
{
    (void)self;
    return HPyLong_FromInt64_t(ctx, (int64_t)(intptr_t)ctx);
}

/* call(function): what function() returns. */
HPyDef_METH(call, "call", HPyFunc_O)
static HPy call_impl(HPyContext *ctx, HPy self, HPy function)
{
    (void)self;
    HPy none = HPyTuple_FromArray(ctx, NULL, 0);
    HPy result = HPy_IsNull(none) ? HPy_NULL : HPy_CallTupleDict(ctx, function, none, HPy_NULL);
    if (!HPy_IsNull(none))
        HPy_Close(ctx, none);
    return result;
}

/* leave(function): call function() and, twice as long as it takes a thread to be scheduled, leave Python execution; what it
   returned. */
HPyDef_METH(leave, "leave", HPyFunc_O)
static HPy leave_impl(HPyContext *ctx, HPy self, HPy function)
{
    HPy result = call_impl(ctx, self, function);
    HPyThreadState left = HPy_LeavePythonExecution(ctx);
    usleep(2000);
    HPy_ReenterPythonExecution(ctx, left);
    return result;
}

/* ---- a type that is traversed, and whose objects have a buffer ---- */

static int (*asked)(void);      /* what a tp_traverse asks, and what it was answered */
static int answers[2];

typedef struct {
    HPyField unused;
} Node;
HPyType_HELPERS(Node)

HPyDef_SLOT(Node_traverse, HPy_tp_traverse)
static int Node_traverse_impl(void *self, HPyFunc_visitproc visit, void *arg)
{
    Node *node = self;
    HPy_VISIT(&node->unused);
    if (asked != NULL)
        answers[asked() != 0]++;
    return 0;
}

static char bytes[1];
static HPy_ssize_t length = sizeof bytes;

HPyDef_SLOT(Node_getbuffer, HPy_bf_getbuffer)
static int Node_getbuffer_impl(HPyContext *ctx, HPy self, HPy_buffer *buffer, int flags)
{
    (void)flags;
    *buffer = (HPy_buffer){.buf = bytes, .obj = HPy_Dup(ctx, self), .len = length, .itemsize = 1, .ndim = 1, .shape = &length};
    return 0;
}

HPyDef_SLOT(Node_releasebuffer, HPy_bf_releasebuffer)
static void Node_releasebuffer_impl(HPyContext *ctx, HPy self, HPy_buffer *buffer)
{
    (void)self;
    (void)buffer;
    (void)use(ctx);
}

static HPyDef *node_defines[] = {&Node_traverse, &Node_getbuffer, &Node_releasebuffer, NULL};

static HPyType_Spec node_spec = {
    .name = "flavours.Node",
    .basicsize = sizeof(Node),
    .builtin_shape = SHAPE(Node),
    .flags = HPy_TPFLAGS_DEFAULT | HPy_TPFLAGS_HAVE_GC,
    .defines = node_defines,
};

/* node_type(ask) -> type: its objects call the function at the address [ask] when they are traversed. */
HPyDef_METH(node_type, "node_type", HPyFunc_O)
static HPy node_type_impl(HPyContext *ctx, HPy self, HPy ask)
{
    (void)self;
    asked = (int (*)(void))(intptr_t)HPyLong_AsInt64_t(ctx, ask);
    return HPyType_FromSpec(ctx, &node_spec, NULL);
}

/* answered(index) -> int: how often that answer was 0 ([index] 0) or not (1). */
HPyDef_METH(answered, "answered", HPyFunc_O)
static HPy answered_impl(HPyContext *ctx, HPy self, HPy index)
{
    (void)self;
    return HPyLong_FromInt64_t(ctx, answers[HPyLong_AsInt64_t(ctx, index) == 1]);
}

static HPyDef *defines[] = {&address, &set_loop, &passed, &call, &leave, &node_type, &answered, NULL};

static HPyModuleDef definition = {
    .doc = "What the tests of flavours do in C.",
    .defines = defines,
};

HPy_MODINIT(flavours, definition)
