"""``lab count``: into a run that was measured, into one of its own, and where it is refused."""

import shutil

import pytest
from lab_tree import copy_tree, lab, measured_tree

from lab import additions, catalogue, counting, results
from lab.analysis import counts
from lab.errors import LabError, ResultsError, UnknownName


@pytest.fixture(scope="module")
def tree(tmp_path_factory, interpreter, libraries):
    """A checkout of one's own with a real run named ``twelve``."""
    top = copy_tree(tmp_path_factory.mktemp("counted"), built_for=interpreter.tag)
    measured = measured_tree(tmp_path_factory, interpreter.tag)
    shutil.copytree(measured / "results" / "twelve", top / "results" / "twelve")
    shutil.rmtree(top / "build")
    shutil.copytree(measured / "build", top / "build")    # with the twin
    return top


@pytest.fixture(autouse=True)
def root(tree, monkeypatch):
    """That checkout is the one worked in."""
    monkeypatch.setenv("LAB_ROOT", str(tree))


@pytest.mark.slow
def test_counts_join_the_times(tree, interpreter):
    """A measured run gets a count for every arm that it timed in a scenario that is counted, and keeps its times."""
    if counting.absence():
        pytest.skip(counting.absence())
    before = results.load(tree / "results" / "twelve")
    lines = additions.count(tree, "twelve", None, ())
    run = results.load(tree / "results" / "twelve")
    assert run.samples.equals(before.samples)
    assert lines[-1] == "lab report twelve shows them"
    timed = {(sheet["scenario"], arm) for sheet in run.header["sheets"] for arm in sheet["arms"]
             if not arm.endswith(catalogue.TWIN_SUFFIX)}
    found = counts.analyse(run)
    assert {(each.scenario, each.arm) for each in found} == timed
    assert all(each.steady and each.added for each in found)


def test_other_binaries_are_refused(tree, interpreter):
    """A run that was measured with other binaries than the checkout has now takes no counts."""
    source = tree / "csrc" / "native" / "native.c"
    text = source.read_text(encoding="utf-8")
    source.write_text("\n" + text, encoding="utf-8")
    try:
        with pytest.raises(ResultsError, match="'twelve' was measured with other binaries than lie in build/ now") as caught:
            additions.count(tree, "twelve", None, ())
    finally:
        source.write_text(text, encoding="utf-8")
    assert caught.value.remedy == "count into a run of its own: lab count --name NAME"


def test_without_valgrind_a_run_says_so(tree, interpreter, monkeypatch):
    """A run of its own is made where nothing can be counted too, says why, and is never overwritten."""
    monkeypatch.setattr(counting, "absence", lambda: "valgrind is not on PATH")
    assert additions.count(tree, None, "apart", ()) == [f"{interpreter.tag}: not counted: valgrind is not on PATH",
                                                    "lab report apart shows them"]
    run = results.load(tree / "results" / "apart")
    assert (run.header["status"], len(run.samples), run.counts[interpreter.tag]["absent"]) == (
        "complete", 0, "valgrind is not on PATH")
    with pytest.raises(ResultsError, match="'apart' exists already"):
        additions.count(tree, None, "apart", ())


@pytest.mark.parametrize("run, name, error, says", [
    ("twelv", None, UnknownName, "unknown run 'twelv'; the nearest known one is 'twelve'"),
    (None, "../up", LabError, "'../up' cannot be the name of a run"),
    (None, "latest", LabError, "'latest' cannot be the name of a run")])
def test_bad_names(tree, run, name, error, says):
    """A run that is not there, and a name that no run can have, are refused before anything is counted."""
    with pytest.raises(error, match=says):
        additions.count(tree, run, name, ())


def test_the_command(tree):
    """``lab count`` says what it was asked wrongly, with exit status 2 and no traceback."""
    done = lab(tree, "count", "twelv")
    assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (
        2, "", "lab: unknown run 'twelv'; the nearest known one is 'twelve'")


@pytest.mark.slow
def test_what_checks_cost(tree, interpreter, monkeypatch):
    """Without the checks of the inline functions the forms that have some execute less, and no other arm does."""
    if counting.absence():
        pytest.skip(counting.absence())
    monkeypatch.setattr(counting, "COUNTED", {"attached_call": {"mode": "throughput"}})
    found = []
    for name, unchecked in (("checked", False), ("unchecked", True)):
        additions.count(tree, None, name, (), unchecked=unchecked)
        found.append({each.arm: each.low["instructions"] for each in counts.analyse(results.load(tree / "results" / name))})
    checked, unchecked = found
    assert {arm for arm in checked if unchecked[arm] < checked[arm]} == {"enter_leave/token", "hpyvm/pointer", "hpyvm/value"}
    assert all(unchecked[arm] <= checked[arm] for arm in checked)
    assert results.load(tree / "results" / "unchecked").header["command"] == ["lab", "count", "--unchecked"]
    with pytest.raises(LabError, match="--unchecked counts other binaries"):
        additions.count(tree, "twelve", None, (), unchecked=True)
