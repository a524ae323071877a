"""What is known of the machine that measures: flat names, values with the unit in the name.

Nothing is tuned or changed here, and nothing raises: a fact that cannot be had reads ``absent: why``, so that a report can say
what its numbers could not know.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import catalogue
from lab.errors import LabError, MissingTool

Fact = str | int | float | bool
ABSENT = "absent: "
LIMIT_S = 10.0
COMPILERS = ("cc", "gcc", "clang")
_PMU = re.compile(r"cpu|cpu_core|cpu_atom|armv[78]\w*")       # sysfs names of processors' own performance counters


class _Absent(LookupError):
    """A fact that this machine does not have; the message says why."""


@dataclass(frozen=True)
class _Place:
    """Where facts are read: the checkout, and the root of the file system that holds proc/ and sys/."""

    top: Path
    system: Path

    def read(self, name: str) -> str:
        """The stripped text of the file [name]; _Absent where it cannot be read."""
        try:
            return (self.system / name).read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            raise _Absent(f"no /{name}") from None
        except OSError as error:
            raise _Absent(f"/{name}: {error.strerror}") from None


def facts(top: Path | None = None, system: Path = Path("/")) -> dict[str, Fact]:
    """The machine's facts by name, in a fixed order; ``absent: why`` for those it does not have.

    [top] is the checkout (default: catalogue.root()); [system] the root that holds proc/ and sys/.
    """
    place = _Place(top or catalogue.root(), system)
    return {name: _guarded(reader, place) for name, reader in _READERS.items()}


def is_absent(fact: Fact | None) -> bool:
    """Whether [fact] is one that could not be had."""
    return fact is None or isinstance(fact, str) and fact.startswith(ABSENT)


def find_compiler() -> str:
    """The absolute path of the C compiler: $CC, else the first of cc, gcc and clang. Raises MissingTool."""
    wanted = os.environ.get("CC", "").strip()
    for name in [wanted] if wanted else COMPILERS:
        found = shutil.which(name)
        if found:
            return os.path.abspath(found)
    if wanted:
        raise MissingTool(f"no C compiler: CC={wanted} is no program on PATH",
                          "set CC to a compiler alone, without arguments, or unset it")
    raise MissingTool("no C compiler: none of " + ", ".join(COMPILERS) + " is on PATH", "apt-get install gcc libc6-dev")


def lab_version(top: Path) -> str:
    """The lab's version, from the pyproject.toml in [top], else as installed. Raises LookupError, LabError."""
    pyproject = top / "pyproject.toml"
    if pyproject.is_file():
        return catalogue.load_toml(pyproject)["project"]["version"]
    try:
        return importlib.metadata.version("hpy-context-lab")
    except importlib.metadata.PackageNotFoundError:
        raise _Absent(f"no {pyproject.name}, and hpy-context-lab is not installed") from None


