"""The statistics against scipy, against examples worked by hand, and against simulated samples whose answer is known."""

import itertools
import math
import random
import subprocess
import sys
import warnings
from collections import Counter

import numpy as np
import pytest
import scipy.stats

from lab import stats
from lab.stats import Estimate

INF = math.inf
LEVEL_NS = 5.0


@pytest.fixture(autouse=True)
def warnings_are_errors():
    """No function here may warn, whatever it is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def simulate(seed, comparisons, arms=2, processes=10, rounds=30):
    """Times in ns, [comparison][arm][process][round], of arms that do not differ; the noise is the module docstring's."""
    rng = np.random.default_rng(seed)
    shape = (comparisons, arms, processes, rounds)
    process = rng.lognormal(0, 0.05, (comparisons, 1, processes, 1))
    arm_in_process = rng.lognormal(0, 0.01, (comparisons, arms, processes, 1))
    round_ = rng.lognormal(0, 0.03, (comparisons, 1, processes, rounds))
    batch = rng.lognormal(0, 0.01, shape)
    slowed = np.where(rng.random(shape) < 0.02, 2 * (1 + rng.pareto(2, shape)), 1.0)
    return LEVEL_NS * process * arm_in_process * round_ * batch * slowed


def verdict_of(a, b, margin=0.0, resolution=0.0):
    """The verdict on one comparison that stands alone."""
    differences = stats.process_medians(stats.pair_differences(a, b))
    return stats.verdict(stats.median_interval(differences), stats.paired_p(differences), margin, 0.05, resolution)


def estimate(point, low, high):
    return Estimate(point, low, high, 10, 0.95)


def exactly(point):
    return estimate(point, point, point)


# ---- simulated samples with a known answer

@pytest.mark.parametrize("processes", [6, 10, 20])
def test_identical_arms_are_told_apart_in_at_most_one_of_twenty(processes):
    """The false-positive rate of verdict, without any margin, resolution or adjustment to help it."""
    samples = simulate(1, 2000, processes=processes)
    false = sum(verdict_of(a, b) != "unresolved" for a, b in samples)
    assert 0.002 <= false / len(samples) <= 0.05


def beside(a, b):
    """What the first of two arms takes more than the second, a value for each process."""
    return stats.process_medians(stats.pair_differences(a, b))


def test_arms_of_different_processes_are_compared_through_a_third():
    """Coverage of the 95 % interval (98.0 % measured), and at most one of twenty identical arms told apart."""
    covered = false = 0
    for (a, third), (b, third_again) in zip(simulate(21, 1500), simulate(22, 1500)):
        apart = stats.through_reference(beside(a + 0.3, third), beside(b, third_again))
        covered += stats.median_interval(apart).covers(0.3)
        alike = stats.through_reference(beside(a, third), beside(b, third_again))
        false += stats.verdict(stats.median_interval(alike), stats.paired_p(alike), 0.0) != "unresolved"
    assert 0.965 <= covered / 1500 <= 0.99 and 0.002 <= false / 1500 <= 0.05


def test_an_outlying_process_hides_a_difference_and_never_feigns_one():
    """One process in which one arm ran at a third of its speed: no more false verdicts than without it."""
    samples = simulate(17, 500)
    samples[:, 0, 0] *= 3
    assert sum(verdict_of(a, b) != "unresolved" for a, b in samples) / len(samples) <= 0.05


def test_a_family_of_identical_arms_has_a_false_positive_in_at_most_one_of_twenty():
    """Holm over seven arms that share one reference bounds the chance of any false verdict in the family."""
    families = simulate(2, 400, arms=8)
    unlucky = 0
    for reference, *arms in families:
        differences = [stats.process_medians(stats.pair_differences(arm, reference)) for arm in arms]
        adjusted = stats.holm([stats.paired_p(d) for d in differences])
        unlucky += any(stats.verdict(stats.median_interval(d), p, 0.0) != "unresolved" for d, p in zip(differences, adjusted))
    assert unlucky / len(families) <= 0.05


