"""What there is: arms, scenarios and probes, each read from the folder or file that defines it.

Adding one is adding its folder; nothing is registered anywhere else.
"""

from __future__ import annotations

import itertools
import os
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
ABIS = frozenset({"universal", "cpython", "hybrid"})
THREADS = frozenset({"attached", "released", "foreign"})
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
    claims: Mapping[str, str]    # probe -> outcome claimed

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

    def lacks(self, requires) -> str | None:
        """Why this arm cannot take part where [requires] (capabilities) are needed; None if it can."""
        for capability in requires:
            if capability not in self.capabilities:
                return self.why_not.get(capability, f"does not offer {capability}")
        return None


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
    candidates = [os.environ.get("LAB_ROOT"), Path(__file__).resolve().parent.parent, Path.cwd()]
    for candidate in candidates:
        if candidate and (Path(candidate) / "csrc" / "interface.h").is_file():
            return Path(candidate).resolve()
    raise LabError("no checkout of the lab found (a folder with csrc/interface.h)",
                   "run lab inside a clone, or set LAB_ROOT to one")


def load_toml(path: Path) -> dict:
    """The contents of a .toml file; SpecError with the line where it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        line = next((int(word) for word in str(error).replace(",", " ").split() if word.isdigit()), 1)
        raise SpecError(path, line, str(error), "TOML") from None


class _Table:
    """One table of a .toml file whose keys are taken out one by one, so that what is left over is a mistake."""

    def __init__(self, path: Path, table: dict):
        self.path, self.table = path, dict(table)

    def take(self, key: str, kind: type, default=None):
        value = self.table.pop(key, default)
        if value is None:
            raise self.error(key, "nothing", f"{key} = … ({kind.__name__})")
        if not isinstance(value, kind):
            raise self.error(key, repr(value), f"{key} = … ({kind.__name__})")
        return value

    def take_subset(self, key: str, allowed: frozenset[str]) -> frozenset[str]:
        values = self.take(key, list)
        for value in values:
            if value not in allowed:
                raise self.error(key, repr(value), "one of " + ", ".join(sorted(allowed)))
        return frozenset(values)

    def finish(self):
        for key in self.table:
            raise self.error(key, f"the key {key!r}", "a key this file may have (see the folders beside it)")

    def error(self, key: str, found: str, expected: str) -> SpecError:
        lines = self.path.read_text(encoding="utf-8").splitlines()
        line = next((n for n, text in enumerate(lines, 1) if text.lstrip("[").startswith(key)), 1)
        return SpecError(self.path, line, found, expected)


def _forms(folder: Path) -> list[Arm]:
    path = folder / "variant.toml"
    table = _Table(path, load_toml(path))
    title, source = table.take("title", str), table.take("source", str)
    arms = []
    for entry in table.take("form", list):
        form = _Table(path, entry)
        form.take("policies", list)
        arms.append(Arm(id=f"{folder.name}/{form.take('name', str)}", kind="form", title=title,
                        summary=form.take("summary", str), source=source, folder=folder, abi="universal",
                        capabilities=form.take_subset("capabilities", CAPABILITIES),
                        why_not=MappingProxyType(form.take("why_not", dict, {})),
                        claims=MappingProxyType(form.take("claims", dict, {}))))
        form.finish()
    table.finish()
    return arms


def _other_arm(kind: str, folder: Path) -> Arm:
    path = folder / "arm.toml"
    table = _Table(path, load_toml(path))
    abi = table.take("abi", str)
    if abi not in ABIS:
        raise table.error("abi", repr(abi), "one of " + ", ".join(sorted(ABIS)))
    arm = Arm(id=f"{kind}/{folder.name}", kind=kind, title=table.take("title", str), summary=table.take("summary", str),
              source=table.take("source", str), folder=folder, abi=abi,
              capabilities=table.take_subset("capabilities", CAPABILITIES),
              why_not=MappingProxyType(table.take("why_not", dict, {})),
              claims=MappingProxyType(table.take("claims", dict, {})))
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
        for entry in table.take("parameter", list, []):
            parameter = _Table(path, entry)
            parameters[parameter.take("name", str)] = tuple(parameter.take("values", list))
            parameter.finish()
        thread = table.take("thread", str)
        if thread not in THREADS:
            raise table.error("thread", repr(thread), "one of " + ", ".join(sorted(THREADS)))
        reference = table.take("reference", str)
        if reference not in known_arms:
            raise table.error("reference", repr(reference), "the id of an arm (lab list arms)")
        batch = table.take("batch", str, "calibrated")
        scenario = Scenario(
            name=path.parent.name, title=table.take("title", str), question=table.take("question", str),
            source=table.take("source", str), folder=path.parent, thread=thread,
            requires=tuple(sorted(table.take_subset("requires", CAPABILITIES))), reference=reference,
            body=table.take("body", str), unit=table.take("unit", str), parameters=MappingProxyType(parameters),
            single=batch == "single", size=table.take("size", int, 1), crosscheck=table.take("crosscheck", bool, False))
        table.finish()
        found[scenario.name] = scenario
    return found


def select(kind: str, wanted: tuple[str, ...] | list[str], known: Mapping) -> list:
    """The members of [known] that [wanted] names, in the order of [known]; all for none or ``all``.

    ``trampoline`` selects every arm of that proposal. Raises UnknownName.
    """
    if not wanted or "all" in wanted:
        return list(known.values())
    chosen = set()
    for name in wanted:
        matches = [key for key in known if key == name or key.split("/")[0] == name]
        if not matches:
            raise UnknownName(kind, name, known, f"lab list {kind}s")
        chosen.update(matches)
    return [value for key, value in known.items() if key in chosen]
