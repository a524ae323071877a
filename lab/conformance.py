"""The conformance suite: every case of the probes (probes.py), each in a process of its own with a time limit.

The job of a probe process: {"probe": path, "arm": {id, path, abi, policy, mode, debug}, "api": what the runtime half's table
offers, and what of it belongs to the arm, "libraries"}; its answer: {"outcome", "detail"}.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import builder, catalogue, probes, roles, spec
from lab.builder import Libraries
from lab.catalogue import Arm
from lab.errors import LabError, MissingTool, WorkerError
from lab.executor import ProcessExecutor, WorkerFailure
from lab.interpreters import Interpreter
from lab.probes import Case, Probe

LIMIT_S = 20.0
WORKER = Path(__file__).resolve().parent / "worker" / "probe.py"
# what the debug modes say before they end the process
_REPORT_OF_THE_LAB = re.compile(r"^HPy Context Lab: .*", re.M)
_SITE = re.compile(r"^  \S.*, on thread \d+:\n    \S+\+0x[0-9a-f]+", re.M)
_REMEDY = re.compile(r"^  What to do: \S", re.M)
_REPORT_OF_HPY = re.compile(r".*(?:Wrong HPy Context|Invalid usage of).*")


@dataclass(frozen=True)
class Outcome:
    """What came of one case, beside what was expected."""

    probe: str
    arm: str
    policy: str
    mode: str                       # of HPy
    debug: str                      # of the lab: "off", "on"
    outcome: str                    # of probes.OUTCOMES, "n/a", or probes.BROKEN
    expected: str                   # what the arm's .toml claims; what the probe expects, where that claims nothing. It says
                                    # "crash: SIGABRT" where another signal than that was expected
    claimed: bool                   # which of the two; an arm answers for either
    detail: str
    output: str                     # what the process wrote, where the outcome is neither "ok" nor "n/a"
    seconds: float

    @property
    def unexpected(self) -> bool:
        """Whether something else happened than the arm claims, or than the probe expects where it claims nothing."""
        return not probes.meets(self.outcome, self.expected)

    def as_dict(self) -> dict:
        return asdict(self)


class Suite:
    """What the processes of one interpreter are started with. [debug]: with extension halves of the lab's debug mode."""

    def __init__(self, interpreter: Interpreter, libraries: Libraries, debug: Libraries | None = None, top: Path | None = None):
        self.interpreter, self.libraries, self.debug = interpreter, libraries, debug
        self._spec = spec.load(top or catalogue.root())

    def job(self, case: Case) -> dict:
        """What the process of [case] is told."""
        tag, libraries = self.interpreter.tag, self._of(case)
        return {"probe": str(case.probe.path), "libraries": libraries.for_worker(tag), "api": self._api(case.arm),
                "arm": {"id": case.arm.id, "path": str(libraries.arm(tag, case.arm.id)), "abi": case.arm.abi,
                        "capabilities": sorted(case.arm.capabilities), **case.axes}}

    def why_not(self, case: Case) -> str:
        """Why there can be no process for [case]; "" where there can."""
        found = {function.role for function in self._spec.functions if function.arm == case.arm.id}
        lacking = [role for role in case.probe.roles if role not in found]
        return (case.why_not or self._of(case).unavailable.get((self.interpreter.tag, case.arm.id), "")
                or (f"its API has nothing of the role {lacking[0]}" if lacking else ""))

    def command(self, case: Case, job: Path) -> list[str]:
        """What starts [case] by itself, with its job in the file [job], which is written."""
        job.write_text(json.dumps(self.job(case)), encoding="utf-8")
        return [self.interpreter.path, "-u", str(WORKER), str(job)]

    def _of(self, case: Case) -> Libraries:
        return self.debug if case.debug == "on" and self.debug else self.libraries

    def _api(self, arm: Arm) -> dict:
        def described(function):
            of = roles.signature(function.node)
            return {"name": function.name, "role": function.role, "reach": function.reach, "entry": function.implementation,
                    "result": of.result, "parameters": [parameter.type for parameter in of.parameters]}

        return {"entries": [each.implementation for each in self._spec.table_functions],
                "functions": [described(each) for each in self._spec.functions if each.arm == arm.id]}


def build_debug(top: Path, found: Sequence[Interpreter], cases: Iterable[Case], say: Callable[[str], None]) -> Libraries | None:
    """Everything with extension halves of the lab's debug mode, where one of [cases] is of that; raises as builder.build."""
    if not any(case.debug == "on" for case in cases):
        return None
    return builder.build(top, found, lambda output: say(f"built {output}"), debug=True)


def alone(cases: Sequence[Case], found: Sequence[Interpreter], libraries: Libraries, debug: Libraries | None,
          top: Path) -> list[str]:
    """The command that starts the first of [cases] by itself, as under a debugger, with its job in build/probe.json.

    Raises LabError where they are of more than one probe, arm or interpreter, where it cannot be asked, and without gdb.
    """
    suite = Suite(found[0], libraries, debug, top)
    if len({(case.probe.name, case.arm.id) for case in cases}) != 1 or len(found) != 1:
        raise LabError("a debugger takes one process", "name one probe, one --form and one --python; of its cases "
                       "the first is started, unless --policy, --mode, --lab-debug say which")
    if suite.why_not(cases[0]):
        raise LabError(f"{cases[0].probe.name} cannot be asked of {cases[0].arm.id}: {suite.why_not(cases[0])}")
    if shutil.which("gdb") is None:
        raise MissingTool("gdb is missing", "apt-get install gdb")
    return suite.command(cases[0], top / "build" / "probe.json")


