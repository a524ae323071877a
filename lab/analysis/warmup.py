"""What the batches before the measured ones took, where a just-in-time compiler is at work: whether the rest is steady."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.results import Run

STEADY = 1.1    # the last warm-up batch at most this many times the measured ones: nothing is being compiled any more


@dataclass(frozen=True)
class Series:
    """The warm-up of one arm in one cell: each batch as a multiple of the process's measured median, over processes."""

    interpreter: str
    benchmark: str
    arm: str
    ratios: tuple[float, ...]   # the median over processes, by index of the batch
    processes: int

    @property
    def steady(self) -> bool:
        """Whether one of the last two warm-up batches took no longer than the measured ones; two, since one may be disturbed."""
        return min(self.ratios[-2:]) <= STEADY


def analyse(run: Run) -> list[Series]:
    """The series of each interpreter, benchmark and arm that had warm-up batches; none where nothing was warmed up."""
    keys = ["interpreter", "benchmark", "arm", "process"]
    if run.warmups.empty:
        return []
    measured = run.samples.groupby(keys)["value_s"].median().rename("measured_s").reset_index()
    joined = run.warmups.merge(measured, on=keys)
    joined["ratio"] = joined["value_s"] / joined["measured_s"]
    found = []
    for (interpreter, benchmark, arm), rows in joined.groupby(keys[:3], sort=False):
        ratios = rows.groupby("index")["ratio"].median()
        found.append(Series(interpreter, benchmark, arm, tuple(ratios), rows["process"].nunique()))
    return found
