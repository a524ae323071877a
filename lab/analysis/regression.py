"""One arm of one cell in two runs: by how much the time that it adds over its reference arm has changed.

Absolute times of two runs say little: the machine is at another frequency, has other neighbours, and the same code other
addresses. In each run the reference arm ran beside the arm in the same processes, so what the arm adds over it is compared:
the difference of two differences, from which all is gone that both arms had in common in a run. A machine that is slower as a
whole still stretches an added time, but not the ratio to the reference; so the ratio has to have changed as well, in the same
direction. The two runs are independent samples, and the process is the unit in both (lab.independent).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lab import comparable, independent, stats, variance
from lab.analysis.cells import Cell, cells
from lab.catalogue import TWIN_SUFFIX
from lab.stats import Estimate

if TYPE_CHECKING:
    from lab.results import Run

FAIL_ON = ("worse", "unresolved")


@dataclass(frozen=True)
class Shift:
    """One arm of one cell in two runs. Times are per call."""

    interpreter: str           # of the old run
    benchmark: str
    arm: str
    reference: str
    processes: tuple[int, int]    # then and now, that ran both arms
    old_ns: Estimate           # what the arm added over its reference then
    new_ns: Estimate           # and now
    change_ns: Estimate        # now - then
    change_ratio: Estimate     # of the ratio to the reference, now / then
    clean_ns: Estimate         # change_ns without the rounds in which either arm was disturbed
    p: float                   # that there is no change: the larger of those of difference and ratio
    p_adjusted: float          # by Holm over all cells of the comparison
    margin_ns: float           # for equivalence, by the old run's reference
    envelope_ns: float         # A/A: how far the twins of the two runs moved; infinite where no twin ran in both
    verdict: str               # "better", "worse", "equivalent", "unresolved"
    binaries: tuple[str, ...]  # of the arm, that are not the same in both runs


@dataclass(frozen=True)
class Comparison:
    """All cells that two runs share, and those of the old run that the new one lost."""

    shifts: tuple[Shift, ...]
    lost: tuple[tuple[str, str, str], ...]      # (interpreter, benchmark, arm) that failed in the new run
    absent: tuple[tuple[str, str, str], ...]    # that the new run has not, without having failed
    reference_ratio: tuple[float, float]        # the least and the largest of the reference arms' times, now / then

    def count(self, verdict: str) -> int:
        return sum(shift.verdict == verdict for shift in self.shifts)

    def fails(self, on: str) -> bool:
        """Whether a check that fails [on] one of FAIL_ON does: worse cells and lost ones, or unresolved ones too."""
        verdicts = {"worse"} if on == "worse" else {"worse", "unresolved"}
        return bool(self.lost) or any(shift.verdict in verdicts for shift in self.shifts)


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two runs: its cells, and what its header declares."""

    cells: Sequence[Cell]
    header: Mapping[str, Any]

    def find(self, tag: str, benchmark: str) -> Cell | None:
        return next((cell for cell in self.cells if (cell.interpreter, cell.benchmark) == (tag, benchmark)), None)


def compare(old: Run, new: Run) -> Comparison:
    """What became of each cell of [old] in [new]; whether they may be compared at all, lab.comparable says."""
    tags = dict(comparable.common_tags(old, new))
    before, after = Side(list(cells(old)), old.header), Side(list(cells(new)), new.header)
    shifts = [replace(shift, binaries=tuple(comparable.changed_binaries(old, new, shift.interpreter, shift.arm)))
              for shift in judge(before, after, tags)]
    known = {(shift.interpreter, shift.benchmark, shift.arm) for shift in shifts}
    failed = {(each["interpreter"], each["benchmark"], each["arm"]) for each in new.failures}
    gone = [(cell.interpreter, cell.benchmark, arm) for cell in before.cells for arm in cell.times_ns
            if cell.interpreter in tags and arm != old.header["reference"][cell.scenario] and not arm.endswith(TWIN_SUFFIX)
            and (cell.interpreter, cell.benchmark, arm) not in known]
    lost = tuple(key for key in gone if (tags[key[0]], *key[1:]) in failed)
    return Comparison(tuple(shifts), lost, tuple(key for key in gone if key not in lost), _reference_ratio(before, after, tags))


def judge(old: Side, new: Side, tags: Mapping[str, str]) -> list[Shift]:
    """A shift for each arm that both sides measured against the same reference; [tags]: interpreter then -> now.

    Twins and the reference arms themselves are not judged. The rules (confidence, margin) are those of the [old] side.
    """
    pairs = [(cell, other) for cell in old.cells if (other := new.find(tags.get(cell.interpreter, ""), cell.benchmark))]
    envelopes = {(cell.interpreter, cell.benchmark): _envelope(cell, other, old, new) for cell, other in pairs}
    found = []
    for cell, other in pairs:
        reference = old.header["reference"][cell.scenario]
        if new.header["reference"].get(other.scenario) != reference:
            continue
        for arm in cell.times_ns:
            if arm != reference and not arm.endswith(TWIN_SUFFIX) and all(
                    {arm, reference} <= side.times_ns.keys() and side.shared(arm, reference).any() for side in (cell, other)):
                found.append(_shift(cell, other, arm, reference, old.header))
    adjusted = stats.holm([shift.p for shift in found])
    return [_judged(shift, p, _envelope_for(shift, envelopes), 1 - old.header["confidence"])
            for shift, p in zip(found, adjusted)]


