"""Schedules the worker processes of a run, keeps it within its budget of time, and lets a crash cost one cell only.

A run goes through passes. The first calibrates each sheet; the next visit every sheet; later ones, two in three, only the
scenarios whose intervals are widest, but never those that measure latencies. Sheets are in a new random order in each pass, so that drift of the machine spreads over
all. The blocks of a scenario are always visited together and so have the same number of processes. Time passes only through the
clock and the executors that run() is given, so that tests need neither.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING, Protocol

from lab import layouts
from lab.errors import WorkerError
from lab.executor import WorkerFailure
from lab.latencies import check_arm
from lab.plan import TARGET_BATCH_NS, Plan, Sheet, cells, share_loops
from lab.units import format_duration

if TYPE_CHECKING:
    from lab.results import RunStore

FLUSH_EVERY_S = 30.0
MINIMUM_PROCESSES = 6       # of every sheet before any gets more: fewer have no interval at 95 %
ROUND_ROBIN_EVERY = 3       # of so many passes, one visits every sheet however narrow its intervals are
PROCESSES_PER_LAYOUT = 2    # likewise: one of each layout says nothing of what processes of a layout differ by
STRIKES = 3                 # workers that may fail in a row without a known culprit before their sheet is given up
PATIENCE_S = (10.0, 60.0)   # how long a worker may take of which nothing is known: a sixth of the budget, within these bounds
LATENCY_BATCH_S = 1.0       # patience for a batch of latencies, which takes a tenth of that: its calls are due at fixed times
JobMaker = Callable[[Sheet, int], dict]


class Executor(Protocol):
    """What runs a worker's job."""

    def execute(self, job: dict, timeout_s: float) -> dict:
        """The worker's answer. Raises WorkerError, with benchmark and arm where they are known."""


@dataclass(frozen=True)
class Event:
    """What a user may want to see: [kind] is "calibrated", "process", "failure" or "short"; times since the run began."""

    kind: str
    text: str
    elapsed_s: float
    budget_s: float
    processes: int


@dataclass(frozen=True)
class Outcome:
    """How a run ended: "complete" or "interrupted"; [processes] and [failures] are those recorded in it."""

    status: str
    processes: int
    failures: int
    elapsed_s: float


def run(plan: Plan, store: RunStore, executors: Mapping[str, Executor], job_maker: JobMaker, budget_s: float, *,
        clock: Callable[[], float] = time.monotonic, progress: Callable[[Event], None] = lambda event: None,
        minimum_processes: int = MINIMUM_PROCESSES, reserve_s: float = 0.0, spent_s: float = 0.0) -> Outcome:
    """Measures [plan] into [store] for [budget_s] seconds, of which [reserve_s] are left to the caller.

    A store that holds processes already is gone on with: calibrations, orders and what failed are those of before, and
    [spent_s] of the budget, which went by until its last record, are gone.

    [executors]: interpreter tag -> Executor. [job_maker](sheet, layout) gives what a job needs beyond what the plan says (body,
    thread, size, unit, arms, libraries). Every sheet gets [minimum_processes] before any gets more, if the
    budget allows, and at least one whatever the budget. The store is flushed, and finished only where Ctrl-C interrupted.
    """
    scheduler = _Scheduler(plan, store, executors, job_maker, (budget_s, reserve_s, spent_s), clock, progress,
                           minimum_processes)
    status = "complete"
    try:
        scheduler.calibrate()
        scheduler.sample()
        store.flush()
    except KeyboardInterrupt:
        status = "interrupted"
        store.finish(status, scheduler.elapsed_s)
    return Outcome(status, scheduler.processes, scheduler.failures, scheduler.elapsed_s)


