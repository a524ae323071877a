"""The samples of a run as arrays that pair: what every analysis of the paired protocol starts from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lab.catalogue import benchmark_name
from lab.units import NS_PER_S

if TYPE_CHECKING:
    import pandas

    from lab.results import Run

FREQUENCY_TOLERATED = 0.05    # share of the median; what a kernel tells moves by less on a processor that is steady
FAULTS_TOLERATED = 8    # page faults of a batch above its arm's median; the first touch of a fresh stack costs a few


@dataclass(frozen=True, eq=False)
class Cell:
    """One benchmark on one interpreter: for each arm its times in ns, [process][round], NaN where it did not run.

    The same place in two arms' arrays is the same round of the same process, so the two are paired. An arm has values only in
    the processes of its block; the reference arm has them in all.
    """

    interpreter: str
    scenario: str
    benchmark: str
    parameters: Mapping
    processes: np.ndarray               # ids, ascending: the order in which they ran
    blocks: np.ndarray                  # of each process
    layouts: np.ndarray                 # likewise: which build of the same code it ran (lab.layouts)
    times_ns: Mapping[str, np.ndarray]
    flagged: Mapping[str, np.ndarray]   # bool, the shape of times_ns: a contaminated batch

    def shared(self, arm: str, other: str) -> np.ndarray:
        """Which processes (bool) ran both arms."""
        return _ran(self.times_ns[arm]) & _ran(self.times_ns[other])

    def own(self, arm: str) -> np.ndarray:
        """Which processes (bool) ran [arm], of the first block that has it alone."""
        ran = _ran(self.times_ns[arm])
        return ran & (self.blocks == self.blocks[ran].min())


def _ran(times: np.ndarray) -> np.ndarray:
    return ~np.isnan(times).all(axis=1)


def cells(run: Run) -> Iterator[Cell]:
    """Every cell of [run] that has samples of times, by interpreter and benchmark in the order of the run's table.

    Latencies are not among them: their mean has the queue in it, and is compared by nobody (lab.analysis.latency).
    """
    table = run.samples.assign(flagged=contaminated(run))
    table = table[~table["scenario"].isin(latency_scenarios(run))]
    parameters = parameter_sets(run.header["scenarios"])
    for (interpreter, benchmark), rows in table.groupby(["interpreter", "benchmark"], sort=False, observed=True):
        yield _cell(interpreter, benchmark, parameters.get(benchmark, {}), rows)


def _cell(interpreter: str, benchmark: str, parameters: Mapping, rows: pandas.DataFrame) -> Cell:
    processes, first, process = np.unique(rows["process"].to_numpy(), return_index=True, return_inverse=True)
    arm, names = rows["arm"].factorize(sort=True)
    place = (arm, process, rows["round"].to_numpy())
    shape = (len(names), len(processes), int(place[2].max()) + 1)
    times, flagged = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    times[place] = rows["value_s"].to_numpy() * NS_PER_S
    flagged[place] = rows["flagged"].to_numpy()
    return Cell(interpreter, rows["scenario"].iloc[0], benchmark, parameters, processes, rows["block"].to_numpy()[first],
                rows["layout"].to_numpy()[first], dict(zip(names, times)), dict(zip(names, flagged)))


def latency_scenarios(run: Run) -> list[str]:
    """The names of the scenarios of [run] that measure latencies; a run of before there were any has none."""
    return [scenario["name"] for scenario in run.header["scenarios"] if scenario.get("measures") == "latency"]


def contaminated(run: Run) -> np.ndarray:
    """Which batches (bool, one for each row of the samples) something else on the machine disturbed.

    Preempted, moved to another core, robbed by the hypervisor, of a process at another frequency, or with page faults beyond
    its arm's median. A voluntary switch counts on attached threads alone: the others hand the interpreter's lock over, and that
    is what is measured.
    """
    table = run.samples
    usual = table.groupby(["interpreter", "benchmark", "arm"], sort=False, observed=True)["faults"].transform("median")
    attached = {scenario["name"] for scenario in run.header["scenarios"] if scenario["thread"] == "attached"}
    flags = ((table["involuntary"] > 0) | (table["migrations"] > 0) | (table["steal"] > 0)
             | (table["faults"] > usual + FAULTS_TOLERATED)
             | ((table["voluntary"] > 0) & table["scenario"].isin(attached)) | table["process"].isin(other_frequency(run)))
    return flags.to_numpy()


def other_frequency(run: Run) -> list[int]:
    """The processes that began or ended at a frequency further from the run's median than FREQUENCY_TOLERATED."""
    seen = [mhz for each in run.mhz.values() for mhz in each]
    usual = float(np.median(seen)) if seen else 0.0
    return [process for process, each in run.mhz.items()
            if any(abs(mhz - usual) > FREQUENCY_TOLERATED * usual for mhz in each)]


def parameter_sets(scenarios: list[Mapping]) -> dict[str, dict]:
    """The parameters of every benchmark that a header's scenarios have: ``{"attached_work[calls=4]": {"calls": 4}, …}``."""
    found = {}
    for scenario in scenarios:
        axes = scenario["parameters"]
        for values in itertools.product(*axes.values()):
            parameters = dict(zip(axes, values))
            found[benchmark_name(scenario["name"], parameters)] = parameters
    return found
