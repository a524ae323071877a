"""The ledger of claims as it is read: docs/claims.toml, the sentences of hpyproject/hpy#268 that can be true or false.

A [[claim]] quotes one of them and says by what it is judged: either "holds", a list of checks that are all true where the
sentence is, or "argument", why nothing that can be run here would tell. No entry has a verdict: lab/verdicts.py computes it
from a run. A check is one of

    { probe = "nesting", arms = [...], is = "ok" }          outcomes that agree with it; policy, mode, debug: only there;
                                                            says = [...]: words that the process must have written besides
    { time = "attached_call[mode=throughput]", arms = [...], is = "less", than = "peer/pygilstate" }      or "more", "not more"
    { count = "attached_call[mode=throughput]", channel = "instructions", arms = [...], is = "less", than = "..." }
    { symbols = "some", arms = [...] }                      what nm finds undefined in the extension half; or "none"
    { api = "FREE", arms = [...], is = "none" }             whether api.h has functions of that role; or "some"
    { lines = "more", arms = [...], than = "..." }          of the examples in docs/using; or "fewer"

where "arms" names arms, proposals or "forms", all of them. A [[lost]] says where our copy of the issue lost a list; "dates",
above all of them, says where the dates are from.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import catalogue, counting, probes, spec
from lab.errors import SpecError, UnknownName

FILE = Path("docs") / "claims.toml"
CHECKS = ("probe", "time", "count", "symbols", "api", "lines")
RELATIONS = ("less", "more", "not more")
_KEYS = {"probe": {"is", "policy", "mode", "debug", "says"}, "time": {"is", "than"}, "count": {"is", "than", "channel"},
         "symbols": set(), "api": {"is"}, "lines": {"than"}}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Check:
    """One thing that is so where a sentence is true."""

    kind: str                       # of CHECKS
    what: str                       # the probe, the benchmark, the role; "some", "none", "more", "fewer"
    arms: tuple[str, ...]           # ids
    agrees: tuple[str, ...] = ()    # outcomes of a probe; else one word
    than: str = ""                  # the other arm
    channel: str = ""               # of counts
    axes: Mapping[str, str] = field(default_factory=dict)   # of a probe: only there
    says: tuple[str, ...] = ()      # of a probe: words, all of which its process must have written besides


@dataclass(frozen=True)
class Claim:
    """A sentence of the issue, and what decides about it."""

    name: str
    quote: str                      # as the issue has it
    author: str
    date: str
    reading: str                    # what it is taken to say, as something that can be looked at
    checks: tuple[Check, ...]       # () where there is an argument
    argument: str                   # why nothing that can be run here would tell; "" where there are checks
    leads: bool                     # among those that a report begins with


@dataclass(frozen=True)
class Lost:
    """A list that our copy of the issue has lost."""

    after: str                      # the words before it
    author: str
    date: str
    known: str                      # what is known of it from elsewhere; "" for nothing


@dataclass(frozen=True)
class Ledger:
    claims: tuple[Claim, ...]
    lost: tuple[Lost, ...]
    dates: str = ""                 # where the dates are from


def read(top: Path) -> Ledger:
    """The ledger of [top], the checkout; one without entries where it has no such file. Raises SpecError."""
    path = top / FILE
    if not path.is_file():
        return Ledger((), ())
    document = _Table(path, catalogue.load_toml(path), 1)
    names = _Names(top)
    claims = [_claim(table, names) for table in document.tables("claim")]
    lost = [_lost(table) for table in document.tables("lost")]
    dates = document.text("dates", "")
    document.finish()
    for index, claim in enumerate(claims):
        if claim.name in [other.name for other in claims[:index]]:
            raise document.tables_error("claim", index, claim.name, f"the name {claim.name!r} again", "another name")
    return Ledger(tuple(claims), tuple(lost), dates)


class _Names:
    """What the checks may name."""

    def __init__(self, top: Path):
        self.arms, self.probes, self.spec = catalogue.arms(top), probes.read(), spec.load(top)
        self.cells = {catalogue.benchmark_name(scenario.name, cell): scenario for scenario in catalogue.scenarios(top).values()
                      for cell in scenario.cells()}
        self.examples = [arm for arm in self.arms if (top / "docs" / "using" / f"{arm.replace('/', '_')}.c").is_file()]

    def expand(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """The ids of the arms that [wanted] names. Raises UnknownName."""
        forms = [arm.id for arm in self.arms.values() if arm.kind == "form"]
        names = [each for word in wanted for each in (forms if word == "forms" else [word])]
        return tuple(dict.fromkeys(arm.id for name in names for arm in catalogue.select("arm", [name], self.arms)))


class _Table:
    """A table whose keys are taken one by one, so that what is left over is a mistake."""

    def __init__(self, path: Path, table: Mapping, line: int, end: int | None = None):
        self.path, self.table, self.line, self.end = path, dict(table), line, end
        self.given = frozenset(table)

    def tables(self, key: str) -> list[_Table]:
        """Those of ``[[key]]``."""
        lines = self._lines()
        starts = [number for number, text in enumerate(lines, 1) if text.strip() == f"[[{key}]]"]
        every = sorted(number for number, text in enumerate(lines, 1) if text.startswith("[["))
        entries = self.table.pop(key, [])
        if not isinstance(entries, list) or len(entries) != len(starts):
            raise SpecError(self.path, starts[0] if starts else 1, f"{key} = {entries!r}", f"[[{key}]] tables")
        self.starts = starts
        return [_Table(self.path, entry, start, next((each for each in every if each > start), None))
                for entry, start in zip(entries, starts)]

    def tables_error(self, key: str, index: int, mark: str, found: str, expected: str) -> SpecError:
        lines = self._lines()
        starts = [number for number, text in enumerate(lines, 1) if text.strip() == f"[[{key}]]"]
        return _Table(self.path, {}, starts[index]).error(mark, found, expected)

    def text(self, key: str, default: str | None = None) -> str:
        """A text that says something; [default] where there is none."""
        given = key in self.table
        value = self.take(key, str, default)
        if given and not value.strip():
            raise self.error(key, f"{key} = {value!r}", f"{key} = …, with something in it")
        return value

    def take(self, key: str, kind: type, default=None):
        value = self.table.pop(key, default)
        if value is None or type(value) is not kind:
            raise self.error(key, "nothing" if value is None else repr(value), f"{key} = … ({kind.__name__})")
        return value

    def finish(self):
        for key in self.table:
            raise self.error(key, f"the key {key!r}", "a key as in lab/claims.py")

    def error(self, mark: str, found: str, expected: str) -> SpecError:
        """Of what stands in the first line of the table that has [mark]."""
        lines = self._lines()[:self.end and self.end - 1]
        line = next((number for number, text in enumerate(lines, 1) if number >= self.line and mark in text), self.line)
        return SpecError(self.path, line, found, expected)

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()


def _claim(table: _Table, names: _Names) -> Claim:
    name, quote = table.text("name"), table.text("quote")
    if not _NAME.fullmatch(name):
        raise table.error("name", f"the name {name!r}", "small letters, digits and underscores")
    author, date = table.text("author"), _date(table)
    reading, argument = table.text("reading", ""), table.text("argument", "")
    checks = tuple(_check(table, entry, names) for entry in table.take("holds", list, []))
    if bool(checks) == bool(argument) or (checks and not reading) or (argument and "holds" in table.given):
        found = f"{len(checks)} checks, {'an' if argument else 'no'} argument, {'a' if reading else 'no'} reading"
        raise table.error("name", found,
                          'checks, "holds", and what they look at, "reading"; or an "argument" why there can be none')
    leads = table.take("leads", bool, False)
    table.finish()
    return Claim(name, quote, author, date, reading, checks, argument, leads)


def _lost(table: _Table) -> Lost:
    found = Lost(table.text("after"), table.text("author"), _date(table), table.text("known", ""))
    table.finish()
    return found


def _date(table: _Table) -> str:
    date = table.text("date")
    found = _DATE.findall(date)
    try:
        for each in found:
            datetime.date.fromisoformat(each)
    except ValueError:
        found = []
    if not found:
        raise table.error("date", repr(date), "a date, 2021-12-02, or what it lies between or after")
    return date


def _check(table: _Table, entry, names: _Names) -> Check:
    """What one element of "holds" says."""
    kinds = [kind for kind in CHECKS if isinstance(entry, dict) and kind in entry]
    if len(kinds) != 1:
        raise table.error("holds", repr(entry), "a table with one of " + ", ".join(CHECKS))
    kind, what = kinds[0], entry[kinds[0]]
    _allowed(table, what, {"probe": names.probes, "time": names.cells, "count": names.cells, "symbols": ("some", "none"),
                           "api": spec.ROLES, "lines": ("more", "fewer")}[kind], kind)
    for key in set(entry) - {kind, "arms"} - _KEYS[kind]:
        raise table.error(key, f"the key {key!r} beside {kind}", ", ".join(sorted(_KEYS[kind])) or "arms alone")
    for key in {"arms"} | _KEYS[kind] & {"is", "than", "channel"}:
        if key not in entry:
            raise table.error(what, f"{kind} without {key!r}", f"{key} = …")
    agrees = _agrees(table, kind, entry["is"]) if "is" in entry else ()
    if "channel" in entry:
        _allowed(table, entry["channel"], counting.EVENTS, "channel")
    axes = {axis: entry[axis] for axis in probes.AXES if axis in entry}
    for axis, value in axes.items():
        _allowed(table, value, probes.AXES[axis], axis)
    arms, than = _arms(table, entry["arms"], names), _than(table, entry["than"], names) if "than" in entry else ""
    arms = tuple(arm for arm in arms if arm != than)
    if not arms:
        raise table.error("arms", f"the arms {entry['arms']!r}" + (f" than {than}" if than else ""), "another arm to look at")
    check = Check(kind, what, arms, agrees, than, entry.get("channel", ""), axes, _says(table, entry.get("says", [])))
    _can_be(table, check, names)
    return check


def _agrees(table: _Table, kind: str, said) -> tuple[str, ...]:
    """The outcomes, of which a probe may have several, or the one word."""
    agrees = said if isinstance(said, list) and kind == "probe" else [said]
    for index, word in enumerate(agrees):
        _allowed(table, word, {"probe": probes.OUTCOMES, "api": ("some", "none")}.get(kind, RELATIONS), "is")
        if word in agrees[:index]:
            raise table.error(word, f"is {word!r} again", "each outcome once")
    if not agrees:
        raise table.error("is", "is []", "one outcome or more")
    return tuple(agrees)


def _says(table: _Table, words) -> tuple[str, ...]:
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        raise table.error("says", f"says = {words!r}", "says = […], words that the process must have written")
    return tuple(words)


def _can_be(table: _Table, check: Check, names: _Names) -> None:
    """Refuse a check that no run can have a result of: the probe is not asked so, the arms are not measured there."""
    arms = [names.arms[arm] for arm in check.arms]
    if check.kind == "probe":
        cases = probes.cases([names.probes[check.what]], arms, {axis: [value] for axis, value in check.axes.items()})
        if all(case.why_not for case in cases):
            why = cases[0].why_not if cases else "it is not asked there"
            raise table.error(check.what, f"the probe {check.what} of {', '.join(check.arms)}, which nothing answers: {why}",
                              "a probe, arms and axes as in docs/conformance.md")
    for arm in (names.arms[check.than], *arms) if check.kind in ("time", "count") else ():
        lacking = arm.lacks(names.cells[check.what].requires)
        if lacking and (arm.id == check.than or len(arms) == 1):
            raise table.error(arm.id, f"{check.what} of {arm.id}, which cannot take part: {lacking}",
                              "arms that can (lab list arms)")
    for arm in (*check.arms, check.than) if check.kind == "lines" else ():
        if arm not in names.examples:
            raise table.error(arm, f"lines of {arm}", "forms, which have an example in docs/using")


def _arms(table: _Table, wanted, names: _Names) -> tuple[str, ...]:
    expected = "arms or proposals of `lab list arms`, or forms"
    if not isinstance(wanted, list) or not wanted or not all(isinstance(word, str) for word in wanted):
        raise table.error("arms" if not isinstance(wanted, str) else wanted, f"the arms {wanted!r}", f"a list of {expected}")
    try:
        return names.expand(wanted)
    except UnknownName as error:
        mark = next((word for word in wanted if repr(word) in str(error)), "") or "holds"
        near = f", as {error.nearest}" if error.nearest else ""
        raise table.error(mark, f"the arms {wanted!r}", expected + near) from None


def _than(table: _Table, wanted, names: _Names) -> str:
    found = _arms(table, [wanted], names)
    if len(found) != 1:
        raise table.error(wanted, f"than {wanted!r}, which is {len(found)} arms", "one arm of `lab list arms`")
    return found[0]


def _allowed(table: _Table, value, allowed: Collection[str], what: str):
    if not isinstance(value, str) or value not in allowed:
        near = difflib.get_close_matches(value, allowed, n=1) if isinstance(value, str) else ()
        raise table.error(value if isinstance(value, str) and value else f"{what} =", f"{what} {value!r}",
                          (f"{near[0]}, or another " if near else "one ") + "of " + ", ".join(sorted(allowed)))
