"""What became of each cell from run to run: planted changes are found, none are invented, whatever the machine does."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
from synthetic import CROSSCHECKED, INTERPRETER, TWIN, make_run, timed

from lab import results, stats
from lab.analysis import regression
from lab.analysis.cells import Cell
from lab.analysis.regression import Side

ARMS = ("form/a", "form/b", "control/empty")
MARGINS = {"absolute_ns": 0.5, "relative": 0.02}
TAGS = {INTERPRETER: INTERPRETER}


def side(random, added_ns, processes=12, rounds=6, scale=1.0, offset_ns=0.0, benchmarks=4, noise=1.0, layouts=1):
    """One run of some cells with a reference of 20 ns: the machine is [scale] times as slow, every arm [offset_ns] slower.

    Of more than one of [layouts] each makes each arm 2 ns faster or slower, anew in each run, as what is built anew is.
    Each process is 3 % faster or slower, each arm in it 0.4 %, each round 1 %, each batch 0.5 %; [noise] multiplies all that.
    """
    cells = []
    for number in range(benchmarks):
        machine = scale * np.exp(noise * random.normal(0, 0.03, (processes, 1)))
        shared, times = np.exp(noise * random.normal(0, 0.01, (processes, rounds))), {}
        for arm in ("control/pass_ctx", *ARMS, "form/a@twin"):
            own = np.exp(noise * (random.normal(0, 0.004, (processes, 1)) + random.normal(0, 0.005, (processes, rounds))))
            times[arm] = (20.0 + offset_ns + added_ns.get(arm.removesuffix("@twin"), 0.0)) * machine * shared * own
            if layouts > 1:
                times[arm] += random.normal(0, 2.0, layouts)[np.arange(processes) % layouts][:, np.newaxis]
        flagged = {arm: np.zeros((processes, rounds), dtype=bool) for arm in times}
        cells.append(Cell(INTERPRETER, "attached_work", f"attached_work[calls={number}]", {}, np.arange(processes),
                          np.zeros(processes, dtype=int), np.arange(processes) % layouts, times, flagged))
    return Side(cells, {"reference": {"attached_work": "control/pass_ctx"}, "twin": "form/a@twin", "confidence": 0.95,
                        "margins": MARGINS})


def fooled(pairs, **of_new):
    """In how many of [pairs] of runs of the same code anything was called better or worse."""
    random, added_ns = np.random.default_rng(268), {"form/a": 9.0, "form/b": 60.0}
    return sum(any(shift.verdict in ("better", "worse") for shift in regression.judge(
        side(random, added_ns), side(random, added_ns, **of_new), TAGS)) for _ in range(pairs))


@pytest.mark.parametrize("of_new", [
    {}, {"processes": 7}, {"scale": 1.15}, {"offset_ns": 3.0}, {"noise": 3.0}], ids=str)
def test_same_code_is_not_called_different(of_new):
    """The same code in two runs, the second on fewer processes or another machine: at most 5 % of pairs are fooled."""
    pairs = 100
    count = fooled(pairs, **of_new)
    assert scipy.stats.binomtest(count, pairs, 0.05, alternative="greater").pvalue > 0.01, f"{count} of {pairs}"


def test_layouts_are_the_unit_where_there_are_several():
    """The same code, built anew in 8 layouts for each run: their number counts, and not that of the 64 processes."""
    random, added_ns, pairs = np.random.default_rng(9), {"form/a": 9.0, "form/b": 60.0}, 40
    runs = [[side(random, added_ns, 64, layouts=8) for _ in range(2)] for _ in range(pairs)]
    judged = [regression.judge(*each, TAGS) for each in runs]
    count = sum(any(shift.verdict in ("better", "worse") for shift in shifts) for shifts in judged)
    assert scipy.stats.binomtest(count, pairs, 0.05, alternative="greater").pvalue > 0.01, f"{count} of {pairs}"
    assert {(shift.processes, shift.new_ns.n) for shifts in judged for shift in shifts} == {((64, 64), 8)}
    as_one = [Side([dataclasses.replace(cell, layouts=0 * cell.layouts) for cell in each.cells], each.header) for each in runs[0]]
    assert any(shift.change_ns.low > 0 or shift.change_ns.high < 0 for shift in regression.judge(*as_one, TAGS))


def test_differences_alone_would_be_fooled():
    """On a machine that is slower as a whole the added time grows: without the ratio that would be a regression."""
    random, added_ns = np.random.default_rng(1), {"form/b": 60.0}
    shifts = regression.judge(side(random, added_ns, 40), side(random, added_ns, 40, scale=1.15), TAGS)
    grown = [shift for shift in shifts if shift.arm == "form/b"]
    assert all(shift.change_ns.low > shift.margin_ns for shift in grown)
    assert {shift.verdict for shift in grown} == {"unresolved"}


def test_ratios_alone_would_be_fooled():
    """Where all arms take 10 ns more, as on a busier loop, ratios shrink and differences do not: nothing is better."""
    random, added_ns = np.random.default_rng(1), {"form/b": 60.0}
    shifts = regression.judge(side(random, added_ns, 40), side(random, added_ns, 40, offset_ns=10.0), TAGS)
    assert all(shift.change_ratio.high < 1 for shift in shifts if shift.arm == "form/b")
    assert {shift.verdict for shift in shifts} <= {"equivalent", "unresolved"}


@pytest.mark.parametrize("change_ns, verdict", [(4.0, "worse"), (-4.0, "better")])
def test_planted_change_is_found(change_ns, verdict):
    """A change of 4 ns in one arm is found in every cell, its interval holds it, and no other arm is blamed."""
    random = np.random.default_rng(3)
    old, new = side(random, {"form/a": 9.0, "form/b": 20.0}), side(random, {"form/a": 9.0, "form/b": 20.0 + change_ns})
    found = regression.judge(old, new, TAGS)
    assert {shift.verdict for shift in found if shift.arm == "form/b"} == {verdict}
    assert all(shift.change_ns.covers(change_ns) for shift in found if shift.arm == "form/b")
    assert {shift.verdict for shift in found if shift.arm != "form/b"} <= {"equivalent", "unresolved"}


def test_small_change_is_equivalent_within_the_margin():
    """A change of 0.1 ns, less than the margin, is no regression even where processes abound to see it."""
    random = np.random.default_rng(4)
    found = regression.judge(side(random, {"form/a": 1.0}, 100), side(random, {"form/a": 1.1}, 100), TAGS)
    assert {shift.verdict for shift in found if shift.arm == "form/a"} == {"equivalent"}


def test_holm_over_all_cells():
    """The adjustment is over every cell judged: an adjusted p is that of lab.stats over all of them."""
    random = np.random.default_rng(5)
    found = regression.judge(side(random, {"form/b": 20.0}), side(random, {"form/b": 21.0}), TAGS)
    assert len(found) == 4 * len(ARMS)
    assert [shift.p_adjusted for shift in found] == stats.holm([shift.p for shift in found])


def test_nothing_below_the_twins_is_claimed():
    """Where the twins of the two runs moved by 30 ns, a change of 10 ns is unresolved; without them any is."""
    random = np.random.default_rng(6)
    old, new = side(random, {"form/b": 20.0}), side(random, {"form/b": 30.0})
    assert {shift.verdict for shift in regression.judge(old, new, TAGS) if shift.arm == "form/b"} == {"worse"}
    for cell in new.cells:
        cell.times_ns["form/a@twin"][:] += 30.0
    assert {shift.verdict for shift in regression.judge(old, new, TAGS) if shift.arm == "form/b"} == {"unresolved"}
    without = Side(new.cells, {**new.header, "twin": ""})
    found = regression.judge(old, without, TAGS)
    assert {(shift.verdict, shift.envelope_ns) for shift in found} <= {("unresolved", math.inf), ("equivalent", math.inf)}


def test_few_processes_resolve_nothing():
    """Five processes of a run have no interval, so that nothing is claimed of them, however large the change."""
    random = np.random.default_rng(7)
    found = regression.judge(side(random, {}), side(random, {"form/b": 500.0}, processes=5), TAGS)
    assert {(shift.verdict, shift.processes) for shift in found} == {("unresolved", (12, 5))}


def test_disturbed_rounds_are_shown_apart():
    """What flagged rounds alone have is in the change and not in the change without them."""
    random = np.random.default_rng(8)
    old, new = side(random, {"form/b": 20.0}), side(random, {"form/b": 20.0})
    for cell in new.cells:
        cell.times_ns["form/b"][:, :4] += 50.0
        cell.flagged["form/b"][:, :4] = True
    for shift in regression.judge(old, new, TAGS):
        assert (shift.change_ns.point > 40) == (shift.arm == "form/b") and abs(shift.clean_ns.point) < 3


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs written by the real store: one, another of the same code, and one with hpyvm/value 3 ns slower."""
    top = tmp_path_factory.mktemp("runs")
    made = {"one": {"seed": 1}, "same": {"seed": 2}, "slower": {"seed": 3, "planted": {"hpyvm/value": 8.2}}}
    return {name: results.load(make_run(top / name, **kind)) for name, kind in made.items()}


