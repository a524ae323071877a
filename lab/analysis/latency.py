"""How long callbacks waited for the interpreter and how long they took then: quantiles by process, and of all processes together.

Two readings, for two ends of a distribution. A quantile of each process and the median of those over processes, with the exact
interval of the sign test, needs no more than independent processes, and pairs with the reference arm in the same process; a
process has few callbacks, so that it tells of the middle. The callbacks of all processes together reach further out; there the
interval is of two order statistics, of as many independent values as tell as much. No verdict is given on either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.analysis.cells import latency_scenarios, other_frequency, parameter_sets
from lab.latencies import KINDS, Histogram, histogram, merged
from lab.stats import Estimate, design_effect, median_interval, quantile_ranks
from lab.units import NS_PER_S

if TYPE_CHECKING:
    from lab.results import Run

SHARES = (0.5, 0.9, 0.99, 0.999, 0.9999)


@dataclass(frozen=True)
class Quantile:
    """One quantile of one kind of duration of an arm, in ns; None where there are too few callbacks to tell it."""

    share: float                    # of the callbacks that took at most so long
    typical_ns: Estimate | None     # over processes: the median of each process's own
    added_ns: Estimate | None       # the same of what it is more than the reference arm's in the same process
    pooled_ns: Estimate | None      # of the callbacks of all processes; n: how many independent ones they are worth


@dataclass(frozen=True)
class Latency:
    """One arm in one cell."""

    interpreter: str
    scenario: str
    benchmark: str
    parameters: Mapping
    arm: str
    reference: str
    processes: int
    callbacks: int                  # in all processes
    threads: int
    processors: int                 # that the process could use
    calls_per_s: float              # of each thread
    wait: tuple[Quantile, ...]      # of SHARES
    service: tuple[Quantile, ...]
    longest_ns: Mapping[str, int]   # of "wait" and of "service", exactly
    disturbed: int                  # processes of another frequency, or robbed by the hypervisor while the arm ran: flagged
    clean_ns: Estimate | None       # the median wait over the other processes

    @property
    def oversubscribed(self) -> bool:
        """Whether there were more calling threads than processors."""
        return self.threads > self.processors

    def quantile(self, kind: str, share: float) -> Quantile:
        """Of "wait" or "service"."""
        return next(each for each in getattr(self, kind) if each.share == share)


def analyse(run: Run) -> list[Latency]:
    """What was measured of each interpreter, benchmark and arm, benchmarks in the order of the run, its reference arm first."""
    names = latency_scenarios(run)
    scenarios = [scenario for scenario in run.header["scenarios"] if scenario["name"] in names]
    sets = {benchmark: (scenario, parameters) for scenario in scenarios
            for benchmark, parameters in parameter_sets([scenario]).items()}
    order = list(sets)
    places = [(tag, benchmark, arm) for (tag, arm), benchmarks in run.latencies.items() for benchmark in benchmarks
              if benchmark in sets]
    arms = [arm["id"] for arm in run.header["arms"]]
    places.sort(key=lambda place: (place[0], order.index(place[1]), place[2] != sets[place[1]][0]["reference"],
                                   arms.index(place[2]) if place[2] in arms else len(arms)))
    disturbed = _disturbed(run)
    return [_latency(run, place, *sets[place[1]], disturbed.get(place, frozenset())) for place in places]


def _disturbed(run: Run) -> dict[tuple[str, str, str], frozenset[int]]:
    """(interpreter, benchmark, arm) -> the processes that something outside disturbed in a way that is not the scenario's own.

    Preemption and migration are what threads beyond the processors come to, and no flag here.
    """
    table = run.samples
    rows = table[(table["steal"] > 0) | table["process"].isin(other_frequency(run))]
    return {place: frozenset(group) for place, group in rows.groupby(["interpreter", "benchmark", "arm"])["process"]}


def _latency(run: Run, place: tuple[str, str, str], scenario: Mapping, parameters: Mapping, disturbed: frozenset[int]) -> Latency:
    tag, benchmark, arm = place
    batches, confidence = run.latencies[tag, arm][benchmark], run.header["confidence"]
    beside = run.latencies.get((tag, scenario["reference"]), {}).get(benchmark, {})
    clean = {process: _of_process(each, "wait") for process, each in sorted(batches.items()) if process not in disturbed}
    one, quantiles, longest = next(iter(batches.values()))[0], {}, {}
    for kind in KINDS:
        own = {process: _of_process(each, kind) for process, each in sorted(batches.items())}
        other = {process: _of_process(beside[process], kind) for process in own if process in beside}
        quantiles[kind] = tuple(_quantile(share, own, other if arm != scenario["reference"] else {}, confidence)
                                for share in SHARES)
        longest[kind] = max(each.largest_ns for each in own.values())
    return Latency(tag, scenario["name"], benchmark, parameters, arm, scenario["reference"], len(batches),
                   sum(batch["wait"]["count"] for each in batches.values() for batch in each), one["threads"], one["processors"],
                   NS_PER_S / one["gap_ns"], quantiles["wait"], quantiles["service"], longest,
                   sum(process in disturbed for process in batches), _quantile(0.5, clean, {}, confidence).typical_ns)


def _of_process(batches: Sequence[Mapping], kind: str) -> Histogram:
    return merged(histogram(batch[kind]) for batch in batches)


def _quantile(share: float, own: Mapping[int, Histogram], other: Mapping[int, Histogram], confidence: float) -> Quantile:
    values = {process: each.quantile_ns(share) for process, each in own.items() if _tells(each, share)}
    pairs = [value - other[process].quantile_ns(share) for process, value in values.items()
             if process in other and _tells(other[process], share)]
    return Quantile(share, median_interval(list(values.values()), confidence) if values else None,
                    median_interval(pairs, confidence) if pairs else None, pooled(list(own.values()), share, confidence))


def _tells(each: Histogram, share: float) -> bool:
    """Whether a process has callbacks enough for a quantile of its own: one beyond it, at least, is to be expected."""
    return each.count * (1 - share) > 1 - 1e-9


def pooled(processes: Sequence[Histogram], share: float, confidence: float) -> Estimate | None:
    """A quantile of all callbacks of [processes], with the interval of two order statistics; None where no two hold it.

    The order statistics are those of fewer values, by as much as the processes differ (design_effect): a process in which
    something stalled is one accident, however many callbacks waited for its end. The bounds are those of the buckets.
    """
    everything = merged(processes)
    rank = max(1, math.ceil(share * everything.count - 1e-9))
    worth = int(everything.count / _effect(processes, everything.bucket(rank)))
    found = quantile_ranks(worth, share, confidence)
    if found is None:
        return None
    scale = everything.count / worth
    low, high = max(1, math.floor(found[0] * scale)), min(everything.count, math.ceil(found[1] * scale))
    low, high = min(low, rank), max(high, rank)
    return Estimate(everything.value_ns(rank), everything.bounds_ns(low)[0], everything.bounds_ns(high)[1], worth, found[2])


def _effect(processes: Sequence[Histogram], bucket: int) -> float:
    """The design effect for a quantile in [bucket]: the larger of that below it and of that up to its end, as a stall may lie in
    one bucket with all that waited for it; infinite for a single process."""
    sizes = [each.count for each in processes]
    if len(sizes) < 2:
        return math.inf
    return max(design_effect([sum(count for at, count in each.buckets if at < end) for each in processes], sizes)
               for end in (bucket, bucket + 1))
