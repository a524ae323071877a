"""What a run says of the claims of issue #268: a verdict for each, computed by one rule from what its checks found.

Each check is looked up for each of its arms on each interpreter, and along the axes of a probe. All true: confirmed. None
true: refuted. Some: it depends, on the first of arm, interpreter, check and axis that divides the true from the others. A check
without any result: not tested yet. Nothing here reads a verdict from a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab import answer, claims, probes, spec, targets
from lab.answer import BETTER, EQUIVALENT, WORSE
from lab.claims import Check, Claim
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.analysis.counts import Count
    from lab.analysis.paired import Finding
    from lab.results import Run

CONFIRMED, REFUTED, DEPENDS, UNTESTABLE, UNTESTED = "confirmed", "refuted", "depends", "untestable here", "not tested yet"
WORDS = {
    CONFIRMED: "every check of the claim is true of every arm and interpreter that has a result",
    REFUTED: "no check of the claim is true of any",
    DEPENDS: "some are true and some are not; on what it depends is told",
    UNTESTABLE: "nothing that can be run here would tell; the reason is told",
    UNTESTED: "a check has no result in this run, or none that is resolved",
}
NAMED = 4           # arms or interpreters that are named one by one
SHORT = 240         # characters of a sentence of evidence that a short table has
NO_RESULT = "has no result in this run"
DIMENSIONS = ("arm", "interpreter", "check", "policy", "mode", "debug")


@dataclass(frozen=True)
class Evidence:
    """What verdicts are computed from."""

    top: Path                                       # the checkout: its libraries, api.h files and examples
    rows: Mapping[str, Sequence[Mapping]]           # interpreter -> rows of conformance.json
    times: Sequence[answer.Evidence]                # one for each interpreter
    counts: Sequence[Count] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)     # of the run's libraries, by path


def of_run(top: Path, run: Run, times: Sequence[answer.Evidence]) -> Evidence:
    """The evidence of [run], whose times are compared already, beside the checkout [top]."""
    from lab.analysis import counts

    return Evidence(top, run.conformance, times, counts.analyse(run), run.header["hashes"])


@dataclass(frozen=True)
class Unit:
    """What one check found of one arm at one place."""

    place: Mapping[str, str]                        # by DIMENSIONS
    holds: bool
    said: str                                       # what was found: an outcome, a number


@dataclass(frozen=True)
class Result:
    """What one check found."""

    check: Check
    units: tuple[Unit, ...]
    why_none: str = ""                              # "" where there are units
    excused: frozenset[str] = frozenset()           # arms that it cannot be asked of

    @property
    def untestable(self) -> bool:
        """Whether it was asked, and cannot be of any arm."""
        return bool(self.excused) and not self.units

    @property
    def silent(self) -> list[str]:
        """The arms that have no result."""
        answered = {unit.place["arm"] for unit in self.units} | self.excused
        return [arm for arm in self.check.arms if arm not in answered]


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a claim."""

    claim: Claim
    word: str                                       # of WORDS
    why: str                                        # on what it depends; why there is no verdict; "" otherwise
    evidence: tuple[str, ...]                       # a sentence for each check that found something

    @property
    def brief(self) -> tuple[str, ...]:
        """What stands beside the verdict where there is little room."""
        short = [line for line in self.evidence if len(line) <= SHORT] or self.evidence[:1]
        return (self.why,) if self.word in (UNTESTABLE, UNTESTED) else tuple(filter(None, (self.why, *short[:NAMED])))


def judge(ledger: claims.Ledger, evidence: Evidence) -> list[Verdict]:
    """A verdict for each claim of the ledger, in its order."""
    return [_judge(claim, evidence) for claim in ledger.claims]


def count_sentence(judged: Sequence[Verdict]) -> str:
    """How many claims there are of each verdict."""
    counts = {word: sum(verdict.word == word for verdict in judged) for word in WORDS}
    return f"{len(judged)} claims: " + ", ".join(f"{word} {count}" for word, count in counts.items() if count) + "."


def _judge(claim: Claim, evidence: Evidence) -> Verdict:
    if claim.argument:
        return Verdict(claim, UNTESTABLE, claim.argument, ())
    results = [_LOOK[check.kind](check, evidence) for check in claim.checks]
    told = tuple(_told(result) for result in results if result.units)
    missing = [result for result in results if not result.units]
    if missing:
        word = UNTESTABLE if all(result.untestable for result in missing) else UNTESTED
        return Verdict(claim, word, _without_result(dict.fromkeys(result.why_none for result in missing)), told)
    units = [unit for result in results for unit in result.units]
    holding = [unit for unit in units if unit.holds]
    if holding and len(holding) < len(units):
        return Verdict(claim, DEPENDS, _divided(units), told)
    silent = dict.fromkeys(arm for result in results for arm in result.silent)
    why = f"as far as tested; no result of {_arms(silent)}" if silent else ""
    return Verdict(claim, CONFIRMED if holding else REFUTED, why, told)