def test_intervals_cover_a_planted_difference_as_often_as_they_say():
    """Coverage of the 95 % intervals of added time and ratio: 97.9 % for 10 processes, neither less nor the whole line."""
    samples = simulate(3, 2000)
    added = sum(stats.paired_added(a + 0.3, b).covers(0.3) for a, b in samples) / len(samples)
    ratio = sum(stats.paired_ratio(a * 1.05, b).covers(1.05) for a, b in samples) / len(samples)
    assert 0.965 <= added <= 0.99 and 0.965 <= ratio <= 0.99


@pytest.mark.parametrize("processes", [6, 30])
def test_intervals_cover_a_planted_difference_with_few_and_many_processes(processes):
    """Coverage of the 95 % interval stays above 93 % and below that of a useless interval."""
    samples = simulate(4, 600, processes=processes)
    covered = sum(stats.paired_added(a + 0.3, b).covers(0.3) for a, b in samples) / len(samples)
    assert 0.93 <= covered <= 0.99


def test_a_planted_difference_is_found_in_spite_of_outliers():
    """Power: a + 0.3 ns on 5 ns is called worse, and the other way about better, in more than nine of ten."""
    samples = simulate(5, 300)
    found = Counter(verdict_of(a + 0.3, b) for a, b in samples) + Counter(verdict_of(b, a + 0.3) for a, b in samples)
    assert found["worse"] > 270 and found["better"] > 270


def test_a_planted_difference_survives_holm_over_sixty_comparisons():
    """Among sixty comparisons of ten processes a clear difference is still called worse: what the sign test alone cannot do."""
    samples = simulate(6, 60)
    planted = range(0, 60, 10)
    d = [stats.process_medians(stats.pair_differences(a + (0.6 if i in planted else 0), b)) for i, (a, b) in enumerate(samples)]
    adjusted = stats.holm([stats.paired_p(x) for x in d])
    verdicts = [stats.verdict(stats.median_interval(x), p, 0.0) for x, p in zip(d, adjusted)]
    assert [i for i, said in enumerate(verdicts) if said == "worse"] == list(planted)
    assert min(stats.holm([stats.sign_test_p(x) for x in d])) > 0.05


def test_a_difference_inside_the_margin_is_equivalent():
    """0.2 ns under a margin of 0.5 ns is equivalent in more than nine of ten; 0.5 ns at the margin itself in one of twenty."""
    samples = simulate(7, 300)
    inside = sum(verdict_of(a + 0.2, b, margin=0.5) == "equivalent" for a, b in samples) / len(samples)
    at_margin = sum(verdict_of(a + 0.5, b, margin=0.5) == "equivalent" for a, b in samples) / len(samples)
    assert inside > 0.9 and at_margin <= 0.05


def test_the_bootstrap_covers_a_planted_mean():
    """Coverage of the 95 % interval of the mean under outliers: 93.6 % measured, 2.5 standard errors allowed below."""
    samples = simulate(8, 600)
    covered = sum(stats.hierarchical_mean(stats.pair_differences(a + 0.3, b), seed).covers(0.3)
                  for seed, (a, b) in enumerate(samples)) / len(samples)
    assert 0.91 <= covered <= 0.98


def test_a_process_is_one_value_however_many_rounds_it_has():
    """Rounds of a process share its layout: ten times the rounds do not narrow the interval that layouts leave."""
    few, many = simulate(9, 100, rounds=30), simulate(9, 100, rounds=300)
    width = [np.median([e.high - e.low for e in (stats.paired_added(a, b) for a, b in samples)]) for samples in (few, many)]
    assert width[1] > 0.8 * width[0]


# ---- Estimate

@pytest.mark.parametrize("fields", [(1.0, 2.0, 3.0, 10, 0.95), (1.0, 2.0, 0.0, 10, 0.95), (math.nan, 0.0, 1.0, 10, 0.95),
                                    (1.0, 0.0, 2.0, -1, 0.95), (1.0, 0.0, 2.0, 10, 1.5), (1.0, 0.0, 2.0, 10, 0.0)])
def test_an_estimate_that_cannot_be_is_refused(fields):
    """A point outside its interval, bounds the wrong way round, a NaN, a wrong n or confidence."""
    with pytest.raises(ValueError):
        Estimate(*fields)