def _shift(cell: Cell, other: Cell, arm: str, reference: str, header: Mapping[str, Any]) -> Shift:
    """The shift without what the comparison as a whole decides."""
    confidence, margins = header["confidence"], header["margins"]
    old, new = (_numbers(each, arm, reference, stats.pair_differences) for each in (cell, other))
    logarithms = [_numbers(each, arm, reference, stats.pair_log_ratios) for each in (other, cell)]
    clean = [_numbers(each, arm, reference, stats.pair_differences, clean=True) for each in (other, cell)]
    ratio = independent.median_difference(*logarithms, confidence)
    reference_ns = float(np.median(stats.process_medians(_times(cell, arm, reference)[1])))
    return Shift(
        interpreter=cell.interpreter, benchmark=cell.benchmark, arm=arm, reference=reference,
        processes=tuple(int(each.shared(arm, reference).sum()) for each in (cell, other)),
        old_ns=stats.median_interval(old, confidence), new_ns=stats.median_interval(new, confidence),
        change_ns=independent.median_difference(new, old, confidence),
        change_ratio=Estimate(math.exp(ratio.point), math.exp(ratio.low), math.exp(ratio.high), ratio.n, ratio.confidence),
        clean_ns=independent.median_difference(*clean, confidence),
        p=max(independent.difference_p(new, old), independent.difference_p(*logarithms)),
        p_adjusted=math.nan, margin_ns=max(margins["absolute_ns"], margins["relative"] * reference_ns), envelope_ns=math.inf,
        verdict="unresolved", binaries=())


def _times(cell: Cell, arm: str, reference: str, clean: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The times of both in the processes that ran both, [process][round]; [clean]: NaN where either was disturbed."""
    rows = cell.shared(arm, reference)
    times = cell.times_ns[arm][rows], cell.times_ns[reference][rows]
    if not clean:
        return times
    disturbed = cell.flagged[arm][rows] | cell.flagged[reference][rows]
    return np.where(disturbed, np.nan, times[0]), np.where(disturbed, np.nan, times[1])


def _numbers(cell: Cell, arm: str, reference: str, subtract: Callable, clean: bool = False) -> np.ndarray:
    """What either run is known by, independent numbers: the median of each process; of a run of several layouts that of each
    layout's processes, which share what that build differs by."""
    one, other = _times(cell, arm, reference, clean)
    layouts = cell.layouts[cell.shared(arm, reference)]
    if len(np.unique(layouts)) < 2:
        return stats.process_medians(subtract(one, other))
    kept = ~np.isnan(one - other).all(axis=1)
    return variance.medians_of_layouts(stats.process_medians(subtract(one[kept], other[kept])), layouts[kept])


def _judged(shift: Shift, p_adjusted: float, envelope_ns: float, alpha: float) -> Shift:
    verdict = stats.verdict(shift.change_ns, p_adjusted, shift.margin_ns, alpha, resolution=envelope_ns)
    ratio = shift.change_ratio
    if verdict == "worse" and not ratio.low > 1 or verdict == "better" and not ratio.high < 1:
        verdict = "unresolved"
    return replace(shift, p_adjusted=p_adjusted, envelope_ns=envelope_ns, verdict=verdict)


def _envelope(cell: Cell, other: Cell, old: Side, new: Side) -> float:
    """How far twin less original moved from run to run: of identical code, so no smaller change is one; infinite without."""
    medians = []
    for each, side in ((other, new), (cell, old)):
        twin = side.header["twin"] or ""
        if not {twin, twin.removesuffix(TWIN_SUFFIX)} <= each.times_ns.keys():
            return math.inf
        medians.append(_numbers(each, twin, twin.removesuffix(TWIN_SUFFIX), stats.pair_differences))
    moved = independent.median_difference(*medians, old.header["confidence"])
    return max(abs(moved.low), abs(moved.high))


def _envelope_for(shift: Shift, envelopes: Mapping[tuple[str, str], float]) -> float:
    """That of the shift's cell, or of one without twins the worst of its interpreter."""
    own = envelopes[shift.interpreter, shift.benchmark]
    seen = [value for (tag, _), value in envelopes.items() if tag == shift.interpreter and math.isfinite(value)]
    return own if math.isfinite(own) or not seen else max(seen)


def _reference_ratio(old: Side, new: Side, tags: Mapping[str, str]) -> tuple[float, float]:
    ratios = []
    for cell in old.cells:
        other, reference = new.find(tags.get(cell.interpreter, ""), cell.benchmark), old.header["reference"][cell.scenario]
        if other and reference in cell.times_ns and reference in other.times_ns:
            ratios.append(_typical(other, reference) / _typical(cell, reference))
    return (min(ratios), max(ratios)) if ratios else (math.nan, math.nan)


def _typical(cell: Cell, arm: str) -> float:
    return float(np.median(stats.process_medians(cell.times_ns[arm][cell.own(arm)])))


def told(comparison: Comparison) -> Iterable[str]:
    """What the comparison comes to, in sentences."""
    counts = ", ".join(f"{comparison.count(word)} {word}" for word in ("worse", "better", "equivalent", "unresolved"))
    yield f"{len(comparison.shifts)} cells: {counts}."
    low, high = comparison.reference_ratio
    if math.isfinite(low):
        yield (f"The reference arms' own times are {low:.3f} to {high:.3f} times those of the old run: the machine's, and not "
               "judged.")
    same = [shift for shift in comparison.shifts if not shift.binaries]
    moved = sum(shift.verdict in ("worse", "better") for shift in same)
    if same and len(same) < len(comparison.shifts):
        yield f"Of {len(same)} cells whose binaries are the same in both runs, {moved} were called different."
    if any(shift.binaries and shift.verdict in ("worse", "better") for shift in comparison.shifts):
        yield ("A binary that was built anew has another layout too: a small difference may be that of the addresses, not "
               "of the change.")
    for word, keys in (("failed in the new run", comparison.lost), ("not in the new run", comparison.absent)):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            yield f"{word}: {', '.join(f'{arm} in {benchmark} on {tag}' for tag, benchmark, arm in keys[:3])}{more}."
