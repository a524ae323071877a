"""What `lab validate` measures: identical arms by three harnesses, arms with planted instructions, and two arms alone.

A sitting is divided into slices. Each holds a part of everything, the parts in random order, so that whatever the machine does
meanwhile meets all harnesses alike. Judged is nothing here: lab.analysis.falsepositives and lab.analysis.power do that from what
was stored.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from lab import bench, builder, catalogue, driver, environment, interpreters, plan, validation_halves
from lab.catalogue import TWIN_SUFFIX, Arm, Scenario
from lab.errors import LabError, MissingTool, WorkerError
from lab.executor import ProcessExecutor, run_crosscheck
from lab.interpreters import Interpreter
from lab.memory import Memory
from lab.plan import LARGEST_BLOCK, Plan, Sheet
from lab.samples import COUNTERS
from lab.sittings import SittingStore
from lab.units import NS_PER_S, format_duration
from lab.validation_halves import Halves

SCENARIO, MODE = "attached_call", {"mode": "throughput"}
BENCHMARK = catalogue.benchmark_name(SCENARIO, MODE)
PLANTED = (1, 2, 4, 8, 16, 32)
COPIED = 12                         # files that hold the same extension half
BASE = "planted/0"                  # planted with nothing: the same code as the others but for what is planted
COPIES = tuple(f"copy/{number}" for number in range(LARGEST_BLOCK - 1))
TWIN = COPIES[-1] + TWIN_SUFFIX
# no arm is in two of them; the last is a run's A/A control, as every run has one
PAIRS = ((COPIES[1], COPIES[0]), (COPIES[3], COPIES[2]), (COPIES[5], COPIES[4]), (TWIN, COPIES[6]))
A_RUN = len(PAIRS) - 1              # comparisons that a run of the paired protocol makes, beside its A/A control
PLAIN_VALUE_S = 0.0075              # a value of 5 ms at least, of twice as many loops as the last that was too short
ATTEMPTS = 3                        # at a part in which a process fails: a machine that others use may hold one up for long
LIMIT_S = 120.0                     # for one pyperf.Runner, or one process of Google Benchmark: a minute is ample


@dataclass(frozen=True)
class Size:
    """How much a sitting measures."""

    slices: int
    runs: int = 2                   # of the paired protocol in a slice
    processes: int = 12             # of each of them
    plain_processes: int = 20       # of a pyperf.Runner: its own default
    repetitions: int = 10           # of Google Benchmark; its documentation asks for 9 or more
    minimum_us: int = 50_000        # of each repetition
    planted: int = 34               # processes of the long run in a slice: in all about as many as 300 s give, which are drawn from it
    two: int = 3                    # processes of the two arms alone in a slice

    @property
    def comparisons(self) -> int:
        """Of each harness in a slice."""
        return self.runs * A_RUN


QUICK = Size(1, runs=1, processes=6, plain_processes=2, repetitions=3, minimum_us=1000, planted=6, two=6)


def size_of(comparisons: int) -> Size:
    """Of a sitting with at least so many comparisons by each harness. Raises LabError."""
    if comparisons < 1:
        raise LabError(f"{comparisons} comparisons tell nothing", "give 1 or more; the default is 200")
    return Size(math.ceil(comparisons / Size(1).comparisons))


@dataclass(eq=False)
class _Counted:
    """An executor that times its processes, and whose clock counts them: a run's budget is then a number of processes."""

    executor: ProcessExecutor
    seconds: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return float(len(self.seconds))

    def execute(self, job: dict, timeout_s: float) -> dict:
        begin = time.monotonic()
        try:
            return self.executor.execute(job, timeout_s)
        finally:
            self.seconds.append(time.monotonic() - begin)


@dataclass(frozen=True, eq=False)
class Bench:
    """What everything is measured with."""

    interpreter: Interpreter
    scenario: Scenario
    arms: Mapping[str, Arm]
    libraries: builder.Libraries
    halves: Halves
    size: Size
    seed: int

    def sheet(self, block: int, arms: Sequence[str]) -> Sheet:
        """A sheet of [arms], the first the reference, of the one benchmark."""
        return Sheet(self.interpreter.tag, SCENARIO, block, tuple(arms), arms[0], ((BENCHMARK, MODE),),
                     plan.rounds_for(len(arms)), False)

    def job(self, sheet: Sheet, *rest: object) -> dict:
        return bench.job_of(sheet, self.scenario, self.arms, self.libraries)

    def executor(self, worker: str, seed: int) -> ProcessExecutor:
        return ProcessExecutor(self.interpreter.path, bench.WORKER / worker, seed=seed)