def test_runs_from_disk(runs):
    """Of two runs as they lie on disk every arm of every cell is compared once, but for references and twins."""
    for name, expected in (("same", set()), ("slower", {"hpyvm/value"})):
        found = regression.compare(runs["one"], runs[name])
        keys = [(shift.benchmark, shift.arm) for shift in found.shifts]
        table = timed(runs["one"])[["scenario", "benchmark", "arm"]].drop_duplicates().itertuples(index=False)
        assert sorted(keys) == sorted((row.benchmark, row.arm) for row in table
                                      if row.arm not in (TWIN, runs["one"].header["reference"][row.scenario]))
        assert {shift.arm for shift in found.shifts if shift.verdict in ("worse", "better")} == expected
        assert (found.fails("worse"), found.fails("unresolved")) == (bool(expected), True)
        assert found.reference_ratio[0] <= 1.02 and found.reference_ratio[1] >= 0.98


def test_a_cell_that_failed_in_the_new_run_is_lost(runs):
    """What crashed in the new run is not passed over in silence: it is lost, and a check fails on it."""
    samples = runs["same"].samples
    gone = (samples["benchmark"] == CROSSCHECKED) & (samples["arm"] == "hpyvm/value")
    failed = {"interpreter": INTERPRETER, "benchmark": CROSSCHECKED, "arm": "hpyvm/value"}
    header = {**runs["same"].header, "failures": [failed]}
    for failures, lost, absent in ((header, 1, 0), (runs["same"].header, 0, 1)):
        found = regression.compare(runs["one"], dataclasses.replace(runs["same"], header=failures, samples=samples[~gone]))
        assert (len(found.lost), len(found.absent), found.fails("worse")) == (lost, absent, bool(lost))
        assert any("hpyvm/value in " + CROSSCHECKED in line for line in regression.told(found))
