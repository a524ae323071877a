"""What is generated: it is current, it compiles, C and Python agree on it, and a generator that writes too little is caught."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig

import cffi
import pytest
from spec_tree import ROOT, copy_specs, edit, line_of

from lab import autogen, catalogue, spec
from lab.errors import LabError, SpecError

HEADER, WORKER, DOCS = "csrc/autogen_context.h", "lab/worker/autogen_interface.py", "docs/autogen_api.md"
STRICT = ["-std=c11", "-D_DEFAULT_SOURCE", "-O2", "-fPIC", "-Wall", "-Wextra", "-Werror", "-DHPY"]
HPY_QUIET = ["-Wno-cast-function-type", "-Wno-missing-field-initializers", "-Wno-unused-parameter"]
EXTENSION = '#include "hpy.h"\n#include "autogen_context.h"\n'
RUNTIME = '#include "hpy.h"\n#define HPYLAB_RUNTIME\n#include "autogen_context.h"\n'
TABLE = """
int ctx_GetVM(HPyContext *ctx, HPyVM **storage) { return 0; }
HPyContextTrampoline ctx_GetContextTrampoline(HPyContext *ctx) { return NULL; }
int ctx_ContextTrampoline_Free(HPyContext *ctx, HPyContextTrampoline trampoline) { return 0; }
static void register_context(HPyContext *ctx) { }
const HPyLab_Runtime table = { .magic = HPyLab_MAGIC, .spec = HPyLab_SPEC, .size = sizeof(HPyLab_Runtime),
                               .register_context = register_context, HPyLab_RUNTIME_TABLE };
"""


@pytest.fixture
def tree(tmp_path):
    """A copy of the specifications with everything generated."""
    top = copy_specs(tmp_path / "top")
    autogen.generate(top)
    return top


def compile_c(top, source, *flags, abi="UNIVERSAL"):
    """Compile [source] against [top]'s header, strictly; the compiler's complaints, "" for none."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    import hpy.devel
    includes = [f"-I{top / 'csrc'}", f"-I{hpy.devel.HPyDevel().include_dir}", f"-I{sysconfig.get_path('include')}"]
    path = top / "unit.c"
    path.write_text(source)
    command = [compiler, *STRICT, *HPY_QUIET, f"-DHPY_ABI_{abi}", *includes, *(flags or ["-c"]), str(path)]
    command += ["-o", str(top / "unit")]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stderr


def interface_of(top):
    """The worker's generated module, as its names."""
    names = {}
    exec((top / WORKER).read_text(encoding="utf-8"), names)
    return names


def test_generated_files_are_current():
    """What is committed is what the specifications give."""
    assert autogen.check(ROOT) == []


def test_generate_writes_what_changed(tree):
    """A second run writes nothing; a file that differs by a byte or is missing is found, written again, and nothing else."""
    assert autogen.generate(tree) == []
    (tree / HEADER).write_bytes((tree / HEADER).read_bytes() + b"\n")
    (tree / DOCS).unlink()
    assert autogen.check(tree) == [tree / HEADER, tree / DOCS]
    assert autogen.generate(tree) == [tree / HEADER, tree / DOCS]
    assert autogen.check(tree) == []


def test_a_tree_elsewhere_gives_the_same_bytes(tree):
    """Nothing of where the tree lies gets into what is generated."""
    assert [(tree / path).read_bytes() == (ROOT / path).read_bytes() for path in (HEADER, WORKER, DOCS)] == [True] * 3


@pytest.mark.parametrize("path", [HEADER, WORKER, DOCS])
def test_banner_names_what_made_it(path):
    """The generator and the template that the banner names are there."""
    head = (ROOT / path).read_text(encoding="utf-8")[:600]
    named = re.search(r"Made by (lab/\w+\.py) with (lab/templates/[\w.]+\.j2)", head)
    assert [(ROOT / name).is_file() for name in named.groups()] == [True, True]
    assert "DO NOT EDIT" in head and autogen.COMMAND in head


def test_banner_names_a_command_that_exists():
    """The command that the banner names is one."""
    pytest.importorskip("lab.cli")
    name, *arguments = autogen.COMMAND.split()
    assert name == "lab"
    done = subprocess.run([sys.executable, "-c", "from lab.cli import main; main()", *arguments, "--help"], cwd=ROOT,
                          capture_output=True, text=True)
    assert (done.returncode, "--check" in done.stdout) == (0, True)


