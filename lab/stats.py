"""The statistics of the paired protocol: pure functions of numbers, without files, clocks or global state.

The process is the unit of inference. Two arms are timed side by side in every round of a process, so a process yields one
number, the median over its rounds of the paired difference; everything said about an arm is said about those numbers.
Medians and signs, because the noise of a shared machine has heavy tails: on such a machine means of the same samples called
identical code different in 5 of 30 comparisons, medians of paired differences in 1.

"Measured" in a docstring is a simulation of 12,000 comparisons with a known answer: 10 processes of 30 rounds, log-normal
effects of process, of arm within process, of round and of batch, and 2 % of the batches slowed to at least twice their time,
by a Pareto distribution without variance. tests/test_stats.py repeats it in small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

DRIFT_ALPHA = 0.01     # a report shows hundreds of series: at 5 % it would cry drift on every page
RESAMPLES = 4000       # the tails of 0.24 % that 6 processes need then rest on 10 resamples each
TRIM_FROM = 8          # processes; with fewer, cutting two of them costs more than a ruined one does
_CHUNK = 1_000_000     # elements drawn at a time by the bootstrap: 8 MB


@dataclass(frozen=True)
class Estimate:
    """A number with its interval and what it rests on; point and bounds share one unit.

    [n] counts the independent values (processes). [confidence] is the coverage achieved, at least the one asked for where the
    method is exact. A sample too small for it has infinite bounds and confidence 1. The point is NaN where n is 0.
    Raises ValueError for an interval that does not hold its point.
    """

    point: float
    low: float
    high: float
    n: int
    confidence: float

    def __post_init__(self) -> None:
        held = self.low <= self.point <= self.high if self.n else self.low <= self.high
        if not held:
            raise ValueError(f"the interval {self.low} to {self.high} does not hold its point {self.point} (n = {self.n})")
        if self.n < 0 or not 0 < self.confidence <= 1:
            raise ValueError(f"n = {self.n}, confidence = {self.confidence}; expected n >= 0 and 0 < confidence <= 1")

    def covers(self, value: float) -> bool:
        """Whether [value] lies in the interval, bounds included."""
        return self.low <= value <= self.high


@lru_cache(maxsize=None)
def _rank(n: int, confidence: float) -> tuple[int, float]:
    """The largest k for which the k-th smallest to the k-th largest of n values covers the median often enough, and how often.

    (0, 1.0) where even the whole range does not.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}; expected a share between 0 and 1, such as 0.95")
    rank, coverage, below = 0, 1.0, 0
    while True:
        below += math.comb(n, rank)
        achieved = 1 - 2 * below / 2**n
        if achieved < confidence:
            return rank, coverage
        rank, coverage = rank + 1, achieved


def _present(x: Sequence[float]) -> np.ndarray:
    values = np.asarray(x, dtype=float).ravel()
    return values[~np.isnan(values)]


