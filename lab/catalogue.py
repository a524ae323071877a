"""What there is: arms, scenarios and probes, each read from the folder or file that defines it.

Adding one is adding its folder; nothing is registered anywhere else.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Mapping

from lab.errors import LabError, SpecError, UnknownName

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

CAPABILITIES = frozenset({"attached", "released", "foreign", "body", "bare"})
POLICIES = ("attach", "attached_only")      # the number of each is its HPyLab_Policy
ABIS = frozenset({"universal", "cpython", "hybrid"})
THREADS = frozenset({"attached", "released", "foreign"})
BATCHES = frozenset({"calibrated", "single"})
MEASURES = frozenset({"time", "latency"})
TWIN_SUFFIX = "@twin"


@dataclass(frozen=True)
class Arm:
    """What is measured side by side: a form, a control or a peer."""

    id: str                      # "trampoline/plain", "control/empty", "peer/pygilstate"
    kind: str                    # "form", "control", "peer"
    title: str
    summary: str
    source: str
    folder: Path                 # holds stub.c
    abi: str                     # "universal" (built once), "cpython" or "hybrid" (built for each interpreter)
    capabilities: frozenset[str]
    why_not: Mapping[str, str]   # capability -> why it is lacking
    claims: Mapping[str, str | Mapping[str, str]]    # probe -> outcome claimed, or condition -> outcome
    policies: tuple[str, ...]    # which it may be bound under, of POLICIES; the first is the one it is measured under

    @property
    def proposal(self) -> str:
        return self.id.split("/")[0]

    @property
    def form(self) -> str:
        return self.id.split("/")[1]

    @property
    def file_stem(self) -> str:
        """The id as a file name: ``trampoline.plain``."""
        return file_stem(self.id)

    def claimed(self, probe: str, words: Collection[str]) -> str:
        """The outcome that is claimed of [probe] where [words] describe the case; "" for none."""
        claim = self.claims.get(probe, "")
        return claim if isinstance(claim, str) else last_that_fits(claim, words)

    def claim_error(self, probe: str, found: str, expected: str) -> SpecError:
        """What is wrong with the claim about [probe], and where."""
        path = self.folder / ("variant.toml" if self.kind == "form" else "arm.toml")
        lines = path.read_text(encoding="utf-8").splitlines()
        own = re.compile(rf"""\s*name\s*=\s*["']{re.escape(self.form)}["']""")
        start = next((number for number, text in enumerate(lines, 1) if self.kind == "form" and own.match(text)), 1)
        claim = re.compile(rf"""\s*["']?{re.escape(probe)}["']?\s*[=.]|\s*\[.*\.{re.escape(probe)}\]""")
        line = next((number for number, text in enumerate(lines, 1) if number >= start and claim.match(text)), start)
        return SpecError(path, line, found, expected)

    def lacks(self, requires) -> str | None:
        """Why this arm cannot take part where [requires] (capabilities) are needed; None if it can."""
        for capability in requires:
            if capability not in self.capabilities:
                return self.why_not.get(capability, f"does not offer {capability}")
        return None


def last_that_fits(table: Mapping[str, str], words: Collection[str]) -> str:
    """The last outcome of [table] whose condition fits: ``all``, or words that are all among [words]. "" where none does."""
    fitting = [outcome for condition, outcome in table.items() if set(condition.split()) - {"all"} <= set(words)]
    return fitting[-1] if fitting else ""


@dataclass(frozen=True)
class Scenario:
    """The situation an arm is measured in."""

    name: str
    title: str
    question: str
    source: str
    folder: Path
    thread: str                  # where the callback arrives: "attached", "released", "foreign"
    requires: tuple[str, ...]
    reference: str               # arm id
    body: str                    # what runs once the context is there (csrc/bodies)
    unit: str                    # what one of is timed: "callback", "comparison"
    parameters: Mapping[str, tuple]
    single: bool                 # True: one long batch for each arm and process, nothing to calibrate
    size: int                    # the scenario's own: elements to sort
    crosscheck: bool             # measured by a plain pyperf.Runner too
    measures: str = "time"       # of MEASURES; "latency": calls that fall due at times fixed beforehand

    def cells(self) -> list[dict]:
        """The parameter sets, in order: ``[{"mode": "throughput"}, …]``; ``[{}]`` without parameters."""
        names = list(self.parameters)
        return [dict(zip(names, values)) for values in itertools.product(*self.parameters.values())]


def benchmark_name(scenario: str, parameters: Mapping) -> str:
    """The name of a cell's benchmark, the same in every arm's file: ``attached_call[mode=throughput]``."""
    if not parameters:
        return scenario
    return scenario + "[" + ",".join(f"{key}={value}" for key, value in parameters.items()) + "]"


def file_stem(arm_id: str) -> str:
    """An arm's id as a file name: ``trampoline/plain`` -> ``trampoline.plain``."""
    return arm_id.replace("/", ".")


def root() -> Path:
    """The checkout that holds csrc/ and variants/: LAB_ROOT, else where this package lies, else the working folder.

    Raises LabError where none of them holds one.
    """
    named = os.environ.get("LAB_ROOT")
    candidates = [Path(named)] if named else [Path(__file__).resolve().parent.parent, Path.cwd()]
    for candidate in candidates:
        if (candidate / "csrc" / "interface.h").is_file():
            return candidate.resolve()
    where = f" at LAB_ROOT={named}" if named else ""
    raise LabError(f"no checkout of the lab found{where} (a folder with csrc/interface.h)",
                   "run lab inside a clone, or set LAB_ROOT to one")


def load_toml(path: Path) -> dict:
    """The contents of a .toml file; SpecError with the line where it is not TOML, or not UTF-8."""
    content = path.read_bytes()
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SpecError(path, content.count(b"\n", 0, error.start) + 1, str(error), "UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+), ", str(error))         # else "(at end of document)"
        line = int(at.group(1)) if at else content.rstrip().count(b"\n") + 1
        raise SpecError(path, line, str(error), "TOML") from None


class _Table:
    """One table of a .toml file whose keys are taken out one by one, so that what is left over is a mistake."""

    def __init__(self, path: Path, table: dict, start: int = 1, end: int | None = None):
        self.path, self.table = path, dict(table)
        self.start, self.end = start, end    # the first line of it in the file, and the first that is not its any more

    def take(self, key: str, kind: type, default=None):
        value = self.table.pop(key, default)
        if value is None:
            raise self.error(key, "nothing", f"{key} = … ({kind.__name__})")
        if type(value) is not kind:    # not isinstance: true is no number
            raise self.error(key, repr(value), f"{key} = … ({kind.__name__})")
        return value

    def take_one(self, key: str, allowed: frozenset[str], default: str | None = None) -> str:
        value = self.take(key, str, default)
        if value not in allowed:
            raise self.error(key, repr(value), "one of " + ", ".join(sorted(allowed)))
        return value

    def take_subset(self, key: str, allowed: frozenset[str]) -> frozenset[str]:
        values = self.take(key, list)
        for value in values:
            if not isinstance(value, str) or value not in allowed:
                raise self.error(key, repr(value), "one of " + ", ".join(sorted(allowed)))
        return frozenset(values)

    def take_tables(self, key: str, default: list | None = None) -> list[_Table]:
        """The tables of ``[[key]]``, of which no two may have the same name."""
        entries, lines = self.take(key, list, default), self.path.read_text(encoding="utf-8").splitlines()
        starts = [number for number, text in enumerate(lines, 1) if text.replace(" ", "").startswith(f"[[{key}]]")]
        names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict) or len(starts) != len(entries):
                raise self.error(key, repr(entry), f"[[{key}]] tables")
            if names[index] in names[:index]:
                raise _Table(self.path, entry, starts[index]).error("name", f"{names[index]!r} again", "another name")
        return [_Table(self.path, *each) for each in zip(entries, starts, [*starts[1:], None])]

    def take_capabilities(self) -> tuple[frozenset[str], Mapping[str, str]]:
        """What an arm offers, and for each capability it lacks the reason."""
        offered, why_not = self.take_subset("capabilities", CAPABILITIES), self.take("why_not", dict, {})
        lacking = CAPABILITIES - offered
        for capability in sorted(set(why_not) - lacking):
            raise self.error(capability, f"the reason for {capability!r}", "reasons for the capabilities it lacks alone")
        for capability in sorted(lacking - set(why_not)):
            raise self.error("capabilities", f"no {capability!r}", f"why it is lacking, as [why_not] {capability} = …")
        return offered, MappingProxyType(why_not)

    def finish(self):
        for key in self.table:
            raise self.error(key, f"the key {key!r}", "a key this file may have (see the folders beside it)")

    def error(self, key: str, found: str, expected: str) -> SpecError:
        lines = self.path.read_text(encoding="utf-8").splitlines()[:self.end and self.end - 1]
        line = next((number for number, text in enumerate(lines, 1)
                     if number >= self.start and re.match(rf"\[*{re.escape(key)}\b", text)), self.start)
        return SpecError(self.path, line, found, expected)


