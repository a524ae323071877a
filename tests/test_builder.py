"""What is built, when it is built again, and what is refused: with the real compiler, in checkouts of the tests' own."""

import dataclasses
import shutil
import subprocess
import sys
import time

import pytest
from lab_tree import ROOT, copy_tree, environment, lab, rename
from spec_tree import edit, line_of

from lab import autogen, builder, catalogue, targets
from lab.errors import BuildError, MissingTool, SpecError

STUB = "variants/enter_leave/stub.c"
STUB_MAKES = sorted(f"enter_leave-{form}{twin}.hpy0.so" for form in ("get", "ambient", "token") for twin in ("", "@twin"))

HALVES = sorted([*STUB_MAKES, *(f"{stem}{twin}.hpy0.so" for stem in ("control-pass_ctx", "hpyvm-pointer", "hpyvm-value")
                                for twin in ("", "@twin"))])


def small_tree(top):
    """A checkout with two proposals, one control and one scenario."""
    copy_tree(top)
    for folder in (top / "variants").iterdir():
        if folder.name not in ("enter_leave", "hpyvm"):
            shutil.rmtree(folder)
    shutil.rmtree(top / "csrc" / "peers")
    for kind, kept in (("controls", "pass_ctx"), ("scenarios", "attached_call")):
        for folder in (top / "csrc" / kind).iterdir():
            if folder.name != kept:
                shutil.rmtree(folder)
    autogen.generate(top)
    return top


def build(top, interpreter):
    """What a build of [top] made, by the names of the files."""
    made = []
    builder.build(top, [interpreter], made.append)
    return sorted(path.rsplit("/", 1)[1] for path in made)


def everything(interpreter):
    """What a build of small_tree makes when nothing is there."""
    return sorted([
        *HALVES, "libhpylab_native.so", "attached_call.so", "bodies.hpy0.so", "wrong_uses.hpy0.so", "places.hpy0.so",
        "hpylab_runtime" + interpreter.ext_suffix, "bodies" + interpreter.ext_suffix])


@pytest.fixture(scope="module")
def original(tmp_path_factory, interpreter):
    """A small checkout with all that is to be built."""
    top = small_tree(tmp_path_factory.mktemp("builder"))
    assert build(top, interpreter) == everything(interpreter)
    return top


@pytest.fixture
def tree(original, tmp_path):
    """A copy of it, to be spoilt."""
    shutil.copytree(original, tmp_path / "tree")
    return tmp_path / "tree"


def test_nothing_changed_nothing_made(original, interpreter):
    """A second build makes nothing, and knows that within a second."""
    started = time.monotonic()
    assert build(original, interpreter) == []
    assert time.monotonic() - started < 1.0


def test_moved_checkout_is_not_built_again(tree, interpreter):
    """What was built is valid in a copy of the checkout: commands name what lies in it by relative paths."""
    assert build(tree, interpreter) == []


def test_edited_source_makes_its_library_again(tree, interpreter):
    """An edited stub makes the libraries of its forms again, and nothing else."""
    text = (tree / STUB).read_text(encoding="utf-8")
    assert text.count("HPyContext *ctx = ") >= 3
    (tree / STUB).write_text(text.replace("HPyContext *ctx = ", "volatile int entered = 1; (void)entered; HPyContext *ctx = "))
    assert build(tree, interpreter) == STUB_MAKES


def test_debug_halves_lie_beside_the_others(tree, interpreter):
    """The debug mode's build makes extension halves and wrong uses once more, in a folder of their own, and nothing else; once."""
    made, expected = [], sorted([*HALVES, "wrong_uses.hpy0.so"])
    libraries = builder.build(tree, [interpreter], made.append, debug=True)
    assert sorted(made) == [f"build/universal-debug/{name}" for name in expected]
    assert libraries.arm(interpreter.tag, "hpyvm/value") == tree / "build" / "universal-debug" / "hpyvm-value.hpy0.so"
    builder.build(tree, [interpreter], made.append, debug=True)
    assert (build(tree, interpreter), len(made)) == ([], len(expected))
    assert libraries.wrong_uses == tree / "build" / "universal-debug" / "wrong_uses.hpy0.so"