def median_interval(x: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The median of [x] and its exact, distribution-free interval: two order statistics, chosen by the binomial distribution.

    x: independent values of any unit; NaN is a missing one. The interval is the narrowest symmetric pair that covers at least
    [confidence]; the estimate carries the coverage achieved (n = 10: the 2nd to the 9th of 10 values, 97.9 %). Below 6 values
    none covers 95 %: the bounds are infinite. It contains 0 exactly when the sign test does not reject it at that level
    (continuous data; ties only widen it).
    Source: David and Nagaraja, Order Statistics, 3rd ed. 2003, section 7.1; Dixon and Mood, JASA 41 (1946) 557-566.
    """
    values = np.sort(_present(x))
    n = len(values)
    rank, coverage = _rank(n, confidence)
    point = float(np.median(values)) if n else math.nan
    if not rank:
        return Estimate(point, -math.inf, math.inf, n, coverage)
    return Estimate(point, float(values[rank - 1]), float(values[n - rank]), n, coverage)


@lru_cache(maxsize=4096)
def quantile_ranks(n: int, share: float, confidence: float = 0.95) -> tuple[int, int, float] | None:
    """Which two of [n] independent values, by rank from 1, hold their quantile between them, and how often they do.

    share: of the values at or below the quantile, 0.99 for p99. Each end misses it in at most half of what [confidence] leaves,
    whatever the distribution. None where even the smallest and the largest do not: p90 takes 36 values, p99 368, p99.9 3688.
    Source: David and Nagaraja, Order Statistics, 3rd ed. 2003, section 7.1.
    """
    from scipy.special import bdtr

    tail = (1 - confidence) / 2
    at_most = bdtr(np.arange(n, dtype=float), n, share)     # P(so many of them, or fewer, lie at or below), for 0 to n - 1
    low, high = int(np.searchsorted(at_most, tail, side="right")), int(np.searchsorted(at_most, 1 - tail)) + 1
    if low < 1 or high > n:
        return None
    return low, high, float(at_most[high - 1] - at_most[low - 1])


def design_effect(below: Sequence[int], sizes: Sequence[int]) -> float:
    """How many values of processes tell as much as one independent value, of the share at or below a quantile; at least 1.

    below: of [sizes] values of each process, how many. Values of one process resemble each other (callbacks wait behind one
    another), so that the share differs more between processes than that of independent values would; by the ratio of the two
    variances. NaN with fewer than 2 processes.
    Source: Woodruff, JASA 47 (1952) 635-646; Kish, Survey Sampling, 1965, section 8.2.
    """
    counts, totals = np.asarray(below, dtype=float), np.asarray(sizes, dtype=float)
    m, n = len(totals), totals.sum()
    if m < 2:
        return math.nan
    share = counts.sum() / n
    if share in (0.0, 1.0):
        return 1.0
    between = m / (m - 1) * float(((counts - share * totals) ** 2).sum()) / n**2
    return max(1.0, between / (share * (1 - share) / n))


def _paired(a: Sequence, b: Sequence, combine: Callable, positive: bool) -> list[np.ndarray]:
    if len(a) != len(b):
        raise ValueError(f"{len(a)} processes against {len(b)}: arms are paired within a process, give both the same ones")
    pairs = []
    for left, right in zip(a, b):
        left, right = np.asarray(left, dtype=float).ravel(), np.asarray(right, dtype=float).ravel()
        rounds = min(len(left), len(right))
        present = ~(np.isnan(left[:rounds]) | np.isnan(right[:rounds]))
        left, right = left[:rounds][present], right[:rounds][present]
        both = np.concatenate((left, right))
        if np.isinf(both).any() or (positive and (both <= 0).any()):
            raise ValueError(f"times must be finite{' and above 0' if positive else ''}; found {both.min()} to {both.max()}")
        if len(left):
            pairs.append(combine(left, right))
    return pairs


def pair_differences(a: Sequence, b: Sequence) -> list[np.ndarray]:
    """a - b in each round of each process: one array for each process that has a pair.

    a, b: [process][round], one unit; lists of any lengths or arrays; NaN or a round that only one of them has is missing.
    Raises ValueError where the numbers of processes differ or a value is infinite.
    """
    return _paired(a, b, np.subtract, positive=False)


def pair_log_ratios(a: Sequence, b: Sequence) -> list[np.ndarray]:
    """log(a / b) in each round of each process, as pair_differences; ValueError for a value that is not above 0."""
    return _paired(a, b, lambda left, right: np.log(left) - np.log(right), positive=True)


def process_medians(x: Sequence) -> np.ndarray:
    """The median over the rounds of each process: what paired_p, sign_test_p and drifted expect.

    x: [process][round], any unit, NaN for missing; a process without a value is dropped.
    """
    rows = [np.asarray(rounds, dtype=float).ravel() for rounds in x]
    table = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for row, rounds in zip(table, rows):
        row[:len(rounds)] = rounds
    table.sort(axis=1)    # NaN last, so the present values of each row are its first ones
    present = (~np.isnan(table)).sum(axis=1)
    table, present = table[present > 0], present[present > 0]
    which = np.arange(len(table))
    return (table[which, (present - 1) // 2] + table[which, present // 2]) / 2


def paired_added(a: Sequence, b: Sequence, confidence: float = 0.95) -> Estimate:
    """What [a] takes more than [b]: per process the median over rounds of a - b, over processes median_interval.

    a, b: [process][round] in one unit, which is also the estimate's; see pair_differences for what may be missing.
    Measured: 97.7 % of its 95 % intervals held a planted difference (10 processes: exactly 97.9 % expected).
    """
    return median_interval(process_medians(pair_differences(a, b)), confidence)


def paired_ratio(a: Sequence, b: Sequence, confidence: float = 0.95) -> Estimate:
    """The ratio a / b: paired_added on log(a / b), brought back; the bounds are 0 and infinity where n is too small.

    a, b: [process][round], finite times above 0 in one unit. Raises ValueError for others. Measured as paired_added.
    """
    return ratio_interval(process_medians(pair_log_ratios(a, b)), confidence)


def ratio_interval(logarithms: Sequence[float], confidence: float = 0.95) -> Estimate:
    """median_interval of [logarithms] of ratios, one for each process, brought back: the bounds of few are 0 and infinity."""
    log = median_interval(logarithms, confidence)
    return Estimate(math.exp(log.point), math.exp(log.low), math.exp(log.high), log.n, log.confidence)


def through_reference(a: Sequence[float], b: Sequence[float]) -> np.ndarray:
    """a - b of two arms that no process ran both of, each known by what it takes more than the same third in its own processes.

    a, b: one value for each process (process_medians of pair_differences, or of pair_log_ratios), any unit, in the order they
    were measured. The first of the one is set against the first of the other, and so on; what is left over is dropped. The
    processes are independent, so what comes out is a sample like that of a pair, with the noise of two processes in it: for
    paired_p and median_interval. Measured: 98.0 % of the 95 % intervals made of it held a planted difference, at 1.4 times the
    width of those within processes; 1.8 % of identical pairs called better or worse at alpha 0.05.
    """
    count = min(len(a), len(b))
    return np.asarray(a[:count], dtype=float) - np.asarray(b[:count], dtype=float)


def sign_test_p(d: Sequence[float]) -> float:
    """Two-sided p of the exact sign test that the median of [d] is 0; zeros and NaN say nothing and are left out.

    d: one difference (or log-ratio) for each process. 1.0 where nothing is left.
    Source: Dixon and Mood, JASA 41 (1946) 557-566.
    """
    values = _present(d)
    above, below = int((values > 0).sum()), int((values < 0).sum())
    n = above + below
    tail = sum(math.comb(n, k) for k in range(min(above, below) + 1))
    return min(1.0, 2 * tail / 2**n)


def paired_p(d: Sequence[float]) -> float:
    """Two-sided p that the centre of [d] is 0, by Yuen's trimmed t-test, to be adjusted by holm.

    d: one difference (or log-ratio) for each process, NaN for missing. From 8 values on the smallest and the largest are cut
    off, so that one ruined process does not hide a difference; below, it is the plain t-test. The exact sign test cannot serve
    here: 10 processes give at best p = 0.002, which Holm over 26 comparisons turns into more than 0.05. This p is only half
    of a verdict, whose other half is the exact interval. 1.0 for fewer than 2 values; 0.0 where all differ from 0 by the same.
    Source: Yuen, Biometrika 61 (1974) 165-170; for one sample as in Wilcox, Introduction to Robust Estimation, 4.3.
    """
    from scipy.special import stdtr    # 0.2 s to import, and plans need this module without it

    values = np.sort(_present(d))
    n = len(values)
    if n < 2:
        return 1.0
    cut = 1 if n >= TRIM_FROM else 0
    kept = values[cut:n - cut]
    winsorised = np.clip(values, kept[0], kept[-1])
    mean, freedom = float(np.mean(kept)), len(kept) - 1
    error = float(np.std(winsorised, ddof=1)) * math.sqrt((n - 1) / (len(kept) * freedom))
    if error == 0:
        return 0.0 if mean else 1.0
    return float(min(1.0, 2 * stdtr(freedom, -abs(mean) / error)))


def holm(p: Sequence[float]) -> list[float]:
    """The p values adjusted so that the chance of any false discovery among them is bounded, in the order given.

    Raises ValueError for a p outside 0 to 1. Source: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    values = [float(value) for value in p]
    if not all(0 <= value <= 1 for value in values):
        raise ValueError(f"p values must lie between 0 and 1; found {[v for v in values if not 0 <= v <= 1]}")
    adjusted, largest = [0.0] * len(values), 0.0
    for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - place) * values[index]))
        adjusted[index] = largest
    return adjusted


