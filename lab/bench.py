"""What `lab bench` does, from a selection to a finished run: build, plan, measure, cross-check.

Everything it decides before the first sample goes into the run's header, so that the report can show what was declared.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab import builder, catalogue, conformance, driver, environment, interpreters, layouts, plan, results, venvs
from lab.catalogue import TWIN_SUFFIX, Arm, Scenario
from lab.comparable import SAME_MACHINE
from lab.errors import LabError, ResultsError
from lab.executor import ProcessExecutor, run_crosscheck
from lab.interpreters import Interpreter

CONFIDENCE = 0.95
MARGINS = {"absolute_ns": 0.5, "relative": 0.02,
           "rule": "the larger of absolute_ns and relative × the reference arm's median"}
CROSSCHECK_SHARE = 0.15     # of the budget, where a plain pyperf.Runner runs beside the paired protocol
CROSSCHECK_FROM_S = 120.0   # smaller budgets have no time for it
RUN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
WORKER = Path(__file__).resolve().parent / "worker"
ANEW = "measure anew with: lab bench"
PLAIN_PROCESSES = 20        # that a pyperf.Runner starts for each benchmark: pyperf's own default, where there is time for them
FEWEST_PLAIN = 5
PLAIN_PROCESS_S = 0.3       # one of them, its start included


@dataclass(frozen=True)
class Request:
    """What the user asked for; [budget_s] is for each interpreter."""

    scenarios: tuple[str, ...]
    arms: tuple[str, ...]
    pythons: tuple[str, ...]
    preset: str
    budget_s: float
    protocol: str               # "paired" or "pyperf"
    seed: int
    name: str
    command: tuple[str, ...]
    layouts: int = 1            # of the same code, the plain one among them


@dataclass(frozen=True)
class Prepared:
    """A request with all its names resolved and everything built."""

    top: Path
    request: Request
    arms: Mapping[str, Arm]
    scenarios: tuple[Scenario, ...]
    interpreters: tuple[Interpreter, ...]
    libraries: builder.Libraries        # of the plain layout
    laid_out: tuple[builder.Libraries, ...]     # of each layout, by number: those first
    plan: plan.Plan
    unusable: tuple[LabError, ...]      # interpreters that were asked for and cannot be measured

    @property
    def planned_arms(self) -> list[Arm]:
        """The arms of its plan, in the order of the catalogue, without the twin."""
        chosen = {arm for sheet in self.plan.sheets for arm in sheet.arms}
        return [arm for arm in self.arms.values() if arm.id in chosen]

    @property
    def budget_s(self) -> float:
        return self.request.budget_s * len(self.interpreters)

    def job(self, sheet: plan.Sheet, layout: int = layouts.PLAIN) -> dict:
        """What a worker must know beyond what the scheduler adds."""
        return job_of(sheet, _scenario(self, sheet), self.arms, self.laid_out[layout])


def job_of(sheet: plan.Sheet, scenario: Scenario, arms: Mapping[str, Arm], libraries: builder.Libraries) -> dict:
    """What a worker that runs [sheet] must know beyond what the scheduler adds."""
    described = [(arm_id, arms[arm_id.removesuffix(TWIN_SUFFIX)]) for arm_id in sheet.arms]
    return {"scenario": scenario.name, "body": scenario.body, "thread": scenario.thread, "unit": scenario.unit,
            "requires": list(scenario.requires), "size": scenario.size, "single": scenario.single, "measures": scenario.measures,
            "setup": str(scenario.folder / "setup.py"), "libraries": libraries.for_worker(sheet.interpreter),
            "arms": [{"id": arm_id, "path": str(libraries.arm(sheet.interpreter, arm_id)), "abi": arm.abi,
                      "policy": arm.policies[0]} for arm_id, arm in described]}


def new_name(now: datetime.datetime | None = None) -> str:
    """A name for a run: ``2026-11-22-183015``, the time in UTC."""
    return (now or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y-%m-%d-%H%M%S")


def checked_name(name: str) -> str:
    """[name] itself. Raises LabError where no run can have it."""
    if not RUN_NAME.fullmatch(name) or name == "latest":
        raise LabError(f"{name!r} cannot be the name of a run", "choose letters, digits, - and _; latest is the latest run")
    return name


def bench(top: Path, request: Request, progress: Callable[[driver.Event], None],
          say: Callable[[str], None] = lambda text: None) -> tuple[Path, driver.Outcome]:
    """Measure what [request] asks for into results/<name>/; the folder, and how it ended.

    [progress] is told what the scheduler does, [say] sentences about the rest. Raises LabError.
    """
    prepared = prepare(top, request, say)
    if request.protocol == "pyperf" and all(sheet.measures == "latency" for sheet in prepared.plan.sheets):
        raise LabError("only latencies were chosen, which a plain pyperf.Runner cannot keep", "lab bench --protocol paired")
    begin = time.monotonic()
    folder = top / "results" / request.name
    store = results.RunStore.create(folder, header_of(prepared))
    for error in prepared.unusable:
        store.fail({"interpreter": "", "scenario": "", "benchmark": None, "arm": None, "what": error.message, "last_words": ""})
    _carry_conformance(top, store)
    return folder, _measure(prepared, store, begin, progress, say)


def resume(top: Path, run: str, progress: Callable[[driver.Event], None], say: Callable[[str], None] = lambda text: None
           ) -> tuple[Path, driver.Outcome]:
    """Go on with the [run] that was interrupted or killed, by its own plan and with what is left of its budget; as bench().

    Raises LabError; ResultsError where the run is complete, is being measured, was not measured by the paired protocol, or
    was begun with other binaries or on another machine.
    """
    folder = results.find(top / "results", run)
    header = results.load(folder).header
    if header["status"] == "complete" or header["protocol"] != "paired":
        why = "is complete" if header["status"] == "complete" else "is of plain pyperf, which has no plan to go on with"
        raise ResultsError(f"run {folder.name!r} {why}", ANEW)
    request = Request(tuple(header["reference"]), (), tuple(each["tag"] for each in header["interpreters"]), header["preset"],
                      header["budget_s"], "paired", header["seed"], folder.name, tuple(header["command"]),
                      header.get("layouts", 1))
    prepared = replace(prepare(top, request, say), plan=plan.plan_of(header))
    refuse_other_binaries(prepared, folder, header, ANEW)
    _refuse_other_machine(environment.facts(top), folder, header)
    begin = time.monotonic() - header["elapsed_s"]
    return folder, _measure(prepared, results.RunStore.open(folder), begin, progress, say)


def _refuse_other_machine(now: Mapping, folder: Path, header: Mapping) -> None:
    for fact in SAME_MACHINE:
        if now.get(fact) != header["environment"].get(fact):
            raise ResultsError(f"run {folder.name!r} was begun where the {fact} is {header['environment'].get(fact)!r}; here it "
                               f"is {now.get(fact)!r}, and times of two machines are never mixed",
                               f"go on where it was begun, or {ANEW}")


def _measure(prepared: Prepared, store: results.RunStore, begin: float, progress: Callable[[driver.Event], None],
             say: Callable[[str], None]) -> driver.Outcome:
    """Measure what [store] lacks of the plan's budget, which runs since [begin]; finish the run."""
    request, deadline = prepared.request, begin + prepared.budget_s
    if request.protocol == "pyperf":
        return _plain(prepared, store, _timed(prepared, store), deadline, begin, say, every_cell=True)
    checked = [sheet for sheet in prepared.plan.sheets if _scenario(prepared, sheet).crosscheck]
    reserve_s = prepared.budget_s * CROSSCHECK_SHARE if checked and request.budget_s >= CROSSCHECK_FROM_S else 0.0
    worker = WORKER / "measure.py"
    executors = {each.tag: ProcessExecutor(each.path, worker, seed=request.seed) for each in prepared.interpreters}
    outcome = driver.run(prepared.plan, store, executors, prepared.job, prepared.budget_s, progress=progress, reserve_s=reserve_s,
                         spent_s=time.monotonic() - begin)
    outcome = replace(outcome, failures=len(store.header["failures"]))
    if outcome.status == "interrupted":
        return outcome
    if reserve_s:
        return _plain(prepared, store, checked, deadline, begin, say, outcome=outcome)
    store.finish("complete", time.monotonic() - begin)
    return outcome


