"""The probes as they are read, without being run: one question in each file of lab/worker/probes/, asked along some axes.

The axes are the policy that an arm is bound under, the mode that HPy loads its extension half in, and whether that half is
built with the lab's debug mode. A probe's file says in constants what it needs and what it is asked for:

    REQUIRES    capabilities of the arm; the one constant that must be there
    POLICIES    default: every policy that the arm serves
    MODES       of HPy: "universal", "debug", "trace"; default: universal
    DEBUG       of the lab: "off", "on"; default: both
    EXPECTS     the outcome where the rules of docs/semantics.md are kept, or a table as a claim is, {"all": …, "lab_debug": …};
                default: "ok"
    ROLES       of its API, what an arm must have besides, as "RELEASE"; default: none
    DETECTS     words of the lab's report that "detected" must come with
    LIMIT_S     seconds until it counts as hung
    SLOW        True: only with --all, or by name
    BARE        True: run() is given the job, with nothing loaded
    LEAVES      why it leaves behind what a probe must not (lab/worker/probing.py, Left); default: it does not
"""

from __future__ import annotations

import difflib
import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import catalogue, probe_files, spec
from lab.catalogue import CAPABILITIES, POLICIES, Arm
from lab.errors import SpecError, UnknownName

OUTCOMES = {
    "ok": "all that the probe asserts holds: results, where it ran, and what it left behind",
    "refused": "the arm refused, and changed nothing",
    "detected": "a debug mode, the lab's or HPy's, reported the wrong use and ended the process",
    "wrong": "it ran, with the wrong interpreter, handle, flavour or result, or left something behind",
    "crash": 'the process died; the signal is named, and "crash: SIGABRT" expects or claims that one alone',
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
_OPTIONS = {"policy": "policy", "mode": "HPy mode", "debug": "lab debug"}
_CRASH = "crash: "      # before the name of a signal
_WRONG = "wrong: "      # before words that the detail has, so that nothing else that is wrong passes for it
_INTERPRETER_WORD = re.compile(r"(cpython|pypy)(\d+\.\d+t?)?")
_SHAPES = {"REQUIRES": (tuple,), "POLICIES": (tuple,), "MODES": (tuple,), "DEBUG": (tuple,), "ROLES": (tuple,),
           "EXPECTS": (str, dict), "DETECTS": (str,), "LIMIT_S": (int, float), "SLOW": (bool,), "BARE": (bool,),
           "LEAVES": (str,)}
_MEMBERS = {"REQUIRES": CAPABILITIES, "POLICIES": POLICIES, "MODES": MODES, "DEBUG": DEBUG, "ROLES": spec.ROLES}
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
    policies: tuple[str, ...]       # none: every one that the arm serves
    modes: tuple[str, ...]
    debug: tuple[str, ...]
    expects: Mapping[str, str]      # condition, of which the first is "all" -> outcome
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

    @property
    def expected(self) -> str:
        """The outcome that the probe expects of any arm."""
        return catalogue.last_that_fits(self.probe.expects, self.words())

    def claimed(self, tag: str) -> str:
        """The outcome that the arm's .toml claims on the interpreter with this tag; "" where it claims nothing."""
        return self.arm.claimed(self.probe.name, self.words(tag))

    def words(self, tag: str = "") -> set[str]:
        """What a condition may say of this case, and of the interpreter with this tag if one is given."""
        return {_WORDS[axis] for axis in self.axes.items()} | ({tag, re.split(r"\d", tag)[0]} if tag else set())


def read(folder: Path = PROBES) -> dict[str, Probe]:
    """Every probe by its name, read from the files without running them. Raises SpecError."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.py"))}


def _read(path: Path) -> Probe:
    found = probe_files.read(path, _SHAPES, _MEMBERS)
    question, *why = found.document.split("\n\n")
    if not why or not re.match(r"Source: +\S", why[-1]):
        raise SpecError(path, 1, "no source", 'a last paragraph "Source: …" in the docstring')
    if not any(re.match(r"Why it is asked: +\S", each) for each in why[:-1]):
        raise SpecError(path, 1, "no reason", 'a paragraph "Why it is asked: …" before the source')
    said = found.values
    expects = said.get("EXPECTS", "ok")
    expects = {"all": expects} if isinstance(expects, str) else expects
    if not _is_expectation(expects):
        raise found.error("EXPECTS", "an outcome, or {\"all\": …, condition: …}; outcomes: " + ", ".join(OUTCOMES)
                          + "; conditions of: " + ", ".join(_WORDS.values()))
    if "REQUIRES" not in said:
        raise SpecError(path, 1, "no REQUIRES", "REQUIRES = (…), a tuple of capabilities")
    if not found.runs:
        raise SpecError(path, 1, "no run()", "def run(subject), which asks the question")
    return Probe(path.stem, " ".join(question.split()), "\n\n".join(why[:-1]),
                 " ".join(why[-1].removeprefix("Source: ").split()), said["REQUIRES"], said.get("ROLES", ()),
                 said.get("POLICIES", ()), said.get("MODES", MODES[:1]), said.get("DEBUG", DEBUG), expects,
                 said.get("DETECTS", ""), said.get("LIMIT_S"), said.get("SLOW", False), path)


def _is_expectation(table: Mapping) -> bool:
    """Whether [table] says what to expect of every case."""
    return (list(table)[:1] == ["all"] and all(is_outcome(outcome) for outcome in table.values())
            and all(isinstance(condition, str) for condition in table)
            and set(" ".join(table).split()) - {"all"} <= set(_WORDS.values()))


def is_outcome(text: object) -> bool:
    """Whether [text] can be expected or claimed: one of OUTCOMES, ``crash: SIGSEGV``, ``wrong: WORDS``, or several, any of which
    may come."""
    return isinstance(text, str) and all(
        each in OUTCOMES or each.startswith(_CRASH) and each.removeprefix(_CRASH) in signal.Signals.__members__
        or each.startswith(_WRONG) and bool(each.removeprefix(_WRONG).strip()) for each in text.split(ALTERNATIVE))


def for_detail(expected: str, outcome: str, detail: str) -> str:
    """[expected], in which a crash by the signal, or what is wrong in the words, that [detail] has of [outcome] is any."""
    named = re.findall(r"\bSIG[A-Z0-9]+", detail)

    def is_met(each: str) -> bool:
        kind, _, words = each.partition(": ")
        return kind == outcome and (words in named if kind == "crash" else words in detail)

    return ALTERNATIVE.join(outcome if is_met(each) else each for each in expected.split(ALTERNATIVE))


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
            if name not in known or not isinstance(table, Mapping) or not table or not all(map(is_outcome, table.values())):
                near = [] if name in known else difflib.get_close_matches(name, known, n=1)
                raise arm.claim_error(name, f"the claim {name} = {claim!r}", (f"{near[0]}, or another" if near else "a")
                                      + f" probe of `lab list probes`, and of {', '.join(OUTCOMES)} one, or several as in "
                                      f"\"wrong{ALTERNATIVE}{_CRASH}SIGABRT\"")
            for word in " ".join(table).split():
                if word != "all" and word not in _WORDS.values() and not _INTERPRETER_WORD.fullmatch(word):
                    raise arm.claim_error(name, f"{word!r} in the claim {name}", "all, an interpreter (pypy, cpython3.12) or "
                                          "some of " + ", ".join(_WORDS.values()))
            _check_conditions(arm, known[name], table)


def _check_conditions(arm: Arm, probe: Probe, table: Mapping[str, str]) -> None:
    """Raise SpecError for a condition that nothing meets, or that never counts because later ones do."""
    every = cases([probe], [arm])
    asked = [case for case in every if not case.why_not]
    if not asked:
        why = f"cannot be asked: {every[0].why_not}" if every else "is never asked"
        raise arm.claim_error(probe.name, f"a claim about {probe.name}", f"none, since {arm.id} {why}")
    numbered = [word for word in " ".join(table).split() if _INTERPRETER_WORD.fullmatch(word)]
    tags = [tag for tag in dict.fromkeys([*numbered, "cpython", "pypy"]) if arm.abi != "cpython" or not tag.startswith("pypy")]
    places = [case.words(tag) for case in asked for tag in tags]
    fitting = [[condition for condition in table if set(condition.split()) - {"all"} <= words] for words in places]
    for condition in table:
        those = [each for each in fitting if condition in each]
        if not condition.split() or not those:
            said = sorted(set().union(*places) - {"cpython", "pypy", *numbered})
            raise arm.claim_error(probe.name, f"the condition {condition!r} of the claim {probe.name}, which no case meets",
                                  f"all, or words that hold at once: {arm.id} is asked with {', '.join(said)}")
        if all(each[-1] != condition for each in those):
            raise arm.claim_error(probe.name, f"the condition {condition!r} of the claim {probe.name}, which never counts",
                                  f"it after {those[0][-1]!r}: of the conditions that hold the last counts")


def wanted(**axes: Sequence[str]) -> dict[str, Sequence[str]]:
    """[axes], each with the values that are wanted of it, as cases() takes them. Raises UnknownName."""
    for axis, values in axes.items():
        for value in values:
            if value not in AXES[axis]:
                raise UnknownName(_OPTIONS[axis], value, AXES[axis], "lab check --help")
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
            every = [Case(probe, arm, policy, mode, debug) for policy in probe.policies or arm.policies
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
