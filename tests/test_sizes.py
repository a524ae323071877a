"""lab.sizes and ``lab size``: bytes that are the binary's, memory that grows by what is kept, and what cannot be looked at."""

import dataclasses
import re
import shutil
import subprocess

import pytest
from lab_tree import ROOT, copy_tree, lab, measured_tree

from lab import additions, catalogue, results, sizes
from lab.analysis import sizes as analysis
from lab.errors import LabError, ResultsError

ARMS = ("enter_leave/ambient", "trampoline/plain", "control/cached_ctx", "peer/pygilstate")


@pytest.fixture(scope="module")
def measured(interpreter, libraries):
    """What four arms and libffi take."""
    known = catalogue.arms(ROOT)
    return sizes.measure(interpreter, libraries, [known[name] for name in ARMS])


def by_arm(rows):
    return {row["arm"]: row for row in rows}


def test_code_is_that_of_the_binary(measured, interpreter, libraries):
    """The call site is call() and what that uses of stub.c: a trampoline has its helper there; symbols are those of nm."""
    if measured["absent"]:
        pytest.skip(measured["absent"])
    code = by_arm(measured["code"])
    assert list(code) == list(ARMS)
    library = libraries.arm(interpreter.tag, "trampoline/plain")
    listed = subprocess.run(["nm", "-S", library], capture_output=True, text=True, check=True).stdout
    sized = {name: int(size, 16) for size, name in re.findall(r"^\w+ (\w+) t (call|helper)$", listed, re.M)}
    assert code["trampoline/plain"]["call_site"] == sum(sized.values()) and len(sized) == 2
    assert code["enter_leave/ambient"]["undefined"] == ["HPy_EnterContext", "HPy_EnterContextIfAttached", "HPy_LeaveContext"]
    assert code["peer/pygilstate"]["undefined"] == ["PyGILState_Ensure", "PyGILState_Release"]
    assert all(0 < row["call_site"] < row["stub"] and row["relocations"] > 0 for row in code.values())


def test_memory_is_what_is_kept(measured):
    """An arm that keeps a binding alone takes its 40 bytes and what malloc adds; a trampoline takes a slot and a thunk besides."""
    kept = by_arm(measured["kept"])
    assert [kept[arm]["absent"] for arm in ARMS] == [""] * len(ARMS)
    for arm in ARMS:
        assert [row["count"] for row in kept[arm]["rows"]] == [1, 1_000, 100_000]
        assert all(min(row["make_ns"]) > 0 and len(row["make_ns"]) == len(row["give_back_ns"]) for row in kept[arm]["rows"])
    alone, trampoline = (kept[arm]["rows"][-1] for arm in ("control/cached_ctx", "trampoline/plain"))
    assert 40 <= alone["heap_bytes"] / alone["count"] <= 64
    assert trampoline["heap_bytes"] > alone["heap_bytes"] and trampoline["resident_bytes"] > alone["resident_bytes"] + 16 * 100_000


def test_libffi_stands_beside(measured):
    """Closures of libffi are made, work and are given back; where there is no libffi that is said."""
    found = by_arm(measured["kept"])["libffi"]
    assert bool(found["rows"]) != bool(found["absent"])
    if found["rows"]:
        assert found["rows"][-1]["resident_bytes"] > 40 * 100_000


def test_medians_are_for_one_object():
    """Times are the median over the repeats and, as bytes, for one object."""
    row = {"count": 10, "make_ns": [100, 300, 200], "give_back_ns": [50], "heap_bytes": 480, "resident_bytes": 4096}
    assert analysis._kept(row) == analysis.Kept(10, 20.0, 5.0, 48.0, 409.6)


def test_an_arm_that_fails_costs_itself_alone(interpreter, libraries, tmp_path):
    """An extension half that cannot be loaded says why it has no row, and libffi beside it is measured."""
    broken = tmp_path / "hpyvm-pointer.hpy0.so"
    shutil.copy(libraries.native, broken)
    spoiled = dataclasses.replace(libraries, arms={**libraries.arms, ("", "hpyvm/pointer"): broken})
    arm = catalogue.arms(ROOT)["hpyvm/pointer"]
    entry = sizes._kept(interpreter, spoiled, arm)
    assert entry["rows"] == [] and "undefined symbol: get_required_hpy" in entry["absent"]
    with pytest.raises(LabError, match=r"has no function call\(\) from a stub.c"):
        sizes.code(arm, broken)


def test_without_binutils_it_is_said(interpreter, libraries, monkeypatch):
    """Where a tool is missing no code is looked at, and the remedy is told; memory is measured all the same."""
    monkeypatch.setattr(sizes, "TOOLS", ("no-such-tool",))
    entry = sizes.measure(interpreter, libraries, [])
    assert (entry["code"], entry["absent"]) == ([], "no-such-tool is not on PATH (apt-get install binutils)")
    assert [row["arm"] for row in entry["kept"]] == ["libffi"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory, interpreter, libraries):
    """A checkout of one's own with a real run named ``twelve``."""
    top = copy_tree(tmp_path_factory.mktemp("sized"), built_for=interpreter.tag)
    made = measured_tree(tmp_path_factory, interpreter.tag)
    shutil.copytree(made / "results" / "twelve", top / "results" / "twelve")
    shutil.rmtree(top / "build")
    shutil.copytree(made / "build", top / "build")
    return top


@pytest.mark.slow
def test_sizes_join_the_times(tree, interpreter):
    """``lab size`` puts a row for each arm of the run into it; the report has the table, and other binaries are refused."""
    done = lab(tree, "size", "twelve")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "lab report twelve shows them"), done.stderr
    run = results.load(tree / "results" / "twelve")
    arms = {arm for sheet in run.header["sheets"] for arm in sheet["arms"] if not arm.endswith(catalogue.TWIN_SUFFIX)}
    assert {row["arm"] for row in run.sizes[interpreter.tag]["kept"]} == {*arms, "libffi"}
    assert lab(tree, "report", "twelve").returncode == 0
    page = (tree / "reports" / "twelve" / "index.html").read_text(encoding="utf-8")
    assert all(f'data-size="{interpreter.tag}/{arm}"' in page for arm in arms)
    source = tree / "csrc" / "native" / "native.c"
    source.write_text("\n" + source.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ResultsError, match="'twelve' was measured with other binaries"):
        additions.size(tree, "twelve", ())