@pytest.mark.parametrize("abi", ["UNIVERSAL", "CPYTHON", "HYBRID"])
def test_extension_compiles_without_a_warning(tree, abi):
    """An extension that uses nothing, and one that uses everything, in each ABI of HPy."""
    use = """
    void *use(HPyContext *ctx)
    {
        HPyVM *vm = NULL;
        HPy_GetVM(ctx, &vm);
        HPyVM_CloseContext(vm, HPyVM_OpenContext(vm));
        HPy_LeaveContext(HPy_EnterContext());
        HPyContextTrampoline trampoline = HPy_GetContextTrampoline(ctx);
        void *result = trampoline(NULL, NULL);
        HPyContextTrampoline_Free(ctx, trampoline);
        return hpylab_capabilities("hpyvm/pointer") > 0 ? result : NULL;
    }
    """
    assert [compile_c(tree, EXTENSION, abi=abi), compile_c(tree, EXTENSION + use, abi=abi)] == ["", ""]


USE = """
    void *use(HPyContext *ctx)
    {
        HPyVM *vm = NULL;
        HPyVMValue value = HPyVMValue_UNSET;
        HPy_GetVM(ctx, &vm);
        HPyVM_CloseContext(vm, HPyVM_OpenContext(vm));
        HPyVMValue_CloseContext(value, HPyVMValue_OpenContext(value));
        HPyContextReference reference = HPy_GetContextReference(ctx);
        HPy_LeaveContext(HPy_EnterContextFrom(reference));
        HPyContextReference_Close(ctx, reference);
        HPyContextTrampoline trampoline = HPy_GetContextTrampoline(ctx);
        void *result = trampoline(NULL, NULL);
        HPyContextTrampoline_Free(ctx, trampoline);
        return result;
    }
    """


@pytest.mark.parametrize("abi", ["UNIVERSAL", "CPYTHON", "HYBRID"])
@pytest.mark.parametrize("flag", ["-DHPYLAB_DEBUG", "-DHPYLAB_UNCHECKED"])
def test_modes_compile_without_a_warning(tree, abi, flag):
    """The debug mode and the policy without checks compile as the default does."""
    assert compile_c(tree, EXTENSION + USE, flag, "-c", abi=abi) == ""


def test_form_decides_how_a_function_is_reached(tree):
    """HPy_LeaveContext is demanded by an extension half of one form and of none, and not by one that has it in the table."""
    source = EXTENSION + "const HPyLab_Runtime *hpylab_runtime; void use(HPyContext *ctx) { HPy_LeaveContext(ctx); }\n"
    found = {}
    for form, flags in {"": [], **{form: [f"-DHPyLab_FORM=HPyLab_FORM_enter_leave_{form}"] for form in ("ambient", "token")}}.items():
        assert compile_c(tree, source, "-shared", "-fvisibility=hidden", *flags) == ""
        names = subprocess.run(["nm", "-D", "--undefined-only", str(tree / "unit")], capture_output=True, text=True, check=True).stdout
        found[form] = "HPy_LeaveContext" in names
    assert found == {"": True, "ambient": True, "token": False}


def assembly(top, source, *flags):
    """The instructions that the compiler makes of [source]."""
    assert compile_c(top, source, "-S", "-g0", *flags) == ""
    return [line.split("#")[0].split() for line in (top / "unit").read_text().splitlines() if line.startswith("\t")
            and not line.startswith("\t.")]


@pytest.mark.parametrize("arm", [arm.id for arm in catalogue.arms(ROOT).values() if arm.abi == "universal"])
def test_release_carries_nothing_of_the_debug_mode(tree, arm):
    """Each extension half is the same instructions with the debug mode's section in the header and without it."""
    stub = catalogue.arms(ROOT)[arm].folder / "stub.c"
    source = f'#include "{ROOT}/csrc/arm/arm.h"\n#include "{stub}"\n'
    flags = [f"-I{ROOT / 'csrc' / 'arm'}", f"-DHPyLab_FORM=HPyLab_FORM_{arm.replace('/', '_')}"]
    text = (tree / HEADER).read_text(encoding="utf-8")
    both = assembly(tree, source, *flags)
    without = re.sub(r"^#ifdef HPYLAB_DEBUG$.*?^#endif /\* HPYLAB_DEBUG \*/$", "", text, flags=re.M | re.S)
    assert len(text) - len(without) > 10_000 and "_HPyLabDebug_HPy" not in without
    (tree / HEADER).write_text(without.replace("/* In an inline function",
                                               "#define HPyLab_TELL_REFUSED(condition) ((void)0)\n/* In an inline function", 1))
    assert (both, len(both) > 10) == (assembly(tree, source, *flags), True)