def test_an_interval_covers_its_bounds():
    """Both bounds belong to the interval."""
    assert [estimate(1, 0, 2).covers(value) for value in (-0.1, 0, 1, 2, 2.1)] == [False, True, True, True, False]


# ---- median_interval

@pytest.mark.parametrize("n, rank, coverage", [(6, 1, 0.96875), (8, 1, 0.9921875), (9, 2, 0.9609375), (10, 2, 0.978515625),
                                               (20, 6, 0.958610535), (30, 10, 0.957226055)])
def test_median_interval_takes_the_order_statistics_of_the_tables(n, rank, coverage):
    """Rank and coverage as printed in tables of the sign-test interval."""
    shuffled = random.Random(n).sample(range(1, n + 1), n)
    actual = stats.median_interval(shuffled)
    assert (actual.low, actual.high, actual.point, actual.n) == (rank, n + 1 - rank, (n + 1) / 2, n)
    assert actual.confidence == pytest.approx(coverage, abs=1e-8)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [7, 10, 25, 101, 1500])
def test_median_interval_is_scipys_binomial_quantile(n, confidence):
    """The narrowest pair of order statistics that covers enough, by scipy's binomial distribution."""
    values = np.arange(1.0, n + 1)
    actual = stats.median_interval(values, confidence)
    rank = max((k for k in range(1, n // 2 + 1) if 1 - 2 * scipy.stats.binom.cdf(k - 1, n, 0.5) >= confidence), default=0)
    assert (actual.low, actual.high) == ((rank, n + 1 - rank) if rank else (-INF, INF))
    assert actual.confidence == pytest.approx(1 - 2 * scipy.stats.binom.cdf(rank - 1, n, 0.5) if rank else 1.0)


def test_too_few_values_have_no_interval():
    """Five values cannot cover 95 %, six can; five can cover 90 %."""
    values = [3.0, 1.0, 2.0, 5.0, 4.0]
    assert stats.median_interval(values) == Estimate(3.0, -INF, INF, 5, 1.0)
    assert stats.median_interval(values + [6.0]) == Estimate(3.5, 1.0, 6.0, 6, 0.96875)
    assert stats.median_interval(values, 0.9) == Estimate(3.0, 1.0, 5.0, 5, 0.9375)


def test_nothing_at_all_has_a_nan_point():
    """An empty sample, or one of NaN alone, has n = 0 and says nothing."""
    for empty in ([], [math.nan, math.nan]):
        actual = stats.median_interval(empty)
        assert math.isnan(actual.point) and (actual.low, actual.high, actual.n) == (-INF, INF, 0)


def test_missing_values_do_not_count():
    """NaN is left out before anything is counted."""
    values = [6.0, math.nan, 2.0, 3.0, 1.0, 5.0, math.nan, 4.0]
    assert stats.median_interval(values) == stats.median_interval([1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95, -0.5])
def test_a_confidence_that_is_no_share_is_refused(confidence):
    """95 instead of 0.95 is an error, not an infinite interval."""
    with pytest.raises(ValueError):
        stats.median_interval([1, 2, 3, 4, 5, 6], confidence)


def test_the_interval_excludes_zero_just_when_the_sign_test_rejects():
    """Interval and sign test are two faces of one test."""
    rng = np.random.default_rng(10)
    agreed = Counter()
    for n in range(6, 31):
        for shift in (0.0, 0.5, 1.0):
            d = rng.standard_normal(n) + shift
            excluded = not stats.median_interval(d).covers(0)
            agreed[excluded, stats.sign_test_p(d) <= 0.05] += 1
    assert agreed[True, False] == agreed[False, True] == 0 and min(agreed[True, True], agreed[False, False]) > 10


# ---- pairs

def test_through_reference_sets_one_process_against_one():
    """In the order given; what one of the two has more is dropped, and nothing is left of nothing."""
    assert list(stats.through_reference([5.0, 7.0, 9.0], [1.0, 2.0])) == [4.0, 5.0]
    assert list(stats.through_reference([], [1.0])) == []


def test_pairs_are_differences_within_a_process_and_a_round():
    """Median over rounds first, then over processes: worked by hand."""
    a = [[2, 3, 9], [5, 5, 6], [7, 8, 8], [1, 2, 3], [4, 4, 4], [6, 7, 9]]
    b = [[1, 1, 1], [1, 2, 1], [1, 5, 5], [1, 1, 1], [2, 2, 3], [1, 1, 1]]
    assert [list(d) for d in stats.pair_differences(a, b)[:2]] == [[1, 2, 8], [4, 3, 5]]
    assert list(stats.process_medians(stats.pair_differences(a, b))) == [2, 4, 3, 1, 2, 6]
    assert stats.paired_added(a, b) == Estimate(2.5, 1.0, 6.0, 6, 0.96875)


def test_ratios_are_medians_of_log_ratios():
    """The ratio of each process is that of its median round; exchanging the arms inverts it."""
    b = np.full((6, 3), 2.0)
    a = b * np.array([1.1, 1.2, 1.3, 1.4, 1.5, 1.6])[:, None] * np.array([0.5, 1.0, 7.0])
    actual, inverse = stats.paired_ratio(a, b), stats.paired_ratio(b, a)
    assert (actual.point, actual.low, actual.high) == pytest.approx((math.sqrt(1.3 * 1.4), 1.1, 1.6))
    assert (inverse.point, inverse.low, inverse.high) == pytest.approx((1 / math.sqrt(1.3 * 1.4), 1 / 1.6, 1 / 1.1))
    assert actual.n == 6


def test_too_few_processes_leave_a_ratio_without_bounds():
    """A ratio's bounds are 0 and infinity, those of its logarithm."""
    actual = stats.paired_ratio([[2.0], [2.0]], [[1.0], [1.0]])
    assert (actual.point, actual.low, actual.high, actual.n) == (pytest.approx(2.0), 0.0, INF, 2)


def test_missing_rounds_are_dropped_as_pairs_and_empty_processes_altogether():
    """Ragged lists and NaN: only rounds that both arms have count, and a process without one does not count at all."""
    nan = math.nan
    ragged_a = [[3.0, nan, 9.0], [nan, 4.0], [5.0, 6.0, 7.0], []]
    ragged_b = [[1.0, 5.0, 2.0], [1.0, nan, 3.0], [1.0], [2.0]]
    square_a = np.array([[3.0, nan, 9.0], [nan, 4.0, nan], [5.0, 6.0, 7.0], [nan, nan, nan]])
    square_b = np.array([[1.0, 5.0, 2.0], [1.0, nan, 3.0], [1.0, nan, nan], [2.0, nan, nan]])
    for a, b in ((ragged_a, ragged_b), (square_a, square_b)):
        assert [list(d) for d in stats.pair_differences(a, b)] == [[2.0, 7.0], [4.0]]
        assert stats.paired_added(a, b) == Estimate(4.25, -INF, INF, 2, 1.0)


def test_every_function_bears_samples_without_a_single_pair():
    """No pair in any process, or no process: estimates of nothing instead of errors."""
    for a, b in (([], []), ([[math.nan]], [[1.0]])):
        assert stats.paired_added(a, b).n == stats.paired_ratio(a, b).n == stats.hierarchical_mean(a, 1).n == 0
        assert stats.process_medians(a).shape == (0,)


@pytest.mark.parametrize("a, b", [([[1.0]], [[1.0], [2.0]]), ([[INF]], [[1.0]]), ([[INF]], [[INF]])])
def test_processes_that_do_not_match_and_infinite_times_are_refused(a, b):
    """Arms with different numbers of processes cannot be paired, infinite times cannot be true."""
    with pytest.raises(ValueError):
        stats.paired_added(a, b)


@pytest.mark.parametrize("a, b", [([[0.0]], [[1.0]]), ([[1.0]], [[-1.0]])])
def test_a_ratio_of_times_that_are_not_positive_is_refused(a, b):
    """A time of 0 or less is a fault of the measurement, not a ratio of 0."""
    with pytest.raises(ValueError):
        stats.paired_ratio(a, b)


# ---- p values

def test_sign_test_is_scipys_binomial_test():
    """All splits of up to 12 signs, against scipy.stats.binomtest."""
    for above, below in itertools.product(range(7), repeat=2):
        d = [1.0] * above + [-2.0] * below + [0.0, math.nan]
        expected = scipy.stats.binomtest(above, above + below).pvalue if above + below else 1.0
        assert stats.sign_test_p(d) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [8, 10, 40])
def test_paired_p_is_yuens_trimmed_t_test(n):
    """The trimmed mean over its standard error, from scipy's trim_mean and winsorize; a NaN is left out."""
    d = np.random.default_rng(n).standard_normal(n) + 0.4
    squares = np.sum((w := np.asarray(scipy.stats.mstats.winsorize(d, (1 / n, 1 / n)))) ** 2) - n * np.mean(w) ** 2
    t = scipy.stats.trim_mean(d, 1 / n) / math.sqrt(squares / ((n - 2) * (n - 3)))
    assert stats.paired_p([*d, math.nan]) == pytest.approx(2 * scipy.stats.t.sf(abs(t), n - 3), rel=1e-10)


def test_one_ruined_process_does_not_hide_a_difference():
    """Ten processes that agree on 0.5 ns, one of which was disturbed by 3 ns: still far below any adjusted level."""
    d = [0.48, 0.51, 0.50, 0.49, 0.52, 0.50, 0.47, 0.53, 0.50, 3.5]
    assert stats.paired_p(d) < 1e-6 < scipy.stats.ttest_1samp(d, 0).pvalue


@pytest.mark.parametrize("n", [2, 3, 7])
def test_paired_p_of_few_values_is_scipys_t_test(n):
    """The p of scipy.stats.ttest_1samp, with a NaN left out."""
    d = np.random.default_rng(n).standard_normal(n) + 0.4
    assert stats.paired_p([*d, math.nan]) == pytest.approx(scipy.stats.ttest_1samp(d, 0).pvalue, rel=1e-10)


def test_paired_p_without_variance_is_certain_one_way_or_the_other():
    """All differences 0: no difference; all the same but not 0: a certain one; fewer than two: nothing known."""
    actual = [stats.paired_p(d) for d in ([0.0] * 10, [1e-9] * 10, [0.1] * 10, [-0.25] * 3, [5.0], [], [math.nan])]
    assert actual == pytest.approx([1, 0, 0, 0, 1, 1, 1], abs=1e-100)


def test_holm_against_an_example_worked_by_hand():
    """Holm by hand: 4 * 0.005, 3 * 0.01, 2 * 0.03, then 0.04 raised to what stands before it; in the order given."""
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.5, 0.9, 0.5]) == [1.0, 1.0, 1.0]
    assert stats.holm([]) == [] and stats.holm((0.2,)) == [0.2]


