"""The conformance suite: every probe on every arm it applies to, each in a process of its own with a time limit.

A probe is a file in lab/worker/probes/. Outcomes: ok, refused, wrong (it ran, and did something else than it should have),
crash (with the signal), hang, n/a (with why). The job of a probe process: {"probe": path, "arm": {id, path, abi},
"libraries"}; its answer: {"outcome", "detail"}.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.catalogue import CAPABILITIES, Arm
from lab.builder import Libraries
from lab.errors import SpecError, WorkerError
from lab.executor import ProcessExecutor
from lab.interpreters import Interpreter

LIMIT_S = 20.0
OUTCOMES = ("ok", "refused", "wrong", "crash", "hang")      # that an arm can claim
PROBES = Path(__file__).resolve().parent / "worker" / "probes"


@dataclass(frozen=True)
class Probe:
    """One question about an arm."""

    name: str
    question: str                   # the first sentence of the file's docstring
    why: str                        # the rest of it
    requires: tuple[str, ...]       # capabilities an arm must have
    path: Path


@dataclass(frozen=True)
class Outcome:
    """What a probe saw on an arm, beside what the arm claims."""

    probe: str
    arm: str
    outcome: str                    # ok, refused, wrong, crash, hang, n/a
    expected: str                   # what the arm's .toml claims; "" where it claims nothing
    detail: str
    seconds: float

    @property
    def breaks_claim(self) -> bool:
        """Whether the arm claims something else than what happened."""
        return bool(self.expected) and self.outcome != self.expected

    def as_dict(self) -> dict:
        return asdict(self)


def probes(folder: Path = PROBES) -> dict[str, Probe]:
    """Every probe by its name, read from the files without running them. Raises SpecError."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.py"))}


def _read(path: Path) -> Probe:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise SpecError(path, error.lineno or 1, f"no Python: {error.msg}", "a probe (see the files beside it)") from None
    document = ast.get_docstring(tree)
    requires = next((ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)
                     and [target.id for target in node.targets if isinstance(target, ast.Name)] == ["REQUIRES"]), None)
    if not document or requires is None:
        raise SpecError(path, 1, "no docstring" if not document else "no REQUIRES", "a docstring and REQUIRES = (…)")
    for capability in sorted(set(requires) - CAPABILITIES):
        raise SpecError(path, 1, f"{capability!r} in REQUIRES", "capabilities: " + ", ".join(sorted(CAPABILITIES)))
    question, _, why = document.partition("\n\n")
    return Probe(path.stem, " ".join(question.split()), why.strip(), tuple(requires), path)


def check_claims(arms: Iterable[Arm], known: Mapping[str, Probe]) -> None:
    """Raise SpecError for a claim about a probe that is not there, or of an outcome that cannot be."""
    for arm in arms:
        path = arm.folder / ("variant.toml" if arm.kind == "form" else "arm.toml")
        for name, outcome in arm.claims.items():
            if name in known and outcome in OUTCOMES:
                continue
            lines = path.read_text(encoding="utf-8").splitlines()
            line = next((number for number, text in enumerate(lines, 1) if text.startswith(name)), 1)
            raise SpecError(path, line, f"the claim {name} = {outcome!r}", f"a probe ({', '.join(known)}) and one of "
                            + ", ".join(OUTCOMES))


def check(chosen: Iterable[Probe], arms: Mapping[str, Arm], interpreter: Interpreter, libraries: Libraries,
          environment: Mapping[str, str] | None = None, progress: Callable[[Outcome], None] = lambda outcome: None,
          limit_s: float = LIMIT_S) -> list[Outcome]:
    """Run each of [chosen] on each of [arms] (by id); outcomes in that order. [progress] is told each as it comes."""
    executor = ProcessExecutor(interpreter.path, PROBES.parent / "probe.py", environment or {})
    outcomes = []
    for probe in chosen:
        for arm in arms.values():
            outcome = run_one(probe, arm, interpreter, libraries, executor, limit_s)
            progress(outcome)
            outcomes.append(outcome)
    return outcomes


def run_one(probe: Probe, arm: Arm, interpreter: Interpreter, libraries: Libraries, executor: ProcessExecutor,
            limit_s: float = LIMIT_S) -> Outcome:
    """Run one probe on one arm in a process of its own."""
    expected = arm.claims.get(probe.name, "")
    why_not = libraries.unavailable.get((interpreter.tag, arm.id)) or arm.lacks(probe.requires)
    if why_not:
        return Outcome(probe.name, arm.id, "n/a", expected, why_not, 0.0)
    job = {"probe": str(probe.path), "libraries": libraries.for_worker(interpreter.tag),
           "arm": {"id": arm.id, "path": str(libraries.arm(interpreter.tag, arm.id)), "abi": arm.abi,
                   "policy": arm.policies[0]}}
    begin = time.monotonic()
    try:
        answer = executor.execute(job, limit_s)
    except WorkerError as error:
        answer = {"outcome": "hang" if error.message.startswith("hung") else "crash",
                  "detail": f"{error.message}\n{error.last_words}".strip()}
    return Outcome(probe.name, arm.id, answer["outcome"], expected, answer["detail"], time.monotonic() - begin)
