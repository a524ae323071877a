"""What one callback executes, from the batches that valgrind counted: exact, or said to vary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.results import Run


@dataclass(frozen=True)
class Count:
    """What one callback of an arm executes in one cell; each mapping is by channel, such as ``instructions``."""

    interpreter: str
    scenario: str
    benchmark: str
    arm: str
    reference: str
    low: Mapping[str, float]                # the smallest of the repeats; of [high], the largest
    high: Mapping[str, float]
    added: Mapping[str, float] | None       # over the reference arm; None where that was not counted, or either varies
    repeats: int

    @property
    def steady(self) -> bool:
        """Whether every repeat counted the same, in every channel."""
        return self.low == self.high


def analyse(run: Run) -> list[Count]:
    """The counts of each interpreter, benchmark and arm, in the order they were made: of 2N calls less N, divided by N."""
    found = []
    for tag, entry in run.counts.items():
        ranges = {(row["benchmark"], row["arm"]): _range(row["batches"], list(entry["units"])) for row in entry["rows"]}
        for row in entry["rows"]:
            low, high = ranges[row["benchmark"], row["arm"]]
            base = ranges.get((row["benchmark"], row["reference"]))
            exact = base and base[0] == base[1] and low == high
            added = {channel: low[channel] - base[0][channel] for channel in low} if exact else None
            found.append(Count(tag, row["scenario"], row["benchmark"], row["arm"], row["reference"], low, high, added,
                               len(row["batches"]) // 2))
    return found


def _range(batches: list[Mapping[str, int]], channels: list[str]) -> tuple[dict[str, float], dict[str, float]]:
    """The smallest and the largest of what a call executes, by channel, over the pairs of batches."""
    pairs = list(zip(batches[::2], batches[1::2]))
    each = {channel: [(more[channel] - fewer[channel]) / (more["calls"] - fewer["calls"]) for fewer, more in pairs]
            for channel in channels}
    low = {channel: min(values) for channel, values in each.items()}
    return low, {channel: max(values) for channel, values in each.items()}