def test_holm_rejects_what_the_step_down_procedure_rejects():
    """The adjusted p are below alpha just for the hypotheses that Holm's 1979 procedure, written out, rejects."""
    rng = np.random.default_rng(11)
    for _ in range(200):
        p = list(np.round(rng.random(8) ** 4, 4))
        rejected, order = set(), sorted(range(8), key=p.__getitem__)
        for step, index in enumerate(order):
            if p[index] > 0.05 / (8 - step):
                break
            rejected.add(index)
        assert {i for i, adjusted in enumerate(stats.holm(p)) if adjusted <= 0.05} == rejected


@pytest.mark.parametrize("p", [1.2, -0.1, math.nan])
def test_holm_refuses_what_is_no_p_value(p):
    """A NaN would otherwise pass for any p at all."""
    with pytest.raises(ValueError):
        stats.holm([0.5, p])


# ---- verdicts

def test_equivalent_needs_the_whole_interval_strictly_inside():
    """An interval that touches the margin is not equivalent; nor is one without bounds."""
    intervals = [(0.1, -0.4, 0.4), (0.1, -0.4, 0.5), (0.1, -0.5, 0.4), (0.1, -INF, INF), (0.45, 0.42, 0.49)]
    assert [stats.equivalent(estimate(*i), 0.5) for i in intervals] == [True, False, False, False, True]


