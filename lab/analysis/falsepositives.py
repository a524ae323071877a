"""How often each harness calls identical code different, from the raw values of a sitting.

The runs of the paired protocol are judged by the code that judges a report (lab.analysis.paired), plain pyperf by the function
that its compare_to calls, Google Benchmark by the test that its tools/compare.py makes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab import stats
from lab.analysis import crosscheck, paired, twin
from lab.catalogue import TWIN_SUFFIX
from lab.results import Run
from lab.samples import COLUMNS, COUNTERS
from lab.stats import Estimate
from lab.units import NS_PER_S

if TYPE_CHECKING:
    import pyperf

    from lab.sittings import Sitting

ALPHA = 0.05                # of Google Benchmark's U test: the default of its --alpha
DIFFERENT = ("better", "worse")
HARNESSES = {"paired": "this protocol", "pyperf": "plain pyperf", "google": "Google Benchmark"}


@dataclass(frozen=True)
class Rate:
    """How often a harness called identical arms different, by one criterion."""

    harness: str            # a key of HARNESSES
    criterion: str
    positives: int
    share: Estimate         # n: the comparisons; exact where they are independent
    independent: str        # what of them is, and what is not


@dataclass(frozen=True)
class Spread:
    """What two identical arms differed by in the estimates of a harness, whatever was said of it."""

    harness: str
    typical_ns: float       # the median of the absolute differences
    wide_ns: float          # 95 % of them are below
    comparisons: int


@dataclass(frozen=True)
class _Judged:
    """One comparison of two identical arms."""

    difference_ns: float
    called: Mapping[str, bool]      # criterion -> whether the arms were called different by it


def rates(sitting: Sitting) -> list[Rate]:
    """The rates of each harness that has values in [sitting]; the criterion that is its own verdict first."""
    found = []
    by_verdict, raw = _of_paired(sitting)
    criteria = {
        "verdict better or worse": (by_verdict, "no arm is in two; three of a run share its processes, its A/A envelope and Holm's "
                                                "adjustment"),
        "the same without a margin for equivalence": (by_verdict, "as above"),
        "95 % interval leaves 0 out": (raw, "no arm is in two; four of a run, the twin's among them, share its processes")}
    found += [_rate("paired", criterion, judged, why) for criterion, (judged, why) in criteria.items() if judged]
    every = _of_pyperf(sitting)
    disjoint = [each for chain in every for each in chain[::2]]
    found += [_rate("pyperf", "compare_to calls it significant", judged, why) for judged, why in (
        (disjoint, "no benchmark is in two"),
        ([each for chain in every for each in chain], "neighbours share a benchmark: the interval is too narrow")) if judged]
    google = _of_google(sitting)
    if google:
        found.append(_rate("google", "U test, p below 0.05", google, "no benchmark is in two; those of a slice share a process"))
    return found


def spreads(sitting: Sitting) -> list[Spread]:
    """By how much identical arms differed in each harness."""
    every = {"paired": _of_paired(sitting)[1], "pyperf": [each for chain in _of_pyperf(sitting) for each in chain[::2]],
             "google": _of_google(sitting)}
    found = []
    for harness, judged in every.items():
        sizes = np.abs([each.difference_ns for each in judged])
        if len(sizes):
            found.append(Spread(harness, float(np.median(sizes)), float(np.quantile(sizes, 0.95)), len(sizes)))
    return found


def _rate(harness: str, criterion: str, judged: Sequence[_Judged], why: str) -> Rate:
    positives = sum(each.called[criterion] for each in judged)
    return Rate(harness, criterion, positives, stats.proportion_interval(positives, len(judged)), why)


# ---- this protocol

@functools.lru_cache(maxsize=1)     # rates and spreads ask for the same
def _of_paired(sitting: Sitting) -> tuple[list[_Judged], list[_Judged]]:
    """The comparisons that a report gives a verdict on and that are not its A/A control; all, by their intervals alone."""
    verdicts, raw = [], []
    for record in sitting.of_kind("paired"):
        run = run_of(record, sitting.header)
        for finding in (*paired.analyse(run), *paired.analyse_pairs(run)):
            if [finding.arm, finding.reference] not in sitting.header["pairs"] or finding.arm.endswith(TWIN_SUFFIX):
                continue
            strict = stats.verdict(finding.added_ns, finding.p_adjusted, 0.0, 1 - sitting.header["confidence"], finding.envelope_ns)
            verdicts.append(_Judged(finding.added_ns.point, {
                "verdict better or worse": finding.verdict in DIFFERENT,
                "the same without a margin for equivalence": strict in DIFFERENT}))
            raw.append(_raw(finding.added_ns))
        raw += [_raw(cell.added_ns) for cell in twin.analyse(run).cells]
    return verdicts, raw


def _raw(added_ns: Estimate) -> _Judged:
    return _Judged(added_ns.point, {"95 % interval leaves 0 out": not added_ns.covers(0.0)})


def run_of(record: Mapping, header: Mapping) -> Run:
    """The run of the paired protocol in one [record], as if it had been read from a folder of its own."""
    import pandas

    twins = [arm for arm in record["arms"] if arm.endswith(TWIN_SUFFIX)]
    scenario, _, rest = header["benchmark"].partition("[")
    key, _, value = rest.rstrip("]").partition("=")
    declared = {
        "name": header["name"], "seed": record["seed"], "confidence": header["confidence"], "margins": header["margins"],
        "twin": twins[0], "reference": {scenario: record["arms"][0]},
        "comparisons": [[header["benchmark"], *pair] for pair in header["pairs"]],
        "arms": [{"id": arm, "kind": "form"} for arm in record["arms"] if arm not in twins],
        "scenarios": [{"name": scenario, "thread": "attached", "parameters": {key: [value]}}]}
    samples = pandas.DataFrame(_rows(record, header["interpreter"]["tag"], scenario, header["benchmark"]), columns=list(COLUMNS))
    return Run(Path(header["name"]), declared, samples, {}, {}, pandas.DataFrame())


def _rows(record: Mapping, tag: str, scenario: str, benchmark: str) -> Iterator[tuple]:
    """A row for each batch: samples.COLUMNS. Places in a round follow from the seed and decide nothing: they are 0 here."""
    for number, process in enumerate(record["processes"]):
        for index, (arm, loops) in enumerate(zip(record["arms"], record["loops"])):
            series = [process["disturbed"].get(counter, {}).get(str(index)) for counter in COUNTERS]
            for turn, elapsed_ns in enumerate(process["elapsed_ns"][index]):
                counted = [each[turn] if each else 0 for each in series]
                yield (tag, scenario, benchmark, arm, 0, 0, number, turn, 0, elapsed_ns / loops / NS_PER_S, loops, *counted)


# ---- the others

@functools.lru_cache(maxsize=1)
def _of_pyperf(sitting: Sitting) -> list[list[_Judged]]:
    """For each chain its neighbours, in the order they were measured."""
    found = []
    for record in sitting.of_kind("pyperf"):
        measured = [pyperf_benchmark(each) for each in record["benchmarks"]]
        found.append([_Judged((one.mean() - other.mean()) * NS_PER_S,
                              {"compare_to calls it significant": crosscheck.compare_means(one, other) in DIFFERENT})
                      for other, one in zip(measured, measured[1:])])
    return found


def pyperf_benchmark(measured: Mapping) -> pyperf.Benchmark:
    """One benchmark of a record as pyperf has it."""
    import pyperf

    return pyperf.Benchmark([pyperf.Run([elapsed_ns / measured["loops"] / NS_PER_S for elapsed_ns in values],
                                        metadata={"name": measured["arm"], "loops": measured["loops"]}, collect_metadata=False)
                             for values in measured["elapsed_ns"]])


def _of_google(sitting: Sitting) -> list[_Judged]:
    """The first arm of a process against the second, the third against the fourth, and so on."""
    from scipy.stats import mannwhitneyu

    found = []
    for record in sitting.of_kind("google"):
        for one, other in zip(record["ns"][::2], record["ns"][1::2]):
            p = mannwhitneyu(one, other, alternative="two-sided").pvalue
            found.append(_Judged(float(np.mean(one) - np.mean(other)), {"U test, p below 0.05": bool(p < ALPHA)}))
    return found
