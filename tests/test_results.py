"""lab.results, with lab.journal, lab.samples and lab.results_schema under it: what was measured is kept, or refused by name."""

import gzip
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pyperf
import pytest
from synthetic import ADDED_NS, CROSSCHECKED, INTERPRETER, TWIN, make_answer, make_header, make_metadata, make_run, make_sheets

from lab import results, results_schema, samples
from lab.errors import ResultsError, UnknownName, WorkerError
from lab.results import RunStore, find, load

TRUTH = {**ADDED_NS, TWIN: ADDED_NS["hpyvm/pointer"]}
PASS_CTX = f"pyperf/{INTERPRETER}/control.pass_ctx.json.gz"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A whole run, to be read only."""
    return make_run(tmp_path_factory.mktemp("results") / "finished", processes=6, rounds=4)


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A whole run of one's own, to be spoiled."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.fixture
def store(tmp_path) -> RunStore:
    """A run that has just begun."""
    sheets = make_sheets(rounds=4)
    return RunStore.create(tmp_path / "begun", make_header("begun", sheets, seed=1))


def answers(count: int, rounds: int = 4):
    """(answer, sheet, process, seed) for the first [count] processes of a run."""
    random = numpy.random.default_rng(7)
    for process, sheet in zip(range(count), itertools.cycle(make_sheets(rounds=rounds))):
        yield make_answer(random, sheet, TRUTH), sheet, process, 100 + process


def batches(answer: dict) -> int:
    return sum(len(measured["values"]) for cell in answer["cells"] for measured in cell["arms"].values())


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def table(folder: Path):
    """The samples of a run in an order that does not depend on how they came."""
    return load(folder).samples.sort_values(["process", "benchmark", "arm", "round"]).reset_index(drop=True)


def test_every_value_comes_back(store):
    """Each batch of each answer is one row, with the value, place and counters that the worker gave."""
    given = {}
    for answer, sheet, process, seed in answers(4):
        store.add(answer, sheet, process, seed)
        for cell in answer["cells"]:
            for arm, measured in cell["arms"].items():
                for index, value in enumerate(measured["values"]):
                    given[process, cell["benchmark"], arm, index] = (
                        cell["scenario"], sheet["block"], value, measured["positions"][index], measured["involuntary"][index])
    store.finish("complete", 1.0)
    rows = load(store.folder).samples
    found = {(row.process, row.benchmark, row.arm, row.round): (row.scenario, row.block, row.value_s, row.position, row.involuntary)
             for row in rows.itertuples()}
    assert tuple(rows.columns) == samples.COLUMNS
    assert len(rows) == len(given)
    assert found == given


def test_header_and_the_rest_come_back(finished):
    """Header, failures, what cannot run, cross-check and conformance are read as they were written."""
    run = load(finished)
    assert (run.name, run.header["schema"], run.header["status"], run.header["elapsed_s"]) == ("finished", 1, "complete", 61.5)
    assert [failure["arm"] for failure in run.failures] == ["peer/pygilstate"]
    assert {(entry["scenario"], entry["arm"]) for entry in run.not_applicable} >= {("native_sort", "control/pass_ctx")}
    assert run.crosscheck[INTERPRETER, TWIN].get_benchmark_names() == [CROSSCHECKED]
    assert {row["probe"] for row in run.conformance[INTERPRETER]} == {"returned_ctx", "nesting", "foreign_thread", "released_thread"}


def test_a_begun_run_without_samples_can_be_read(store):
    """A run that was interrupted before its first sample has an empty table with every column."""
    rows = load(store.folder).samples
    assert (tuple(rows.columns), len(rows)) == (samples.COLUMNS, 0)


def test_every_file_is_pyperfs(finished):
    """pyperf itself loads each file; files of one block have the same benchmarks with as many values."""
    paths = sorted((finished / "pyperf" / INTERPRETER).glob("*.json.gz"))
    counts = {path.name: {bench.get_name(): bench.get_nvalue() for bench in pyperf.BenchmarkSuite.load(str(path))} for path in paths}
    assert len(counts) == 14
    for form in ("enter_leave.ambient", "trampoline.plain", "hpyvm.pointer@twin"):
        assert counts[f"{form}.json.gz"] == counts["hpyvm.pointer.json.gz"]
    shared = counts["control.pass_ctx.json.gz"].keys() & counts["hpyvm.pointer.json.gz"].keys()
    assert len(shared) == 7
    assert {name: counts["control.pass_ctx.json.gz"][name] for name in shared} == dict.fromkeys(shared, 6 * 4)
    assert {counts["control.pass_ctx.block1.json.gz"][name] for name in shared} == {6 * 4}


def test_pyperf_compares_two_files(finished):
    """``pyperf compare_to`` takes two arms' files and has something to say on each benchmark."""
    folder = finished / "pyperf" / INTERPRETER
    first, second = folder / "hpyvm.pointer.json.gz", folder / "trampoline.plain.json.gz"
    one, other = (pyperf.BenchmarkSuite.load(str(path)) for path in (first, second))
    assert one.get_benchmark_names() == other.get_benchmark_names()
    assert [bench.get_nvalue() for bench in one] == [bench.get_nvalue() for bench in other]
    done = subprocess.run([sys.executable, "-m", "pyperf", "compare_to", str(first), str(second)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "attached_call[mode=throughput]: Mean +- std dev" in done.stdout
    assert "Ignored benchmarks" not in done.stdout


def test_pyperf_metadata_says_where_a_run_comes_from(finished):
    """A pyperf run carries the arm, scenario, process, block, seed and series of its batches."""
    run = pyperf.BenchmarkSuite.load(str(finished / PASS_CTX)).get_benchmark(CROSSCHECKED).get_runs()[0]
    metadata = run.get_metadata()
    own = {key: metadata[key] for key in ("lab_arm", "lab_scenario", "lab_process", "lab_block", "lab_seed", "unit", "loops")}
    assert own == {"lab_arm": "control/pass_ctx", "lab_scenario": "attached_call", "lab_process": 0, "lab_block": 0, "lab_seed": 1,
                   "unit": "second", "loops": 131072}
    assert {key: len(metadata["lab_" + key].split(",")) for key in ("positions", *samples.COUNTERS)} == dict.fromkeys(
        ("positions", *samples.COUNTERS), 4)


def test_a_run_is_never_overwritten(finished):
    """A second run of the same name is refused, and the first stays as it was."""
    before = content(finished)
    with pytest.raises(ResultsError, match="'finished' exists already"):
        RunStore.create(finished, make_header("finished", make_sheets(), seed=1))
    assert content(finished) == before


def test_a_header_must_be_whole(tmp_path):
    """A header without its margins is a mistake of the caller, and makes no folder."""
    header = make_header("x", make_sheets(), seed=1)
    del header["margins"]
    with pytest.raises(ValueError, match="margins"):
        RunStore.create(tmp_path / "x", header)
    assert not (tmp_path / "x").exists()


def test_what_was_fixed_stays_fixed(store):
    """Nothing that a verdict rests on can be changed once there are samples; the rest can."""
    store.update(environment={"governor": "performance"})
    store.flush()
    assert load(store.folder).header["environment"] == {"governor": "performance"}
    with pytest.raises(ValueError, match="margins"):
        store.update(margins={"absolute_ns": 50})


def test_nothing_is_lost_before_the_first_flush(store):
    """What was added is read back though no file but the journal has it."""
    given = list(answers(3))
    for each in given:
        store.add(*each)
    store.fail({"interpreter": INTERPRETER, "scenario": "native_sort", "benchmark": None, "arm": None, "what": "hung", "last_words": ""})
    run = load(store.folder)
    assert len(run.samples) == sum(batches(each[0]) for each in given)
    assert [failure["what"] for failure in run.failures] == ["hung"]
    assert not (store.folder / "pyperf").exists()


def test_a_half_written_line_is_dropped(store):
    """A journal cut off in the middle of its last record gives all records before it."""
    given = list(answers(3))
    for each in given:
        store.add(*each)
    journal = store.folder / "journal.jsonl"
    os.truncate(journal, journal.stat().st_size - 1000)
    assert sorted(load(store.folder).samples["process"].unique()) == [0, 1]
    reopened = RunStore.open(store.folder)
    reopened.add(*given[2])
    reopened.finish("complete", 1.0)
    assert len(load(store.folder).samples) == sum(batches(each[0]) for each in given)


class Crash(BaseException):
    """The end of a process, as far as the code under test can tell."""


@pytest.mark.parametrize("step", range(1, 100))
def test_a_crash_at_any_step_of_a_flush_loses_and_doubles_nothing(store, monkeypatch, step):
    """Files, ledger and journal may be cut off from each other anywhere; a reader and a resumed run see each process once."""
    if step > 17:
        pytest.skip("a flush has 17 steps here")
    given = list(answers(4))
    for each in given[:2]:
        store.add(*each)
    store.flush()
    for each in given[2:]:
        store.add(*each)
    store.fail({"interpreter": INTERPRETER, "scenario": "native_sort", "benchmark": None, "arm": None, "what": "hung", "last_words": ""})
    calls = itertools.count(1)

    def fragile(real):
        def act(*arguments):
            if next(calls) == step:
                raise Crash
            return real(*arguments)
        return act

    monkeypatch.setattr(os, "replace", fragile(os.replace))
    monkeypatch.setattr(store._journal, "empty", fragile(store._journal.empty))
    with pytest.raises(Crash):
        store.flush()
    monkeypatch.undo()
    expected = sum(batches(each[0]) for each in given)
    assert len(load(store.folder).samples) == expected
    resumed = RunStore.open(store.folder)
    assert resumed.processes == {0, 1, 2, 3}
    resumed.finish("complete", 1.0)
    run = load(store.folder)
    assert (len(run.samples), len(run.failures)) == (expected, 1)