def test_without_checks_there_are_fewer_instructions(tree):
    """The policy "undefined in release" leaves the test for NULL out."""
    source = EXTENSION + "HPyContext *use(HPyVM *vm) { return HPyVM_OpenContext(vm); }\n"
    checked, unchecked = assembly(tree, source), assembly(tree, source, "-DHPYLAB_UNCHECKED")
    assert len(unchecked) < len(checked)


def test_runtime_compiles_without_a_warning(tree):
    """The runtime half's build, with a table that has every entry."""
    assert compile_c(tree, RUNTIME + TABLE, abi="HYBRID") == ""


def test_wrong_signatures_do_not_compile(tree):
    """A table function, a symbol, an interface function: the compiler refuses a signature that is not the specified one."""
    wrong_table = RUNTIME + TABLE.replace("int ctx_GetVM(HPyContext *ctx, ", "void *ctx_GetVM(HPyContext *ctx, ")
    wrong_symbol = RUNTIME + "HPyContext *HPy_EnterContext(int token) { return NULL; }\n"
    wrong_stub = EXTENSION + "void HPyLab_UnbindBare(void) { }\n"
    complaints = [compile_c(tree, wrong_table), compile_c(tree, wrong_symbol), compile_c(tree, wrong_stub)]
    names = ("ctx_GetVM", "HPy_EnterContext", "HPyLab_UnbindBare")
    assert [f"conflicting types for '{name}'" in text for name, text in zip(names, complaints)] == [True] * 3


def test_hpy_comes_first(tree):
    """Without hpy.h the header says so."""
    assert "include hpy.h first" in compile_c(tree, '#include "autogen_context.h"\n')


def test_symbols_of_an_extension(tree):
    """A library shows the demanded symbols it uses, and nothing else of HPy or the lab: not the interface, not the table."""
    source = EXTENSION + """
    const HPyLab_Runtime *hpylab_runtime;
    void HPyLab_UnbindBare(HPyContext *ctx) { HPy_GetVM(ctx, NULL); HPy_LeaveContext(ctx); }
    """
    assert compile_c(tree, source, "-shared") == ""
    lines = subprocess.run(["nm", "-D", str(tree / "unit")], capture_output=True, text=True, check=True).stdout.splitlines()
    names = [line.split()[-1] for line in lines]
    assert [name for name in names if "hpy" in name.lower()] == ["HPy_LeaveContext"]


def test_c_and_python_see_the_same_arms(tree):
    """C, the worker and the catalogue know the same capabilities of each arm; form numbers begin at 1."""
    forms = [arm.id.replace("/", "_") for arm in catalogue.arms(ROOT).values()]
    calls = "".join(f'printf("%d ", hpylab_capabilities("{arm}"));' for arm in [*catalogue.arms(ROOT), "no/arm"])
    numbers = "".join(f'printf("%d ", HPyLab_FORM_{form});' for form in forms)
    source = EXTENSION + f"""#include <stdio.h>
    #if HPyLab_FORM == HPyLab_FORM_{forms[0]}
    #error "an undefined form is a form"
    #endif
    int main(void) {{ {calls} {numbers} return 0; }}"""
    assert compile_c(tree, source, "-std=c11") == ""
    printed = [int(word) for word in subprocess.run([str(tree / "unit")], capture_output=True, text=True).stdout.split()]
    bits = {capability: 1 << place for place, capability in enumerate(sorted(catalogue.CAPABILITIES))}
    expected = [sum(bits[capability] for capability in arm.capabilities) for arm in catalogue.arms(ROOT).values()]
    assert printed == [*expected, -1, *range(1, len(forms) + 1)]
    assert interface_of(tree)["ARMS"] == {arm.id: sorted(arm.capabilities) for arm in catalogue.arms(ROOT).values()}


def test_c_and_cffi_see_the_same_layout(tree):
    """native.h has no assertions of its own, being C for anybody: sizes and last members are compared here."""
    ffi = cffi.FFI()
    ffi.cdef(interface_of(tree)["CDEF"])
    places = [("native_run", "disturbance"), ("native_disturbance", "migrations"), ("native_witness", "cpu"),
              ("HPyLab_Callback", "closure")]
    prints = "".join(f'printf("%d %d ", (int)sizeof({name}), (int)offsetof({name}, {member}));' for name, member in places)
    source = EXTENSION + '#include <stdio.h>\n#include "native/native.h"\n' + f"int main(void) {{ {prints} return 0; }}"
    assert compile_c(tree, source, "-std=c11") == ""
    printed = subprocess.run([str(tree / "unit")], capture_output=True, text=True).stdout.split()
    assert [int(word) for word in printed] == [
        value for name, member in places for value in (ffi.sizeof(name), ffi.offsetof(name, member))]