def test_edited_header_makes_all_again(tree, interpreter):
    """Any file may read a header: when the contents of one change, everything is made again; when its date does, nothing."""
    header = tree / "csrc" / "native" / "native.h"
    header.touch()
    assert build(tree, interpreter) == []
    header.write_text(header.read_text() + "/* edited */\n")
    assert build(tree, interpreter) == everything(interpreter)


def test_lost_output_and_lost_stamps(tree, interpreter):
    """A library that was removed is made again; without readable stamps everything is."""
    (tree / "build" / "universal" / "bodies.hpy0.so").unlink()
    assert build(tree, interpreter) == ["bodies.hpy0.so"]
    (tree / "build" / "stamps.json").write_text("{")
    assert build(tree, interpreter) == everything(interpreter)


def test_compile_error_names_the_file_and_keeps_the_others(tree, interpreter):
    """A stub that does not compile is named with the compiler's words; all else is made, and not made again."""
    (tree / "build" / "stamps.json").unlink()
    edit(tree / STUB, "HPyContext *ctx = HPy_EnterContext();", "HPyContext *ctx = HPy_EnterTheContext();")
    with pytest.raises(BuildError) as caught:
        build(tree, interpreter)
    assert caught.value.message.startswith("enter_leave-ambient.hpy0.so could not be built:\n")
    place = f"{STUB}:{line_of(tree / STUB, 'HPy_EnterTheContext')}:"
    assert [line for line in caught.value.message.splitlines() if place in line and "HPy_EnterTheContext" in line] != []
    assert "-o build/universal/enter_leave-ambient.hpy0.so.tmp" in caught.value.remedy
    edit(tree / STUB, "HPy_EnterTheContext", "HPy_EnterContext")
    rest = {*STUB_MAKES, *(name for name in everything(interpreter) if "@twin" in name)}      # what the edit touches, and the twins
    assert build(tree, interpreter) == sorted(rest)
    assert list((tree / "build").rglob("*.tmp")) == []


def test_symbol_that_is_not_demanded_is_refused(tree, interpreter):
    """An extension half that expects a symbol its form does not demand is refused by name, the second time too."""
    stub = tree / "csrc" / "controls" / "pass_ctx" / "stub.c"
    edit(stub, "static int call", "extern void PyErr_Clear(void);\n\nstatic int call")
    edit(stub, "{\n", "{\n    PyErr_Clear();\n")
    for _ in range(2):
        with pytest.raises(BuildError) as caught:
            build(tree, interpreter)
        assert caught.value.message == ("control-pass_ctx.hpy0.so expects the symbols ['PyErr_Clear'] of the process; its form "
                                        "demands []")


def test_symbol_that_is_demanded_and_not_expected(tree, interpreter):
    """A stub that does not use what its form demands measures something else, and is refused."""
    text = (tree / STUB).read_text(encoding="utf-8")
    (tree / STUB).write_text(text.replace("HPy_LeaveContext(ctx);", ""))
    entries = "'HPy_EnterContext', 'HPy_EnterContextIfAttached'"
    with pytest.raises(BuildError, match=rf"expects the symbols \[{entries}\] of the process; its form demands "
                                         rf"\[{entries}, 'HPy_LeaveContext'\]"):
        build(tree, interpreter)


def test_symbols_of_the_real_extensions(libraries):
    """Of universal extension halves those of get and ambient alone leave symbols undefined; none wants one of Python.h."""
    found = {arm: targets.undefined_symbols(path) for (tag, arm), path in libraries.arms.items() if not tag}
    demanded = {"enter_leave/get": {"HPy_GetContext"},
                "enter_leave/ambient": {"HPy_EnterContext", "HPy_EnterContextIfAttached", "HPy_LeaveContext"}}
    assert {arm: symbols for arm, symbols in found.items() if symbols} == {
        arm + twin: symbols for arm, symbols in demanded.items() for twin in ("", "@twin")}
    assert {"hpyvm/pointer", "trampoline/plain", "control/pass_ctx"} <= found.keys()


