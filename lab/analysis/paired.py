"""What the paired protocol says of each arm: the time it adds over its reference, with interval, margin and verdict.

A verdict is given on comparisons that the header declares, and Holm's adjustment is over all of those that have data, on every
interpreter. Arms of different blocks never meet: each is compared inside its own block with the reference arm, and two forms
of different blocks through that arm, by what either takes more than it (PROTOCOL: point 3).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lab import stats, variance
from lab.analysis import twin
from lab.analysis.cells import Cell, cells
from lab.stats import Estimate

if TYPE_CHECKING:
    from lab.results import Run


@dataclass(frozen=True)
class Finding:
    """One arm in one cell against one other arm. Times are per call."""

    interpreter: str
    scenario: str
    benchmark: str
    parameters: Mapping
    arm: str
    reference: str             # the scenario's reference arm; in a pair of forms the other form
    through: str               # the arm that ran beside either, where no process ran both; "" where they are paired
    block: int                 # of the arm
    processes: int             # that ran both, or pairs of processes that ran one each
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
    verdict: str               # "better", "worse", "equivalent", "layout-dependent", "unresolved"; "reference"; "undeclared"
    below_resolution: bool     # the envelope covers the added time
    contaminated: float        # share of the arm's batches that were disturbed
    added_clean_ns: Estimate   # without the disturbed batches of either arm
    shares: Mapping            # of the variance of the differences: "layout" (NaN: there was one), "process", "round"
    layouts_ns: Estimate       # the added time over layouts, of which the estimate's n is the number; no bounds for few
    layouts_p: float           # of no difference between layouts; NaN where there was one
    drift: bool                # the first half of the processes disagrees with the second


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two arms of one cell in the processes that ran both; or, where none did, each in those that it shares with a third."""

    cell: Cell
    arm: str
    reference: str
    rows: np.ndarray            # the processes of the arm
    other_rows: np.ndarray      # of the reference: the same ones, unless there is a third
    through: str = ""           # the third

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.cell.interpreter, self.cell.benchmark, self.arm, self.reference

    @property
    def processes(self) -> int:
        return min(int(self.rows.sum()), int(self.other_rows.sum()))

    @property
    def layouts(self) -> np.ndarray:
        """The layout of each process, or pair of processes. The n-th processes of all blocks of a scenario run the same one."""
        return self.cell.layouts[self.rows][:self.processes]

    def times(self) -> tuple[np.ndarray, np.ndarray]:
        """The times of arm and reference in ns, [process][round]."""
        return self.cell.times_ns[self.arm][self.rows], self.cell.times_ns[self.reference][self.other_rows]

    def compare(self, subtract: Callable, clean: bool = False,
                centre: Callable = stats.process_medians) -> Sequence[np.ndarray]:
        """[subtract] (of lab.stats) of arm and reference, [process][round]; through a third one value for each pair of
        processes, made of the [centre] of either's rounds. [clean]: without the rounds in which either was disturbed."""
        if not self.through:
            return subtract(*self._beside(self.arm, self.reference, self.rows, clean))
        arm = centre(subtract(*self._beside(self.arm, self.through, self.rows, clean)))
        other = centre(subtract(*self._beside(self.reference, self.through, self.other_rows, clean)))
        return [np.array([value]) for value in stats.through_reference(arm, other)]

    def _beside(self, arm: str, other: str, rows: np.ndarray, clean: bool) -> tuple[np.ndarray, np.ndarray]:
        a, b = self.cell.times_ns[arm][rows], self.cell.times_ns[other][rows]
        if clean:
            disturbed = self.cell.flagged[arm][rows] | self.cell.flagged[other][rows]
            a, b = np.where(disturbed, np.nan, a), np.where(disturbed, np.nan, b)
        return a, b

    def medians(self) -> np.ndarray:
        """What the arm takes more than the reference, a number for each process."""
        return stats.process_medians(self.compare(stats.pair_differences))


@dataclass(frozen=True, eq=False)
class _Rules:
    """What the verdicts of a run rest on besides its samples."""

    confidence: float
    seed: int
    absolute_ns: float
    relative: float
    twin: twin.TwinFinding
    p_adjusted: Mapping[tuple, float]
    p_over_layouts: Mapping[tuple, float]       # likewise adjusted, with the layout as the unit

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
    measured, _, rules = _prepare(run)
    pairs = [_pair(cell, arm, run.header["reference"][cell.scenario]) for cell in measured for arm in cell.times_ns]
    return [_finding(pair, rules) for pair in pairs if pair]


def analyse_pairs(run: Run) -> list[Finding]:
    """A finding for each pair of forms that was declared, in the direction declared; its reference is the other form."""
    _, declared, rules = _prepare(run)
    forms = {arm["id"] for arm in run.header["arms"] if arm["kind"] == "form"} - {run.header["twin"]}
    return [_finding(pair, rules) for pair in declared
            if {pair.arm, pair.reference} <= forms and pair.reference != run.header["reference"][pair.cell.scenario]]


