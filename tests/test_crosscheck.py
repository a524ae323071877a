"""lab.analysis.crosscheck: what plain pyperf says, beside the paired protocol."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from synthetic import ADDED_NS, CROSSCHECKED, INTERPRETER, make_crosscheck, make_run

from lab.analysis import crosscheck, paired
from lab.results import Run, RunStore, load


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run in which plain pyperf was right about every arm."""
    return make_run(tmp_path_factory.mktemp("results") / "checked", processes=12, rounds=6)


@pytest.fixture(scope="module")
def run(folder) -> Run:
    return load(folder)


def rows(run: Run) -> dict[str, crosscheck.Row]:
    return {row.arm: row for row in crosscheck.analyse(run)}


def with_mean(folder: Path, arm: str, mean_ns: float) -> Run:
    """The run with something else measured for one arm by plain pyperf."""
    store = RunStore.open(folder)
    store.add_crosscheck(INTERPRETER, arm, make_crosscheck(numpy.random.default_rng(5), arm, mean_ns))
    store.finish("complete", 1.0)
    return load(folder)


def test_each_arm_has_what_pyperf_measured(run):
    """Mean, standard deviation and counts are those of pyperf's own Benchmark, in nanoseconds."""
    found = rows(run)
    assert found.keys() == {arm for _, arm in run.crosscheck}
    plain = run.crosscheck[INTERPRETER, "hpyvm/pointer"].get_benchmark(CROSSCHECKED)
    row = found["hpyvm/pointer"]
    assert (row.benchmark, row.scenario, row.reference) == (CROSSCHECKED, "attached_call", "control/pass_ctx")
    assert (row.mean_ns, row.stdev_ns, row.values, row.processes) == (plain.mean() * 1e9, plain.stdev() * 1e9, 24, 8)
    assert row.difference_ns == row.mean_ns - found["control/pass_ctx"].mean_ns == pytest.approx(4, abs=0.4)


def test_the_paired_protocol_stands_beside_it(run):
    """A row carries the paired finding of the same cell, and whether both say the same."""
    finding = next(each for each in paired.analyse(run) if (each.benchmark, each.arm) == (CROSSCHECKED, "peer/pygilstate"))
    row = rows(run)["peer/pygilstate"]
    assert (row.added_ns, row.paired_verdict, row.plain_verdict, row.agrees) == (finding.added_ns, "worse", "worse", True)
    assert (rows(run)["control/empty"].plain_verdict, rows(run)["control/empty"].agrees) == ("better", True)
    assert {arm for arm, row in rows(run).items() if row.agrees} >= {"enter_leave/ambient", "trampoline/plain", "hpyvm/pointer"}


def test_the_reference_is_not_compared_with_itself(run):
    """Its row has the mean, no difference and no opinion."""
    row = rows(run)["control/pass_ctx"]
    assert (row.difference_ns, row.plain_verdict, row.paired_verdict, row.agrees) == (0.0, "reference", "reference", None)


@pytest.mark.parametrize("arm, mean_ns, said", [
    ("control/cached_ctx", 4.6, "worse"),              # equivalent, and called different
    ("enter_leave/ambient", 3.0, "better"),            # worse, and called better
    ("enter_leave/ambient", 4.0, "not significant")])  # worse, and not seen
def test_disagreement_is_said(tmp_path, arm, mean_ns, said):
    """Where plain pyperf says something else than the paired protocol, the row says that they disagree."""
    folder = make_run(tmp_path / "x", processes=8, rounds=4)
    if said == "not significant":
        with_mean(folder, "control/pass_ctx", 4.0)
    row = rows(with_mean(folder, arm, mean_ns))[arm]
    assert (row.plain_verdict, row.agrees) == (said, False)


def test_without_the_reference_there_is_no_comparison(run):
    """An arm whose reference plain pyperf did not measure keeps its mean and gets no verdict."""
    some = {key: suite for key, suite in run.crosscheck.items() if key[1] != "control/pass_ctx"}
    row = rows(dataclasses.replace(run, crosscheck=some))["hpyvm/pointer"]
    assert (row.difference_ns, row.plain_verdict, row.agrees) == (None, None, None)
    assert row.mean_ns == pytest.approx(8, rel=0.05)


def test_without_the_paired_samples_there_is_no_agreement(run):
    """An arm that only plain pyperf measured has no finding beside it."""
    missing = run.samples[run.samples["arm"] != "hpyvm/pointer"]
    row = rows(dataclasses.replace(run, samples=missing))["hpyvm/pointer"]
    assert (row.added_ns, row.paired_verdict, row.plain_verdict, row.agrees) == (None, None, "worse", None)


@pytest.mark.parametrize("arm", ["hpyvm/pointer", *(arm for arm in ADDED_NS if arm.startswith("control/"))])
def test_the_verdict_is_what_compare_to_prints(folder, run, arm):
    """``pyperf compare_to`` on the two files of the run says slower, faster or not significant where the row does."""
    files = [folder / "crosscheck" / INTERPRETER / f"{name.replace('/', '.')}.json.gz" for name in ("control/pass_ctx", arm)]
    done = subprocess.run([sys.executable, "-m", "pyperf", "compare_to", *map(str, files)], capture_output=True, text=True)
    words = {"not significant": "not significant", "worse": "x slower", "better": "x faster"}
    printed = [verdict for verdict, word in words.items() if word in done.stdout]
    assert (done.returncode, printed) == (0, [rows(run)[arm].plain_verdict])