@pytest.mark.parametrize("margin", [-0.1, math.nan])
def test_a_margin_below_zero_is_refused(margin):
    """A margin that was never written would otherwise read as "not equivalent"."""
    with pytest.raises(ValueError):
        stats.equivalent(exactly(0.0), margin)


@pytest.mark.parametrize("said, interval, p, resolution", [
    ("worse", (2.0, 1.0, 3.0), 0.01, 0.0),
    ("better", (-2.0, -3.0, -1.0), 0.01, 0.0),
    ("unresolved", (2.0, 1.0, 3.0), 0.05, 0.0),        # Holm's p is not below alpha
    ("unresolved", (2.0, 0.0, 3.0), 0.01, 0.0),        # the exact interval holds 0
    ("unresolved", (2.0, 1.0, 3.0), 0.01, 2.0),        # no more than the twin shows
    ("unresolved", (-2.0, -3.0, -1.0), 0.01, 2.0),
    ("unresolved", (2.0, 1.0, 3.0), 0.01, INF),        # the twin had too few processes
    ("unresolved", (2.0, 1.0, 3.0), 0.01, math.nan),
    ("worse", (2.0, 1.0, 3.0), 0.01, 1.9),
    ("equivalent", (0.3, 0.2, 0.4), 0.001, 0.0),       # significant, and too small to matter
    ("equivalent", (0.3, 0.2, 0.4), 0.001, 0.45),
    ("worse", (0.6, 0.4, 0.8), 0.001, 0.0),            # part of the interval inside the margin
    ("unresolved", (0.0, -INF, INF), 0.001, 0.0),
])
def test_verdict(said, interval, p, resolution):
    """Equivalent comes first; better and worse need p, interval and resolution together."""
    assert stats.verdict(estimate(*interval), p, margin=0.5, alpha=0.05, resolution=resolution) == said


