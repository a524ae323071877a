"""lab.variance: what layouts, processes and rounds differ by, and which verdicts hold over layouts."""

import math

import numpy as np
import pytest
import scipy.stats

from lab import variance
from lab.stats import Estimate, paired_p

NAN = math.nan


def test_shares_of_examples_worked_by_hand():
    """(1, 3) and (5, 7): mean squares 16 and 2, components 7 and 2; with (9): 18 and 2, 1.6 rounds to a group, 10 and 2."""
    assert variance.shares([[1, 3], [5, 7, NAN]]) == pytest.approx({"layout": NAN, "process": 7 / 9, "round": 2 / 9}, nan_ok=True)
    assert variance.shares([[1, 3], [5, 7], [9]]) == pytest.approx({"layout": NAN, "process": 10 / 12, "round": 2 / 12}, nan_ok=True)


def test_shares_with_layouts_worked_by_hand():
    """Two layouts of two processes of two rounds: (0, 2) (4, 6) and (20, 22) (24, 26), whose components are 196, 7 and 2."""
    # rounds: mean square 2; processes: means 1, 5, 21, 25, mean square 2 * (8 + 8) / 2 = 16, component (16 - 2) / 2 = 7;
    # layouts: means 3 and 23, mean square 4 * 200 = 800, component (800 - 2 - 2 * 7) / 4 = 196
    x = [[0, 2], [20, 22], [4, 6], [24, 26]]
    found = variance.shares(x, [0, 1, 0, 1])
    assert found == pytest.approx({"layout": 196 / 205, "process": 7 / 205, "round": 2 / 205})
    assert variance.shares(x, [3, 3, 3, 3]) == pytest.approx(variance.shares(x), nan_ok=True)


def test_shares_find_planted_components_in_ragged_samples():
    """Layouts of variance 4, processes of variance 9, rounds of variance 1, with 2 to 9 processes and 3 to 20 rounds."""
    rng = np.random.default_rng(13)
    x, layouts = [], []
    for layout in range(2000):
        of_layout = rng.normal(0, 2)
        for _ in range(rng.integers(2, 10)):
            x.append(of_layout + rng.normal(0, 3) + rng.normal(0, 1, rng.integers(3, 21)))
            layouts.append(layout)
    assert variance.shares(x, layouts) == pytest.approx({"layout": 4 / 14, "process": 9 / 14, "round": 1 / 14}, abs=0.03)


def test_shares_without_variance_or_without_replication():
    """Nothing varies: no shares; nothing is repeated: no answer; processes or layouts alike: none for them."""
    assert variance.shares(np.ones((4, 4)), [0, 0, 1, 1]) == {"layout": 0.0, "process": 0.0, "round": 0.0}
    assert variance.shares([[1, 2], [2, 1]]) == pytest.approx({"layout": NAN, "process": 0.0, "round": 1.0}, nan_ok=True)
    assert variance.shares([[1, 2], [2, 1], [1, 2], [2, 1]], [0, 0, 1, 1]) == {"layout": 0.0, "process": 0.0, "round": 1.0}
    for x, layouts in (([[1.0, 2.0]], ()), ([[1.0], [2.0]], ()), ([], ()), ([[NAN]], ()), ([[1, 2], [3, 4]], [0, 1])):
        assert all(math.isnan(share) for share in variance.shares(x, layouts).values())
    with pytest.raises(ValueError):
        variance.shares([[1, 2], [3, 4]], [0])


def test_over_layouts_is_the_median_of_their_medians():
    """However many processes each has; 8 layouts reach from the lowest to the highest, 5 have no bounds."""
    medians, layouts = [1, 2, 3, 100, 5, 6, 7, 8, 9, 10], [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
    assert variance.over_layouts(medians, layouts) == Estimate(7.5, 2.0, 100.0, 8, 0.9921875)
    assert variance.over_layouts(medians[:5], [0, 1, 2, 3, 4]).low == -math.inf
    with pytest.raises(ValueError):
        variance.over_layouts(medians, layouts[:-1])


def test_layouts_that_differ_are_told_from_layouts_that_do_not():
    """By the F test, whose p it is; one layout has none, nor have numbers without variance, nor one process of each."""
    rng = np.random.default_rng(3)
    alike, layouts = rng.normal(0, 1, 64), np.arange(64) % 8
    apart = alike + 2.0 * layouts
    expected = scipy.stats.f_oneway(*(apart[layouts == layout] for layout in range(8))).pvalue
    assert variance.layouts_differ_p(apart, layouts) == pytest.approx(expected, rel=1e-9)
    assert expected < 1e-6 and variance.layouts_differ_p(alike, layouts) > 0.05
    assert math.isnan(variance.layouts_differ_p(alike, np.zeros(64, int)))
    assert math.isnan(variance.layouts_differ_p(np.ones(64), layouts))
    assert math.isnan(variance.layouts_differ_p(alike[:8], np.arange(8)))
    assert variance.layouts_differ_p(layouts, layouts) == 0.0


def test_p_over_layouts_is_that_of_their_medians():
    """However many processes make a layout's median surer, eight layouts are eight numbers; one layout proves nothing."""
    rng = np.random.default_rng(5)
    layouts = np.repeat(np.arange(8), 50)
    medians = rng.normal(1, 1, 8)[layouts] + rng.normal(0, 0.01, 400)
    centres = [np.median(medians[layouts == layout]) for layout in range(8)]
    assert variance.over_layouts_p(medians, layouts) == paired_p(centres) > 1e-4 > paired_p(medians)
    assert variance.over_layouts_p(medians, np.zeros(400, int)) == 1.0


@pytest.mark.parametrize("over_p, expected", [(0.04, "worse"), (0.06, "layout-dependent")])
def test_a_difference_over_layouts_is_adjusted_for_many_comparisons(over_p, expected):
    """That all of eight lie on one side is an accident in 1 of 128: the adjusted p has to say so as well."""
    over = Estimate(1.0, 0.5, 2.0, 8, 0.99)
    assert variance.verdict_over_layouts("worse", over, 0.001, margin=0.1, over_p=over_p) == expected


@pytest.mark.parametrize("said, low, high, p, expected", [
    ("worse", 0.1, 5.0, 0.001, "worse"), ("better", -5.0, -0.1, 0.9, "better"), ("equivalent", -0.4, 0.5, 0.001, "equivalent"),
    ("worse", -0.1, 5.0, 0.001, "layout-dependent"), ("worse", -0.1, 5.0, 0.2, "unresolved"),
    ("worse", -0.1, 5.0, math.nan, "unresolved"), ("better", 0.1, 5.0, 0.001, "layout-dependent"),
    ("equivalent", -0.4, 0.6, 0.001, "layout-dependent"), ("equivalent", -0.4, 0.6, 0.3, "unresolved"),
    ("unresolved", -9.0, 9.0, 0.001, "unresolved"), ("undeclared", -9.0, 9.0, 0.001, "undeclared")])
def test_a_verdict_has_to_hold_over_layouts(said, low, high, p, expected):
    """The same sign, or the margin, for the whole interval; else it depends on the layout, where layouts differ."""
    over = Estimate((low + high) / 2, low, high, 8, 0.99)
    assert variance.verdict_over_layouts(said, over, p, margin=0.5) == expected
    assert variance.verdict_over_layouts(said, Estimate(over.point, -math.inf, math.inf, 1, 1.0), p, margin=0.5) == said
    few = variance.verdict_over_layouts(said, Estimate(over.point, -math.inf, math.inf, 4, 0.875), p, margin=0.5)
    assert few == ("undeclared" if said == "undeclared" else "unresolved")
