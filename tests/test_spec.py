"""What the specifications say, and every way in which a wrong one is refused."""

import pytest
from spec_tree import ROOT, copy_specs, edit, line_of

from lab import catalogue, spec
from lab.errors import SpecError

INTERFACE, NATIVE = "csrc/interface.h", "csrc/native/native.h"
ENTER, VM, TRAMPOLINE = (f"variants/{name}/api.h" for name in ("enter_leave", "hpyvm", "trampoline"))
IDS = "HPyLab_ID({}): the ids run from 0 in the order of the file, without gap or repeat"
API = "HPyLab_API(form, ROLE, REACH)"
CALLED = ("a POINTER with at most 3 parameters, one of them a pointer to a function (typedef) whose first parameter is "
          "HPyContext *")

# file, what is replaced, by what, what stands in the line that is refused, what was found, what was expected
REFUSED = {
    "unknown type": (
        TRAMPOLINE, "(HPyContextHelper helper,", "(HPyHelper helper,",
        "(HPyHelper helper,", "the unknown type 'HPyHelper'",
        "a type declared above it, an integer of <stdint.h> or a type of hpy.h"),
    "gap in the ids": (
        INTERFACE, "HPyLab_ID(1)", "HPyLab_ID(5)",
        "HPyLab_ID(5)", "HPyLab_ID(5) before HPyLab_Unbind", IDS.format(1)),
    "repeat in the ids": (
        INTERFACE, "HPyLab_ID(1)", "HPyLab_ID( 0 )",
        "HPyLab_ID( 0 )", "HPyLab_ID(0) before HPyLab_Unbind", IDS.format(1)),
    "no id": (
        INTERFACE, "HPyLab_ID(1)\n", "",
        "void HPyLab_Unbind(", "no id before HPyLab_Unbind", IDS.format(1)),
    "id of a type": (
        INTERFACE, "typedef int64_t (*HPyLab_Bare)", "HPyLab_ID(0) typedef int64_t (*HPyLab_Bare)",
        "HPyLab_ID(0) typedef", "HPyLab_ID(0) before 'HPyLab_Bare'", "HPyLab_ID(n) before a function"),
    "role in the interface": (
        INTERFACE, "HPyLab_ID(3)", "HPyLab_API(a, CALL, TABLE)",
        "HPyLab_API(a", "HPyLab_API(a, CALL, TABLE) before 'HPyLab_UnbindBare'", "HPyLab_ID(n) before a function"),
    "interface name": (
        INTERFACE, "HPyLab_Unbind(", "HPyLab_unbind(",
        "HPyLab_unbind(", "the name 'HPyLab_unbind'", "a name of the form HPyLab_Xxx"),
    "interface type name": (
        INTERFACE, "} HPyLab_Policy;", "} Policy;\ntypedef Policy HPyLab_Policy;",
        "} Policy;", "the name 'Policy'", "a name of the form HPyLab_Xxx"),
    "interface body": (
        INTERFACE, "void HPyLab_UnbindBare(HPyContext *ctx);", "void HPyLab_UnbindBare(HPyContext *ctx) { }",
        "{ }", "a body of HPyLab_UnbindBare", "a prototype"),
    "annotation in native.h": (
        NATIVE, "int64_t native_now", "HPyLab_ID(0) int64_t native_now",
        "HPyLab_ID(0)", "HPyLab_ID(0)", "no annotation: native code knows neither Python nor the lab"),
    "no role": (
        ENTER, "HPyLab_API(get, BORROW, SYMBOL)\n", "",
        "HPyContext *HPy_GetContext(", "HPy_GetContext without HPyLab_API", API + " above each function"),
    "no role of a function with a body": (
        VM, "HPyLab_API(pointer, RELEASE, INLINE)\n", "",
        "static inline void HPyVM_CloseContext(", "HPyVM_CloseContext without HPyLab_API", API + " above each function"),
    "id in an api": (
        ENTER, "HPyLab_API(get, BORROW, SYMBOL)", "HPyLab_ID(0)",
        "HPyLab_ID(0)", "HPyLab_ID(0)", API),
    "constant in the interface": (
        INTERFACE, "/* Which threads", "#define HPyLab_DEPTH 3\n/* Which threads",
        "#define HPyLab_DEPTH", "#define HPyLab_DEPTH", "an enum: cffi reads this file too"),
    "two of one form": (
        ENTER, "HPyLab_API(token, RELEASE, TABLE)", "HPyLab_API(ambient, RELEASE, TABLE)",
        "HPyLab_API(ambient, RELEASE, TABLE)", "HPyLab_API(ambient, RELEASE, TABLE) after another of that form",
        "one for each form"),
    "two roles": (
        ENTER, "HPyLab_API(token, RELEASE, TABLE)", "HPyLab_API(token, FREE, TABLE)",
        "HPyLab_API(token, FREE, TABLE)", "HPyLab_API(token, FREE, TABLE)", "the role RELEASE that it has in ambient"),
    "two reaches that do not go together": (
        VM, "HPyLab_API(pointer, RELEASE, INLINE)", "HPyLab_API(value, RELEASE, TABLE)\nHPyLab_API(pointer, RELEASE, INLINE)",
        "static inline void HPyVM_CloseContext(", "TABLE HPyVM_CloseContext with a body",
        "a prototype; INLINE marks a function with a body"),
    "two arguments": (
        ENTER, "HPyLab_API(ambient, RELEASE, SYMBOL)", "HPyLab_API(ambient, RELEASE)",
        "(ambient, RELEASE)", "HPyLab_API(ambient, RELEASE)", API),
    "unknown role": (
        ENTER, "RELEASE,", "LEAVE,",
        "LEAVE,", "the role 'LEAVE'", "one of CREATE, FREE, ACQUIRE, RELEASE, CALL, BORROW"),
    "unknown reach": (
        ENTER, "RELEASE, SYMBOL", "RELEASE, LINK",
        "LINK", "the reach 'LINK'", "one of SYMBOL, TABLE, INLINE, POINTER"),
    "release without acquire": (
        VM, "pointer, ACQUIRE", "pointer, BORROW",
        "void HPyVM_CloseContext(", "RELEASE HPyVM_CloseContext without ACQUIRE",
        "a function HPyLab_API(pointer, ACQUIRE, REACH)"),
    "acquire of another form": (
        VM, "pointer, RELEASE", "lone, RELEASE",
        "void HPyVM_CloseContext(", "RELEASE HPyVM_CloseContext without ACQUIRE",
        "a function HPyLab_API(lone, ACQUIRE, REACH)"),
    "free without create": (
        TRAMPOLINE, "plain, FREE", "lone, FREE",
        "int HPyContextTrampoline_Free(", "FREE HPyContextTrampoline_Free without CREATE",
        "a function HPyLab_API(lone, CREATE, REACH)"),
    "no way to a context": (
        ENTER, "HPyLab_API(get, BORROW, SYMBOL)", "HPyLab_API(get, CREATE, SYMBOL)",
        "*HPy_GetContext(", "the form 'get' without one of ACQUIRE, CALL, BORROW",
        "a function of get that leads to a context"),
    "acquire that returns no context": (
        ENTER, "HPyContext *HPy_EnterContext(void);", "int HPy_EnterContext(void);",
        "int HPy_EnterContext(void);", "ACQUIRE int HPy_EnterContext(void)", "HPyContext * as the result"),
    "borrow that returns no context": (
        ENTER, "HPyContext *HPy_GetContext(void);", "void *HPy_GetContext(void);",
        "void *HPy_GetContext(void);", "BORROW void *HPy_GetContext(void)", "HPyContext * as the result"),
    "release of nothing": (
        VM, "HPyVM_CloseContext(HPyVM *vm, HPyContext *ctx)\n", "HPyVM_CloseContext(HPyVM *vm, void *ctx)\n",
        "void *ctx)", "RELEASE void HPyVM_CloseContext(HPyVM *vm, void *ctx)", "one parameter HPyContext *: what to release"),
    "create of nothing": (
        VM, "int HPy_GetVM(HPyContext *ctx, HPyVM **storage);", "int HPy_GetVM(HPyContext *ctx);",
        "int HPy_GetVM(", "CREATE int HPy_GetVM(HPyContext *ctx)",
        "what is made as the result, or a last parameter HPyXxx *storage for it beside a result of int"),
    "free of two things": (
        TRAMPOLINE, "HPyContextTrampoline trampoline);", "HPyContextTrampoline trampoline, int how);",
        "int how);", "FREE int HPyContextTrampoline_Free(HPyContext *ctx, HPyContextTrampoline trampoline, int how)",
        "one parameter that is no HPyContext *: what to free"),
    "call without a helper": (
        TRAMPOLINE, "(*HPyContextTrampoline)(HPyContextHelper helper, void *arg);", "(*HPyContextTrampoline)(void *arg);",
        "(*HPyContextTrampoline)(", "CALL typedef void *(*HPyContextTrampoline)(void *arg)", CALLED),
    "call with four parameters": (
        TRAMPOLINE, "(*HPyContextTrampoline)(HPyContextHelper helper, void *arg);",
        "(*HPyContextTrampoline)(HPyContextHelper helper, int a, int b, int c);", "(*HPyContextTrampoline)(",
        "CALL typedef void *(*HPyContextTrampoline)(HPyContextHelper helper, int a, int b, int c)", CALLED),
    "pointer that is not called": (
        TRAMPOLINE, "plain, CALL", "plain, ACQUIRE",
        "(*HPyContextTrampoline)(", "ACQUIRE typedef void *(*HPyContextTrampoline)(HPyContextHelper helper, void *arg)",
        "the role CALL of a POINTER"),
    "function name": (
        VM, "int HPy_GetVM(", "int HPy_get_vm(",
        "HPy_get_vm(", "the name 'HPy_get_vm'", "a name of the form HPy_Xxx or HPyXxx_Yyy (HPyLab is the lab's own)"),
    "function name of the lab": (
        VM, "int HPy_GetVM(", "int HPyLab_GetVM(",
        "HPyLab_GetVM(", "the name 'HPyLab_GetVM'", "a name of the form HPy_Xxx or HPyXxx_Yyy (HPyLab is the lab's own)"),
    "type name": (
        TRAMPOLINE, "typedef void *(*HPyContextHelper)", "typedef int helper_t; typedef void *(*HPyContextHelper)",
        "int helper_t;", "the name 'helper_t'", "a name of the form HPyXxx (HPyLab is the lab's own)"),
    "tag": (
        VM, "struct _HPyVM_s {", "struct vm_s { int x; }; struct _HPyVM_s {",
        "struct vm_s {", "the name 'vm_s'", "a name that begins with HPy (_HPyXxx_s for a tag)"),
    "table without a context": (
        TRAMPOLINE, "HPy_GetContextTrampoline(HPyContext *ctx)", "HPy_GetContextTrampoline(void *ctx)",
        "(void *ctx)", "TABLE HPy_GetContextTrampoline without a context",
        "HPyContext * as the first parameter: the way to the runtime's table"),
    "table without parameters": (
        TRAMPOLINE, "HPy_GetContextTrampoline(HPyContext *ctx)", "HPy_GetContextTrampoline(void)",
        "(void)", "TABLE HPy_GetContextTrampoline without a context",
        "HPyContext * as the first parameter: the way to the runtime's table"),
    "table with a parameter without a name": (
        VM, "HPyVM **storage);", "HPyVM **);",
        "HPyVM **);", "CREATE int HPy_GetVM(HPyContext *ctx, HPyVM **)",
        "a name for each parameter, for the wrapper to pass on"),
    "inline without a body": (
        VM, "(HPyVM *vm, HPyContext *ctx)\n{\n    HPyLab_REFUSE_UNLESS(vm != NULL, );\n    vm->close_context(vm, ctx);\n}", "(HPyVM *vm, HPyContext *ctx);",
        "static inline void HPyVM_CloseContext(", "INLINE HPyVM_CloseContext without a body or without static inline",
        "static inline and a body"),
    "inline that is not": (
        VM, "static inline void HPyVM_CloseContext(", "void HPyVM_CloseContext(",
        "void HPyVM_CloseContext(", "INLINE HPyVM_CloseContext without a body or without static inline",
        "static inline and a body"),
    "symbol with a body": (
        ENTER, "void HPy_LeaveContext(HPyContext *ctx);", "void HPy_LeaveContext(HPyContext *ctx) { }",
        "{ }", "SYMBOL HPy_LeaveContext with a body", "a prototype; INLINE marks a function with a body"),
    "table with a body": (
        VM, "HPyVM **storage);", "HPyVM **storage) { }",
        "{ }", "TABLE HPy_GetVM with a body", "a prototype; INLINE marks a function with a body"),
    "storage class": (
        ENTER, "void HPy_LeaveContext(", "extern void HPy_LeaveContext(",
        "extern void", "SYMBOL HPy_LeaveContext with extern", "a prototype alone; the reach says what is added"),
    "pointer to a function": (
        TRAMPOLINE, "typedef void *(*HPyContextTrampoline)(", "typedef void *HPyContextTrampoline(",
        "typedef void *HPyContextTrampoline(", "POINTER HPyContextTrampoline, which is not a typedef of a function pointer",
        "typedef result (*HPyXxx)(arguments)"),
    "pointer that is a function": (
        TRAMPOLINE, "plain, FREE, TABLE", "plain, FREE, POINTER",
        "int HPyContextTrampoline_Free(", "POINTER HPyContextTrampoline_Free, which is not a typedef of a function pointer",
        "typedef result (*HPyXxx)(arguments)"),
    "type in the table": (
        TRAMPOLINE, "plain, CALL, POINTER", "plain, CALL, TABLE",
        "(*HPyContextTrampoline)(", "TABLE HPyContextTrampoline, which is not a function", "a function"),
    "the same name twice": (
        VM, "#endif", "HPyLab_API(pointer, CREATE, TABLE)\nHPyVM *HPy_GetVM(HPyContext *ctx); // again\n#endif",
        "// again", "the name HPy_GetVM in variants/hpyvm and variants/hpyvm", "a name that is defined once"),
    "the same symbol in two folders": (
        VM, "#endif", "HPyLab_API(pointer, ACQUIRE, SYMBOL)\nHPyContext *HPy_EnterContext(void);\n#endif",
        "HPy_EnterContext(void)", "the symbol HPy_EnterContext demanded by variants/enter_leave and variants/hpyvm",
        "a symbol that is demanded once"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_specification_is_refused(tmp_path, case):
    """Each mistake is refused with its file, its line, what was found and what was expected."""
    file, old, new, mark, found, expected = REFUSED[case]
    top = copy_specs(tmp_path)
    edit(top / file, old, new)
    line = line_of(top / file, mark)
    with pytest.raises(SpecError) as caught:
        spec.load(top)
    error = caught.value
    assert (error.path, error.line, error.found, error.expected) == (top / file, line, found, expected)
    assert str(error).splitlines()[0] == f"{top / file}:{line}: found {found}; expected {expected}"


def test_same_name_in_two_folders(tmp_path):
    """A type that two folders define is refused in the second, and both are named."""
    top = copy_specs(tmp_path)
    edit(top / VM, "typedef struct _HPyVM_s HPyVM;", "typedef struct _HPyVM_s HPyVM; typedef int HPyContextHelper;")
    with pytest.raises(SpecError) as caught:
        spec.load(top)
    error = caught.value
    assert (error.path, error.line) == (top / TRAMPOLINE, line_of(top / TRAMPOLINE, "(*HPyContextHelper)"))
    assert (error.found, error.expected) == ("the name HPyContextHelper in variants/hpyvm and variants/trampoline",
                                             "a name that is defined once")


def test_annotation_at_the_end(tmp_path):
    """An annotation that nothing follows is refused at its own line."""
    top = copy_specs(tmp_path)
    edit(top / ENTER, "#endif", "HPyLab_API(last, CALL, TABLE)\n#endif")
    with pytest.raises(SpecError) as caught:
        spec.load(top)
    error = caught.value
    assert (error.path, error.line) == (top / ENTER, line_of(top / ENTER, "HPyLab_API(last"))
    assert (error.found, error.expected) == ("HPyLab_API(last, CALL, TABLE) with no declaration after it", "a declaration")


def forms():
    """The forms of each proposal, by the descriptions beside the specifications."""
    found = {}
    for arm in catalogue.arms(ROOT).values():
        if arm.kind == "form":
            found.setdefault(arm.proposal, []).append(arm.form)
    return {proposal: sorted(names) for proposal, names in found.items()}


def test_form_that_variant_toml_lacks(tmp_path):
    """A form that only api.h knows is refused at the function that has it."""
    top = copy_specs(tmp_path)
    edit(top / ENTER, "HPyLab_API(ambient, ACQUIRE", "HPyLab_API(ambience, ACQUIRE")
    edit(top / ENTER, "HPyLab_API(ambient, ACQUIRE", "HPyLab_API(ambience, ACQUIRE")
    edit(top / ENTER, "HPyLab_API(ambient, RELEASE", "HPyLab_API(ambience, RELEASE")
    with pytest.raises(SpecError) as caught:
        spec.check_forms(top, spec.load(top), forms())
    error = caught.value
    assert (error.path, error.line) == (top / ENTER, line_of(top / ENTER, "*HPy_EnterContext("))
    assert (error.found, error.expected) == ("the form 'ambience' of HPy_EnterContext",
                                             f"a form of variant.toml beside it ({', '.join(forms()['enter_leave'])})")


def test_form_that_no_function_has(tmp_path):
    """A form that only variant.toml knows is refused at its name there."""
    top = copy_specs(tmp_path)
    path = top / "variants/hpyvm/variant.toml"
    path.write_text(path.read_text() + '\n[[form]]\nname = "unheard_of"\n')
    with pytest.raises(SpecError) as caught:
        spec.check_forms(top, spec.load(top), {**forms(), "hpyvm": [*forms()["hpyvm"], "unheard_of"]})
    error = caught.value
    assert (error.path, error.line) == (path, line_of(path, "unheard_of"))
    assert (error.found, error.expected) == ("the form 'unheard_of', which no function has",
                                             "HPyLab_API(unheard_of, ROLE, REACH) in api.h")


def test_any_line_left_out_is_accepted_or_refused(tmp_path):
    """A specification without one of its lines never ends in anything but a SpecError."""
    path = copy_specs(tmp_path) / VM
    lines = path.read_text().splitlines(keepends=True)
    outcomes = set()
    for index in range(len(lines)):
        path.write_text("".join(lines[:index] + lines[index + 1:]))
        try:
            spec.load(tmp_path)
            outcomes.add("accepted")
        except SpecError as error:
            assert 1 <= error.line <= len(lines)
            outcomes.add("refused")
    assert outcomes == {"accepted", "refused"}


def test_real_specifications():
    """The first form of each proposal: its functions, in which role, and how each is reached."""
    loaded = spec.load(ROOT)
    spec.check_forms(ROOT, loaded, forms())
    first = ("enter_leave/ambient", "hpyvm/pointer", "trampoline/plain")
    found = [(function.arm, function.name, function.role, function.reach) for function in loaded.functions]
    assert [row for row in found if row[0] in first] == [
        ("enter_leave/ambient", "HPy_EnterContext", "ACQUIRE", "SYMBOL"),
        ("enter_leave/ambient", "HPy_EnterContextIfAttached", "ACQUIRE", "SYMBOL"),
        ("enter_leave/ambient", "HPy_LeaveContext", "RELEASE", "SYMBOL"),
        ("hpyvm/pointer", "HPy_GetVM", "CREATE", "TABLE"),
        ("hpyvm/pointer", "HPy_GetAttachedVM", "CREATE", "TABLE"),
        ("hpyvm/pointer", "HPyVM_OpenContext", "ACQUIRE", "INLINE"),
        ("hpyvm/pointer", "HPyVM_CloseContext", "RELEASE", "INLINE"),
        ("trampoline/plain", "HPyContextTrampoline", "CALL", "POINTER"),
        ("trampoline/plain", "HPy_GetContextTrampoline", "CREATE", "TABLE"),
        ("trampoline/plain", "HPy_GetAttachedContextTrampoline", "CREATE", "TABLE"),
        ("trampoline/plain", "HPyContextTrampoline_Free", "FREE", "TABLE")]


def test_interface_functions():
    """The interface's functions in the order of their ids."""
    names = [function.name for function in spec.load(ROOT).interface_functions]
    assert names[:4] == ["HPyLab_Bind", "HPyLab_Unbind", "HPyLab_BindBare", "HPyLab_UnbindBare"]


def test_demanded_symbols():
    """Each form is named; enter_leave demands its symbols, a form whose functions travel in a structure none."""
    demanded = spec.demanded_symbols(ROOT)
    assert set(demanded) == {f"{proposal}/{form}" for proposal, names in forms().items() for form in names}
    assert demanded["enter_leave/ambient"] == ["HPy_EnterContext", "HPy_EnterContextIfAttached", "HPy_LeaveContext"]
    assert (demanded["enter_leave/get"], demanded["enter_leave/token"]) == (["HPy_GetContext"], [])
    assert (demanded["hpyvm/pointer"], demanded["trampoline/plain"]) == ([], [])


def test_table_functions():
    """The table's entries come by folder, then in the order of api.h, under the names of HPy's rule."""
    table = [(function.proposal, function.name, function.implementation) for function in spec.table_functions(ROOT)]
    assert [row[0] for row in table] == sorted(row[0] for row in table)
    assert [row[1:] for row in table if row[0] == "trampoline"][:3] == [
        ("HPy_GetContextTrampoline", "ctx_GetContextTrampoline"),
        ("HPy_GetAttachedContextTrampoline", "ctx_GetAttachedContextTrampoline"),
        ("HPyContextTrampoline_Free", "ctx_ContextTrampoline_Free")]


def test_function_of_two_forms():
    """HPy_LeaveContext is a symbol for one form and an entry of the table, once, for another."""
    loaded = spec.load(ROOT)
    found = [(function.arm, function.reach) for function in loaded.functions if function.name == "HPy_LeaveContext"]
    assert found == [("enter_leave/ambient", "SYMBOL"), ("enter_leave/token", "TABLE")]
    assert [function.name for function in loaded.table_functions].count("HPy_LeaveContext") == 1
    assert {name: [one.form for one in forms] for name, forms in loaded.mixed.items()} == {"HPy_LeaveContext": ["token"]}