def equivalent(estimate: Estimate, margin: float) -> bool:
    """Whether the interval of a difference lies strictly inside -margin to margin: two one-sided tests, both rejecting.

    estimate, margin: one unit, 0 is no difference. A 95 % interval makes each one-sided test one of 2.5 % or less, half of
    what the 90 % interval customary for this test spends. Raises ValueError for a margin below 0 or NaN.
    Source: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657-680.
    """
    if not margin >= 0:
        raise ValueError(f"margin {margin}; expected 0 or more")
    return -margin < estimate.low and estimate.high < margin


def verdict(estimate: Estimate, p_adjusted: float, margin: float, alpha: float = 0.05, resolution: float = 0.0) -> str:
    """"better", "worse", "equivalent" or "unresolved": what may be said of a difference in time.

    estimate: the difference arm - reference (paired_added), or its log-ratio; below 0 is less time, so better.
    p_adjusted: paired_p after holm. margin, resolution: in the estimate's unit; the resolution is what the A/A twin could tell
    apart (smallest_detectable), and no difference up to it is called better or worse. A difference inside the margin is
    equivalent even where it is significant. Raises ValueError for a margin below 0.
    Measured without adjustment, margin or resolution: 1.7 % of identical pairs called better or worse at alpha 0.05.
    """
    if equivalent(estimate, margin):
        return "equivalent"
    found = p_adjusted < alpha and not estimate.covers(0.0) and abs(estimate.point) > resolution
    if not found:
        return "unresolved"
    return "better" if estimate.point < 0 else "worse"


