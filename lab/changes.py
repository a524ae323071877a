"""What changes from one interpreter to the next, and where interpreters contradict each other, in sentences.

Between two interpreters nothing is paired and nothing was declared beforehand, so these are readings, not verdicts. A change is
told only where the two intervals have no value in common and the points are further apart than either interpreter's A/A
envelope and margin; everything else is "no change that this run can see". Nothing is compared over runs, and nothing pooled.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab import answer
from lab.catalogue import TWIN_SUFFIX
from lab.probes import name_of

if TYPE_CHECKING:
    from lab.analysis.paired import Finding

TAG = re.compile(r"([a-z]+)(\d+)\.(\d+)(t?)")
CLAUSES = 3    # contradictions named one by one in a line; of more, how many


@dataclass(frozen=True)
class Change:
    """One arm of one cell whose added time is not the same on two interpreters."""

    older: Finding
    newer: Finding

    @property
    def grows(self) -> bool:
        return self.newer.added_ns.point > self.older.added_ns.point

    @property
    def place(self) -> str:
        return self.older.benchmark

    @property
    def passage(self) -> str:
        """The two added times in words."""
        return f"from {answer.added_text(self.older.added_ns)} to {answer.added_text(self.newer.added_ns)}"

    def __str__(self) -> str:
        return (f"{self.older.arm}, {self.place}: from {self.older.interpreter} to {self.newer.interpreter} the added time "
                f"goes {self.passage}.")


@dataclass(frozen=True)
class Step:
    """Two interpreters that are read beside each other, and what is not the same."""

    older: str
    newer: str
    compared: int                    # added times that both have
    changes: tuple[Change, ...]      # in the order of the findings
    probed: int                      # answers of probes that both have
    outcomes: tuple[str, ...]        # a sentence for each kind of answer that differs

    def __str__(self) -> str:
        """How much changes, in a sentence."""
        if not self.compared:
            return f"From {self.older} to {self.newer} no added time can be compared."
        grown = sum(change.grows for change in self.changes)
        return (f"From {self.older} to {self.newer}, {len(self.changes)} of {self.compared} added times change: "
                f"{grown} grow, {len(self.changes) - grown} shrink.")


    def by_arm(self) -> tuple[str, ...]:
        """A sentence for each arm that changes: in how many cells, and where most."""
        told = []
        for arm in dict.fromkeys(change.older.arm for change in self.changes):
            mine = [change for change in self.changes if change.older.arm == arm]
            if len(mine) == 1:
                told.append(str(mine[0]))
                continue
            most = max(mine, key=lambda change: abs(change.newer.added_ns.point - change.older.added_ns.point))
            grown = sum(change.grows for change in mine)
            how = {0: "all shrink", len(mine): "all grow"}.get(grown, f"{grown} grow, {len(mine) - grown} shrink")
            told.append(f"{len(mine)} cells of {arm}: {how}; most of all {most.place}, {most.passage}.")
        return tuple(told)


def neighbours(tags: Sequence[str]) -> list[tuple[str, str]]:
    """The interpreters to read beside each other, (older, newer): CPython version by version, each other one beside the newest
    CPython; a CPython without the GIL beside the same version with it, where that is there."""
    chain, others = [], []
    for tag in tags:
        match = TAG.fullmatch(tag)
        if match and match[1] == "cpython" and not match[4]:
            chain.append((int(match[2]), int(match[3]), tag))
        else:
            others.append(tag)
    ordered = [tag for _, _, tag in sorted(chain)]
    pairs = list(itertools.pairwise(ordered))
    return pairs + [(other.removesuffix("t") if other.removesuffix("t") in ordered else ordered[-1], other)
                    for other in others if ordered]


def changed(one: Finding, other: Finding) -> bool:
    """Whether two readings of the same cell on two interpreters are further apart than accidents go."""
    a, b = one.added_ns, other.added_ns
    apart = a.high < b.low or b.high < a.low
    limits = (one.envelope_ns, other.envelope_ns, one.margin_ns, other.margin_ns)
    return apart and all(map(math.isfinite, limits)) and abs(a.point - b.point) > max(limits)


def _has_interval(finding: Finding) -> bool:
    """Whether there were processes enough for an interval of the added time."""
    return math.isfinite(finding.added_ns.low) and math.isfinite(finding.added_ns.high)


def steps(tags: Sequence[str], findings: Iterable[Finding], conformance: Mapping[str, Sequence[Mapping]]) -> list[Step]:
    """What changes between neighbours among [tags], the interpreters of one run.

    [findings]: each arm against its scenario's reference arm; [conformance]: the probes' answers by interpreter.
    """
    known: dict[str, dict[tuple[str, str, str], Finding]] = {tag: {} for tag in tags}
    for finding in findings:
        if finding.arm != finding.reference and not finding.arm.endswith(TWIN_SUFFIX) and finding.interpreter in known:
            known[finding.interpreter][finding.benchmark, finding.arm, finding.reference] = finding
    found = []
    for older, newer in neighbours(tags):
        pairs = [(finding, known[newer][key]) for key, finding in known[older].items() if key in known[newer]
                 and _has_interval(finding) and _has_interval(known[newer][key])]
        changes = tuple(Change(one, other) for one, other in pairs if changed(one, other))
        answers = [{(name_of(each), each["arm"]): each["outcome"] for each in conformance.get(tag, ())}
                   for tag in (older, newer)]
        found.append(Step(older, newer, len(pairs), changes, len(answers[0].keys() & answers[1].keys()),
                          tuple(_outcomes(older, newer, *answers))))
    return found


def _outcomes(older: str, newer: str, before: Mapping, after: Mapping) -> list[str]:
    """The probes that answer differently, arms and then probes that do so in the same way together."""
    arms: dict[tuple[str, str, str], list[str]] = {}    # (probe, its outcome before, and after) -> the arms
    for (probe, arm), outcome in before.items():
        if (probe, arm) in after and after[probe, arm] != outcome:
            arms.setdefault((probe, outcome, after[probe, arm]), []).append(arm)
    probes: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (probe, was, now), differing in arms.items():
        probes.setdefault((was, now, tuple(differing)), []).append(probe)
    return [f"{answer.joined(named)}: {was} on {older}, {now} on {newer}, for {answer.joined(differing)}."
            for (was, now, differing), named in probes.items()]


def quiet_sentence(found: Sequence[Step]) -> str:
    """All steps on which nothing changes, in one sentence; empty where there is none."""
    quiet = [step for step in found if step.compared and not step.changes and not step.outcomes]
    if not quiet:
        return ""
    compared, probed = sum(step.compared for step in quiet), sum(step.probed for step in quiet)
    where = answer.joined([f"from {step.older} to {step.newer}" for step in quiet])
    return (f"{answer.capital(where)}: no change that this run can see, in {compared} added times"
            + (f" and {probed} {'answer' if probed == 1 else 'answers'} of probes." if probed else "."))


def dissent(first: answer.Evidence, others: Sequence[answer.Evidence], scenario: Mapping) -> str:
    """Where other interpreters resolve the opposite of what the [first] resolves in a scenario; empty where none does.

    Both the sign of an added time and the order of two forms count, and only where both sides claim a difference. Signs come
    first: a form that is dear elsewhere is in the wrong order with many others there.
    """
    names = answer.benchmarks(scenario)
    places: dict[tuple[str, str], list[str]] = {}    # (what is said, by whom) -> the benchmarks
    for contradictions, other, benchmark in itertools.product((_signs, _orders), others, names):
        for said in contradictions(first, other, benchmark):
            places.setdefault((said, other.interpreter), []).append(benchmark)
    alike: dict[tuple[str, str], list[str]] = {}     # (what is said, where) -> by whom
    for (said, tag), found in places.items():
        where = "" if found == names else f" ({', '.join(map(answer.parameter_text, found))})"
        alike.setdefault((said, where), []).append(tag)
    told = [f"{said} on {answer.joined(tags)}{where}" for (said, where), tags in alike.items()]
    if not told:
        return ""
    more = [f"{len(told) - CLAUSES} more"] if len(told) > CLAUSES else []
    return f"Other interpreters contradict {first.interpreter}: {'; '.join(told[:CLAUSES] + more)}."


def _signs(first: answer.Evidence, other: answer.Evidence, benchmark: str) -> Iterable[str]:
    mine, theirs = first.cell(benchmark), other.cell(benchmark)
    for arm in [*first.forms(), answer.TODAY]:
        if arm in mine and arm in theirs and _opposed(mine[arm], theirs[arm]):
            how = "faster" if answer.claim(theirs[arm]) == answer.BETTER else "slower"
            yield f"{arm} is {how} than {theirs[arm].reference}"


def _orders(first: answer.Evidence, other: answer.Evidence, benchmark: str) -> Iterable[str]:
    for pair in itertools.combinations(first.forms(), 2):
        mine, theirs = first.pair(benchmark, *pair), other.pair(benchmark, *pair)
        if mine and theirs and _opposed(mine, theirs):
            faster, slower = theirs.arm, theirs.reference
            if answer.claim(theirs) == answer.WORSE:
                faster, slower = slower, faster
            yield f"{faster} is faster than {slower}"


def _opposed(one: Finding, other: Finding) -> bool:
    """Whether two findings on the same two arms claim opposite differences."""
    if (one.arm, one.reference) != (other.arm, other.reference):
        return answer.claim(one) == answer.claim(other) and answer.claim(one) in (answer.BETTER, answer.WORSE)
    return {answer.claim(one), answer.claim(other)} == {answer.BETTER, answer.WORSE}
