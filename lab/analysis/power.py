"""How small a difference the paired protocol finds, and in what time, from the long runs of a sitting.

Processes are drawn with replacement from those of one long run, as many as a budget gives, and judged by the rules of a report:
the same interval, p, adjustment, margin and envelope (lab.analysis.paired). A share of such draws is the power.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lab import stats
from lab.analysis.falsepositives import pyperf_benchmark, spreads
from lab.catalogue import TWIN_SUFFIX
from lab.stats import Estimate
from lab.units import NS_PER_S

if TYPE_CHECKING:
    from lab.sittings import Sitting

BUDGETS_S = (30.0, 60.0, 300.0)
DRAWS = 400
WANTED = 0.8                # power, by which the smallest difference found is named
FEWEST = 6                  # processes that an interval needs
MOST = 2000                 # processes, beyond which no time is looked for
SHOWN_S = (2.0, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True)
class Found:
    """What was said of arms with [planted] instructions more in the draws of one budget, as shares of them."""

    budget_s: float
    processes: int          # that the budget gives
    planted: int
    worse: float
    better: float
    equivalent: float
    told_apart: float       # worse or better, were there no margin for equivalence


@dataclass(frozen=True)
class Power:
    """What the long run shows. [added_ns]: instructions more -> what they take, by all its processes."""

    processes: int          # of the long run
    process_s: float        # what one took, its start included
    added_ns: Mapping[int, Estimate]
    found: tuple[Found, ...]

    def smallest(self, budget_s: float, share: str) -> int | None:
        """The fewest instructions that [budget_s] finds in WANTED of the draws, by the field [share] of Found, and all more do."""
        best = None
        for each in sorted((each for each in self.found if each.budget_s == budget_s), key=lambda each: -each.planted):
            if getattr(each, share) < WANTED:
                break
            best = each.planted
        return best


@dataclass(frozen=True, eq=False)
class Drawn:
    """The long run as it is drawn from: a row for each process, a column for each of [planted], times in ns."""

    planted: tuple[int, ...]
    added_ns: np.ndarray
    twin_ns: np.ndarray         # one value for each process: twin less base
    base_ns: np.ndarray


def processes_of(records: Sequence[Mapping]) -> dict[str, np.ndarray]:
    """arm -> its times in ns, [process][round], over the [records] of a run that went on from slice to slice."""
    arms, loops = records[0]["arms"], records[0]["loops"]
    return {arm: np.array([process["elapsed_ns"][index] for record in records for process in record["processes"]], dtype=float)
            / loops[index] for index, arm in enumerate(arms)}


def _medians(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return stats.process_medians(stats.pair_differences(a, b))


def judge(drawn: Drawn, rows: np.ndarray, margins: Mapping, confidence: float) -> list[tuple[str, str]]:
    """For each of what was planted the verdict on the processes [rows], and the one without a margin for equivalence."""
    twin_ns, base_ns = drawn.twin_ns[rows], drawn.base_ns[rows]
    differences = [*drawn.added_ns[rows].T, twin_ns]
    adjusted = stats.holm([stats.paired_p(each) for each in differences])       # the twin is a comparison too
    envelope_ns = stats.smallest_detectable(twin_ns, confidence)
    margin_ns = max(margins["absolute_ns"], margins["relative"] * float(np.median(base_ns)))
    estimates = [stats.median_interval(each, confidence) for each in differences[:-1]]
    return [tuple(stats.verdict(estimate, p, margin, 1 - confidence, envelope_ns) for margin in (margin_ns, 0.0))
            for estimate, p in zip(estimates, adjusted)]


def analyse(sitting: Sitting, budgets_s: Sequence[float] = BUDGETS_S, draws: int = DRAWS) -> Power | None:
    """What the long run of [sitting] shows; None where it has none."""
    records = sitting.of_kind("planted")
    if not records:
        return None
    drawn, header = drawn_of(records, sitting.header), sitting.header
    process_s = float(np.mean([process["seconds"] for record in records for process in record["processes"]]))
    found, random = [], np.random.default_rng(header["seed"])
    for budget_s in budgets_s:
        count = max(1, int(budget_s / process_s) - 1)       # one more calibrates
        said = [judge(drawn, random.integers(len(drawn.base_ns), size=count), header["margins"], header["confidence"])
                for _ in range(draws)]
        found += [_found(budget_s, count, planted, [each[column] for each in said]) for column, planted in enumerate(drawn.planted)]
    added = {planted: stats.median_interval(drawn.added_ns[:, column], header["confidence"])
             for column, planted in enumerate(drawn.planted)}
    return Power(len(drawn.base_ns), process_s, added, tuple(found))


def drawn_of(records: Sequence[Mapping], header: Mapping) -> Drawn:
    """The long run in [records], with what each process says of each arm."""
    times, base = processes_of(records), header["base"]
    planted = tuple(header["planted"])
    added = np.array([_medians(times[f"{base.rpartition('/')[0]}/{count}"], times[base]) for count in planted]).T
    return Drawn(planted, added, _medians(times[base + TWIN_SUFFIX], times[base]), stats.process_medians(times[base]))


def _found(budget_s: float, processes: int, planted: int, said: Sequence[tuple[str, str]]) -> Found:
    share = {word: sum(verdict == word for verdict, _ in said) / len(said) for word in ("worse", "better", "equivalent")}
    apart = sum(strict in ("worse", "better") for _, strict in said) / len(said)
    return Found(budget_s, processes, planted, **share, told_apart=apart)


# ---- the time for an interval

@dataclass(frozen=True)
class Width:
    """How wide the paired protocol's interval of two arms is: the middle of the half-widths of draws."""

    processes: int
    seconds: float
    half_width_ns: float