def smallest_detectable(twin_differences: Sequence[float], confidence: float = 0.95) -> float:
    """The smallest effect a run could have seen: the largest absolute bound of the interval between identical arms.

    twin_differences: one value for each process, twin - original, any unit; infinite where they are too few.
    """
    estimate = median_interval(twin_differences, confidence)
    return max(abs(estimate.low), abs(estimate.high))


def hierarchical_mean(x: Sequence, seed: int, confidence: float = 0.95) -> Estimate:
    """The mean over processes of their means over rounds, with a bootstrap interval; the same for the same seed.

    x: [process][round], any unit, NaN for missing. Processes are drawn with replacement, each with all its rounds: drawing
    rounds anew inside them would count their variance twice (Davison and Hinkley, Bootstrap Methods and their Application,
    1997, section 3.8). The percentiles are widened for few processes (Hesterberg, The American Statistician 69 (2015)
    371-386). Infinite bounds where median_interval has them. Approximate, and beside the medians only.
    Measured: 93.6 % of its 95 % intervals held a planted difference; the plain percentiles held 88.4 %.
    """
    from scipy.special import ndtr, stdtrit

    means = np.array([values.mean() for values in map(_present, x) if len(values)])
    n = len(means)
    point = float(means.mean()) if n else math.nan
    if not _rank(n, confidence)[0]:
        return Estimate(point, -math.inf, math.inf, n, 1.0)
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // n)
    resampled = np.concatenate([means[rng.integers(n, size=(min(step, RESAMPLES - start), n))].mean(axis=1)
                                for start in range(0, RESAMPLES, step)])
    tail = float(ndtr(math.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 - confidence) / 2)))
    low, high = np.quantile(resampled, (tail, 1 - tail))
    # The middle percentiles of a skewed sample, asked for by a low confidence, need not hold its mean.
    return Estimate(point, min(float(low), point), max(float(high), point), n, confidence)


def drifted(series: Sequence[float]) -> bool:
    """Whether the halves of a series disagree: the Mann-Whitney test of the first against the last, at 1 %.

    series: values in the order they were measured, any unit, NaN for missing, the middle one of an odd number left out. Give
    one value for each process: rounds of one process resemble each other and would be taken for drift. Never with fewer than
    10 values, of which no order is that rare. Measured: 0.6 to 1.0 % of steady series called drifting (10 to 40 independent
    values, Student's t of 3 degrees of freedom).
    Source: Mann and Whitney, Annals of Mathematical Statistics 18 (1947) 50-60.
    """
    from scipy.stats import mannwhitneyu

    values = _present(series)
    half = len(values) // 2
    if half < 5 or np.ptp(values) == 0:
        return False
    return bool(mannwhitneyu(values[:half], values[-half:]).pvalue < DRIFT_ALPHA)


def proportion_interval(positives: int, n: int, confidence: float = 0.95) -> Estimate:
    """The share of [positives] among [n] independent trials and its exact interval; without any the whole range.

    Covers at least [confidence] whatever the share is. Raises ValueError for positives below 0 or above n.
    Source: Clopper and Pearson, Biometrika 26 (1934) 404-413.
    """
    from scipy.special import betaincinv

    if not 0 <= positives <= n:
        raise ValueError(f"{positives} of {n}; expected a count from 0 to {n}")
    tail = (1 - confidence) / 2
    low = float(betaincinv(positives, n - positives + 1, tail)) if positives else 0.0
    high = float(betaincinv(positives + 1, n - positives, 1 - tail)) if positives < n else 1.0
    return Estimate(positives / n if n else math.nan, low, high, n, confidence)


def williams_square(n: int, rng) -> list[list[int]]:
    """Orders of n arms in which each arm stands in each place, and follows each other arm, equally often.

    rng: anything with shuffle(list) in place (random.Random, numpy's Generator); it hands out the arms' labels and the order
    of the rows, which leaves both balances as they are. n rows for an even n (each arm once in each place, each ordered pair
    adjacent once), 2n for an odd n (twice each), where the mirrored square must be added. Raises ValueError for n below 1.
    Source: Williams, Australian Journal of Scientific Research A 2 (1949) 149-168.
    """
    if n < 1:
        raise ValueError(f"an order of {n} arms; expected 1 or more")
    first = [(place + 1) // 2 if place % 2 else (n - place // 2) % n for place in range(n)]    # 0, 1, n-1, 2, n-2, ...
    rows = [[(arm + shift) % n for arm in first] for shift in range(n)]
    if n % 2:
        rows += [row[::-1] for row in rows]
    labels = list(range(n))
    rng.shuffle(labels)
    rng.shuffle(rows)
    return [[labels[arm] for arm in row] for row in rows]
