"""What the kernel counted in one batch of each arm and process, for a call: in all, and beyond the reference arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.stats import Estimate, median_interval

if TYPE_CHECKING:
    from lab.results import Run

# counter -> (what it is called, for how many calls it is told)
NAMES = {"cycles": ("cycles", 1), "instructions": ("instructions", 1), "branch_misses": ("branch misses", 1000),
         "cache_misses": ("cache misses", 1000), "task_clock_ns": ("ns of processor time", 1),
         "context_switches": ("context switches", 1_000_000), "page_faults": ("page faults", 1_000_000),
         "migrations": ("migrations", 1_000_000)}


@dataclass(frozen=True)
class Counted:
    """One arm in one cell; each mapping is by counter, for the calls that NAMES says, medians over processes."""

    interpreter: str
    scenario: str
    benchmark: str
    arm: str
    reference: str
    processes: int
    total: Mapping[str, Estimate]
    added: Mapping[str, Estimate]      # beyond the reference arm in the same process; empty for that itself


def analyse(run: Run) -> list[Counted]:
    """What was counted of each interpreter, benchmark and arm, in the order of their names."""
    known: dict[tuple[str, str, str, str], dict[int, dict[str, float]]] = {}
    for row in run.counters:
        per_call = {name: value * NAMES[name][1] / row["calls"] for name, value in row["values"].items() if name in NAMES}
        known.setdefault((row["interpreter"], row["scenario"], row["benchmark"], row["arm"]), {})[row["process"]] = per_call
    return [_counted(key, processes, known.get((*key[:3], run.header["reference"][key[1]]), {}), run.header)
            for key, processes in sorted(known.items())]


def _counted(key: tuple[str, str, str, str], processes: Mapping[int, Mapping[str, float]],
             beside: Mapping[int, Mapping[str, float]], header: Mapping) -> Counted:
    reference = header["reference"][key[1]]
    total, added = {}, {}
    for name in NAMES:
        values = [counts[name] for counts in processes.values() if name in counts]
        if values:
            total[name] = median_interval(values, header["confidence"])
        pairs = [counts[name] - beside[process][name] for process, counts in processes.items()
                 if name in counts and name in beside.get(process, {})]
        if pairs and key[3] != reference:
            added[name] = median_interval(pairs, header["confidence"])
    return Counted(*key, reference, len(processes), total, added)


def absent(run: Run, interpreter: str) -> dict[str, list[str]]:
    """Why a counter was not there on an interpreter: reason -> the counters, by their names for people."""
    found: dict[str, dict[str, None]] = {}
    for row in run.counters:
        if row["interpreter"] == interpreter:
            for name, why in row["absent"].items():
                found.setdefault(why, {})[NAMES.get(name, (name, 1))[0]] = None
    return {why: list(names) for why, names in found.items()}