@dataclass(eq=False)
class _Bench:
    """What the scheduler knows of one sheet."""

    sheet: Sheet
    turn: int
    loops: dict[str, dict[str, int]] | None = None
    left_out: set[tuple[str, str]] = field(default_factory=set)             # (benchmark, arm) that failed
    strikes: int = 0
    tried_again: set[str] = field(default_factory=set)                      # benchmarks whose reference failed once
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=3))  # of its last processes
    guess_s: float = 0.0                                                    # what one takes, before any ran: of a run gone on with
    log_ratios: dict[tuple[str, str], list[float]] = field(default_factory=dict)    # to the reference, sorted, by process

    def cells(self, seed: int, calibrate: bool) -> list[dict]:
        return cells(self.sheet, self.turn, seed, None if calibrate else self.loops, self.left_out)

    @property
    def alive(self) -> bool:
        return bool(self.loops) and bool(self.cells(0, calibrate=True))

    @property
    def cost_s(self) -> float:
        return fmean(self.seconds) if self.seconds else self.guess_s

    @property
    def half_width(self) -> float:
        """The mean half-width of the 95 % intervals of the medians; infinite where a pair has too few processes for one."""
        widths = [_half_width(values) for pair, values in self.log_ratios.items() if pair not in self.left_out]
        return fmean(widths) if widths else 0.0

    def take_in(self, answer: dict) -> None:
        for cell in answer["cells"]:
            arms = cell["arms"]
            for arm in arms.keys() - {self.sheet.reference}:
                pairs = zip(arms[arm]["values"], arms[self.sheet.reference]["values"])
                insort(self.log_ratios.setdefault((cell["benchmark"], arm), []), median(math.log(a / b) for a, b in pairs))


def _go_on(sheet: Sheet, store: RunStore) -> _Bench:
    """[sheet] with what [store] has of it."""
    past = store.taken(sheet.as_dict())
    failed = {(each["benchmark"], each["arm"]) for each in store.header["failures"] if each["benchmark"] and each["arm"]
              and (each["interpreter"], each["scenario"]) == (sheet.interpreter, sheet.scenario)}
    bench = _Bench(sheet, len(past), store.calibration.get(sheet.key), failed)
    for answer in past:
        bench.take_in(answer)
    return bench


def _half_width(values: Sequence[float]) -> float:
    """Of the sign-test interval of the median of sorted [values], in the normal approximation: it only sets priorities.

    The exact one (lab.stats) works with integers of as many bits as there are processes, in each pass.
    """
    n = len(values)
    rank = math.floor((n - 1.96 * math.sqrt(n)) / 2)
    return (values[n - 1 - rank] - values[rank]) / 2 if rank >= 0 else math.inf