def _forms(folder: Path) -> list[Arm]:
    path = folder / "variant.toml"
    table = _Table(path, load_toml(path))
    title, source = table.take("title", str), table.take("source", str)
    arms = []
    for form in table.take_tables("form"):
        policies = tuple(sorted(form.take_subset("policies", frozenset(POLICIES)), key=POLICIES.index))
        if not policies:
            raise form.error("policies", "none", "at least one of " + ", ".join(POLICIES))
        capabilities, why_not = form.take_capabilities()
        arms.append(Arm(id=f"{folder.name}/{form.take('name', str)}", kind="form", title=title,
                        summary=form.take("summary", str), source=source, folder=folder, abi="universal",
                        capabilities=capabilities, why_not=why_not,
                        claims=MappingProxyType(form.take("claims", dict, {})), policies=policies))
        form.finish()
    table.finish()
    return arms


def _other_arm(kind: str, folder: Path) -> Arm:
    path = folder / "arm.toml"
    table = _Table(path, load_toml(path))
    capabilities, why_not = table.take_capabilities()
    arm = Arm(id=f"{kind}/{folder.name}", kind=kind, title=table.take("title", str), summary=table.take("summary", str),
              source=table.take("source", str), folder=folder, abi=table.take_one("abi", ABIS),
              capabilities=capabilities, why_not=why_not,
              claims=MappingProxyType(table.take("claims", dict, {})), policies=POLICIES[:1])
    table.finish()
    return arm


