"""What each arm takes that is not time, one row for each arm: code and symbols, and memory and time for what is kept."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.results import Run


@dataclass(frozen=True)
class Kept:
    """What one of so many objects takes: medians over the repeats, for one of them."""

    count: int
    make_ns: float
    give_back_ns: float
    heap_bytes: float
    resident_bytes: float


@dataclass(frozen=True)
class Size:
    """What an arm, or libffi, takes on an interpreter."""

    interpreter: str
    arm: str
    code: Mapping                   # of lab.sizes.UNITS: call_site, stub, relocations, undefined, tls_calls; empty where it has none
    kept: tuple[Kept, ...]          # in the order of the numbers of objects
    absent: str                     # why nothing is kept; "" where something is


def analyse(run: Run) -> list[Size]:
    """The sizes of each interpreter and arm, in the order they were looked at."""
    found = []
    for tag, entry in run.sizes.items():
        code = {row["arm"]: {name: value for name, value in row.items() if name != "arm"} for row in entry["code"]}
        found += [Size(tag, each["arm"], code.get(each["arm"], {}), tuple(map(_kept, each["rows"])), each["absent"])
                  for each in entry["kept"]]
    return found


def _kept(row: Mapping) -> Kept:
    count = row["count"]
    return Kept(count, statistics.median(row["make_ns"]) / count, statistics.median(row["give_back_ns"]) / count,
                row["heap_bytes"] / count, row["resident_bytes"] / count)