def test_layout_that_cffi_does_not_see_is_refused(tree):
    """A member that C has and cffi has not is a compile error."""
    edit(tree / HEADER, "    HPyLab_Body body;\n", "    HPyLab_Body body;\n    int more;\n")
    assert "cffi sees another layout" in compile_c(tree, EXTENSION)


def test_worker_file_is_for_old_pythons(tree):
    """It is Python 3.8, and carries what C calls HPyLab_SPEC, HPyLab_RAISED and HPyLab_REFUSED."""
    ast.parse((tree / WORKER).read_text(encoding="utf-8"), feature_version=(3, 8))
    names = interface_of(tree)
    header = (tree / HEADER).read_text(encoding="utf-8")
    assert names["SPEC"] == int(re.search(r"HPyLab_SPEC UINT64_C\((\w+)\)", header)[1], 16)
    assert (names["RAISED"], names["REFUSED"]) == (-2**63, -2**63 + 1)


@pytest.mark.parametrize("path, old, new, changes", [
    ("variants/hpyvm/api.h", "{0, NULL, NULL}", "{1, NULL, NULL}", True),
    ("variants/hpyvm/api.h", "Set [*storage]", "Let [*storage] be", False),
    ("variants/hpyvm/api.h", "return vm->open_context(vm);", "return vm->open_context((vm));", False),
    ("variants/hpyvm/api.h", "uintptr_t _data;", "uintptr_t  _data;", False),
    ("variants/hpyvm/api.h", "uintptr_t _data;", "intptr_t _data;", True),
    ("variants/hpyvm/api.h", "HPyVM **storage);", "HPyVM *storage);", True),
    ("variants/trampoline/api.h", "(plain, FREE, TABLE)", "(plain, FREE, SYMBOL)", True),
    ("csrc/interface.h", "HPyLab_ATTACHED_ONLY = 1", "HPyLab_ATTACHED_ONLY = 2", True)])
def test_spec_hash_follows_the_surface(tree, path, old, new, changes):
    """The hash that both halves compare changes with types, prototypes and reaches, not with words, spaces and bodies."""
    before = autogen.spec_hash(spec.load(tree))
    edit(tree / path, old, new)
    assert (autogen.spec_hash(spec.load(tree)) != before) is changes


def copy_proposal(top, source, name, rename):
    """Copy the folder of a proposal; [rename] gives every name that it defines a new one."""
    defined = {name for proposal in spec.load(top).proposals if proposal.name == source
               for declaration in (*proposal.declarations, *proposal.constants) for name in declaration.defines}
    shutil.copytree(top / "variants" / source, top / "variants" / name)
    path = top / "variants" / name / "api.h"
    text = re.sub(r"\bHPY_\w+_H\b", lambda guard: guard[0][:-1] + "AGAIN_H", path.read_text(encoding="utf-8"))
    text = re.sub(r"\b_?HPy\w+", lambda word: rename(word[0]) if word[0] in defined else word[0], text)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("source", ["enter_leave", "hpyvm", "trampoline"])
def test_a_new_proposal_is_a_new_folder(tree, source):
    """A folder copied under a new name, with its names renamed, is in everything that is generated, and compiles."""
    before = spec.demanded_symbols(tree)
    copy_proposal(tree, source, "fourth", lambda name: name + "Again")
    assert autogen.generate(tree) == [tree / HEADER, tree / WORKER, tree / DOCS]
    form = next(arm for arm in before if arm.startswith(source)).split("/")[1]
    assert spec.demanded_symbols(tree)[f"fourth/{form}"] == [name + "Again" for name in before[f"{source}/{form}"]]
    assert interface_of(tree)["ARMS"][f"fourth/{form}"] == interface_of(tree)["ARMS"][f"{source}/{form}"]
    assert "`variants/fourth/api.h`" in (tree / DOCS).read_text(encoding="utf-8")
    assert [compile_c(tree, EXTENSION), compile_c(tree, RUNTIME, abi="HYBRID")] == ["", ""]
    assert compile_c(tree, EXTENSION, "-DHPYLAB_DEBUG", "-c") == ""
    table = [function.implementation for function in spec.table_functions(tree)]
    assert [name for name in table if name.endswith("Again")] == [
        name + "Again" for name in table if not name.endswith("Again") and name + "Again" in table]


def test_a_copy_without_new_symbols_is_refused(tree):
    """Two folders that demand the same symbol are both named, and nothing is written."""
    before = (tree / HEADER).read_bytes()
    copy_proposal(tree, "enter_leave", "fourth", lambda name: name)
    with pytest.raises(SpecError) as caught:
        autogen.generate(tree)
    path = tree / "variants/fourth/api.h"
    assert (caught.value.path, caught.value.line) == (path, line_of(path, "*HPy_GetContext("))
    assert caught.value.found == "the symbol HPy_GetContext demanded by variants/enter_leave and variants/fourth"
    assert (tree / HEADER).read_bytes() == before


