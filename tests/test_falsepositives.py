"""lab.analysis.falsepositives: the rate of sittings in which it is known, and what must be found where arms do differ."""

import numpy
import pytest
from synthetic_sitting import BASE_NS, COPIES, LOOPS, chain, google, run, sitting

from lab import validating
from lab.analysis import falsepositives, paired

OWN, APART, RAW = "verdict better or worse", "the same without a margin for equivalence", "95 % interval leaves 0 out"
SIGNIFICANT, U_TEST = "compare_to calls it significant", "U test, p below 0.05"


def rates_of(records):
    """(harness, criterion) -> rate; of pyperf's two the one over pairs that share nothing."""
    found = {}
    for rate in falsepositives.rates(sitting(records)):
        found.setdefault((rate.harness, rate.criterion), rate)
    return found


@pytest.fixture(scope="module")
def alike():
    """The rates where nothing differs and values are independent."""
    random = numpy.random.default_rng(7)
    records = [run(random, "paired", COPIES, 12) for _ in range(25)]
    records += [chain(random, 7) for _ in range(150)]
    records += [google(random, 12) for _ in range(100)]
    return rates_of(records)


@pytest.mark.parametrize("harness, criterion, comparisons, share", [
    ("paired", RAW, 100, 0.039), ("pyperf", SIGNIFICANT, 450, 0.05), ("google", U_TEST, 600, 0.043)])
def test_rate_of_independent_values(alike, harness, criterion, comparisons, share):
    """Where a test's assumptions hold, as many identical arms are called different as its level says."""
    rate = alike[harness, criterion]
    assert rate.share.n == comparisons
    assert rate.share.low < share < rate.share.high


def test_verdicts_are_rarer_than_intervals(alike):
    """What a report calls better or worse is less than what intervals alone leave out, of fewer comparisons: the twin has none."""
    assert (alike["paired", OWN].share.n, alike["paired", APART].share.n) == (75, 75)
    assert alike["paired", OWN].positives <= alike["paired", APART].positives <= 2


def test_drift_fools_what_does_not_pair():
    """A machine that drifts by more than its noise makes plain harnesses call identical arms different; pairing does not care."""
    random = numpy.random.default_rng(8)
    found = rates_of([run(random, "paired", COPIES, 12), chain(random, 41, drift=0.1), google(random, 40, drift=0.1)])
    assert found["pyperf", SIGNIFICANT].share.point > 0.8 and found["google", U_TEST].share.point > 0.8
    assert found["paired", OWN].positives == 0


def test_arms_that_differ_are_called_different():
    """No judgement is dropped: arms that differ by 2 ns are called different by every criterion, each time."""
    random = numpy.random.default_rng(9)
    added = {one: 2.0 for one, _ in validating.PAIRS[:-1]}
    found = rates_of([run(random, "paired", COPIES, 12, added), chain(random, 7, step_ns=2.0), google(random, 12, step_ns=2.0)])
    assert {key: rate.positives for key, rate in found.items()} == {
        ("paired", OWN): 3, ("paired", APART): 3, ("paired", RAW): found["paired", RAW].positives,
        ("pyperf", SIGNIFICANT): 3, ("google", U_TEST): 6}
    assert found["paired", RAW].positives >= 3 and found["paired", RAW].share.n == 4


def test_a_difference_within_the_margin_is_no_verdict():
    """0.3 ns that are seen are equivalent for a report, and different without the margin."""
    added = {one: 0.3 for one, _ in validating.PAIRS[:-1]}
    found = rates_of([run(numpy.random.default_rng(10), "paired", COPIES, 12, added, noise=0.002)])
    assert (found["paired", OWN].positives, found["paired", APART].positives) == (0, 3)


def test_neighbours_beside_those_that_share_nothing():
    """Of a chain of 7 benchmarks, 3 pairs have none in common, and 6 are neighbours; the first stands first."""
    two = [rate for rate in falsepositives.rates(sitting([chain(numpy.random.default_rng(1), 7)])) if rate.harness == "pyperf"]
    assert [rate.share.n for rate in two] == [3, 6]


def test_what_was_not_measured_has_no_rate():
    """A harness that is absent has neither rate nor spread."""
    alone = sitting([google(numpy.random.default_rng(1), 4)])
    assert {rate.harness for rate in falsepositives.rates(alone)} == {"google"}
    assert {each.harness for each in falsepositives.spreads(alone)} == {"google"}


def test_spreads():
    """The differences of identical arms are told as they are: those of means of 60 values of 10 % noise, and of drift."""
    random = numpy.random.default_rng(3)
    quiet, = falsepositives.spreads(sitting([chain(random, 401, noise=0.1)]))
    expected = BASE_NS * 0.1 * (2 / 60)**0.5
    assert (quiet.typical_ns, quiet.wide_ns) == (pytest.approx(0.674 * expected, rel=0.15), pytest.approx(1.96 * expected, rel=0.15))
    assert quiet.comparisons == 200


def test_a_record_is_a_run():
    """The run made of a record has its times, its disturbances where they were, and what it declared."""
    record = run(numpy.random.default_rng(4), "paired", COPIES, 6)
    record["processes"][2]["disturbed"] = {"involuntary": {"1": [0, 0, 3, 0, 0, 0, 0, 0]}}
    made = falsepositives.run_of(record, sitting([]).header)
    table = made.samples.set_index(["process", "arm", "round"])
    assert len(table) == 6 * 8 * 8 and table["involuntary"].sum() == table.loc[(2, COPIES[1], 2), "involuntary"] == 3
    assert table.loc[(5, COPIES[7], 1), "value_s"] * 1e9 * LOOPS == pytest.approx(record["processes"][5]["elapsed_ns"][7][1])
    found = {(each.arm, each.reference): each for each in (*paired.analyse(made), *paired.analyse_pairs(made))}
    assert all(found[pair].verdict != "undeclared" for pair in validating.PAIRS[:-1])