def test_differences_without_variance_get_a_verdict():
    """Ten processes that agree to the last digit are no division by zero."""
    b = np.full((10, 4), 5.0)
    assert [verdict_of(b + planted, b, margin=0.5) for planted in (0.0, 1.0, -1.0)] == ["equivalent", "worse", "better"]


def test_smallest_detectable_is_the_larger_bound_of_the_twins_interval():
    """The 2nd and the 9th of ten are the bounds; five processes detect nothing."""
    twin = [-9.0, -4.0, -1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 8.0]
    assert stats.smallest_detectable(twin) == 4.0
    assert stats.smallest_detectable([-value for value in twin]) == 4.0
    assert stats.smallest_detectable(twin, 0.99) == 9.0
    assert stats.smallest_detectable(twin[:5]) == INF


def test_nothing_the_twin_shows_is_called_different():
    """Taking the A/A envelope of a run as its resolution leaves none of its twin's own differences."""
    for a, b in simulate(12, 100):
        twin = stats.process_medians(stats.pair_differences(a, b))
        assert verdict_of(a, b, resolution=stats.smallest_detectable(twin)) == "unresolved"


# ---- means, drift

def test_hierarchical_mean_weighs_processes_alike_and_repeats_itself():
    """The point is the mean of process means, however many rounds each has; a seed decides the interval."""
    x = [[1.0] * 50, [2.0], [3.0, 3.0], [4.0], [5.0], [6.0], [7.0, math.nan]]
    actual = stats.hierarchical_mean(x, seed=1)
    assert (actual.point, actual.n, actual.confidence) == (4.0, 7, 0.95) and actual.low < 3 and actual.high > 5
    uneven = np.random.default_rng(16).random((8, 3))
    assert stats.hierarchical_mean(uneven, seed=1) == stats.hierarchical_mean(uneven, seed=1)
    assert stats.hierarchical_mean(uneven, seed=1) != stats.hierarchical_mean(uneven, seed=2)
    assert stats.hierarchical_mean(x[:5], seed=1) == Estimate(3.0, -INF, INF, 5, 1.0)


