"""What this machine can measure and what it cannot, as findings with what to do about each.

``missing``: the lab cannot work without it. ``warn``: it works, with less to say or with wider intervals. Nothing is changed
here; the noise is measured by lab.noise.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import environment, interpreters
from lab.environment import Fact, is_absent
from lab.errors import LabError, MissingTool
from lab.interpreters import Interpreter

STATUSES = ("ok", "warn", "missing")
_PROGRAM = "#include <stdint.h>\n#include <stdio.h>\n#include <pthread.h>\nint main(void) { return 0; }\n"
_LIMIT_S = 20.0
_SLOW_CLOCKS = {"hpet", "acpi_pm", "jiffies", "refined-jiffies"}   # reading one takes about a microsecond
_BUSY_SHARE = 0.25         # of the processors: above it the lab's own processes wait for others
_SPACE_NEEDED_BYTES = 200_000_000     # build/ for one interpreter and a run's results
_SPACE_WANTED_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Check:
    """One finding. Raises ValueError where the status is none of STATUSES, or a finding that is not ok has no remedy."""

    name: str
    status: str        # "ok", "warn" or "missing"
    found: str
    remedy: str = ""   # what to do about it; empty where all is well

    def __post_init__(self) -> None:
        if self.status not in STATUSES or (self.status == "ok") != (self.remedy == ""):
            raise ValueError(f"check {self.name}: status {self.status!r}, remedy {self.remedy!r}")


def examine(top: Path) -> list[Check]:
    """Everything that is known of this machine before a measurement, for the checkout [top]; tools first, then noise."""
    facts = environment.facts(top)
    return [check_compiler(), check_make(), *_running_interpreter(), *of_machine(facts), _disk(shutil.disk_usage(top).free)]


def check_compiler() -> Check:
    """Whether a C compiler is there and makes a program with threads out of the C library's headers."""
    try:
        compiler = environment.find_compiler()
    except MissingTool as error:
        return Check("compiler", "missing", error.message, error.remedy)
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run([compiler, "-x", "c", "-", "-pthread", "-o", os.path.join(folder, "program")],
                                  input=_PROGRAM, capture_output=True, text=True, errors="replace", timeout=_LIMIT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return Check("compiler", "missing", f"{compiler} does not work: {error}", "apt-get install gcc libc6-dev")
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line] or ["no message"]
        return Check("compiler", "missing", f"{compiler} does not compile: {errors[0]}", "apt-get install gcc libc6-dev")
    return Check("compiler", "ok", compiler)


def check_make() -> Check:
    """Whether make is there."""
    found = shutil.which("make")
    return Check("make", "ok", found) if found else Check("make", "missing", "no make on PATH", "apt-get install make")


def of_interpreter(interpreter: Interpreter) -> list[Check]:
    """Headers, HPy, cffi and pyperf of [interpreter]: the findings of what it lacks, and what it has."""
    found = {"headers": interpreter.include, "HPy": interpreter.hpy, "cffi": interpreter.cffi, "pyperf": interpreter.pyperf}
    checks = []
    for name, have in found.items():
        lacking = interpreter.lacks(name)
        if lacking:
            what, remedy = lacking[0]
            checks.append(Check(name, "missing", f"{interpreter.tag} lacks {what}", remedy))
        else:
            checks.append(Check(name, "ok", f"{have}{_hpy_abi() if name == 'HPy' else ''}"))
    return checks


def of_machine(facts: Mapping[str, Fact]) -> list[Check]:
    """What environment.facts() says about measuring here. Pure."""
    return [_processors(facts), _quota(facts), _valgrind(facts), _counters(facts), _governor(facts), _turbo(facts), _smt(facts),
            _address_space(facts), _clock(facts), _virtual(facts), _load(facts)]


def _running_interpreter() -> list[Check]:
    try:
        current = interpreters.current()
    except LabError as error:
        return [Check("interpreters", "missing", error.message, error.remedy)]
    threading = ", free-threaded" if current.free_threaded else ""
    found = f"{current.tag} ({current.version}, {current.bits} bits, {current.libc}{threading}) at {current.path}"
    return [Check("interpreters", "ok", found), *of_interpreter(current)]


def _hpy_abi() -> str:
    """The version of the universal ABI that this HPy's header compiles for: ``, ABI hpy0``; empty where there is none."""
    package = importlib.util.find_spec("hpy")
    for folder in (package.submodule_search_locations or []) if package else []:
        header = Path(folder) / "devel" / "include" / "hpy.h"
        version = re.search(r"#define HPY_ABI_VERSION (\d+)", header.read_text()) if header.is_file() else None
        if version:
            return f", ABI hpy{version.group(1)}"
    return ""


