"""How much two copies of one form differ on this machine now, and what a budget of time will therefore make visible.

The scheduler and the worker of lab bench measure the sheet of one form in attached_call, its twin beside it, for a few seconds;
what is kept is in memory. What twin and original differ by in a process has some spread; a run of so many processes has an A/A
envelope that follows from it, and nothing smaller is claimed in that run. Nothing is built and nothing is changed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from lab import bench, builder, catalogue, driver, interpreters, plan, stats
from lab.catalogue import TWIN_SUFFIX
from lab.doctor import Check
from lab.errors import LabError
from lab.executor import ProcessExecutor
from lab.memory import Memory
from lab.plan import Plan, Sheet
from lab.units import NS_PER_S, format_duration, format_ns

SECONDS = 5.0
BUDGETS_S = (30.0, 60.0, 300.0)
SCENARIO = "attached_call"
FEWEST = 3                # processes: of fewer no spread is told
LEAST_FOR_INTERVAL = 6    # of the exact interval at 95 %
DISTURBED = 0.02          # share of the batches, above which what disturbs them is named
VAGUE = 3.0               # a factor above which the forecast is not to be relied on
DRAWS = 400
LATENCY_BATCH_S = 0.075   # what a batch of latencies takes, whose calls are due at fixed times
_NORMAL_MAD = 1.4826      # the standard deviation of a normal distribution over its median absolute deviation
# counter of a batch -> what it tells, and what would help
ADVICE = {
    "involuntary": ("were preempted", "other processes want the processors: end what else runs"),
    "migrations": ("ended on another processor", "leave one processor idle: end what else runs, or take fewer threads"),
    "steal": ("were robbed by the hypervisor", "others use the same processors: take a machine of one's own, or another hour")}


@dataclass(frozen=True)
class Noise:
    """What a few processes told. Times are per call."""

    original: str                               # the arm that ran twice
    differences_ns: Mapping[str, np.ndarray]    # benchmark -> twin less original, one value for each process
    processes: int
    seconds: float                              # all of it
    start_s: float                              # what a process costs beside its batches
    batch_s: float                              # what a batch costs
    disturbed: Mapping[str, float]              # counter -> share of the batches in which it was not 0


@dataclass(frozen=True)
class Forecast:
    """What a run of [budget_s] would see: its processes for each sheet of attached_call, and its A/A envelope by benchmark.

    The envelopes are infinite where the processes are too few for an interval.
    """

    budget_s: float
    processes: int
    visible_ns: Mapping[str, float]


def measure(top: Path, seconds: float = SECONDS, seed: int = 0) -> tuple[Noise, Plan, Plan]:
    """The noise on the running interpreter, the plan it was measured by, and that of everything. Raises LabError."""
    current = interpreters.current()
    libraries, arms = builder.planned(top, [current]), catalogue.arms(top)
    scenarios = catalogue.scenarios(top)
    form = plan.PREFERRED_TWIN
    everything = plan.make_plan(arms, scenarios.values(), [current.tag], seed, None, libraries.unavailable)
    one = plan.make_plan(arms, [scenarios[SCENARIO]], [current.tag], seed, {form}, libraries.unavailable)
    _refuse_unbuilt(one, libraries)
    store = Memory()
    executor = ProcessExecutor(current.path, bench.WORKER / "measure.py", seed=seed)
    job = functools.partial(_job, scenarios, arms, libraries)
    outcome = driver.run(one, store, {current.tag: executor}, job, seconds)
    if store.failures:
        raise LabError(f"a worker failed: {store.failures[0]['what']}", "lab check finds out more")
    return _noise(store.answers, form, outcome.elapsed_s), one, everything


def _job(scenarios: Mapping[str, catalogue.Scenario], arms: Mapping[str, catalogue.Arm], libraries: builder.Libraries,
         sheet: Sheet, *rest: object) -> dict:
    return bench.job_of(sheet, scenarios[sheet.scenario], arms, libraries)


def _refuse_unbuilt(one: Plan, libraries: builder.Libraries) -> None:
    for sheet in one.sheets:
        needed = [libraries.native, libraries.drivers[sheet.scenario], libraries.runtimes[sheet.interpreter],
                  *(libraries.arm(sheet.interpreter, arm) for arm in sheet.arms)]
        if not all(path.is_file() for path in needed):
            raise LabError(f"nothing is built yet for {sheet.interpreter}", "lab build, then lab doctor again")


def _noise(answers: Sequence[Mapping], form: str, elapsed_s: float) -> Noise:
    if len(answers) < FEWEST:
        raise LabError(f"{len(answers)} processes in {format_duration(elapsed_s)} tell nothing of the noise",
                       "end what else runs, then lab doctor again")
    differences = {}
    for index, cell in enumerate(answers[0]["cells"]):
        pairs = [answer["cells"][index]["arms"] for answer in answers]
        values = [np.array([arms[arm]["values"] for arms in pairs]) * NS_PER_S for arm in (form + TWIN_SUFFIX, form)]
        differences[cell["benchmark"]] = stats.process_medians(stats.pair_differences(*values))
    batches = [arm for answer in answers for cell in answer["cells"] for arm in cell["arms"].values()]
    durations = [value * arm["loops"] for arm in batches for value in arm["values"]]
    disturbed = {name: fmean(count > 0 for arm in batches for count in arm[name]) for name in ADVICE}
    cost_s = elapsed_s / (len(answers) + 1)     # the calibration is a process too
    return Noise(form, differences, len(answers), elapsed_s, max(0.0, cost_s - sum(durations) / len(answers)), fmean(durations),
                 disturbed)


def forecast(noise: Noise, planned: Plan, budget_s: float) -> Forecast:
    """What `lab bench` would see of attached_call with [budget_s] for the scenarios of [planned]."""
    count = processes(noise, planned, budget_s)
    return Forecast(budget_s, count, {name: envelope(differences, count) for name, differences in noise.differences_ns.items()})


def processes(noise: Noise, planned: Plan, budget_s: float) -> int:
    """How many processes each sheet of attached_call gets, as the scheduler goes about it (lab.driver).

    Every sheet is calibrated once. Of the passes after the first few, one in three visits all sheets, the others the third of
    the scenarios whose intervals are widest, of which attached_call is not one where there are others, nor are latencies.
    """
    costs = [_cost_s(noise, sheet) for sheet in planned.sheets]
    timed = [sheet for sheet in planned.sheets if sheet.measures == "time"]
    checked = any(sheet.scenario == SCENARIO for sheet in planned.sheets) and budget_s >= bench.CROSSCHECK_FROM_S
    calibrating_s = sum(_cost_s(noise, sheet) for sheet in timed)
    left_s = budget_s * (1 - (bench.CROSSCHECK_SHARE if checked else 0.0)) - calibrating_s
    passes = max(1.0, left_s / sum(costs))
    groups = len({sheet.scenario for sheet in timed})
    if groups > 1 and passes > driver.MINIMUM_PROCESSES:
        share = math.ceil(groups / 3) / groups * calibrating_s / sum(costs)
        every = 1 + (driver.ROUND_ROBIN_EVERY - 1) * share      # whole passes that ROUND_ROBIN_EVERY of them cost
        passes = driver.MINIMUM_PROCESSES + (passes - driver.MINIMUM_PROCESSES) / every
    return int(passes)


def _cost_s(noise: Noise, sheet: Sheet) -> float:
    batch_s = noise.batch_s if sheet.measures == "time" else LATENCY_BATCH_S
    return noise.start_s + batch_s * len(sheet.arms) * sheet.rounds * len(sheet.benchmarks)


def envelope(differences_ns: np.ndarray, count: int) -> float:
    """The A/A envelope to be expected of [count] processes, of which a few differ by [differences_ns]; ns.

    The spread is the median absolute deviation, as an outlier moves the median's interval little. What the copies differ by
    however many processes there are (an interval that leaves 0 out) is in it by its nearer bound.
    """
    if count < LEAST_FOR_INTERVAL:
        return math.inf
    known = stats.median_interval(differences_ns)
    offset = max(known.low, 0.0) or min(known.high, 0.0)
    return abs(offset) + _spread(differences_ns) * _unit_envelope(count)


def _spread(differences_ns: np.ndarray) -> float:
    return _NORMAL_MAD * float(np.median(np.abs(differences_ns - np.median(differences_ns))))


@functools.lru_cache(maxsize=None)
def _unit_envelope(count: int) -> float:
    """The median of the A/A envelopes of runs of [count] processes whose differences are normal with a deviation of 1."""
    draws = np.random.default_rng(count).standard_normal((DRAWS, count))
    return float(np.median([stats.smallest_detectable(draw) for draw in draws]))


def uncertainty(noise: Noise) -> float:
    """The factor within which the spread is known, at 90 %, of the benchmark of which the least is; infinite if not at all."""
    random, factors = np.random.default_rng(0), []
    for differences in noise.differences_ns.values():
        spread = _spread(differences)
        drawn = [_spread(random.choice(differences, len(differences))) for _ in range(DRAWS)]
        low, high = np.quantile(drawn, (0.05, 0.95))
        factors.append(max(high / spread, spread / low) if low > 0 and spread > 0 else math.inf)
    return max(factors)


def examine(top: Path, seconds: float = SECONDS) -> list[Check]:
    """What the noise makes visible, as findings; one that says why where it cannot be measured."""
    try:
        noise, one, everything = measure(top, seconds)
    except LabError as error:
        return [Check("noise", "warn", f"not measured: {error.message}", error.remedy or "lab build, then lab doctor again")]
    factor = uncertainty(noise)
    known = f"known within a factor of {factor:.1f}" if math.isfinite(factor) else "of which little is known"
    found = (f"two copies of {noise.original} in {SCENARIO}, {noise.processes} processes in {format_duration(noise.seconds)}; "
             f"what they differ by, {known}, says what will be visible:")
    checks = [_disturbances(noise, found)]
    if factor > VAGUE and checks[0].status == "ok":
        checks = [Check("noise", "warn", found, "end what else runs, then lab doctor again")]
    for budget_s in BUDGETS_S:
        alone, beside = (forecast(noise, planned, budget_s) for planned in (one, everything))
        told = f"one form in {SCENARIO}: {_visible(alone)}; in lab bench all: {_visible(beside)}"
        name = f"in {format_duration(budget_s)}"
        if any(map(math.isinf, (*alone.visible_ns.values(), *beside.visible_ns.values()))):
            checks.append(Check(name, "warn", told, "measure fewer scenarios or arms, or for longer: --budget"))
        else:
            checks.append(Check(name, "ok", told))
    return checks


def _visible(forecast: Forecast) -> str:
    if any(map(math.isinf, forecast.visible_ns.values())):
        return f"nothing, by {forecast.processes} processes ({LEAST_FOR_INTERVAL} are needed)"
    told = ", ".join(f"{format_ns(value)} {name.partition('=')[2].rstrip(']') or name}"
                     for name, value in forecast.visible_ns.items())
    return f"{told}, by {forecast.processes} processes"


def _disturbances(noise: Noise, found: str) -> Check:
    """The finding on the noise itself, with what would help against what disturbs it most."""
    worst = max(noise.disturbed, key=noise.disturbed.__getitem__)
    if noise.disturbed[worst] <= DISTURBED:
        return Check("noise", "ok", found)
    what, remedy = ADVICE[worst]
    return Check("noise", "warn", f"{100 * noise.disturbed[worst]:.0f} % of the batches {what}; {found}", remedy)