# ---- the checks, one by one

def _probe(check: Check, evidence: Evidence) -> Result:
    units, excused = [], {}
    for tag, rows in evidence.rows.items():
        for row in rows:
            if row["probe"] != check.what or row["arm"] not in check.arms:
                continue
            if any(row[axis] != value for axis, value in check.axes.items() if row[axis]):
                continue
            if row["outcome"] == "n/a":
                excused.setdefault(row["arm"], row["detail"])
                continue
            place = {"arm": row["arm"], "interpreter": tag, "check": check.what, **{axis: row[axis] for axis in probes.AXES}}
            silent = [words for words in check.says if words not in f"{row['detail']}\n{row['output']}"]
            said = row["outcome"] + (f", without the words {answer.joined(silent)}" if silent else "")
            units.append(Unit(place, row["outcome"] in check.agrees and not silent, said))
    why = f"{_asked(check)}: {next(iter(excused.values()))}" if excused else f"{_asked(check)} {NO_RESULT}"
    return Result(check, tuple(units), "" if units else why, frozenset(excused))


def _time(check: Check, evidence: Evidence) -> Result:
    units, open_ = [], []
    for one in evidence.times:
        cell = one.cell(check.what)
        for arm in check.arms:
            found = _difference(one, cell, check.what, arm, check.than)
            if found is None:
                continue
            relation, said = found
            if relation is None:
                open_.append(said)
                continue
            holds = relation in {"less": ("less",), "more": ("more",), "not more": ("less", "same")}[check.agrees[0]]
            units.append(Unit(_place(arm, one.interpreter, check), holds, said))
    why = f"{check.what} does not resolve it: {open_[0]}" if open_ else f"{check.what} {NO_RESULT}"
    return Result(check, tuple(units), "" if units else why)


def _difference(one: answer.Evidence, cell: Mapping[str, Finding], benchmark: str, arm: str,
                than: str) -> tuple[str | None, str] | None:
    """("less", "same", "more" or None: not resolved; the number) of [arm] beside [than]; None where either was not measured."""
    finding = cell.get(arm)
    if finding is None:
        return None
    if than == finding.reference:
        known = {BETTER: "less", WORSE: "more", EQUIVALENT: "same"}.get(answer.claim(finding))
        return known, f"{answer.added_text(finding.added_ns)} over {than}"
    pair = one.pair(benchmark, arm, than)
    if pair is not None:
        known = {BETTER: "less", WORSE: "more", EQUIVALENT: "same"}.get(answer.claim(pair))
        turned = {"less": "more", "more": "less"}.get(known, known) if pair.arm != arm else known
        return turned, f"{answer.added_text(pair.added_ns)}, {pair.arm} over {pair.reference}"
    other = cell.get(than)
    if other is None:
        return None
    a, b = finding.added_ns, other.added_ns
    return _apart(finding, other), f"{answer.signed_ns(a.point)} over {finding.reference}, {than} {answer.signed_ns(b.point)}"


def _apart(finding: Finding, other: Finding) -> str | None:
    """"less" or "more" where two arms of one cell have no interval in common, neither over processes nor, of more than one
    layout, over layouts, and lie further apart than the margin and the A/A envelope; no comparison of them was declared."""
    a, b, known = finding.added_ns, other.added_ns, [(finding.added_ns, other.added_ns)]
    if max(finding.layouts_ns.n, other.layouts_ns.n) > 1:
        known.append((finding.layouts_ns, other.layouts_ns))
    least = max(each for one in (finding, other) for each in (one.margin_ns, one.envelope_ns))
    if not abs(a.point - b.point) > least:
        return None
    return "less" if all(x.high < y.low for x, y in known) else "more" if all(x.low > y.high for x, y in known) else None


def _count(check: Check, evidence: Evidence) -> Result:
    units = []
    found = {(count.interpreter, count.arm): count for count in evidence.counts if count.benchmark == check.what}
    for (tag, arm), count in found.items():
        other = found.get((tag, check.than))
        if arm not in check.arms or other is None:
            continue
        mine, theirs = ((each.low[check.channel], each.high[check.channel]) for each in (count, other))
        holds = {"less": mine[1] < theirs[0], "more": mine[0] > theirs[1], "not more": mine[1] <= theirs[0]}[check.agrees[0]]
        units.append(Unit(_place(arm, tag, check), holds, f"{mine[1]:g} {check.channel}, {check.than} {theirs[0]:g}"))
    return Result(check, tuple(units), "" if units else f"{check.channel} of {check.what} were not counted in this run")


def _symbols(check: Check, evidence: Evidence) -> Result:
    units = []
    for arm in check.arms:
        name = f"build/universal/{arm.replace('/', '-')}.hpy0.so"
        try:
            found = sorted(targets.undefined_symbols(evidence.top / name))
        except LabError:
            continue
        own = _hash(evidence.top / name) == evidence.hashes.get(name)
        said = "nm -D: " + (", ".join(found) or "none undefined") + ("" if own else ", as built here, not for the run")
        units.append(Unit(_place(arm, "", check), bool(found) == (check.what == "some"), said))
    return Result(check, tuple(units), "" if units else "nm has nothing to look at: the extension halves are not built here")