@dataclass(frozen=True)
class Part:
    """A part of a slice: [kind] of sittings.KINDS, and the [number] among all of that kind."""

    slice: int
    kind: str
    number: int


def parts(size: Size, seed: int) -> list[Part]:
    """Everything in the order in which it is measured."""
    order, found = random.Random(f"{seed}/slices"), []
    for number in range(size.slices):
        mine = [Part(number, "paired", number * size.runs + run) for run in range(size.runs)]
        mine += [Part(number, kind, number) for kind in ("pyperf", "google", "planted", "two")]
        order.shuffle(mine)
        found += mine
    return found


def prepare(top: Path, size: Size, seed: int, say: Callable[[str], None]) -> Bench:
    """Build what is measured, for the running interpreter. Raises LabError."""
    current = interpreters.current()
    libraries, halves = builder.build(top, [current], say), validation_halves.build(top, COPIED, (0, *PLANTED), say)
    original = catalogue.arms(top)[validation_halves.ARM]
    paths = {f"copy/{number}": path for number, path in enumerate(halves.copies)}
    paths[TWIN] = halves.copies[len(COPIES)]
    paths |= {f"planted/{count}": path for count, path in halves.planted.items()}
    paths[BASE + TWIN_SUFFIX] = _copied(halves.planted[0])
    drivers = {**libraries.drivers} if isinstance(halves.google, str) else {**libraries.drivers, "google": halves.google}
    known = {("", name): path for name, path in paths.items()}
    libraries = replace(libraries, drivers=drivers, arms={**libraries.arms, **known})
    arms = {name: replace(original, id=name) for name in paths}
    return Bench(current, catalogue.scenarios(top)[SCENARIO], arms, libraries, halves, size, seed)


def _copied(path: Path) -> Path:
    """A copy under the name of a twin, for the same code at another address."""
    twin = path.with_name(path.name.replace(".", f"{TWIN_SUFFIX}.", 1))
    twin.write_bytes(path.read_bytes())
    return twin


def validate(top: Path, name: str, size: Size, seed: int, say: Callable[[str], None],
             progress: Callable[[float, float, str], None] = lambda done, total, text: None) -> Path:
    """Measure into results/[name]; its folder. [progress] is told the parts done, those in all, and what is next.

    Ctrl-C keeps what was measured, and is passed on. Raises LabError; WorkerError where a process failed.
    """
    store_folder = top / "results" / name
    if store_folder.exists():
        SittingStore(store_folder, {})      # raises, before anything is built
    machine, begin = prepare(top, size, seed, say), time.monotonic()
    if isinstance(machine.halves.google, str):
        say(f"Google Benchmark is {machine.halves.google}; the others go on")
    session = _Session(machine)
    estimate_s = session.estimate_s()
    say(f"{len(session.parts)} parts in {size.slices} {'slice' if size.slices == 1 else 'slices'}, about {format_duration(estimate_s)}")
    store = SittingStore(store_folder, header_of(top, machine, estimate_s))
    status = "failed"
    try:
        for done, part in enumerate(session.parts):
            progress(done, len(session.parts), f"slice {part.slice + 1}: {part.kind}")
            started = time.monotonic()
            record = _attempted(session, part, store, say)
            if record:
                store.add({"kind": part.kind, "slice": part.slice, "began_s": round(started - begin, 3),
                           "seconds": round(time.monotonic() - started, 4), **record})
        status = "complete"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        store.finish(status, time.monotonic() - begin)
    return store_folder