class _Scheduler:
    """One run: which sheet is next, whether it fits into the budget, and what follows from a failure."""

    def __init__(self, plan: Plan, store: RunStore, executors: Mapping[str, Executor], job_maker: JobMaker,
                 time_s: tuple[float, float, float], clock: Callable[[], float], progress: Callable[[Event], None], minimum: int):
        self.store, self.executors, self.job_maker, self.clock, self.progress = store, executors, job_maker, clock, progress
        self.seed, self.layouts = plan.seed, plan.layouts
        self.minimum = max(minimum, PROCESSES_PER_LAYOUT * plan.layouts) if plan.layouts > 1 else minimum
        self.budget_s, self.limit_s = time_s[0], time_s[0] - time_s[1]
        self.random = random.Random(f"{plan.seed}/passes")
        self.next_process = 1 + max(store.processes, default=-1)
        self.benches = [_go_on(sheet, store) for sheet in plan.sheets]
        self.processes, self.failures = len(store.processes), 0
        for bench in self.benches:
            bench.guess_s = time_s[2] / self.processes if self.processes else 0.0
        self.started, self.flushed = clock() - time_s[2], clock()
        self.flush_s = 0.0     # what the last flush took: the run ends with one

    @property
    def elapsed_s(self) -> float:
        return self.clock() - self.started

    def calibrate(self) -> None:
        """How many calls a batch of each cell makes, once for the run; what these processes measure is not kept as samples."""
        for bench in self.benches:
            if bench.loops:
                continue
            if bench.sheet.single:
                bench.loops = {name: dict.fromkeys(bench.sheet.arms, 1) for name, _ in bench.sheet.benchmarks}
                continue
            answer = self._work(bench, calibrate=True)
            if answer:
                bench.loops = {name: share_loops(costs) for name, costs in answer["cost_ns"].items()}
                self.store.add_calibration(bench.sheet.key, bench.loops)
                self._tell("calibrated", bench.sheet.key)

    def sample(self) -> None:
        """Passes, until no scenario fits into what is left of the budget; of a run that is gone on with, those that it lacks."""
        for bench in self._behind():
            self._sample(bench)
        alive = [bench for bench in self.benches if bench.alive]
        for number in itertools.count(min((bench.turn for bench in alive), default=0)):
            chosen = self._pass(number)
            if not chosen:
                return
            self.random.shuffle(chosen)
            for bench in chosen:
                self._sample(bench)
            if number == 0 and self.elapsed_s > self.limit_s:
                self._tell("short", f"the budget of {format_duration(self.budget_s)} is too small for one process of each "
                                    "sheet; each ran once all the same")

    def _behind(self) -> list[_Bench]:
        """The blocks that have fewer processes than another of their scenario, as often as they lack one: a run was killed between
        them, and files that compare_to may compare hold equally many runs."""
        most: dict[tuple[str, str], int] = {}
        for bench in self.benches:
            key = bench.sheet.interpreter, bench.sheet.scenario
            most[key] = max(most.get(key, 0), bench.turn)
        return [bench for bench in self.benches if bench.alive
                for _ in range(most[bench.sheet.interpreter, bench.sheet.scenario] - bench.turn)]

    def _pass(self, number: int) -> list[_Bench]:
        """The sheets of the next pass: those of every scenario, or of the widest third, as far as they fit into the budget.

        Latencies are as wide as the queue before a busy interpreter: they would take every pass, and narrow little.
        """
        groups: dict[tuple[str, str], list[_Bench]] = {}
        for bench in self.benches:
            if bench.alive:
                groups.setdefault((bench.sheet.interpreter, bench.sheet.scenario), []).append(bench)
        if number == 0 and self.elapsed_s < self.limit_s:
            return [bench for group in groups.values() for bench in group]
        if number == 0:
            return [bench for group in groups.values() for bench in group if bench.turn == 0]
        everyone = list(groups.values())
        self.random.shuffle(everyone)      # where time is short, chance decides
        if number >= self.minimum and number % ROUND_ROBIN_EVERY:
            widest = sorted([group for group in everyone if group[0].sheet.measures == "time"], key=lambda group: max(bench.half_width for bench in group), reverse=True)
            chosen = self._fitting(widest[:math.ceil(len(widest) / 3)])
            if chosen:
                return chosen
        return self._fitting(everyone)

    def _fitting(self, groups: Iterable[list[_Bench]]) -> list[_Bench]:
        left_s, chosen = self.limit_s - self.elapsed_s - self.flush_s, []
        for group in groups:
            cost_s = sum(bench.cost_s for bench in group)
            if cost_s <= left_s:
                left_s -= cost_s
                chosen += group
        return chosen

    def _sample(self, bench: _Bench) -> None:
        answer = self._work(bench, calibrate=False)
        if answer:
            bench.take_in(answer)
            bench.turn += 1
            self._tell("process", bench.sheet.key)
        started = self.clock()
        if started - self.flushed >= FLUSH_EVERY_S:
            self.store.flush()
            self.flushed = self.clock()
            self.flush_s = self.flushed - started

    def _work(self, bench: _Bench, calibrate: bool) -> dict | None:
        """The answer of one worker, after as many attempts as it takes; None where no cell of the sheet is left."""
        sheet = bench.sheet
        while True:
            wanted, started = bench.cells(self.seed, calibrate), self.clock()
            if not wanted:
                return None
            layout = layouts.PLAIN if calibrate else layouts.of_process(bench.turn, self.layouts)
            job = {**self.job_maker(sheet, layout), "scenario": sheet.scenario,
                   "single": sheet.single, "target_batch_ns": TARGET_BATCH_NS, "calibrate": calibrate, "cells": wanted,
                   "seed": f"{self.seed}/{self.next_process}"}
            try:
                answer = self.executors[sheet.interpreter].execute(job, self._patience_s(bench))
                _check_answer(answer, wanted, sheet.arms, calibrate)
                if sheet.measures == "latency":
                    _check_latencies(answer)
                if not calibrate:
                    self.store.add(answer, {**sheet.as_dict(), "layout": layout}, self.next_process, self.seed, self.elapsed_s)
            except WorkerError as error:
                self._blame(bench, wanted, error)
                continue
            bench.strikes = 0
            if not calibrate:
                bench.seconds.append(self.clock() - started)
                self.next_process += 1
                self.processes += 1
            return answer

    def _patience_s(self, bench: _Bench) -> float:
        if bench.seconds:
            return max(5.0, 10 * max(bench.seconds))
        batches = len(bench.sheet.arms) * len(bench.sheet.benchmarks) if bench.sheet.measures == "latency" else 0
        return min(max(self.budget_s / 6, PATIENCE_S[0]), PATIENCE_S[1]) + LATENCY_BATCH_S * batches

    def _blame(self, bench: _Bench, wanted: list[dict], error: WorkerError) -> None:
        """Records a failure and takes out of the sheet what caused it: an arm in a benchmark, or in all where none is named."""
        benchmark, arm = getattr(error, "benchmark", None) or None, getattr(error, "arm", None) or None
        running = _running(wanted, bench.sheet.arms)
        culprits = [pair for pair in running if pair[1] == arm and benchmark in (pair[0], None)]
        what = error.message
        if not culprits:
            bench.strikes += 1
            self._fail(bench, None, None, what, error)
            if bench.strikes < STRIKES:
                return
            culprits, what = running, f"given up after {STRIKES} workers in a row failed; the last one: {what}"
        references = {name for name, culprit in culprits if culprit == bench.sheet.reference} - bench.tried_again
        if references and len(culprits) == 1:
            # all other arms of the benchmark hang on it: once, it may have been an accident from outside
            bench.tried_again |= references
            self._fail(bench, culprits[0][0], None, f"{what} while {arm} ran; tried again", error)
            return
        for name, culprit in culprits:
            self._fail(bench, name, culprit, what, error)
        for name, _ in [pair for pair in culprits if pair[1] == bench.sheet.reference]:
            for pair in running:
                if pair[0] == name and pair not in bench.left_out:
                    self._fail(bench, *pair, f"the reference failed ({bench.sheet.reference}: {error.message})", error)

    def _fail(self, bench: _Bench, benchmark: str | None, arm: str | None, what: str, error: WorkerError) -> None:
        if benchmark and arm:
            bench.left_out.add((benchmark, arm))
        self.failures += 1
        sheet = bench.sheet
        self.store.fail({"interpreter": sheet.interpreter, "scenario": sheet.scenario, "benchmark": benchmark, "arm": arm,
                         "what": what, "last_words": error.last_words})
        self._tell("failure", f"{benchmark or sheet.key}, {arm or 'no arm known'}, {sheet.interpreter}: {what}")

    def _tell(self, kind: str, text: str) -> None:
        self.progress(Event(kind, text, self.elapsed_s, self.budget_s, self.processes))