def _timed(prepared: Prepared, store: results.RunStore) -> list[plan.Sheet]:
    """The sheets that a plain pyperf.Runner can measure; of the others it is recorded why not."""
    for sheet in prepared.plan.sheets:
        for arm in sheet.arms if sheet.measures == "latency" else ():
            store.not_applicable({"interpreter": sheet.interpreter, "scenario": sheet.scenario, "benchmark": None, "arm": arm,
                                  "why": "latencies have no place in a plain pyperf.Runner, which keeps means"})
    return [sheet for sheet in prepared.plan.sheets if sheet.measures == "time"]


def prepared_for(top: Path, folder: Path, header: Mapping, what: str, scenarios: Sequence[str], pythons: Sequence[str],
                 say: Callable[[str], None]) -> Prepared:
    """What the run in [folder] was measured with, to put [what] into it, for its interpreters or those of them in [pythons]."""
    arms = {arm for sheet in header["sheets"] for arm in sheet["arms"]} - {header["twin"]}
    request = Request(tuple(scenarios), tuple(arms), tuple(pythons) or tuple(each["tag"] for each in header["interpreters"]),
                      what, 0.0, what, 0, folder.name, ("lab", what))
    return prepare(top, request, say)


def refuse_other_binaries(prepared: Prepared, folder: Path, header: Mapping, instead: str) -> None:
    """Raise ResultsError, with the remedy [instead], where the run in [folder] was measured with others than are built now."""
    for each in prepared.interpreters:
        if each.tag not in {known["tag"] for known in header["interpreters"]}:
            raise ResultsError(f"run {folder.name!r} has nothing of {each.tag}", "lab report shows what a run has")
    now = hashes_of(prepared.top, [each.tag for each in prepared.interpreters], of_layouts=len(prepared.laid_out))
    other = [name for name, digest in now.items() if name.endswith(".so") and header["hashes"].get(name) != digest]
    if other:
        raise ResultsError(f"run {folder.name!r} was measured with other binaries than lie in build/ now ({other[0]} and "
                           f"{len(other) - 1} more)", instead)


