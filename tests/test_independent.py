"""The difference of the medians of two independent samples: known cases, coverage and false positives in small."""

import math

import numpy as np
import pytest
import scipy.stats

from lab import independent, stats


def draw(random, count, outliers=0.0, scale=1.0):
    """Normal values, a share of them slowed by a Pareto distribution without variance."""
    slowed = random.random(count) < outliers
    return random.normal(0, scale, count) + slowed * scale * 5 * random.pareto(1.5, count)


def test_known_case():
    """Of 1 to 9 and 11 to 19 the error is the published one: 2nd and 8th value, that hold the median in 96.1 % of samples."""
    error = 6 / (2 * scipy.stats.norm.isf(10 / 512))
    estimate = independent.median_difference(range(11, 20), range(1, 10))
    reach = scipy.stats.t.isf(0.025, 16) * error * math.sqrt(2)
    assert (estimate.point, estimate.n) == (10, 9)
    assert estimate.high == pytest.approx(10 + reach) and estimate.low == pytest.approx(10 - reach)
    expected = 2 * scipy.stats.t.sf(10 / (error * math.sqrt(2)), 16)
    assert independent.difference_p(range(11, 20), range(1, 10)) == pytest.approx(expected)


@pytest.mark.parametrize("outliers", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("counts", [(6, 6), (10, 10), (8, 25), (30, 30)], ids=str)
def test_coverage_and_false_positives(counts, outliers):
    """Of samples of one distribution 95 % of the intervals and more hold 0, and at most 5 % of the p are below 5 %."""
    random, trials = np.random.default_rng(7), 600
    held = rejected = 0
    for _ in range(trials):
        a, b = (draw(random, count, outliers) for count in counts)
        held += independent.median_difference(a, b).covers(0)
        rejected += independent.difference_p(a, b) < 0.05
    assert scipy.stats.binomtest(held, trials, 0.95, alternative="less").pvalue > 0.01, held
    assert scipy.stats.binomtest(rejected, trials, 0.05, alternative="greater").pvalue > 0.01, rejected


def test_outliers_cost_less_than_pairing_off():
    """Of 25 values against 8, with outliers, intervals are less than half as wide as those of values that are paired off."""
    random, widths = np.random.default_rng(8), []
    for _ in range(200):
        a, b = draw(random, 25, 0.3), draw(random, 8, 0.3)
        pairs = stats.median_interval(stats.through_reference(a, b))
        one = independent.median_difference(a, b)
        widths.append((one.high - one.low) / (pairs.high - pairs.low))
    assert np.median(widths) < 0.5


def test_few_or_equal_values():
    """Fewer than 6 have no interval and no p; values that are all the same differ for certain, or not at all."""
    for a, b in (([1.0] * 5, [2.0] * 9), ([], [1.0] * 9), ([], [])):
        estimate = independent.median_difference(a, b)
        assert (estimate.low, estimate.high, independent.difference_p(a, b)) == (-math.inf, math.inf, 1.0)
    assert independent.difference_p([1.0] * 7, [1.0] * 7) == 1.0
    assert independent.difference_p([1.0] * 7, [2.0] * 7) == 0.0
    estimate = independent.median_difference([3.0] * 7, [2.0] * 7)
    assert (estimate.point, estimate.low, estimate.high) == (1.0, 1.0, 1.0)