def arms(top: Path | None = None) -> dict[str, Arm]:
    """Every arm by its id: the forms of variants/, then controls and peers, each in the order of their folders."""
    top = top or root()
    found = []
    for path in sorted((top / "variants").glob("*/variant.toml")):
        found += _forms(path.parent)
    for kind, folder in (("control", "controls"), ("peer", "peers")):
        found += [_other_arm(kind, path.parent) for path in sorted((top / "csrc" / folder).glob("*/arm.toml"))]
    return {arm.id: arm for arm in found}


def scenarios(top: Path | None = None) -> dict[str, Scenario]:
    """Every scenario by its name, in the order of their folders."""
    top = top or root()
    known_arms = arms(top)
    found = {}
    for path in sorted((top / "csrc" / "scenarios").glob("*/scenario.toml")):
        table = _Table(path, load_toml(path))
        parameters = {}
        for parameter in table.take_tables("parameter", []):
            values = tuple(parameter.take("values", list))
            if not values:
                raise parameter.error("values", "none", "at least one")
            parameters[parameter.take("name", str)] = values
            parameter.finish()
        requires = tuple(sorted(table.take_subset("requires", CAPABILITIES)))
        reference = table.take("reference", str)
        if reference not in known_arms:
            raise table.error("reference", repr(reference), "the id of an arm (lab list arms)")
        if known_arms[reference].lacks(requires):
            raise table.error("reference", f"{reference!r}, which {known_arms[reference].lacks(requires)}",
                              "an arm that can take part")
        scenario = Scenario(
            name=path.parent.name, title=table.take("title", str), question=table.take("question", str),
            source=table.take("source", str), folder=path.parent,
            thread=table.take_one("thread", THREADS), requires=requires, reference=reference,
            body=table.take("body", str), unit=table.take("unit", str), parameters=MappingProxyType(parameters),
            single=table.take_one("batch", BATCHES, "calibrated") == "single", size=table.take("size", int, 1),
            crosscheck=table.take("crosscheck", bool, False), measures=table.take_one("measures", MEASURES, "time"))
        if scenario.measures == "latency" and (not scenario.single or scenario.crosscheck):
            raise table.error("measures", "latency of batches that are calibrated or cross-checked",
                              'batch = "single" and no crosscheck: how often is called is the scenario\'s to say')
        table.finish()
        found[scenario.name] = scenario
    return found


def select(kind: str, wanted: tuple[str, ...] | list[str], known: Mapping) -> list:
    """The members of [known] that [wanted] names, in the order of [known]; all for none or ``all``.

    ``trampoline`` selects every arm of that proposal. Raises UnknownName.
    """
    chosen = set() if wanted else set(known)
    for name in wanted:
        matches = list(known) if name == "all" else [key for key in known if key == name or key.split("/")[0] == name]
        if not matches:
            raise UnknownName(kind, name, known, f"lab list {kind}s")
        chosen.update(matches)
    return [value for key, value in known.items() if key in chosen]