def test_two_folders_with_one_symbol(tree, interpreter):
    """Two proposals that demand the same symbol are refused, and both folders are named."""
    shutil.copytree(tree / "variants" / "enter_leave", tree / "variants" / "second")
    rename(tree / "variants" / "second", enter_leave="second")
    message = "the symbol HPy_GetContext demanded by variants/enter_leave and variants/second"
    with pytest.raises(SpecError, match=message):
        autogen.generate(tree)
    with pytest.raises(SpecError, match=message):
        build(tree, interpreter)


def test_two_builds_at_once(tmp_path, interpreter):
    """Of two builds of the same checkout one waits for the other: everything is made once, and whole."""
    top = small_tree(tmp_path)
    command = [sys.executable, "-m", "lab.cli", "build"]
    both = [subprocess.Popen(command, cwd=ROOT, env=environment(top), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(text.count("built build/") for text in said) == len(everything(interpreter))
    assert build(top, interpreter) == []


def test_libraries_lead_to_what_was_built(libraries, interpreter):
    """Every arm has a library and a twin with the same contents, and a worker is told of all others."""
    for arm in catalogue.arms(ROOT):
        library, twin = (libraries.arm(interpreter.tag, name) for name in (arm, arm + catalogue.TWIN_SUFFIX))
        assert (library.read_bytes() == twin.read_bytes(), library == twin) == (True, False)
    told = libraries.for_worker(interpreter.tag)
    assert sorted(told) == ["bodies", "drivers", "native", "places", "runtime", "wrong_uses"]
    assert sorted(told["bodies"]) == ["cpython", "universal"]
    assert sorted(told["drivers"]) == sorted(catalogue.scenarios(ROOT))


@pytest.mark.parametrize("changes, message, remedy", [
    ({"include": None}, r"lacks headers", "apt-get install python3"),
    ({"hpy_devel": None}, r"HPy's headers of .* are missing", "pip install hpy==0.9.0"),
    ({"missing": (("cffi (gone)", "bring cffi"),)}, r"lacks cffi \(gone\)", "bring cffi")])
def test_interpreter_that_lacks_something(tree, interpreter, changes, message, remedy):
    """An interpreter without headers, HPy or cffi is refused with what it lacks and the command that brings it."""
    with pytest.raises(MissingTool, match=message) as caught:
        build(tree, dataclasses.replace(interpreter, tag="cpython3.0", **changes))
    assert remedy in caught.value.remedy


def test_no_compiler(tree, interpreter, tmp_path, monkeypatch):
    """Without a compiler on PATH, and with a CC that is none, nothing is built and the remedy is said."""
    monkeypatch.setenv("CC", "/nowhere/cc")
    with pytest.raises(MissingTool, match="CC=/nowhere/cc is no program"):
        build(tree, interpreter)
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool) as caught:
        build(tree, interpreter)
    assert caught.value.remedy == "apt-get install gcc libc6-dev"


def test_no_nm(tree, interpreter, tmp_path, monkeypatch):
    """Where symbols cannot be looked at nothing passes for checked: nm is asked for by name."""
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "nm" else f"/usr/bin/{name}")
    edit(tree / STUB, "return -1;", "return -1 - 0;")
    with pytest.raises(MissingTool) as caught:
        build(tree, interpreter)
    assert (caught.value.message, caught.value.remedy) == ("nm is missing", "apt-get install binutils")


def test_the_command_says_what_it_built(tree):
    """``lab build`` names each file it made, and says where there is nothing to do."""
    (tree / "build" / "drivers" / "attached_call.so").unlink()
    assert lab(tree, "build").stdout.splitlines()[0] == "built build/drivers/attached_call.so"
    assert lab(tree, "build").stdout == "nothing to build\n"