def check(chosen: Iterable[Probe], arms: Mapping[str, Arm], interpreter: Interpreter, libraries: Libraries,
          environment: Mapping[str, str] | None = None, progress: Callable[[Outcome], None] = lambda outcome: None,
          limit_s: float | None = None, *, debug: Libraries | None = None,
          only: Mapping[str, Sequence[str]] | None = None) -> list[Outcome]:
    """Ask [chosen] of [arms] (by id) wherever they are asked, a process for each processor; outcomes in that order.

    progress: told each in turn. limit_s: instead of the probes' own. debug: extension halves with the lab's debug mode; without
    it that is left out. only: as in probes.cases. Never to be called while something is measured.
    """
    if debug is None:
        only = {**(only or {}), "debug": ["off"]}
    suite = Suite(interpreter, libraries, debug)
    executor = ProcessExecutor(interpreter.path, WORKER, environment)
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        try:
            cases = probes.cases(chosen, arms.values(), only)
            for outcome in pool.map(lambda case: run_one(suite, case, executor, limit_s), cases):
                progress(outcome)
                outcomes.append(outcome)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return outcomes


def run_one(suite: Suite, case: Case, executor: ProcessExecutor, limit_s: float | None = None) -> Outcome:
    """Run one case in a process of its own."""
    begin, why_not = time.monotonic(), suite.why_not(case)
    if why_not:
        outcome, detail, output = "n/a", why_not, ""
        begin = None
    else:
        try:
            answer = executor.execute(suite.job(case), limit_s or case.probe.limit_s or LIMIT_S)
            outcome, detail, output = _answered(case, answer)
        except WorkerFailure as failure:
            outcome, detail, output = _ended(case, failure)
    claim = case.claimed(suite.interpreter.tag)
    expected = claim or case.expected
    if outcome in ("crash", "wrong"):
        expected = probes.for_detail(expected, outcome, detail)
    return Outcome(case.probe.name, case.arm.id, **case.axes, outcome=outcome, expected=expected,
                   claimed=bool(claim), detail=detail, output="" if outcome in ("ok", "n/a") else output,
                   seconds=0.0 if begin is None else time.monotonic() - begin)


def _answered(case: Case, answer: dict) -> tuple[str, str, str]:
    """(outcome, detail, output) of a process that answered. A good answer is worth nothing where it did not end well after it."""
    error = answer["error"]
    if error["ending"] and answer["outcome"] in ("ok", "refused", "detected"):
        return _ended(case, WorkerFailure(f"{error['ending']}, after it had answered", last_words=error["last_words"]))
    if answer["outcome"] == "detected" and _lacks(error["last_words"]):
        return "wrong", _lacks(error["last_words"]), error["last_words"]
    return answer["outcome"], answer["detail"], error["last_words"]


def _ended(case: Case, failure: WorkerError) -> tuple[str, str, str]:
    """(outcome, detail, output) of a process that did not end well."""
    said = failure.last_words
    if failure.message.startswith("hung"):
        return "hang", failure.message, said
    report = _REPORT_OF_THE_LAB.search(said) if case.debug == "on" else None
    of_hpy = _REPORT_OF_HPY.search(said) if case.mode == "debug" else None
    if "killed by" not in failure.message:      # by an exception that is none of the arm's, as of a mistake in the probe
        return probes.BROKEN, failure.message, said
    if not (report or of_hpy) or "SIGABRT" not in failure.message:
        return "crash", failure.message, said
    if report and case.probe.detects not in report[0]:
        return "wrong", f"another report than {case.probe.detects!r}: {report[0]}", said
    if report and _lacks(said):
        return "wrong", _lacks(said), said
    return "detected", (report or of_hpy)[0], said


def _lacks(said: str) -> str:
    """What a report of the lab among the words of a process does not tell that it has to; "" for nothing, or for no report."""
    report = _REPORT_OF_THE_LAB.search(said)
    wanted = {"a native stack": _SITE, **({} if "\n…\n" in said else {"what to do": _REMEDY})}    # which may be left out there
    lacking = [what for what, pattern in wanted.items() if report and not pattern.search(said, report.end())]
    return f"a report without {' and '.join(lacking)}: {report[0]}" if lacking else ""


def command_alone(outcome: Outcome, python: str) -> str:
    """The command line that runs the case of [outcome] again, and nothing else."""
    return (f"lab check {outcome.probe} --arm {outcome.arm} --policy {outcome.policy} --mode {outcome.mode} "
            f"--lab-debug {outcome.debug} --python {python}")


def told(outcome: Outcome, interpreter: Interpreter) -> str:
    """What was expected of an outcome and by whom, what the process wrote, and the command that shows it alone."""
    name = probes.name_of(outcome.as_dict())
    said = (f"{outcome.arm} claims {outcome.expected} for {name}" if outcome.claimed
            else f"{name} expects {outcome.expected} of {outcome.arm}, which claims nothing else")
    lines = [f"{interpreter.tag}: {said}, and it was {outcome.outcome}:", outcome.detail]
    lines += ["it wrote:", outcome.output] if outcome.output else []
    return "\n".join([*lines, f"alone: {command_alone(outcome, interpreter.path)}"])
