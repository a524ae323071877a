"""lab.analysis.twin: what two copies of the same code say of the run."""

import dataclasses
import math

import pytest
from synthetic import ADDED_NS, INTERPRETER, TWIN, make_run, timed

from lab.analysis import twin
from lab.results import Run, load

QSORT = (INTERPRETER, "native_sort")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """A run whose twin is what it should be: the same code."""
    return load(make_run(tmp_path_factory.mktemp("results") / "quiet", processes=12, rounds=6))


def test_every_cell_has_its_control(run):
    """The twin is compared with its original in each benchmark it ran in."""
    finding = twin.analyse(run)
    assert (finding.twin, finding.original) == (TWIN, "hpyvm/pointer")
    assert finding.comparisons == timed(run)["benchmark"].nunique() == len(finding.cells) == 11
    assert {(cell.interpreter, cell.benchmark) for cell in finding.cells} == finding.envelope_ns.keys()


def test_identical_code_is_found_identical(run):
    """Of eleven comparisons at 96 % coverage at most two leave zero out, and the envelope follows the size of the cell."""
    finding = twin.analyse(run)
    assert finding.false_positives == sum(not cell.covers_zero for cell in finding.cells) <= 2
    assert finding.envelope_ns[INTERPRETER, "attached_call[mode=throughput]"] < 0.2
    assert 0.2 < finding.envelope_ns[QSORT] < 8


def test_the_envelope_is_the_larger_bound(run):
    """The smallest effect of a cell is as far from zero as its A/A interval reaches; the run's are those of its median and its worst."""
    finding = twin.analyse(run)
    for cell in finding.cells:
        assert finding.envelope_ns[cell.interpreter, cell.benchmark] == max(-cell.added_ns.low, cell.added_ns.high)
    ratios = sorted(max(cell.ratio.high, 1 / cell.ratio.low) for cell in finding.cells)
    assert (finding.typical_ratio, finding.worst_ratio) == (ratios[5], ratios[-1])
    assert 1 < finding.typical_ratio < 1.1


def test_a_false_positive_is_counted(tmp_path):
    """A twin that differs from its original by 2 ns is called different wherever 2 ns can be seen."""
    run = load(make_run(tmp_path / "loud", processes=12, rounds=6, planted={TWIN: ADDED_NS["hpyvm/pointer"] + 2}))
    finding = twin.analyse(run)
    assert finding.false_positives >= 8
    assert finding.envelope_ns[INTERPRETER, "attached_call[mode=throughput]"] == pytest.approx(2, abs=0.2)


def test_too_few_processes_see_nothing(tmp_path):
    """Five processes give no 95 % interval: no false positive, and an envelope without bound."""
    finding = twin.analyse(load(make_run(tmp_path / "short", processes=5, rounds=4)))
    assert (finding.comparisons, finding.false_positives) == (11, 0)
    assert (finding.typical_ratio, finding.worst_ratio, set(finding.envelope_ns.values())) == (math.inf, math.inf, {math.inf})


def test_a_run_without_its_twin_says_so(run):
    """No comparison, no false positive, and nothing small enough to be seen."""
    alone = dataclasses.replace(run, samples=run.samples[run.samples["arm"] != TWIN])
    finding = twin.analyse(alone)
    assert (finding.comparisons, finding.false_positives, finding.cells, finding.typical_ratio) == (0, 0, (), math.inf)