@functools.lru_cache(maxsize=1)     # a report asks for both kinds of findings
def _prepare(run: Run) -> tuple[list[Cell], list[_Pair], _Rules]:
    """The cells, the declared comparisons that have data, and what their verdicts rest on."""
    measured, header = list(cells(run)), run.header
    declared = _declared(run, measured)
    medians = [pair.medians() for pair in declared]
    adjusted = stats.holm([stats.paired_p(each) for each in medians])
    over = stats.holm([variance.over_layouts_p(each, pair.layouts) for each, pair in zip(medians, declared)])
    return measured, declared, _Rules(
        header["confidence"], header["seed"], header["margins"]["absolute_ns"], header["margins"]["relative"],
        twin.analyse_cells(measured, header["twin"] or "", header["confidence"]),
        {pair.key: p for pair, p in zip(declared, adjusted)}, {pair.key: p for pair, p in zip(declared, over)})


def _declared(run: Run, measured: list[Cell]) -> list[_Pair]:
    """The comparisons declared beforehand that have data, on every interpreter."""
    declared = dict.fromkeys(map(tuple, run.header["comparisons"]))    # each once
    pairs = [_pair(cell, arm, baseline) or _pair_through(cell, arm, baseline, run.header["reference"][cell.scenario])
             for cell in measured for benchmark, arm, baseline in declared if benchmark == cell.benchmark]
    return [pair for pair in pairs if pair]


def _pair(cell: Cell, arm: str, reference: str) -> _Pair | None:
    """The two arms, or None where no process ran both."""
    if arm not in cell.times_ns or reference not in cell.times_ns:
        return None
    rows = cell.own(arm) if arm == reference else cell.shared(arm, reference)
    return _Pair(cell, arm, reference, rows, rows) if rows.any() else None


def _pair_through(cell: Cell, arm: str, other: str, third: str) -> _Pair | None:
    """The two arms, each in the processes that also ran the [third]; None where one of them has none, or is the third."""
    one, another = _pair(cell, arm, third), _pair(cell, other, third)
    if third in (arm, other) or not one or not another:
        return None
    return _Pair(cell, arm, other, one.rows, another.rows, third)


def _finding(pair: _Pair, rules: _Rules) -> Finding:
    cell, (times, reference) = pair.cell, pair.times()
    differences = pair.compare(stats.pair_differences)
    medians = stats.process_medians(differences)
    added = stats.median_interval(medians, rules.confidence)
    itself = pair.arm == pair.reference
    reference_ns = float(np.median(stats.process_medians(reference)))
    envelope_ns, envelope_of = rules.envelope(cell.interpreter, cell.benchmark)
    margin_ns = rules.margin(reference_ns)
    layouts_ns = variance.over_layouts(medians, pair.layouts, rules.confidence)
    layouts_p = variance.layouts_differ_p(medians, pair.layouts)
    p_adjusted = rules.p_adjusted.get(pair.key, math.nan)
    return Finding(
        interpreter=cell.interpreter, scenario=cell.scenario, benchmark=cell.benchmark, parameters=cell.parameters,
        arm=pair.arm, reference=pair.reference, through=pair.through, block=int(cell.blocks[pair.rows].min()),
        processes=pair.processes,
        absolute_ns=stats.median_interval(stats.process_medians(times), rules.confidence), floor_ns=float(np.nanmin(times)),
        reference_ns=reference_ns, added_ns=added,
        ratio=stats.ratio_interval(stats.process_medians(pair.compare(stats.pair_log_ratios)), rules.confidence),
        mean_added_ns=stats.hierarchical_mean(pair.compare(stats.pair_differences, centre=_means), rules.seed,
                                              rules.confidence),
        p=math.nan if itself else stats.paired_p(medians), p_adjusted=p_adjusted, margin_ns=margin_ns, envelope_ns=envelope_ns,
        envelope_of=envelope_of, verdict="reference" if itself else variance.verdict_over_layouts(
            _verdict(added, p_adjusted, margin_ns, envelope_ns, rules), layouts_ns, layouts_p, margin_ns, 1 - rules.confidence,
            rules.p_over_layouts.get(pair.key, 1.0)),
        below_resolution=not itself and abs(added.point) <= envelope_ns,
        contaminated=float(cell.flagged[pair.arm][pair.rows][~np.isnan(times)].mean()),
        added_clean_ns=stats.median_interval(stats.process_medians(pair.compare(stats.pair_differences, clean=True)),
                                             rules.confidence),
        shares=variance.shares(times if itself else differences, pair.layouts), layouts_ns=layouts_ns, layouts_p=layouts_p,
        drift=stats.drifted(stats.process_medians(times) if itself else medians))


def _means(x: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([values.mean() for values in x])


def _verdict(added: Estimate, p_adjusted: float, margin_ns: float, envelope_ns: float, rules: _Rules) -> str:
    if math.isnan(p_adjusted):
        return "undeclared"
    return stats.verdict(added, p_adjusted, margin_ns, alpha=1 - rules.confidence, resolution=envelope_ns)