def prepare(top: Path, request: Request, say: Callable[[str], None]) -> Prepared:
    """Find and build what [request] names. Raises LabError."""
    every_arm = catalogue.arms(top)
    chosen = {arm.id for arm in catalogue.select("arm", request.arms, every_arm)}
    scenarios = tuple(catalogue.select("scenario", request.scenarios, catalogue.scenarios(top)))
    found, libraries, unusable = venvs.ready(top, request.pythons, say)
    selection = None if chosen == set(every_arm) else chosen
    made = plan.make_plan(every_arm, scenarios, [each.tag for each in found], request.seed, selection,
                          libraries.unavailable, request.layouts)
    laid_out = (libraries, *(builder.build(top, found, lambda output: say(f"built {output}"), layout=number)
                             for number in range(1, request.layouts)))
    return Prepared(top, request, every_arm, scenarios, tuple(found), libraries, laid_out, made, tuple(unusable))


def _scenario(prepared: Prepared, sheet: plan.Sheet) -> Scenario:
    return next(each for each in prepared.scenarios if each.name == sheet.scenario)


def header_of(prepared: Prepared) -> dict:
    """The header of a run of [prepared], as it is declared before the first sample."""
    request, made = prepared.request, prepared.plan
    return {
        "name": request.name, "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": list(request.command), "seed": request.seed, "preset": request.preset, "budget_s": request.budget_s,
        "protocol": request.protocol, "layouts": made.layouts, "confidence": CONFIDENCE, "margins": MARGINS, "twin": made.twin,
        "reference": {scenario.name: scenario.reference for scenario in prepared.scenarios},
        "comparisons": [list(each) for each in made.comparisons],
        "arms": [{"id": arm.id, "kind": arm.kind, "title": arm.title, "summary": arm.summary, "source": arm.source,
                  "abi": arm.abi, "policy": arm.policies[0]} for arm in prepared.arms.values()],
        "scenarios": [{"name": each.name, "title": each.title, "question": each.question, "source": each.source,
                       "thread": each.thread, "unit": each.unit, "reference": each.reference, "measures": each.measures,
                       "parameters": {key: list(values) for key, values in each.parameters.items()}}
                      for each in prepared.scenarios],
        "interpreters": [{"tag": each.tag, "version": each.version, "implementation": each.implementation,
                          "path": Path(each.path).name, "hpy": each.hpy, "unknown": each.unknown} for each in prepared.interpreters],
        "primary": interpreters.current().tag, "hashes": hashes_of(prepared.top, [each.tag for each in prepared.interpreters],
                                                                   of_layouts=made.layouts),
        "build_flags": " ".join((*builder.CFLAGS, *builder.HPY_QUIET)), "environment": environment.facts(prepared.top),
        "sheets": [sheet.as_dict() for sheet in made.sheets],
        "not_applicable": [{"interpreter": each.interpreter, "scenario": each.scenario, "benchmark": each.benchmark,
                            "arm": each.arm, "why": each.why} for each in made.not_applicable],
    }


def hashes_of(top: Path, tags: Sequence[str], halves: str = "universal", of_layouts: int = 1) -> dict[str, str]:
    """sha256 of every specification, source and binary that a number of these interpreters depends on, by its path; of so many
    layouts."""
    package = WORKER.parent.parent    # LAB_ROOT may lead to another checkout; this one's worker runs all the same
    paths = [(path, base) for base, folder in ((top, "csrc"), (top, "variants"), (package, "lab/worker"))
             for path in (base / folder).rglob("*") if path.is_file() and path.suffix in (".c", ".h", ".S", ".toml", ".py")]
    paths += [(path, top) for number in range(of_layouts) for folder in ("native", "drivers", halves, *tags)
              for path in (top / "build" / layouts.folder(number) / folder).glob("*.so")]
    return {path.relative_to(base).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path, base in sorted(paths)}