def test_forms_of_api_and_toml_are_compared(tree):
    """A form that only variant.toml has is refused."""
    path = tree / "variants/hpyvm/variant.toml"
    text = path.read_text(encoding="utf-8")
    more = text[text.rindex("[[form]]"):].replace('name = "value"', 'name = "unheard_of"')
    path.write_text(f"{text}\n{more}", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        autogen.check(tree)
    assert (caught.value.path, caught.value.line) == (path, line_of(path, "unheard_of"))
    assert caught.value.found == "the form 'unheard_of', which no function has"


def test_arm_that_c_cannot_name_is_refused(tree):
    """An arm's id must make a name in C."""
    (tree / "csrc/controls/pass_ctx").rename(tree / "csrc/controls/Pass-Ctx")
    with pytest.raises(SpecError) as caught:
        autogen.check(tree)
    assert caught.value.path == tree / "csrc/controls/Pass-Ctx/arm.toml"
    assert (caught.value.found, caught.value.expected) == ("the arm 'control/Pass-Ctx'",
                                                           "names of small letters, digits and underscores")


def test_arms_of_one_name_in_c_are_refused(tree):
    """``a/b_c`` and ``a_b/c`` would be one macro."""
    for proposal, form, name in (("enter", "leave_both", "HPy_A"), ("enter_leave", "both", "HPy_B")):
        folder = tree / "variants" / proposal
        folder.mkdir(exist_ok=True)
        toml = (tree / "variants/hpyvm/variant.toml").read_text(encoding="utf-8")
        head, first, *_ = toml.split("[[form]]")
        text = f"{head}[[form]]{first}".replace('name = "pointer"', f'name = "{form}"')
        (folder / "variant.toml").write_text(text, encoding="utf-8")
        (folder / "api.h").write_text(f"HPyLab_API({form}, ACQUIRE, SYMBOL)\nHPyContext *{name}(void);\n", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        autogen.check(tree)
    assert caught.value.found == "the arm 'enter_leave/both' beside 'enter/leave_both'"


def test_what_cffi_cannot_read_is_refused(tree):
    """A declaration that is C and not for cffi is refused in its file."""
    edit(tree / "csrc/native/native.h", "int64_t native_now(void);", "int64_t native_now(int64_t x[sizeof(int)]);")
    with pytest.raises(SpecError) as caught:
        autogen.check(tree)
    assert (caught.value.path, caught.value.expected) == (tree / "csrc/native/native.h", "declarations that cffi can read")


@pytest.mark.parametrize("path, found", [
    ("variants", "the generated header holds 0 table entries of 0"),
    ("csrc/interface.h", "the generated header holds 0 interface functions of 0")])
def test_nothing_specified_is_no_success(tree, path, found):
    """Without proposals or without an interface there is nothing to be current with."""
    if path == "variants":
        shutil.rmtree(tree / path)
    else:
        (tree / path).write_text("typedef int64_t (*HPyLab_Bare)(int64_t arg);\n")
    with pytest.raises(LabError) as caught:
        autogen.check(tree)
    assert caught.value.message == found


@pytest.mark.parametrize("template, old, found", [
    ("autogen_context.h.j2", "{{ arm_row(arm) }}", "the generated header holds 0 arms of "),
    ("autogen_context.h.j2", "{{ table_initialiser(function) }}", "the generated header holds 0 table entries of "),
    ("autogen_context.h.j2", "{{ interface_declaration(declaration) }}",
     "the generated header holds 0 interface functions of "),
    ("autogen_context.h.j2", "#define {{ name }} {{ wrapper }}", "the generated header holds 0 debug wrappers of "),
    ("autogen_interface.py.j2", '"{{ arm.id }}"', "the generated worker's file holds 0 arms of "),
    ("autogen_api.md.j2", "| `{{ function.name }}` | `{{ function.form }}`", "the generated docs holds 0 functions of ")])
def test_a_broken_template_is_no_success(tree, monkeypatch, template, old, found):
    """A template that emits nothing where the specifications hold something is caught by counting."""
    shutil.copytree(autogen.TEMPLATES, tree / "templates")
    edit(tree / "templates" / template, old, "")
    monkeypatch.setattr(autogen, "TEMPLATES", tree / "templates")
    with pytest.raises(LabError) as caught:
        autogen.generate(tree)
    assert re.sub(r"\d+$", "", caught.value.message) == found
