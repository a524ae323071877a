"""Which two runs may be compared over time: what must be the same in both, what may differ, and why. Decided here alone.

The added time of an arm over its reference arm is compared, run against run. So whatever both arms of such a pair rest on has
to be the same: the machine, the interpreter, the native library with its loop, the driver, the bodies, the reference arm, the
protocol. What a change is about may differ: the extension halves of the other arms, the runtime half, and the sources of all
of these. So may what a run draws at random or finds: seed, budget, number of processes, counts of calls, load, blocks; of
these the last is told, because an arm's neighbours in its processes are others then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.catalogue import TWIN_SUFFIX

if TYPE_CHECKING:
    from lab.results import Run

UNKNOWN = "not recorded"
# facts of the environment that may not differ where an interrupted run is gone on with, either
SAME_MACHINE = ("kernel", "architecture", "hypervisor", "cpu_model", "cpus_online_count", "cpus_usable", "compiler")
_PROCESSOR = "another processor has other costs, and not by one factor"
_SETTINGS = "it changes how fast the processor runs from moment to moment"
# fact of the environment -> why it must be the same
FACTS = {
    "architecture": _PROCESSOR, "cpu_model": _PROCESSOR, "hypervisor": _PROCESSOR, "cpus_online_count": _PROCESSOR,
    "cpus_usable": "threads that share processors wait for each other", "cgroup_cpu_quota_cpus": _SETTINGS, "smt": _SETTINGS,
    "frequency_governor": _SETTINGS, "turbo": _SETTINGS,
    "kernel": "threads are started, woken and placed by it, and its mitigations cost time",
    "aslr": "without it every process has one layout", "clock_source": "times are read from it",
    "libc": "locks, threads and thread-local storage are its own",
    "compiler_version": "another compiler makes other code of the same source"}
# what pyperf says of an interpreter, in the interpreter's own words
BUILD_OF_PYTHON = ("python_version", "python_compiler", "python_cflags", "python_config_args", "lab_python_build", "lab_gil")
_PYTHON = "the callbacks run its code"
_RULER = "each arm is measured against what is made of it, so that its change would be taken for that of the arms"
# files of the worker that lead to what is timed
WORKER = ("lab/worker/measure.py", "lab/worker/batches.py", "lab/worker/loading.py")


@dataclass(frozen=True)
class Difference:
    """Something that must be the same in two runs and is not."""

    what: str
    old: str
    new: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.old} then, {self.new} now ({self.why})"


def common_tags(old: Run, new: Run) -> list[tuple[str, str]]:
    """The interpreters to compare, (of [old], of [new]): those of one tag; the two there are, where neither run has more."""
    tags = [[each["tag"] for each in run.header["interpreters"]] for run in (old, new)]
    both = [(tag, tag) for tag in tags[0] if tag in tags[1]]
    return both or ([(tags[0][0], tags[1][0])] if len(tags[0]) == len(tags[1]) == 1 else [])


def differences(old: Run, new: Run) -> list[Difference]:
    """What must be the same in the two runs and is not; nothing where they may be compared."""
    found = {each.what: each for each in _differences(old, new)}
    return list(found.values())


def _differences(old: Run, new: Run) -> Iterator[Difference]:
    yield from _machine(old, new)
    for tag, other in common_tags(old, new):
        yield from _interpreter(old, new, tag, other)
    yield from _told("the protocol", old.header, new.header, ("protocol", "confidence", "margins"),
                     "the verdicts were declared by other rules")
    yield from _told("the build", old.header, new.header, ("build_flags",), "other flags make other code of the same source")
    yield from _told("the build", *({"layouts": run.header.get("layouts", 1)} for run in (old, new)), ("layouts",),
                     "a layout that only one run has may be what differs")
    for name in old.header["reference"]:
        if name in new.header["reference"]:
            yield from _scenario(old, new, name)
    yield from _files(old, new, "the native library", ("build/native/",), _RULER)
    yield from _files(old, new, "the bodies", ("build/universal/bodies.",), _RULER)
    yield from _files(old, new, "the worker", WORKER, "it decides what runs before and between the batches")


def _machine(old: Run, new: Run) -> Iterator[Difference]:
    yield from _told("", _metadata(old), _metadata(new), ("hostname",), "two machines of one kind are two machines")
    for fact, why in FACTS.items():
        yield from _told("", old.header["environment"], new.header["environment"], (fact,), why)


def _interpreter(old: Run, new: Run, tag: str, other: str) -> Iterator[Difference]:
    name = tag if tag == other else f"{tag} and {other}"
    known = [{each["tag"]: each for each in run.header["interpreters"]}[which] for run, which in ((old, tag), (new, other))]
    yield from _told(name, *known, ("tag", "version", "implementation", "hpy"), _PYTHON)
    yield from _told(name, old.metadata.get(tag, {}), new.metadata.get(other, {}), BUILD_OF_PYTHON, _PYTHON)
    if tag == other:
        yield from _files(old, new, f"the bodies for {tag}", (f"build/{tag}/bodies.",), _RULER)


def _scenario(old: Run, new: Run, name: str) -> Iterator[Difference]:
    why = "a scenario is what is timed"
    known = [{each["name"]: each for each in run.header["scenarios"]}.get(name, {}) for run in (old, new)]
    yield from _told(name, *known, ("thread", "unit", "parameters"), why)
    reference, other = old.header["reference"][name], new.header["reference"][name]
    yield from _told(name, {"reference arm": reference}, {"reference arm": other}, ("reference arm",), _RULER)
    yield from _files(old, new, f"the definition of {name}", (f"csrc/scenarios/{name}/scenario.toml",
                                                              f"csrc/scenarios/{name}/setup.py"), why)
    yield from _files(old, new, f"the driver of {name}", (f"build/drivers/{name}.so",), why)
    for folder in {"universal", *(tag for tag, _ in common_tags(old, new))}:
        yield from _files(old, new, f"the binary of the reference arm {reference}", (_stem(folder, reference),), _RULER)


def _told(where: str, one: Mapping[str, Any], other: Mapping[str, Any], keys: tuple[str, ...], why: str
          ) -> Iterator[Difference]:
    for key in keys:
        values = one.get(key, UNKNOWN), other.get(key, UNKNOWN)
        if values[0] != values[1]:
            yield Difference(f"{where}: {key}".removeprefix(": "), *map(str, values), why)


def _files(old: Run, new: Run, what: str, prefixes: tuple[str, ...], why: str) -> Iterator[Difference]:
    one, other = (_hashes(run, prefixes) for run in (old, new))
    if one != other:
        names = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
        told = [", ".join(f"{name} {known.get(name, UNKNOWN)[:12]}" for name in names) for known in (one, other)]
        yield Difference(what, *told, why)


def changed_binaries(old: Run, new: Run, tag: str, arm: str) -> list[str]:
    """Of the binaries that [arm] runs on the interpreter [tag], those that are not the same in both runs."""
    prefixes = (_stem("universal", arm), _stem(tag, arm), f"build/{tag}/hpylab_runtime.")
    one, other = _hashes(old, prefixes), _hashes(new, prefixes)
    return [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]


def _stem(folder: str, arm: str) -> str:
    return f"build/{folder}/{arm.removesuffix(TWIN_SUFFIX).replace('/', '-')}."


def _hashes(run: Run, prefixes: tuple[str, ...]) -> dict[str, str]:
    return {name: digest for name, digest in run.header["hashes"].items() if name.startswith(prefixes)}


def _metadata(run: Run) -> Mapping[str, Any]:
    return next(iter(run.metadata.values()), {})


def remarks(old: Run, new: Run) -> list[str]:
    """What may differ and is worth knowing, in sentences."""
    told = [f"{run.name} was interrupted: it has fewer processes than its budget gives." for run in (old, new)
            if run.header["status"] == "interrupted"]
    moved = [scenario for scenario in old.header["reference"] if scenario in new.header["reference"]
             and _blocks(old, scenario) != _blocks(new, scenario)]
    if moved:
        told.append(f"{', '.join(moved)}: the arms shared their processes with others in the one run than in the other.")
    return told


def _blocks(run: Run, scenario: str) -> list[tuple[str, ...]]:
    return sorted({tuple(sheet["arms"]) for sheet in run.header["sheets"] if sheet["scenario"] == scenario})