@dataclass(frozen=True)
class Reached:
    """An interval that plain pyperf has, and when the paired protocol has one that is no wider."""

    what: str
    half_width_ns: float
    plain_s: float              # what plain pyperf took for the two arms
    paired: Width | None        # None where MOST processes do not do

    @property
    def share(self) -> float:
        """Of plain pyperf's time; infinite where it is not reached."""
        return self.paired.seconds / self.plain_s if self.paired else math.inf


@dataclass(frozen=True)
class Times:
    """The same two arms by both. [processes]: of the paired protocol, drawn from."""

    processes: int
    process_s: float
    widths: tuple[Width, ...]
    reached: tuple[Reached, ...]


def times(sitting: Sitting, draws: int = DRAWS // 4) -> Times | None:
    """What time either takes for an interval; None where one of them has no values."""
    records, chains = sitting.of_kind("two"), sitting.of_kind("pyperf")
    if not records or not chains:
        return None
    measured = processes_of(records)
    one, other = sitting.header["two"]
    differences = _medians(measured[other], measured[one])
    process_s = float(np.mean([process["seconds"] for record in records for process in record["processes"]]))
    width = _Widths(differences, process_s, sitting.header, draws)
    pairs = [(first, second) for record in chains for first, second in zip(record["benchmarks"][::2], record["benchmarks"][1::2])]
    plain_s = float(np.median([first["seconds"] + second["seconds"] for first, second in pairs]))
    wide = {"pyperf's own: the t-test's 95 % interval over all values":
            float(np.median([plain_half_width(*pair, by_process=False) for pair in pairs])),
            "the same over the means of processes": float(np.median([plain_half_width(*pair, by_process=True) for pair in pairs]))}
    wide |= {"within which 95 % of identical arms were, by pyperf's means": each.wide_ns for each in spreads(sitting)
             if each.harness == "pyperf"}
    return Times(len(differences), process_s, tuple(map(width.at, dict.fromkeys(width.count(seconds) for seconds in SHOWN_S))),
                 tuple(Reached(what, half_width, plain_s, width.reaching(half_width)) for what, half_width in wide.items()))


@dataclass(frozen=True, eq=False)
class _Widths:
    differences_ns: np.ndarray
    process_s: float
    header: Mapping
    draws: int

    def count(self, seconds: float) -> int:
        return max(FEWEST, int(seconds / self.process_s) - 1)

    def at(self, count: int) -> Width:
        """The width of so many processes and the time they take, with the one that calibrates."""
        random = np.random.default_rng([self.header["seed"], count])
        drawn = (stats.median_interval(random.choice(self.differences_ns, count), self.header["confidence"])
                 for _ in range(self.draws))
        return Width(count, (count + 1) * self.process_s, float(np.median([(each.high - each.low) / 2 for each in drawn])))

    def reaching(self, half_width_ns: float) -> Width | None:
        """The fewest processes whose interval is no wider: twice as many until it is, then halfway between."""
        too_few, enough = FEWEST - 1, FEWEST
        while self.at(enough).half_width_ns > half_width_ns:
            too_few, enough = enough, 2 * enough
            if enough > MOST:
                return None
        while enough - too_few > 1:
            middle = (too_few + enough) // 2
            too_few, enough = (middle, enough) if self.at(middle).half_width_ns > half_width_ns else (too_few, middle)
        return self.at(enough)


def plain_half_width(one: Mapping, other: Mapping, by_process: bool) -> float:
    """Half of Student's 95 % interval of the difference of two pyperf benchmarks' means, in ns, with the pooled variance that
    pyperf's t-test has: over all values, or over the mean of each process."""
    from scipy.special import stdtrit

    a, b = (np.array([run.values for run in pyperf_benchmark(each).get_runs()]) * NS_PER_S for each in (one, other))
    a, b = (values.mean(axis=1) if by_process else values.ravel() for values in (a, b))
    freedom = len(a) + len(b) - 2
    pooled = (float(((a - a.mean())**2).sum()) + float(((b - b.mean())**2).sum())) / freedom
    return float(stdtrit(freedom, 0.975)) * math.sqrt(pooled * (1 / len(a) + 1 / len(b)))
