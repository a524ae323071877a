"""lab.analysis.power: what was planted is found where it must be, by the rules of a report, and in the time that it takes."""

import dataclasses
import itertools

import numpy
import pytest
from synthetic_sitting import COPIES, LONG, chain, run, sitting

from lab import validating
from lab.analysis import crosscheck, falsepositives, paired, power

PAIRS = [[f"planted/{count}", validating.BASE] for count in validating.PLANTED]
ADDED = {f"planted/{count}": 0.1 * count for count in validating.PLANTED}      # 0.1 to 3.2 ns


def long_run(seed=1, processes=200, added=None, **more):
    """A record of the long run, 0.1 ns to an instruction unless told otherwise."""
    return run(numpy.random.default_rng(seed), "planted", LONG, processes, ADDED if added is None else added, **more)


@pytest.fixture(scope="module")
def found():
    """What 30, 60 and 300 s find of 0.1 ns to an instruction, at half a second for a process."""
    return power.analyse(sitting([long_run(noise=0.1, seconds=0.5)]), draws=60)


@pytest.mark.parametrize("seed", range(6))
def test_judged_as_a_report_judges(seed):
    """Of all processes of a run, each once, the verdicts are those of the code that judges a report, with a margin and without."""
    record = long_run(seed, processes=10 + seed, noise=0.1)
    header = sitting([], pairs=[*PAIRS, [LONG[-1], LONG[0]]]).header
    drawn = power.drawn_of([record], header)
    said = power.judge(drawn, numpy.arange(10 + seed), header["margins"], header["confidence"])
    for column, margins in ((0, header["margins"]), (1, {**header["margins"], "absolute_ns": 0.0, "relative": 0.0})):
        findings = paired.analyse(falsepositives.run_of(record, {**header, "margins": margins}))
        expected = {each.arm: each.verdict for each in findings}
        assert [pair[column] for pair in said] == [expected[arm] for arm, _ in PAIRS]


def test_processes_are_those_of_the_budget(found):
    """A budget gives what fits at a process's time, less the one that calibrates."""
    assert {each.budget_s: each.processes for each in found.found} == {30.0: 59, 60.0: 119, 300.0: 599}
    assert (found.processes, found.process_s) == (200, 0.5)


def test_what_is_planted_is_found(found):
    """3.2 ns are always worse and 0.1 ns never; nothing is better; what is within the margin is equivalent once it is known."""
    by_place = {(each.budget_s, each.planted): each for each in found.found}
    assert all(by_place[budget_s, 32].worse == 1.0 for budget_s in power.BUDGETS_S)
    assert all(each.better == 0.0 for each in found.found)
    assert by_place[300.0, 1].equivalent == 1.0 and by_place[300.0, 1].worse == 0.0
    assert found.added_ns[32].point == pytest.approx(3.2, abs=0.3) and 0.1 < found.added_ns[32].high - found.added_ns[32].low < 0.8


def test_more_time_finds_smaller_differences(found):
    """Less is told apart in less time, and no margin hides less than one does."""
    apart = [found.smallest(budget_s, "told_apart") for budget_s in power.BUDGETS_S]
    assert apart == sorted(apart, reverse=True) and apart[-1] < apart[0]
    assert all(each.told_apart >= each.worse for each in found.found)


def test_nothing_planted_is_not_found():
    """Where the arms are the same, no more is found than the level says."""
    none = power.analyse(sitting([long_run(added={}, noise=0.05)]), budgets_s=(30.0,), draws=60)
    assert none.smallest(30.0, "worse") is None and all(each.worse == each.better == 0.0 for each in none.found)


def test_the_smallest_of_which_all_larger_are_found(found):
    """One that is found while a larger one is not is no answer."""
    shares = {1: 0.0, 2: 0.9, 4: 0.1, 8: 0.79, 16: 0.8, 32: 1.0}
    made = dataclasses.replace(found, found=tuple(dataclasses.replace(found.found[0], planted=planted, worse=share)
                                                  for planted, share in shares.items()))
    assert made.smallest(found.found[0].budget_s, "worse") == 16


def test_runs_that_went_on_are_one():
    """The long run's records of several slices are one run of all their processes."""
    first, second = long_run(1, 10), long_run(2, 14)
    assert power.analyse(sitting([first, second]), draws=2).processes == 24
    assert power.analyse(sitting([])) is None and power.times(sitting([first])) is None


def test_interval_of_plain_pyperf():
    """Its half-width is what its t-test rests on: a difference beyond it is one that compare_to calls significant."""
    pairs = itertools.pairwise(chain(numpy.random.default_rng(5), 60, drift=0.003)["benchmarks"])
    significant = 0
    for first, second in pairs:
        one, other = map(falsepositives.pyperf_benchmark, (first, second))
        beyond = abs(one.mean() - other.mean()) * 1e9 > power.plain_half_width(first, second, by_process=False)
        assert beyond == (crosscheck.compare_means(one, other) != "not significant")
        significant += beyond
    assert 5 < significant < 55


def test_time_for_the_same_interval():
    """Of values without any effect but that of a batch the same interval takes as many of them: the time follows."""
    random = numpy.random.default_rng(6)
    two = run(random, "two", COPIES[:2], 300, noise=0.02, rounds=6, seconds=0.2)
    took = power.times(sitting([two, *(chain(random, 2) for _ in range(20))]))
    own = took.reached[0]
    width = next(each for each in took.widths if each.processes == own.paired.processes or each.seconds > own.paired.seconds)
    assert own.plain_s == 8.0 and own.half_width_ns == pytest.approx(1.98 * 5 * 0.02 * (2 / 60)**0.5, rel=0.1)
    assert own.paired.seconds == pytest.approx((own.paired.processes + 1) * 0.2) and own.share == own.paired.seconds / 8.0
    assert width.half_width_ns <= own.half_width_ns * 1.3
    halves = [each.half_width_ns for each in took.widths]
    assert halves == sorted(halves, reverse=True)
    assert halves[-1] / halves[1] == pytest.approx((took.widths[1].processes / took.widths[-1].processes)**0.5, rel=0.3)


def test_an_interval_that_is_not_reached():
    """What no number of processes does has no time, and an infinite share of pyperf's."""
    random = numpy.random.default_rng(6)
    two = run(random, "two", COPIES[:2], 30, noise=0.5)
    own = power.times(sitting([two, chain(random, 2, noise=0.00001)]), draws=4).reached[0]
    assert own.paired is None and own.share == float("inf")
