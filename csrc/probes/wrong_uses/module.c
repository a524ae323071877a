/* The Python module: what is done with contexts and objects, by name, and what goes with the bodies of bodies.c.

   Addresses come from the worker as integers, which keeps what they lead to alive. */
#include "wrong_uses.h"

#include <string.h>

const HPyLab_Runtime *hpylab_runtime;

/* start(table): the runtime's table, by its address; then make what the ways in need. */
HPyDef_METH(start, "start", HPyFunc_O)
static HPy start_impl(HPyContext *ctx, HPy self, HPy table)
{
    (void)self;
    hpylab_runtime = (const HPyLab_Runtime *)(intptr_t)HPyLong_AsInt64_t(ctx, table);
    if (HPyErr_Occurred(ctx))
        return HPy_NULL;
    hpylab_runtime->register_context(ctx);
    return HPyErr_Occurred(ctx) || make_ways(ctx) < 0 ? HPy_NULL : HPy_Dup(ctx, ctx->h_None);
}

/* stop(): give back what start made. */
HPyDef_METH(stop, "stop", HPyFunc_NOARGS)
static HPy stop_impl(HPyContext *ctx, HPy self)
{
    (void)self;
    free_ways(ctx);
    return HPy_Dup(ctx, ctx->h_None);
}

/* ---- deeds */

static const deed *find_deed(const char *name)
{
    const deed *const all[] = {deeds_with_contexts, deeds_with_objects};
    for (int i = 0; i < 2; i++)
        for (const deed *each = all[i]; each->name != NULL; each++)
            if (strcmp(each->name, name) == 0)
                return each;
    return NULL;
}

static const char *text_of(HPyContext *ctx, HPy h) { return HPyUnicode_AsUTF8AndSize(ctx, h, NULL); }

/* do(what, form) -> int: the deed of that name, by that form's way in if it needs one; what it saw. Raises what is pending
   after it. */
HPyDef_METH(do_it, "do", HPyFunc_VARARGS)
static HPy do_it_impl(HPyContext *ctx, HPy self, const HPy *args, size_t nargs)
{
    (void)self;
    const char *what = nargs == 2 ? text_of(ctx, args[0]) : NULL, *form = nargs == 2 ? text_of(ctx, args[1]) : NULL;
    const deed *found = what != NULL && form != NULL ? find_deed(what) : NULL;
    const way *by = found != NULL ? find_way(form) : NULL;
    if (found == NULL || (by == NULL && found->needs_way)) {
        HPyErr_SetString(ctx, ctx->h_LookupError, "no such deed, or no way in of that form");
        return HPy_NULL;
    }
    seen = 0;
    found->does(ctx, by);
    return HPyErr_Occurred(ctx) ? HPy_NULL : HPyLong_FromInt64_t(ctx, seen);
}

/* lend(borrower): call borrower(address of the context of this call). */
HPyDef_METH(lend, "lend", HPyFunc_O)
static HPy lend_impl(HPyContext *ctx, HPy self, HPy borrower)
{
    (void)self;
    HPy items[] = {HPyLong_FromInt64_t(ctx, (intptr_t)ctx)};
    HPy arguments = HPyTuple_FromArray(ctx, items, 1);
    HPy answer = HPy_CallTupleDict(ctx, borrower, arguments, HPy_NULL);
    HPy_Close(ctx, arguments);
    HPy_Close(ctx, items[0]);
    return answer;
}

/* keep(address): what other_flavour releases. */
HPyDef_METH(keep, "keep", HPyFunc_O)
static HPy keep_impl(HPyContext *ctx, HPy self, HPy address)
{
    (void)self;
    kept_context = (HPyContext *)(intptr_t)HPyLong_AsInt64_t(ctx, address);
    return HPy_Dup(ctx, ctx->h_None);
}

/* ---- bodies */

/* body(name) -> int: where a body is. Raises LookupError. */
HPyDef_METH(body, "body", HPyFunc_O)
static HPy body_impl(HPyContext *ctx, HPy self, HPy name)
{
    (void)self;
    const char *wanted = text_of(ctx, name);
    HPyLab_Body found = wanted != NULL ? find_body(wanted) : NULL;
    if (found != NULL)
        return HPyLong_FromInt64_t(ctx, (intptr_t)found);
    HPyErr_SetString(ctx, ctx->h_LookupError, "no body has that name");
    return HPy_NULL;
}

/* set_callable(function): what bodies call. */
HPyDef_METH(set_callable, "set_callable", HPyFunc_O)
static HPy set_callable_impl(HPyContext *ctx, HPy self, HPy function)
{
    (void)self;
    HPyGlobal_Store(ctx, &called, function);
    return HPy_Dup(ctx, ctx->h_None);
}