def test_hierarchical_mean_is_close_to_the_t_interval_on_normal_data():
    """For 20 normal values the interval is that of Student within a tenth of its width."""
    x = np.random.default_rng(14).normal(10, 1, (20, 1))
    low, high = scipy.stats.t.interval(0.95, 19, x.mean(), scipy.stats.sem(x[:, 0]))
    actual = stats.hierarchical_mean(x, seed=3)
    assert (actual.low, actual.high) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_hierarchical_mean_holds_its_point_however_skewed_the_sample():
    """A bootstrap's middle 2 % lie below the mean of such powers of ten; equal values leave no width at all."""
    powers = stats.hierarchical_mean(10.0 ** np.arange(10)[:, None], seed=1, confidence=0.02)
    assert powers.low < powers.high == powers.point
    equal = stats.hierarchical_mean(np.full((10, 3), 0.1), seed=1)
    assert equal.low == equal.point == equal.high == pytest.approx(0.1)


def test_drift_is_seen_and_steadiness_is_not_called_drift():
    """A step between the halves is drift; heavy-tailed noise alone is, in about one of a hundred."""
    rng = np.random.default_rng(15)
    steady = rng.standard_t(3, (600, 20))
    stepped = steady[:100] + np.repeat([0.0, 4.0], 10)
    assert sum(map(stats.drifted, stepped)) >= 95
    assert sum(map(stats.drifted, steady)) / len(steady) <= 0.02


def test_short_and_constant_series_do_not_drift():
    """Ten values in order are the least that can drift; the middle of eleven is left out; a constant has no halves."""
    rising = list(range(11))
    assert [stats.drifted(rising[:n]) for n in (0, 9, 10, 11)] == [False, False, True, True]
    assert not stats.drifted([3.0] * 40) and stats.drifted([*rising, math.nan])
    assert stats.drifted([1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 10])


# ---- Williams

@pytest.mark.parametrize("rng", [random.Random(1), np.random.default_rng(1)], ids=["random", "numpy"])
@pytest.mark.parametrize("n", range(1, 10))
def test_williams_square_balances_places_and_neighbours(n, rng):
    """Each arm in each place, and each ordered pair adjacent, equally often: once for an even n, twice for an odd one."""
    rows = stats.williams_square(n, rng)
    times = 1 + n % 2
    places = Counter((place, arm) for row in rows for place, arm in enumerate(row))
    neighbours = Counter(pair for row in rows for pair in zip(row, row[1:]))
    assert len(rows) == times * n and all(sorted(row) == list(range(n)) for row in rows)
    assert places == dict.fromkeys(itertools.product(range(n), repeat=2), times)
    assert neighbours == dict.fromkeys(itertools.permutations(range(n), 2), times)


def test_williams_square_depends_on_the_seed_alone():
    """The same seed gives the same order, another seed another."""
    def square(seed):
        return stats.williams_square(8, random.Random(seed))
    assert square(1) == square(1) != square(2)
    assert len({tuple(sorted(map(tuple, square(seed)))) for seed in range(20)}) > 1, "labels are shuffled, not rows alone"


def test_williams_square_of_nothing_is_refused():
    """No arms have no order."""
    with pytest.raises(ValueError):
        stats.williams_square(0, random.Random(1))


def test_scipy_is_imported_only_where_it_is_used():
    """Planning needs williams_square alone and must not wait 0.6 s for scipy."""
    code = "import random, sys; from lab import stats; stats.williams_square(8, random); print('scipy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


@pytest.mark.parametrize("positives, n, low, high", [
    (0, 20, 0.0, 0.1684), (1, 20, 0.0013, 0.2487), (16, 29, 0.3569, 0.7355), (20, 20, 0.8316, 1.0), (0, 0, 0.0, 1.0)])
def test_proportion_interval_as_published(positives, n, low, high):
    """Clopper and Pearson's interval is that of their tables; without a trial anything is possible."""
    found = stats.proportion_interval(positives, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert found.n == n and (n == 0 or found.point == positives / n)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.5])
def test_proportion_interval_covers(share):
    """Of all outcomes of 200 trials, those whose interval holds the true share have 95 % of the probability or more."""
    held = sum(scipy.stats.binom.pmf(count, 200, share) for count in range(201) if stats.proportion_interval(count, 200).covers(share))
    assert 0.95 <= held < 0.99


def test_proportion_of_more_than_all():
    """A count that no trials can give is refused."""
    with pytest.raises(ValueError, match="21 of 20; expected a count from 0 to 20"):
        stats.proportion_interval(21, 20)