def _attempted(session: _Session, part: Part, store: SittingStore, say: Callable[[str], None]) -> dict | None:
    """The record of [part], after as many attempts as it takes; those that failed are named in the sitting."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return session.measure(part)
        except WorkerError as error:
            store.failed(f"slice {part.slice + 1}, {part.kind}: {error.message}")
            if attempt == ATTEMPTS:
                raise
            say(f"{part.kind}, tried again: {error.message}")
    return None


def header_of(top: Path, machine: Bench, estimate_s: float) -> dict:
    """What is said of a sitting before its first record."""
    current, halves = machine.interpreter, machine.halves
    names = bench.hashes_of(top, [current.tag], validation_halves.FOLDER)
    wanted = ("csrc/arm/", "csrc/native/", "csrc/validation/", f"csrc/scenarios/{SCENARIO}/", "variants/hpyvm/", "lab/worker/",
              "build/")
    return {
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "seed": machine.seed,
        "size": asdict(machine.size), "arm": validation_halves.ARM, "benchmark": BENCHMARK, "confidence": bench.CONFIDENCE,
        "margins": bench.MARGINS, "planted": list(PLANTED), "copies": COPIED, "pairs": [list(pair) for pair in PAIRS],
        "base": BASE, "two": list(COPIES[:2]), "estimate_s": round(estimate_s, 1),
        "interpreter": {"tag": current.tag, "version": current.version},
        "versions": {"hpy": current.hpy, "pyperf": current.pyperf, "google_benchmark": halves.google_version
                     or str(halves.google)},
        "environment": environment.facts(top),
        "hashes": {path: digest for path, digest in names.items() if path.startswith(wanted) and "/probes/" not in path}}


@dataclass(eq=False)
class _Session:
    """A sitting while it is measured: what goes on from slice to slice."""

    bench: Bench
    parts: list[Part] = field(init=False)
    long: dict[str, tuple[Plan, Memory]] = field(init=False)       # kind -> what is gone on with

    def __post_init__(self) -> None:
        self.parts = parts(self.bench.size, self.bench.seed)
        planted = self.bench.sheet(0, [BASE, *(f"planted/{count}" for count in PLANTED), BASE + TWIN_SUFFIX])
        two = self.bench.sheet(0, COPIES[:2])
        self.long = {kind: (Plan(random.Random(f"{self.bench.seed}/{kind}").getrandbits(32), (sheet,), (), (), ""), Memory())
                     for kind, sheet in (("planted", planted), ("two", two))}

    def estimate_s(self) -> float:
        """How long all of it will take: from one process of the long run, which comes after the one that calibrates."""
        plan_, memory = self.long["planted"]
        counted = self._run(plan_, Memory(), 1)
        size, cost_s = self.bench.size, counted.seconds[-1]
        start_s = max(0.05, cost_s - LARGEST_BLOCK**2 * 1.2 * plan.TARGET_BATCH_NS / NS_PER_S)
        plain_s = (start_s + 4 * PLAIN_VALUE_S) * (size.plain_processes + 1) * (size.comparisons + 1)
        # a repetition is as long as the last attempt to find out how many iterations it takes, which is 1.4 times what is asked
        google_s = start_s + 2 * size.comparisons * 1.5 * size.repetitions * size.minimum_us * 1e-6
        absent = isinstance(self.bench.halves.google, str)
        processes = size.runs * (size.processes + 1) + size.planted + size.two
        slice_s = processes * cost_s + plain_s + (0 if absent else google_s)
        return size.slices * slice_s

    def measure(self, part: Part) -> dict | None:
        """The record of one part; None where the harness is absent."""
        own = {"paired": self._paired, "pyperf": self._plain, "google": self._google}
        return own.get(part.kind, self._long)(part)

    def _paired(self, part: Part) -> dict:
        """A whole run of copies, its calibration included."""
        seed = random.Random(f"{self.bench.seed}/paired/{part.number}").getrandbits(32)
        memory = Memory()
        plan_ = Plan(seed, (self.bench.sheet(0, [*COPIES, TWIN]),), (), (), TWIN)
        counted = self._run(plan_, memory, self.bench.size.processes)
        return {"seed": seed, **_recorded(memory.answers, counted.seconds[-len(memory.answers):])}

    def _long(self, part: Part) -> dict:
        """Some processes more of a run that goes on."""
        plan_, memory = self.long[part.kind]
        before = len(memory.answers)
        counted = self._run(plan_, memory, getattr(self.bench.size, part.kind))
        fresh = memory.answers[before:]
        return {"seed": plan_.seed, "first": before, **_recorded(fresh, counted.seconds[-len(fresh):])}

    def _run(self, plan_: Plan, memory: Memory, processes: int) -> _Counted:
        """[processes] more of the one sheet of [plan_], by the scheduler and the worker of lab bench."""
        counted = _Counted(self.bench.executor("measure.py", plan_.seed + len(memory.answers)))
        calibrating = not memory.calibration
        driver.run(plan_, memory, {self.bench.interpreter.tag: counted}, self.bench.job, processes + calibrating, clock=counted)
        _refuse_failures(memory)
        return counted

    def _plain(self, part: Part) -> dict:
        """Copies by a pyperf.Runner each, one after the other, in a random order."""
        chosen = random.Random(f"{self.bench.seed}/pyperf/{part.number}").sample(COPIES, self.bench.size.comparisons + 1)
        found = []
        with tempfile.TemporaryDirectory(prefix="lab-") as folder:
            for arm in chosen:
                sheet = self.bench.sheet(0, [arm])
                job = {**self.bench.job(sheet), "cells": [{"benchmark": BENCHMARK, "parameters": MODE}]}
                path = Path(folder, "job.json")
                path.write_text(json.dumps(job), encoding="utf-8")
                argv = [self.bench.interpreter.path, str(bench.WORKER / "plain.py"), "--job", str(path), "--quiet",
                        "--inherit-environ", "LD_BIND_NOW", "--processes", str(self.bench.size.plain_processes)]
                memory, begin = Memory(), time.monotonic()
                run_crosscheck({arm: argv}, memory, sheet.interpreter, SCENARIO, begin + LIMIT_S,
                               environment={**os.environ, "LD_BIND_NOW": "1"})
                seconds = time.monotonic() - begin
                _refuse_failures(memory)
                found.append({"arm": arm, "seconds": round(seconds, 4), **_of_pyperf(memory.plain[arm])})
        return {"benchmarks": found}

    def _google(self, part: Part) -> dict | None:
        if isinstance(self.bench.halves.google, str):
            return None
        size, every = self.bench.size, [name for name in self.bench.arms if name.startswith("copy/") and name != TWIN]
        names = random.Random(f"{self.bench.seed}/google/{part.number}").sample(every, 2 * size.comparisons)
        job = {**self.bench.job(self.bench.sheet(0, names[:1])), "scenario": "google", "repetitions": size.repetitions,
               "minimum_us": size.minimum_us}
        job["arms"] = [{**job["arms"][0], "id": name, "path": str(self.bench.libraries.arm("", name))} for name in names]
        answer = self.bench.executor("google.py", part.number).execute(job, LIMIT_S)
        if "error" in answer:
            raise WorkerError(f"Google Benchmark: {answer['error']['message']}", answer["error"].get("last_words", ""))
        return {"arms": names, "ns": [[round(value, 6) for value in answer["arms"][name]] for name in names]}


def _refuse_failures(memory: Memory) -> None:
    if memory.failures:
        failure = memory.failures[0]
        memory.failures.clear()         # where it is tried again, it is another attempt
        raise WorkerError(f"a worker failed: {failure['what']}", failure["last_words"],
                          "lab check finds out more; what was measured before is kept")


def _recorded(answers: Sequence[Mapping], seconds: Sequence[float]) -> dict:
    """What processes answered, as it is stored: whole nanoseconds of each batch, [process][arm][round]."""
    arms = answers[0]["cells"][0]["arms"]
    return {"arms": list(arms), "loops": [each["loops"] for each in arms.values()],
            "processes": [{"seconds": round(each_s, 4),
                           "elapsed_ns": [[round(value * each["loops"] * NS_PER_S) for value in each["values"]]
                                          for each in answer["cells"][0]["arms"].values()],
                           "disturbed": dict(_disturbances(answer["cells"][0]["arms"]))}
                          for answer, each_s in zip(answers, seconds)]}


def _disturbances(arms: Mapping[str, Mapping]) -> Iterator[tuple[str, dict[int, list[int]]]]:
    """counter -> index of an arm -> its series; those in which nothing was counted are left out."""
    for counter in COUNTERS:
        series = {index: each[counter] for index, each in enumerate(arms.values()) if any(each[counter])}
        if series:
            yield counter, series


def _of_pyperf(text: str) -> dict:
    """The values of a pyperf file as they were measured: whole nanoseconds of a value, [process][value], and their loops."""
    import pyperf
    benchmark, = pyperf.BenchmarkSuite.loads(text)
    runs = [run for run in benchmark.get_runs() if run.values]
    if not runs:
        raise MissingTool("pyperf wrote no values", "lab check finds out more")
    loops = benchmark.get_metadata().get("loops", 1)
    return {"loops": loops, "elapsed_ns": [[round(value * loops * NS_PER_S) for value in run.values] for run in runs]}