def _running(wanted: list[dict], arms: Sequence[str]) -> list[tuple[str, str]]:
    """The (benchmark, arm) that the cells of a job hold, in the order of the sheet."""
    return [(cell["benchmark"], arms[index]) for cell in wanted for index in sorted({i for row in cell["rows"] for i in row})]


def _check_answer(answer: dict, wanted: list[dict], arms: Sequence[str], calibrate: bool) -> None:
    """Raises WorkerFailure where an answer reports an error, or lacks what the job asked for, or holds an impossible time."""
    error = answer.get("error")
    if isinstance(error, dict):
        raise WorkerFailure(str(error.get("message")), error.get("benchmark"), error.get("arm"), error.get("last_words", ""))
    for cell in wanted:
        for benchmark, arm in _running([cell], arms):
            try:
                if calibrate:
                    values, count = [answer["cost_ns"][benchmark][arm]], 1
                else:
                    found = next(each for each in answer["cells"] if each["benchmark"] == benchmark)
                    values, count = found["arms"][arm]["values"], len(cell["rows"])
                    loops = found["arms"][arm]["loops"]
                    if loops != cell["loops"][arm]:
                        what = f"made {loops} calls in a batch where {cell['loops'][arm]} were asked"
                        raise WorkerFailure(what, benchmark, arm)
                sound = len(values) == count and all(math.isfinite(value) and value > 0 for value in values)
            except (KeyError, TypeError, StopIteration):
                sound, values = False, "nothing that can be read"
            if not sound:
                raise WorkerFailure(f"answered nonsense: {str(values)[:80]} where times above 0 were expected", benchmark, arm)


def _check_latencies(answer: dict) -> None:
    """Raises WorkerFailure where the latencies of an answer are not those of its values, or make no sense."""
    for cell in answer["cells"]:
        for arm, measured in cell["arms"].items():
            try:
                check_arm(measured)
            except ValueError as error:
                raise WorkerFailure(f"answered nonsense: {error}", cell["benchmark"], arm) from None
