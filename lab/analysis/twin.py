"""The A/A control: two copies of one arm, measured like any other two. What they differ by, this run cannot see."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.analysis.cells import Cell, cells
from lab.catalogue import TWIN_SUFFIX
from lab.stats import Estimate, paired_added, paired_ratio

if TYPE_CHECKING:
    from lab.results import Run


@dataclass(frozen=True)
class TwinCell:
    """Twin less original in one cell."""

    interpreter: str
    benchmark: str
    added_ns: Estimate
    ratio: Estimate
    covers_zero: bool         # False: the run called identical code different

    @property
    def envelope_ns(self) -> float:
        """The larger absolute bound of the added time: the smallest effect that stands out here; infinite for few processes."""
        return max(abs(self.added_ns.low), abs(self.added_ns.high))

    @property
    def envelope_ratio(self) -> float:
        """The same as a ratio above 1."""
        return max(self.ratio.high, 1 / self.ratio.low if self.ratio.low > 0 else math.inf)


@dataclass(frozen=True)
class TwinFinding:
    """What the run says of two copies of the same code: its own false-positive rate and its resolution."""

    twin: str
    original: str
    cells: tuple[TwinCell, ...]
    false_positives: int                              # cells whose interval leaves 0 out, before any adjustment
    comparisons: int
    envelope_ns: Mapping[tuple[str, str], float]      # (interpreter, benchmark) -> TwinCell.envelope_ns
    typical_ratio: float                              # the envelope of the median cell, and of the worst, as ratios;
    worst_ratio: float                                # infinite without a twin


def analyse(run: Run) -> TwinFinding:
    """The finding on the twin of [run]; one without cells where it has not run."""
    return analyse_cells(cells(run), run.header["twin"] or "", run.header["confidence"])


def analyse_cells(measured: Iterable[Cell], twin: str, confidence: float) -> TwinFinding:
    """The finding on [twin] (an arm id with TWIN_SUFFIX) in these cells, with intervals of [confidence]."""
    original = twin.removesuffix(TWIN_SUFFIX)
    found = tuple(_compare(cell, twin, original, confidence) for cell in measured
                  if twin in cell.times_ns and original in cell.times_ns and cell.shared(twin, original).any())
    return TwinFinding(
        twin=twin, original=original, cells=found, false_positives=sum(not cell.covers_zero for cell in found),
        comparisons=len(found), envelope_ns={(cell.interpreter, cell.benchmark): cell.envelope_ns for cell in found},
        typical_ratio=statistics.median([cell.envelope_ratio for cell in found] or [math.inf]),
        worst_ratio=max((cell.envelope_ratio for cell in found), default=math.inf))


def _compare(cell: Cell, twin: str, original: str, confidence: float) -> TwinCell:
    both = cell.shared(twin, original)
    pair = cell.times_ns[twin][both], cell.times_ns[original][both]
    added = paired_added(*pair, confidence)
    return TwinCell(cell.interpreter, cell.benchmark, added, paired_ratio(*pair, confidence), added.covers(0.0))
