"""What a callback executes: from the counts of a run to the table of its report."""

import json
import re

import pytest
from synthetic import INTERPRETER, make_header

from lab import counting, report, results
from lab.analysis import counts
from lab.errors import ResultsError
from lab.results import RunStore

CELL = "attached_call[mode=throughput]"


def row(arm, *per_call, warm=40):
    """A counted cell whose repeats executed so many instructions for each call, and half as many of the rest."""
    batches = []
    for each in per_call:
        for calls in counting.CALLS:
            batches.append({"calls": calls, "instructions": warm + calls * each, "branches": calls * each // 2,
                            "reads": calls * each // 2, "writes": calls * each // 2, "tls_calls": calls * 2})
    return {"scenario": "attached_call", "benchmark": CELL, "arm": arm, "reference": "control/pass_ctx", "batches": batches}


def entry(*rows, **changes):
    """What lab.counting.count answers for an interpreter."""
    return {"tool": "valgrind-3.19.0, callgrind", "absent": "", "address_space": "not randomised", "calls": [100, 200],
            "warmups": 2, "units": counting.UNITS, "seconds": 9.0, "rows": list(rows), "failures": [], **changes}


def make_run(folder, status="complete"):
    """A run in which nothing was timed."""
    RunStore.create(folder, make_header(folder.name, [], seed=1)).finish(status, 1.0)
    return folder


@pytest.fixture
def folder(tmp_path):
    """A run without counts."""
    return make_run(tmp_path / "run")


def page(folder):
    """The text of a run's report."""
    path = report.render(results.load(folder), folder.parent / "report")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8")))


def test_a_run_without_counts(folder):
    """Where nothing was counted there is nothing to analyse, and the report does not speak of it."""
    assert (results.load(folder).counts, counts.analyse(results.load(folder))) == ({}, [])
    assert "Instructions, not times" not in page(folder)


def test_counts_come_back(folder):
    """What was counted is read as it was written; another interpreter is added, the same one replaced, the status kept."""
    results.add_counts(folder, {INTERPRETER: entry(row("control/pass_ctx", 1))})
    results.add_counts(folder, {INTERPRETER: entry(row("control/pass_ctx", 2)), "pypy3.11": entry(absent="no")})
    run = results.load(folder)
    assert run.counts == {INTERPRETER: entry(row("control/pass_ctx", 2)), "pypy3.11": entry(absent="no")}
    assert run.header["status"] == "complete"


@pytest.mark.parametrize("change, says", [
    (lambda text: text.replace("3300", "3200"), "counts.json is not what was measured"),
    (lambda text: text[:-9], "counts.json is not what was measured"), (None, "counts.json is missing")])
def test_edited_counts_are_refused(folder, change, says):
    """Counts that were edited, cut short or removed are refused by name, and so is the run for more of them."""
    results.add_counts(folder, {INTERPRETER: entry(row("control/pass_ctx", 33))})
    path = folder / results.COUNTS
    text = path.read_text()
    path.unlink()
    if change:
        path.write_text(change(text))
        assert path.read_text() != text
    for use in (results.load, lambda folder: results.add_counts(folder, {})):
        with pytest.raises(ResultsError, match=says):
            use(folder)


def test_counts_of_a_newer_schema_are_refused(folder, monkeypatch):
    """Counts that a newer lab made are refused with a message that says so."""
    with monkeypatch.context() as newer:
        newer.setattr(results, "SCHEMA", results.SCHEMA + 1)
        results.add_counts(folder, {INTERPRETER: entry()})
    assert json.loads((folder / results.COUNTS).read_text())["schema"] == results.SCHEMA + 1
    with pytest.raises(ResultsError, match="counts.json was made by a newer lab"):
        results.load(folder)


def test_a_running_run_takes_no_counts(tmp_path):
    """A run that has not ended is left to whoever measures it."""
    folder = make_run(tmp_path / "run", "running")
    with pytest.raises(ResultsError, match="'run' is being measured, or was killed"):
        results.add_counts(folder, {INTERPRETER: entry()})
    assert not (folder / results.COUNTS).exists()


def test_a_call_is_the_difference_of_batches(folder):
    """2N calls less N, over N: what a batch executes besides is in no count; added is over the reference arm."""
    results.add_counts(folder, {INTERPRETER: entry(row("hpyvm/pointer", 112, 112, 112), row("control/pass_ctx", 32, 32, 32))})
    form, reference = counts.analyse(results.load(folder))
    assert (form.arm, form.low, form.steady, form.repeats) == (
        "hpyvm/pointer", {"instructions": 112, "branches": 56, "reads": 56, "writes": 56, "tls_calls": 2}, True, 3)
    assert form.added == {"instructions": 80, "branches": 40, "reads": 40, "writes": 40, "tls_calls": 0}
    assert set(reference.added.values()) == {0}


def test_a_count_that_varies_is_not_averaged(folder):
    """Where the repeats differ both ends are given, and nothing is said to be added: neither to it nor, as reference, by it."""
    results.add_counts(folder, {INTERPRETER: entry(row("hpyvm/pointer", 112, 114, 112), row("control/pass_ctx", 32, 32, 32))})
    form, reference = counts.analyse(results.load(folder))
    assert (form.steady, form.low["instructions"], form.high["instructions"], form.added) == (False, 112, 114, None)
    assert reference.added["instructions"] == 0
    text = page(folder)
    assert "Not the same in every repeat: hpyvm/pointer in " + CELL in text
    assert "varies 112 … 114" in text
    results.add_counts(folder, {INTERPRETER: entry(row("hpyvm/pointer", 112, 112), row("control/pass_ctx", 32, 34))})
    assert [each.added for each in counts.analyse(results.load(folder))] == [None, None]


def test_without_its_reference_nothing_is_added(folder):
    """An arm whose reference arm was not counted stands by itself."""
    results.add_counts(folder, {INTERPRETER: entry(row("hpyvm/pointer", 112, 112))})
    (form,) = counts.analyse(results.load(folder))
    assert (form.added, form.steady) == (None, True)
    assert " 112 " in page(folder)


def test_the_report_has_the_table(folder):
    """The scenario's section shows each arm, the reference first, with what it adds, and how that was counted."""
    failure = {"benchmark": CELL, "arm": "trampoline/plain", "what": "killed by SIGSEGV", "last_words": ""}
    results.add_counts(folder, {INTERPRETER: entry(row("control/empty", 12, 12), row("hpyvm/pointer", 112, 112),
                                                   row("control/pass_ctx", 32, 32), failures=[failure])})
    text = page(folder)
    table = text[text.index("Instructions, not times"):]
    assert text.count("Instructions, not times") == 1
    assert "Every repeat counted the same." in table
    assert re.search(r"control/pass_ctx 0 32 0 16 .* hpyvm/pointer \+80 112 \+40 56 .* control/empty −20 12 −10 6 ", table)
    assert "trampoline/plain in attached_call[mode=throughput] was not counted: killed by SIGSEGV." in table


def test_the_report_says_why_there_are_none(folder):
    """A channel that the machine lacks is absent with the reason, not silently."""
    results.add_counts(folder, {INTERPRETER: entry(absent="valgrind is not on PATH (apt-get install valgrind)")})
    said = f"Instructions were not counted on {INTERPRETER}: valgrind is not on PATH (apt-get install valgrind)."
    assert said in page(folder)