def _guarded(reader: Callable[[_Place], Fact], place: _Place) -> Fact:
    try:
        return reader(place)
    except _Absent as why:
        return f"{ABSENT}{why}"
    except (LabError, OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
        message = error.message if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
        return ABSENT + " ".join(message.split())


def _run(*command: str) -> str:
    """What [command] prints on its output, stripped; _Absent where it is not there or fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=LIMIT_S, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        raise _Absent(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise _Absent(f"{command[0]} did not answer within {LIMIT_S:g} s") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise _Absent(said[-1] if said else f"{command[0]} ended with status {done.returncode}")
    return done.stdout.strip()


def _field(text: str, key: str, separator: str = ":") -> str | None:
    """The value of the first line of [text] that begins with [key]."""
    for line in text.splitlines():
        name, found, value = line.partition(separator)
        if found and name.strip() == key:
            return value.strip().strip('"')
    return None


def _cpu_model(place: _Place) -> str:
    text = place.read("proc/cpuinfo")
    for key in ("model name", "Model", "cpu model", "uarch"):     # x86, ARM boards, MIPS, RISC-V
        if _field(text, key):
            return _field(text, key)
    raise _Absent("/proc/cpuinfo names no model")


def _affinity(place: _Place) -> list[int]:
    if not hasattr(os, "sched_getaffinity"):
        raise _Absent("this system does not tell")
    return sorted(os.sched_getaffinity(0))


def _turbo(place: _Place) -> str:
    for name, on in (("sys/devices/system/cpu/intel_pstate/no_turbo", "0"), ("sys/devices/system/cpu/cpufreq/boost", "1")):
        if (place.system / name).exists():
            return "on" if place.read(name) == on else "off"
    raise _Absent("neither intel_pstate/no_turbo nor cpufreq/boost in /sys/devices/system/cpu")


def _hypervisor(place: _Place) -> str:
    try:
        return place.read("sys/hypervisor/type")
    except _Absent:
        pass
    flags = (_field(place.read("proc/cpuinfo"), "flags") or "").split()
    if not flags:
        raise _Absent("/proc/cpuinfo has no flags")
    if "hypervisor" not in flags:
        return "none seen"
    try:
        return f"{place.read('sys/class/dmi/id/sys_vendor')} {place.read('sys/class/dmi/id/product_name')}"
    except _Absent:
        return "one is there, which one is not told"


def _cgroup_folders(place: _Place) -> list[Path]:
    """The folders of the cgroups that hold this process and may limit its processor time, from its own up to the root."""
    folders = []
    for line in place.read("proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base = place.system / "sys/fs/cgroup"
        elif "cpu" in controllers.split(","):
            bases = [place.system / "sys/fs/cgroup" / name for name in (controllers, "cpu")]
            base = next((folder for folder in bases if folder.is_dir()), bases[-1])
        else:
            continue
        own = Path(path.lstrip("/"))
        folders += [base / own, *(base / parent for parent in own.parents)]
    return folders


def _cgroup_quota(place: _Place) -> Fact:
    """The smallest quota that any enclosing cgroup sets, in processors, or ``none``."""
    quotas, seen = [], False
    for folder in _cgroup_folders(place):
        if (folder / "cpu.max").is_file():                        # version 2: "max 100000", microseconds
            quota, period = (folder / "cpu.max").read_text().split()
        elif (folder / "cpu.cfs_quota_us").is_file():             # version 1: -1 without a quota
            quota, period = ((folder / name).read_text().strip() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
        else:
            continue
        seen = True
        if quota not in ("max", "-1"):
            quotas.append(int(quota) / int(period))
    if quotas:
        return min(quotas)
    if not seen and not (place.system / "sys/fs/cgroup/cgroup.controllers").is_file():
        raise _Absent("no cpu controller in /sys/fs/cgroup")
    return "none"


def _memory_bytes(place: _Place, key: str) -> int:
    value = _field(place.read("proc/meminfo"), key)
    if value is None:
        raise _Absent(f"/proc/meminfo has no {key}")
    return int(value.split()[0]) * 1024                            # the kernel's kB are KiB


def _libc(place: _Place) -> str:
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (OSError, ValueError):
        version = None
    if not version:
        raise _Absent("the C library does not tell its version")
    return version


def _valgrind(place: _Place) -> str:
    return _run("valgrind", "--version").removeprefix("valgrind-")


def _hardware_counters(place: _Place) -> str:
    devices = place.system / "sys/bus/event_source/devices"
    names = sorted(entry.name for entry in devices.iterdir() if _PMU.fullmatch(entry.name)) if devices.is_dir() else []
    if not names:
        raise _Absent("the processor's counters are not passed on to this machine")
    paranoid = int(place.read("proc/sys/kernel/perf_event_paranoid"))
    if paranoid > 2 and os.geteuid() != 0:
        raise _Absent(f"perf_event_paranoid is {paranoid}")
    return " ".join(names)


def _steal_ticks(place: _Place) -> int:
    for line in place.read("proc/stat").splitlines():
        words = line.split()
        if words and words[0] == "cpu" and len(words) > 8:
            return int(words[8])
    raise _Absent("/proc/stat does not tell")


def _git_revision(place: _Place) -> str:
    top, revision = _run("git", "-C", str(place.top), "rev-parse", "--show-toplevel", "HEAD").splitlines()
    if Path(top).resolve() != place.top.resolve():
        raise _Absent("the lab lies inside another repository")
    return revision


def _git_dirty(place: _Place) -> bool:
    _git_revision(place)
    return _run("git", "-C", str(place.top), "--no-optional-locks", "status", "--porcelain") != ""


def _file(name: str, meaning: dict[str, str] | None = None) -> Callable[[_Place], str]:
    """A reader of the file [name], its text replaced by its [meaning] where it has one."""
    return lambda place: (meaning or {}).get(place.read(name), place.read(name))


def _load(index: int) -> Callable[[_Place], float]:
    return lambda place: float(place.read("proc/loadavg").split()[index])


_READERS: dict[str, Callable[[_Place], Fact]] = {
    "lab_version": lambda place: lab_version(place.top),
    "git_revision": _git_revision,
    "git_dirty": _git_dirty,
    "operating_system": lambda place: _field(place.read("etc/os-release"), "PRETTY_NAME", "=") or platform.system(),
    "kernel": lambda place: platform.release(),
    "architecture": lambda place: platform.machine(),
    "hypervisor": _hypervisor,
    "cpu_model": _cpu_model,
    "cpus_online_count": lambda place: os.cpu_count() or 1,
    "cpus_usable_count": lambda place: len(_affinity(place)),
    "cpus_usable": lambda place: ",".join(map(str, _affinity(place))),
    "cgroup_cpu_quota_cpus": _cgroup_quota,
    "smt": _file("sys/devices/system/cpu/smt/active", {"0": "off", "1": "on"}),
    "frequency_governor": _file("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    "turbo": _turbo,
    "aslr": _file("proc/sys/kernel/randomize_va_space", {"0": "off", "1": "on, without the heap", "2": "on"}),
    "clock_source": _file("sys/devices/system/clocksource/clocksource0/current_clocksource"),
    "clock_resolution_ns": lambda place: round(time.clock_getres(time.CLOCK_MONOTONIC) * 1e9),
    "memory_total_bytes": functools.partial(_memory_bytes, key="MemTotal"),
    "memory_available_bytes": functools.partial(_memory_bytes, key="MemAvailable"),
    "load_average_1_min": _load(0),
    "load_average_5_min": _load(1),
    "load_average_15_min": _load(2),
    "steal_ticks": _steal_ticks,
    "compiler": lambda place: find_compiler(),
    "compiler_version": lambda place: _run(find_compiler(), "--version").splitlines()[0],
    "libc": _libc,
    "valgrind_version": _valgrind,
    "perf_event_paranoid": lambda place: int(place.read("proc/sys/kernel/perf_event_paranoid")),
    "hardware_counters": _hardware_counters,
}