def conformance_file(top: Path) -> Path:
    """Where `lab check` leaves its outcomes for the next run to take along."""
    return top / "build" / "conformance.json"


def _carry_conformance(top: Path, store: results.RunStore) -> None:
    """Take along what `lab check` last found, if it was found with the binaries of this run."""
    for tag, rows in kept_conformance(top).items():
        if tag in {each["tag"] for each in store.header["interpreters"]}:
            store.add_conformance(tag, rows)


def kept_conformance(top: Path) -> dict[str, list[dict]]:
    """What `lab check` last found, by interpreter, as far as it was found with what is built now."""
    try:
        kept = json.loads(conformance_file(top).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {tag: entry["rows"] for tag, entry in kept.items() if entry["hashes"] == hashes_of(top, [tag])}


def keep_conformance(top: Path, interpreter: Interpreter, outcomes: Sequence[conformance.Outcome]) -> Path:
    """Leave the outcomes of a whole suite in build/conformance.json, with the hashes they hold for."""
    path = conformance_file(top)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    kept[interpreter.tag] = {"hashes": hashes_of(top, [interpreter.tag]), "rows": [outcome.as_dict() for outcome in outcomes]}
    path.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return path


def _plain(prepared: Prepared, store: results.RunStore, sheets: Sequence[plan.Sheet], deadline: float, begin: float,
           say: Callable[[str], None], every_cell: bool = False, outcome: driver.Outcome | None = None) -> driver.Outcome:
    """Measure the arms of [sheets] with an ordinary pyperf.Runner, and finish the run."""
    status, failures = "complete", len(store.header["failures"])
    try:
        with tempfile.TemporaryDirectory(prefix="lab-") as folder:
            places = list(dict.fromkeys((sheet.interpreter, sheet.scenario) for sheet in sheets))
            for number, (tag, scenario) in enumerate(places):
                say(f"plain pyperf: {scenario}, {tag}")
                interpreter = next(each for each in prepared.interpreters if each.tag == tag)
                share_s = (deadline - time.monotonic()) / (len(places) - number)
                mine = [sheet for sheet in sheets if (sheet.interpreter, sheet.scenario) == (tag, scenario)]
                commands = _plain_commands(prepared, interpreter, mine, Path(folder), every_cell, share_s)
                run_crosscheck(commands, store, tag, scenario, time.monotonic() + share_s,
                               environment={**os.environ, "LD_BIND_NOW": "1"})
    except KeyboardInterrupt:
        status = "interrupted"
    elapsed_s = time.monotonic() - begin
    store.finish(status, elapsed_s)
    failed = len(store.header["failures"])
    before = outcome or driver.Outcome(status, 0, failures, elapsed_s)
    return replace(before, status=status, failures=failed, elapsed_s=elapsed_s)


def _plain_commands(prepared: Prepared, interpreter: Interpreter, sheets: Sequence[plan.Sheet], folder: Path,
                    every_cell: bool, share_s: float) -> dict[str, list[str]]:
    """arm id -> argv of plain.py, each arm once, for [share_s] seconds in all; the first parameter set alone unless [every_cell]."""
    commands: dict[str, list[str]] = {}
    benchmarks_of_all = 0
    for sheet in sheets:
        benchmarks = sheet.benchmarks if every_cell else sheet.benchmarks[:1]
        for index, arm_id in enumerate(sheet.arms):
            if arm_id in commands or arm_id.endswith(TWIN_SUFFIX):
                continue
            job = prepared.job(sheet)
            job["arms"] = [job["arms"][index]]
            job["cells"] = [{"benchmark": name, "parameters": dict(parameters)} for name, parameters in benchmarks]
            benchmarks_of_all += len(benchmarks)
            path = folder / f"{sheet.scenario}-{catalogue.file_stem(arm_id)}.json"
            path.write_text(json.dumps(job), encoding="utf-8")
            commands[arm_id] = [interpreter.path, str(WORKER / "plain.py"), "--job", str(path), "--quiet",
                                "--inherit-environ", "LD_BIND_NOW"]
    fitting = int(share_s / max(1, benchmarks_of_all) / PLAIN_PROCESS_S) - 1       # one more calibrates
    processes = min(PLAIN_PROCESSES, max(FEWEST_PLAIN, fitting))
    return {arm: [*argv, "--processes", str(processes)] for arm, argv in commands.items()}
