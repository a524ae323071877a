"""The probes as they are read, without being run: one question in each file of lab/worker/probes/, asked along some axes.

The axes are the policy that an arm is bound under, the mode that HPy loads its extension half in, and whether that half is
built with the lab's debug mode. A probe's file says in constants what it needs and what it is asked for:

    REQUIRES    capabilities of the arm; the one constant that must be there
    POLICIES    default: the policy that the arm is measured under
    MODES       of HPy: "universal", "debug", "trace"; default: universal
    DEBUG       of the lab: "off", "on"; default: both
    EXPECTS     the outcome where the rules of docs/semantics.md are kept, or one for each of DEBUG; default: "ok"
    ROLES       of its API, what an arm must have besides, as "RELEASE"; default: none
    DETECTS     words of the lab's report that "detected" must come with
    LIMIT_S     seconds until it counts as hung
    SLOW        True: only with --all, or by name
    BARE        True: run() is given the job, with nothing loaded
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import catalogue, spec
from lab.catalogue import CAPABILITIES, POLICIES, Arm
from lab.errors import SpecError, UnknownName

OUTCOMES = {
    "ok": "all that the probe asserts holds: results, where it ran, and what it left behind",
    "refused": "the arm refused, and changed nothing",
    "detected": "a debug mode, the lab's or HPy's, reported the wrong use and ended the process",
    "wrong": "it ran, with the wrong interpreter, handle, flavour or result, or left something behind",
    "crash": "the process died; the signal is named",
    "hang": "the process was not done within its time limit",
}
BROKEN = "broken"       # what no arm can claim: the probe failed by itself, and says nothing about the arm
ALTERNATIVE = " or "    # between the outcomes of a claim where any of them may come, as where memory is used that was freed
MODES = ("universal", "debug", "trace")
DEBUG = ("off", "on")
USUAL = ("attach", "HPy universal", "release")        # as people read the axes: not worth saying
AXES = {"policy": POLICIES, "mode": MODES, "debug": DEBUG}
_WORDS = {**{("policy", value): value for value in POLICIES}, **{("mode", value): f"hpy_{value}" for value in MODES},
          ("debug", "off"): "lab_release", ("debug", "on"): "lab_debug"}
_INTERPRETER_WORD = re.compile(r"(cpython|pypy)(\d+\.\d+t?)?")
_SHAPES = {"REQUIRES": tuple, "POLICIES": tuple, "MODES": tuple, "DEBUG": tuple, "ROLES": tuple, "EXPECTS": (str, dict),
           "DETECTS": str, "LIMIT_S": (int, float), "SLOW": bool, "BARE": bool}
PROBES = Path(__file__).resolve().parent / "worker" / "probes"


@dataclass(frozen=True)
class Probe:
    """One question about an arm."""

    name: str
    question: str                   # the first paragraph of the file's docstring
    why: str                        # what stands between it and the source
    source: str                     # what follows "Source:", the last paragraph
    requires: tuple[str, ...]       # capabilities an arm must have
    roles: tuple[str, ...]          # what its API must have, of roles.py
    policies: tuple[str, ...]       # none: the one the arm is measured under
    modes: tuple[str, ...]
    debug: tuple[str, ...]
    expects: Mapping[str, str]      # lab debug -> outcome
    detects: str
    limit_s: float | None
    slow: bool
    path: Path


@dataclass(frozen=True)
class Case:
    """One probe of one arm at one place of the axes: what a process is started for."""

    probe: Probe
    arm: Arm
    policy: str
    mode: str
    debug: str
    why_not: str = ""               # the arm cannot be asked

    @property
    def axes(self) -> dict[str, str]:
        return {"policy": self.policy, "mode": self.mode, "debug": self.debug}

    def claimed(self, tag: str) -> str:
        """The outcome that the arm's .toml claims on the interpreter with this tag; "" where it claims nothing."""
        words = {_WORDS[axis] for axis in self.axes.items()} | {tag, re.split(r"\d", tag)[0]}
        return self.arm.claimed(self.probe.name, words)


