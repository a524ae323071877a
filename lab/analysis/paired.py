"""What the paired protocol says of each arm: the time it adds over its reference, with interval, margin and verdict.

A verdict is given on comparisons that the header declares, and Holm's adjustment is over all of those that have data, on every
interpreter. Arms of different blocks never meet: each is compared inside its own block, with the reference arm or another form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lab import stats
from lab.analysis import twin
from lab.analysis.cells import Cell, cells
from lab.stats import Estimate

if TYPE_CHECKING:
    from lab.results import Run


@dataclass(frozen=True)
class Finding:
    """One arm in one cell against one other arm of its block. Times are per call."""

    interpreter: str
    scenario: str
    benchmark: str
    parameters: Mapping
    arm: str
    reference: str             # the scenario's reference arm; in a pair of forms the other form
    block: int
    processes: int             # that ran both
    absolute_ns: Estimate      # of the arm
    floor_ns: float            # its fastest batch: never for inference
    reference_ns: float        # the median of the reference, in the same processes
    added_ns: Estimate         # arm - reference
    ratio: Estimate            # arm / reference
    mean_added_ns: Estimate    # the mean instead of the median, with a bootstrap interval: beside it, never for a verdict
    p: float                   # NaN for the reference itself
    p_adjusted: float          # NaN where nothing was declared
    margin_ns: float           # for equivalence: the larger of the absolute and the relative; never widened by noise
    envelope_ns: float         # A/A: no difference up to this is called one; infinite where no twin ran
    envelope_of: str           # the benchmark it was seen in: this one, or the worst of the interpreter; "" where no twin ran
    verdict: str               # "better", "worse", "equivalent", "unresolved"; "reference"; "undeclared"
    below_resolution: bool     # the envelope covers the added time
    contaminated: float        # share of the arm's batches that were disturbed
    added_clean_ns: Estimate   # without the disturbed batches of either arm
    shares: Mapping            # of the variance of the differences: "process", "round"
    drift: bool                # the first half of the processes disagrees with the second


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two arms of one cell, cut down to the processes that ran both."""

    cell: Cell
    arm: str
    reference: str
    rows: np.ndarray

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.cell.interpreter, self.cell.benchmark, self.arm, self.reference

    def times(self, clean: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The times of arm and reference in ns, [process][round]; [clean]: without the rounds in which either was disturbed."""
        a, b = self.cell.times_ns[self.arm][self.rows], self.cell.times_ns[self.reference][self.rows]
        if clean:
            disturbed = self.cell.flagged[self.arm][self.rows] | self.cell.flagged[self.reference][self.rows]
            a, b = np.where(disturbed, np.nan, a), np.where(disturbed, np.nan, b)
        return a, b

    def p(self) -> float:
        return stats.paired_p(stats.process_medians(stats.pair_differences(*self.times())))


@dataclass(frozen=True, eq=False)
class _Rules:
    """What the verdicts of a run rest on besides its samples."""

    confidence: float
    seed: int
    absolute_ns: float
    relative: float
    twin: twin.TwinFinding
    p_adjusted: Mapping[tuple, float]

    def envelope(self, interpreter: str, benchmark: str) -> tuple[float, str]:
        """The A/A envelope for a cell in ns, and the benchmark it was seen in."""
        seen = {other: value for (tag, other), value in self.twin.envelope_ns.items() if tag == interpreter}
        if not seen:
            return math.inf, ""
        source = benchmark if benchmark in seen else max(seen, key=seen.__getitem__)
        return seen[source], source

    def margin(self, reference_ns: float) -> float:
        """The margin for equivalence in ns. The A/A envelope has no part in it: noise makes nothing equivalent."""
        return max(self.absolute_ns, self.relative * reference_ns)


def analyse(run: Run) -> list[Finding]:
    """A finding for each arm of each cell against its scenario's reference arm; the reference's own says "reference"."""
    measured = list(cells(run))
    rules, references = _rules(run, measured), run.header["reference"]
    pairs = [_pair(cell, arm, references[cell.scenario]) for cell in measured for arm in cell.times_ns]
    return [_finding(pair, rules) for pair in pairs if pair]


def analyse_pairs(run: Run) -> list[Finding]:
    """A finding for each pair of forms that was declared, in the direction declared; its reference is the other form."""
    measured = list(cells(run))
    rules = _rules(run, measured)
    forms = {arm["id"] for arm in run.header["arms"] if arm["kind"] == "form"} - {run.header["twin"]}
    declared = _declared(run, measured)
    return [_finding(pair, rules) for pair in declared
            if {pair.arm, pair.reference} <= forms and pair.reference != run.header["reference"][pair.cell.scenario]]


def _rules(run: Run, measured: list[Cell]) -> _Rules:
    declared = _declared(run, measured)
    adjusted = stats.holm([pair.p() for pair in declared])
    return _Rules(run.header["confidence"], run.header["seed"], run.header["margins"]["absolute_ns"], run.header["margins"]["relative"],
                  twin.analyse_cells(measured, run.header["twin"] or "", run.header["confidence"]),
                  {pair.key: p for pair, p in zip(declared, adjusted)})


def _declared(run: Run, measured: list[Cell]) -> list[_Pair]:
    """The comparisons declared beforehand that have data, on every interpreter."""
    declared = dict.fromkeys(map(tuple, run.header["comparisons"]))    # each once
    pairs = [_pair(cell, arm, baseline) for cell in measured
             for benchmark, arm, baseline in declared if benchmark == cell.benchmark]
    return [pair for pair in pairs if pair]


def _pair(cell: Cell, arm: str, reference: str) -> _Pair | None:
    """The two arms, or None where no process ran both."""
    if arm not in cell.times_ns or reference not in cell.times_ns:
        return None
    rows = cell.own(arm) if arm == reference else cell.shared(arm, reference)
    return _Pair(cell, arm, reference, rows) if rows.any() else None


def _finding(pair: _Pair, rules: _Rules) -> Finding:
    cell, (times, reference) = pair.cell, pair.times()
    differences = stats.pair_differences(times, reference)
    medians = stats.process_medians(differences)
    added = stats.median_interval(medians, rules.confidence)
    itself = pair.arm == pair.reference
    reference_ns = float(np.median(stats.process_medians(reference)))
    envelope_ns, envelope_of = rules.envelope(cell.interpreter, cell.benchmark)
    margin_ns = rules.margin(reference_ns)
    p_adjusted = rules.p_adjusted.get(pair.key, math.nan)
    return Finding(
        interpreter=cell.interpreter, scenario=cell.scenario, benchmark=cell.benchmark, parameters=cell.parameters,
        arm=pair.arm, reference=pair.reference, block=int(cell.blocks[pair.rows].min()), processes=int(pair.rows.sum()),
        absolute_ns=stats.median_interval(stats.process_medians(times), rules.confidence), floor_ns=float(np.nanmin(times)),
        reference_ns=reference_ns, added_ns=added, ratio=stats.paired_ratio(times, reference, rules.confidence),
        mean_added_ns=stats.hierarchical_mean(differences, rules.seed, rules.confidence),
        p=math.nan if itself else stats.paired_p(medians), p_adjusted=p_adjusted, margin_ns=margin_ns, envelope_ns=envelope_ns,
        envelope_of=envelope_of, verdict="reference" if itself else _verdict(added, p_adjusted, margin_ns, envelope_ns, rules),
        below_resolution=not itself and abs(added.point) <= envelope_ns,
        contaminated=float(cell.flagged[pair.arm][pair.rows][~np.isnan(times)].mean()),
        added_clean_ns=stats.paired_added(*pair.times(clean=True), rules.confidence),
        shares=stats.variance_shares(times if itself else differences),
        drift=stats.drifted(stats.process_medians(times) if itself else medians))


def _verdict(added: Estimate, p_adjusted: float, margin_ns: float, envelope_ns: float, rules: _Rules) -> str:
    if math.isnan(p_adjusted):
        return "undeclared"
    return stats.verdict(added, p_adjusted, margin_ns, alpha=1 - rules.confidence, resolution=envelope_ns)