def _processors(facts: Mapping[str, Fact]) -> Check:
    """Native threads against processors: a scenario with a foreign thread needs two, beside the lab that waits."""
    usable, online = facts["cpus_usable_count"], facts["cpus_online_count"]
    usable = online if is_absent(usable) else usable
    found = f"{usable} usable of {online}, {facts['cpu_model']}"
    if usable < 2:
        return Check("processors", "warn", found, "scenarios with more than one thread are oversubscribed; "
                     "give the lab two processors (taskset -c 0,1)")
    return Check("processors", "ok", found)


def _quota(facts: Mapping[str, Fact]) -> Check:
    quota, usable = facts["cgroup_cpu_quota_cpus"], facts["cpus_usable_count"]
    if isinstance(quota, (int, float)) and not is_absent(usable) and quota < usable:
        return Check("processor quota", "warn", f"{quota:g} of {usable} processors", "processes are stopped when the quota is "
                     "used up; run where there is none (docker run without --cpus)")
    return Check("processor quota", "ok", str(quota))


def _valgrind(facts: Mapping[str, Fact]) -> Check:
    return _present("valgrind", facts["valgrind_version"], "instructions are not counted; apt-get install valgrind")


def _counters(facts: Mapping[str, Fact]) -> Check:
    level = facts["perf_event_paranoid"]
    if not is_absent(level) and level > 2:
        return _present("hardware counters", facts["hardware_counters"], "sysctl kernel.perf_event_paranoid=2")
    return _present("hardware counters", facts["hardware_counters"],
                    "nothing can be done from inside; times and valgrind's counts do without")


def _governor(facts: Mapping[str, Fact]) -> Check:
    governor = facts["frequency_governor"]
    if governor == "performance" or is_absent(governor):
        return _present("frequency governor", governor, "the frequency may change unseen; arms are interleaved for that "
                        "reason, a larger --budget helps")
    return Check("frequency governor", "warn", str(governor), "cpupower frequency-set --governor performance")


def _turbo(facts: Mapping[str, Fact]) -> Check:
    if facts["turbo"] == "on":
        return Check("turbo", "warn", "on", "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or "
                     "echo 0 > /sys/devices/system/cpu/cpufreq/boost")
    return _present("turbo", facts["turbo"], "the frequency may change unseen; a larger --budget helps")


def _smt(facts: Mapping[str, Fact]) -> Check:
    if facts["smt"] == "on":
        return Check("SMT", "warn", "on: two threads share a core", "echo off > /sys/devices/system/cpu/smt/control")
    return _present("SMT", facts["smt"], "whether a core is shared is not known; a larger --budget helps")


def _address_space(facts: Mapping[str, Fact]) -> Check:
    """Randomised layouts are wanted: each process is another sample of them."""
    if facts["aslr"] == "on":
        return Check("address space", "ok", "randomised for each process")
    return Check("address space", "warn", f"randomisation: {facts['aslr']}", "without it every process gets the same layout, "
                 "whose effect is then taken for the arm's; sysctl kernel.randomize_va_space=2")


def _clock(facts: Mapping[str, Fact]) -> Check:
    source, resolution_ns = facts["clock_source"], facts["clock_resolution_ns"]
    if source in _SLOW_CLOCKS:
        return Check("clock", "warn", f"{source}, {resolution_ns} ns", "slow to read; batches are long enough for it, "
                     "latencies are not; clocksource=tsc on the kernel's command line")
    return Check("clock", "ok", f"{source}, {resolution_ns} ns")


def _virtual(facts: Mapping[str, Fact]) -> Check:
    if facts["hypervisor"] == "none seen":
        return Check("virtual machine", "ok", "none seen")
    found = f"{facts['hypervisor']}; ticks stolen since start: {facts['steal_ticks']}"
    return Check("virtual machine", "warn", found, "others may use the same processors: stolen ticks are recorded per batch; "
                 "a machine of one's own gives narrower intervals")


def _load(facts: Mapping[str, Fact]) -> Check:
    load, processors = facts["load_average_1_min"], facts["cpus_online_count"]
    if is_absent(load):
        return Check("load", "warn", load, "see by other means that nothing else runs")
    if load > _BUSY_SHARE * processors:
        return Check("load", "warn", f"{load:.2f} over the last minute on {processors} processors",
                     "end what else runs, and wait a minute")
    return Check("load", "ok", f"{load:.2f} over the last minute")


def _disk(free_bytes: int) -> Check:
    found = f"{free_bytes / 1e9:.1f} GB free"
    if free_bytes < _SPACE_NEEDED_BYTES:
        return Check("disk", "missing", found, f"make room: {_SPACE_NEEDED_BYTES / 1e9:.1f} GB are needed")
    if free_bytes < _SPACE_WANTED_BYTES:
        return Check("disk", "warn", found, "make room: results of several runs may not fit")
    return Check("disk", "ok", found)


def _present(name: str, fact: Fact, without: str) -> Check:
    """[fact] where it is known, else a warning with what to do [without] it."""
    return Check(name, "warn", str(fact), without) if is_absent(fact) else Check(name, "ok", str(fact))