/* use_kept() -> int: 7, by the context that a body kept. */
HPyDef_METH(use_kept, "use_kept", HPyFunc_NOARGS)
static HPy use_kept_impl(HPyContext *ctx, HPy self)
{
    (void)self;
    HPy number = HPyLong_FromInt64_t(kept_context, 7);
    int64_t answer = HPyLong_AsInt64_t(kept_context, number);
    HPy_Close(kept_context, number);
    return HPyLong_FromInt64_t(ctx, answer);
}

static void import_by_given(const way *by, HPyContext *given)
{
    (void)by;
    HPy module = HPyImport_ImportModule(given, "sys");
    see(!HPy_IsNull(module));
}

/* use_kept_elsewhere() -> int: on a thread that Python never saw call Python by that context; 1 if it went through. */
HPyDef_METH(use_kept_elsewhere, "use_kept_elsewhere", HPyFunc_NOARGS)
static HPy use_kept_elsewhere_impl(HPyContext *ctx, HPy self)
{
    (void)self;
    seen = 0;
    on_thread(ctx, NULL, kept_context, import_by_given);
    return HPyLong_FromInt64_t(ctx, seen);
}

/* keep_handle(number): as escape, by a method. */
HPyDef_METH(keep_handle, "keep_handle", HPyFunc_O)
static HPy keep_handle_impl(HPyContext *ctx, HPy self, HPy number)
{
    (void)self;
    kept_bits = HPy_Dup(ctx, number);
    return HPy_Dup(ctx, ctx->h_None);
}

/* use_escaped() -> int: the number of the handle that a body kept, which is closed then. */
HPyDef_METH(use_escaped, "use_escaped", HPyFunc_NOARGS)
static HPy use_escaped_impl(HPyContext *ctx, HPy self)
{
    (void)self;
    int64_t answer = HPyLong_AsInt64_t(ctx, kept_bits);
    HPy_Close(ctx, kept_bits);
    return HPyLong_FromInt64_t(ctx, answer);
}

/* with_handle(function): call function() while a handle of a number is kept, made here, for use_handle. */
HPyDef_METH(with_handle, "with_handle", HPyFunc_O)
static HPy with_handle_impl(HPyContext *ctx, HPy self, HPy function)
{
    (void)self;
    HPy none = HPyTuple_FromArray(ctx, NULL, 0), number = HPyLong_FromInt64_t(ctx, 123456);
    kept_bits = number;
    HPy answer = HPy_CallTupleDict(ctx, function, none, HPy_NULL);
    HPy_Close(ctx, number);
    HPy_Close(ctx, none);
    return answer;
}

/* ---- thing(): an object that acquires a context when the collector looks at it. */

typedef struct {
    int unused;
} thing;
HPyType_HELPERS(thing)

HPyDef_SLOT(thing_traverse, HPy_tp_traverse)
static int thing_traverse_impl(void *self, HPyFunc_visitproc visit, void *arg)
{
    (void)self;
    (void)visit;
    (void)arg;
    const way *by = find_way("enter_leave/token");
    by->release(by->acquire());
    return 0;
}

static HPyDef *thing_defines[] = {&thing_traverse, NULL};
static HPyType_Spec thing_spec = {
    .name = "wrong_uses.thing",
    .basicsize = sizeof(thing),
    .flags = HPy_TPFLAGS_DEFAULT | HPy_TPFLAGS_HAVE_GC,
    .builtin_shape = SHAPE(thing),
    .defines = thing_defines,
};

HPyDef_METH(new_thing, "thing", HPyFunc_NOARGS)
static HPy new_thing_impl(HPyContext *ctx, HPy self)
{
    (void)self;
    thing *data;
    HPy type = HPyType_FromSpec(ctx, &thing_spec, NULL);
    HPy made = HPy_IsNull(type) ? HPy_NULL : HPy_New(ctx, type, &data);
    HPy_Close(ctx, type);
    return made;
}

/* has_way(form) -> bool: whether do() knows a way in of that form. */
HPyDef_METH(has_way, "has_way", HPyFunc_O)
static HPy has_way_impl(HPyContext *ctx, HPy self, HPy form)
{
    (void)self;
    const char *name = text_of(ctx, form);
    return name == NULL ? HPy_NULL : HPyBool_FromBool(ctx, find_way(name) != NULL);
}

static HPyDef *defines[] = {
    &has_way, &do_it, &start, &stop, &lend, &keep, &body, &set_callable, &use_kept, &use_kept_elsewhere, &keep_handle, &use_escaped,
    &with_handle, &new_thing, NULL,
};
static HPyGlobal *globals[] = {&called, NULL};

static HPyModuleDef definition = {
    .doc = "Wrong uses.",
    .defines = defines,
    .globals = globals,
};

HPy_MODINIT(wrong_uses, definition)