def read(folder: Path = PROBES) -> dict[str, Probe]:
    """Every probe by its name, read from the files without running them. Raises SpecError."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.py"))}


def _read(path: Path) -> Probe:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise SpecError(path, error.lineno or 1, f"no Python: {error.msg}", "a probe (see the files beside it)") from None
    document = ast.get_docstring(tree)
    if not document:
        raise SpecError(path, 1, "no docstring", "a docstring: the question, why it is asked, its source")
    question, *why = document.split("\n\n")
    if not why or not why[-1].startswith("Source: "):
        raise SpecError(path, 1, "no source", 'a last paragraph "Source: …" in the docstring')
    said = _constants(path, tree)
    if "REQUIRES" not in said:
        raise SpecError(path, 1, "no REQUIRES", "REQUIRES = (…), a tuple of capabilities")
    debug, expects = said.get("DEBUG", DEBUG), said.get("EXPECTS", "ok")
    expects = dict.fromkeys(debug, expects) if isinstance(expects, str) else expects
    return Probe(path.stem, " ".join(question.split()), "\n\n".join(why[:-1]),
                 " ".join(why[-1].removeprefix("Source: ").split()), said["REQUIRES"], said.get("ROLES", ()),
                 said.get("POLICIES", ()), said.get("MODES", MODES[:1]), debug, expects, said.get("DETECTS", ""),
                 said.get("LIMIT_S"), said.get("SLOW", False), path)


def _constants(path: Path, tree: ast.Module) -> dict:
    """The constants by their names. Raises SpecError for a value that cannot be."""
    known = {"REQUIRES": CAPABILITIES, "POLICIES": POLICIES, "MODES": MODES, "DEBUG": DEBUG,
             "ROLES": spec.ROLES}
    said = {}
    for node in tree.body:
        name = node.targets[0].id if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) else ""
        if name not in _SHAPES:
            continue
        try:
            said[name] = value = ast.literal_eval(node.value)
        except ValueError:
            value = None
        if type(value) not in (_SHAPES[name] if isinstance(_SHAPES[name], tuple) else (_SHAPES[name],)):
            raise SpecError(path, node.lineno, f"{name} = {ast.unparse(node.value)}", f"{name} as in lab/probes.py")
        for each in value if name in known else ():
            if each not in known[name]:
                raise SpecError(path, node.lineno, f"{each!r} in {name}", "some of: " + ", ".join(sorted(known[name])))
        expected = value.values() if isinstance(value, dict) else [value]
        if name == "EXPECTS" and not (set(expected) <= set(OUTCOMES)
                                      and (isinstance(value, str) or set(value) == set(said.get("DEBUG", DEBUG)))):
            raise SpecError(path, node.lineno, f"EXPECTS = {value!r}",
                            "an outcome, or one for each of DEBUG, which stands above: " + ", ".join(OUTCOMES))
    return said


def select(wanted: Sequence[str], known: Mapping[str, Probe], slow: bool = False) -> list[Probe]:
    """The probes that [wanted] names, in the order of [known]; all for none or ``all``, but the slow ones only if [slow].

    Raises UnknownName.
    """
    every = not wanted or "all" in wanted
    return [probe for probe in catalogue.select("probe", wanted, known) if slow or not (every and probe.slow)]


def meets(outcome: str, expected: str) -> bool:
    """Whether [outcome] is what was [expected], or one of those: "wrong or crash" where what happens is undefined."""
    return outcome == "n/a" or outcome in expected.split(ALTERNATIVE)


def check_claims(arms: Iterable[Arm], known: Mapping[str, Probe]) -> None:
    """Raise SpecError for a claim about a probe that is not there, of an outcome or for a case that cannot be."""
    for arm in arms:
        for name, claim in arm.claims.items():
            table = {"all": claim} if isinstance(claim, str) else claim
            if name not in known or not isinstance(table, Mapping) or not all(
                    set(str(outcome).split(ALTERNATIVE)) <= set(OUTCOMES) for outcome in table.values()):
                raise arm.claim_error(name, f"the claim {name} = {claim!r}",
                                      f"a probe ({', '.join(known)}) and of {', '.join(OUTCOMES)} one, or several "
                                      f"as in \"wrong{ALTERNATIVE}crash\"")
            for word in " ".join(table).split():
                if word != "all" and word not in _WORDS.values() and not _INTERPRETER_WORD.fullmatch(word):
                    raise arm.claim_error(name, f"{word!r} in the claim {name}", "all, an interpreter (pypy, cpython3.12) or "
                                          "some of " + ", ".join(_WORDS.values()))


def wanted(**axes: Sequence[str]) -> dict[str, Sequence[str]]:
    """[axes], each with the values that are wanted of it, as cases() takes them. Raises UnknownName."""
    for axis, values in axes.items():
        for value in values:
            if value not in AXES[axis]:
                raise UnknownName(axis, value, AXES[axis], "lab check --help")
    return axes


def cases(chosen: Iterable[Probe], arms: Iterable[Arm], only: Mapping[str, Sequence[str]] | None = None) -> list[Case]:
    """Every case of [chosen] probes and [arms], in that order; of an arm that a probe cannot be asked of one, with why.

    only: axis -> the values wanted; an axis without any is not restricted. The lab's debug mode is for forms alone, and HPy's
    modes are for other ABIs than CPython's.
    """
    only = {axis: only[axis] if only and only.get(axis) else values for axis, values in AXES.items()}
    found = []
    for probe in chosen:
        for arm in arms:
            every = [Case(probe, arm, policy, mode, debug) for policy in probe.policies or arm.policies[:1]
                     for mode in (probe.modes if arm.abi != "cpython" else MODES[:1])
                     for debug in (probe.debug if arm.kind == "form" else DEBUG[:1])]
            every = [case for case in every if all(value in only[axis] for axis, value in case.axes.items())]
            why = arm.lacks(probe.requires)
            for case in every[:1] if why else every:
                served = case.policy in arm.policies
                found.append(Case(probe, arm, **case.axes, why_not=why or ("" if served else _not_served(arm))))
    return _one_for_each_policy_not_served(found)


def is_whole(answered: Iterable, every: Iterable[Case]) -> bool:
    """Whether outcomes that were [answered] are of [every] case, if not of more."""
    known = {(each.probe, each.arm, each.policy, each.mode, each.debug) for each in answered}
    return all((case.probe.name, case.arm.id, *case.axes.values()) in known for case in every)


def _not_served(arm: Arm) -> str:
    return f"serves the policy {' and '.join(arm.policies)} alone"


def _one_for_each_policy_not_served(found: Sequence[Case]) -> list[Case]:
    """Without the further cases of a policy that an arm does not serve: the other axes cannot matter."""
    seen: set[tuple] = set()
    kept = []
    for case in found:
        key = (case.probe.name, case.arm.id, case.policy)
        if not case.why_not or key not in seen:
            kept.append(case)
        if case.why_not:
            seen.add(key)
    return kept


def name_of(row: Mapping) -> str:
    """The name of the probe of a row of conformance.json, with what is unusual about where it was asked."""
    unusual = [label for label in (_label(axis, row[axis]) for axis in AXES if row[axis]) if label not in USUAL]
    return ", ".join([row["probe"], *unusual])


def _label(axis: str, value: str) -> str:
    """As people read it: ``attached_only``, ``HPy debug``, ``lab debug``, ``release``."""
    if axis == "debug":
        return "lab debug" if value == "on" else "release"
    return f"HPy {value}" if axis == "mode" else value


def describe(some: Sequence[Mapping], every: Sequence[Mapping]) -> str:
    """Which rows [some] are among [every] row of their probe and arm, by the axes; "" for all of them."""
    values = [{axis: {row[axis] for row in rows} for axis in AXES} for rows in (some, every)]
    telling = [axis for axis in AXES if len(values[1][axis]) > 1]
    places = {tuple(row[axis] for axis in telling) for row in some}
    fitting = {tuple(row[axis] for axis in telling) for row in every if all(row[axis] in values[0][axis] for axis in telling)}
    if places == fitting:
        return ", ".join(" and ".join(_label(axis, value) for value in AXES[axis] if value in values[0][axis])
                         for axis in telling if values[0][axis] != values[1][axis])
    return "; ".join(", ".join(_label(axis, value) for axis, value in zip(telling, place)) for place in sorted(places))