def _api(check: Check, evidence: Evidence) -> Result:
    functions = spec.load(evidence.top).functions
    units = []
    for arm in check.arms:
        names = [function.name for function in functions if function.arm == arm and function.role == check.what]
        units.append(Unit(_place(arm, "", check), bool(names) == (check.agrees[0] == "some"),
                          f"{check.what}: {', '.join(names) or 'none'}"))
    return Result(check, tuple(units))


def _lines(check: Check, evidence: Evidence) -> Result:
    length = {arm: _length(evidence.top / "docs" / "using" / f"{arm.replace('/', '_')}.c") for arm in (*check.arms, check.than)}
    sign = 1 if check.what == "more" else -1
    units = [Unit(_place(arm, "", check), sign * (length[arm] - length[check.than]) > 0,
                  f"{length[arm]} lines, {check.than} {length[check.than]}") for arm in check.arms]
    return Result(check, tuple(units))


_LOOK: Mapping[str, Callable[[Check, Evidence], Result]] = {
    "probe": _probe, "time": _time, "count": _count, "symbols": _symbols, "api": _api, "lines": _lines}


def _place(arm: str, tag: str, check: Check) -> dict[str, str]:
    return {"arm": arm, "interpreter": tag, "check": check.what, "policy": "", "mode": "", "debug": ""}


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _length(path: Path) -> int:
    """The lines of code in an example: neither empty nor a comment of their own."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return sum(bool(line) and not line.startswith(("/*", "//", "*")) for line in lines)


# ---- in words

def _divided(units: Sequence[Unit]) -> str:
    """On what it depends: the first dimension that divides what is true from what is not, else where it is not."""
    places = [unit.place for unit in units]
    true, false = ([unit.place for unit in units if unit.holds is wanted] for wanted in (True, False))
    for dimension in DIMENSIONS:
        holds, fails = ({place[dimension] for place in some} for some in (true, false))
        if not holds & fails:
            said = [probes.describe(some, places) if dimension in probes.AXES else answer.joined(sorted(values))
                    for some, values in ((true, holds), (false, fails))]
            return f"true of {said[0]}, not of {said[1]}"
    failing = list(dict.fromkeys(_where(place) for place in false))
    more = f" and {len(failing) - NAMED} more" if len(failing) > NAMED else ""
    return f"not true of {'; '.join(failing[:NAMED])}{more}; true otherwise"


def _without_result(reasons: Iterable[str]) -> str:
    """What is missing, in one sentence as far as it can be."""
    names = [reason.removesuffix(f" {NO_RESULT}") for reason in reasons if reason.endswith(NO_RESULT)]
    said = [f"{answer.joined(names)} {NO_RESULT if len(names) == 1 else 'have' + NO_RESULT[3:]}"] if names else []
    return "; ".join([*said, *(reason for reason in reasons if not reason.endswith(NO_RESULT))])


def _asked(check: Check) -> str:
    """A probe, with where it is looked at."""
    return probes.name_of({"probe": check.what, **{axis: check.axes.get(axis, "") for axis in probes.AXES}})


def _where(place: Mapping[str, str]) -> str:
    name = probes.name_of({"probe": place["check"], **{axis: place[axis] for axis in probes.AXES}})
    return ", ".join(filter(None, [place["arm"], name, place["interpreter"]]))


def _told(result: Result) -> str:
    """What one check found: what was looked at, and each thing that was said with the arms and interpreters that said it."""
    check = result.check
    leads = {"probe": f"probe {_asked(check)}", "symbols": "link", "api": "api.h", "lines": "docs/using"}
    alike: dict[str, list[Unit]] = {}
    for unit in result.units:
        alike.setdefault(unit.said, []).append(unit)
    every = {unit.place["interpreter"] for unit in result.units}
    found = "; ".join(f"{said} ({_whose(units, every)})" for said, units in alike.items())
    return f"{leads.get(check.kind, check.what)}: {found}"


def _whose(units: Sequence[Unit], every: Collection[str]) -> str:
    tags = list(dict.fromkeys(unit.place["interpreter"] for unit in units if unit.place["interpreter"]))
    named = _arms(dict.fromkeys(unit.place["arm"] for unit in units))
    if not tags:
        return named
    return f"{named} on " + (tags[0] if len(tags) == 1 else f"all {len(every)} interpreters" if len(tags) == len(every)
                             else answer.joined(tags) if len(tags) <= NAMED else f"{len(tags)} of {len(every)} interpreters")


def _arms(arms: Iterable[str]) -> str:
    arms = list(arms)
    return answer.joined(arms) if len(arms) <= NAMED else f"{len(arms)} arms"
