"""What the doctor says of a machine: of this one as it is, and of machines that lack something."""

import dataclasses
from pathlib import Path

import pytest

from lab import doctor, environment, interpreters
from lab.doctor import Check

TOP = Path(__file__).resolve().parent.parent
GOOD = {"cpus_usable_count": 8, "cpus_online_count": 8, "cpu_model": "Model X", "cgroup_cpu_quota_cpus": "none",
        "valgrind_version": "3.19.0", "hardware_counters": "cpu", "perf_event_paranoid": 2, "frequency_governor": "performance",
        "turbo": "off", "smt": "off", "aslr": "on", "clock_source": "tsc", "clock_resolution_ns": 1, "hypervisor": "none seen",
        "steal_ticks": 0, "load_average_1_min": 0.02}


def with_facts(name, **changes):
    """The check [name] of a good machine with [changes] to its facts."""
    return next(check for check in doctor.of_machine({**GOOD, **changes}) if check.name == name)


def test_this_machine():
    """On the machine that runs the tests the lab's needs are met, and every point is looked at once."""
    checks = doctor.examine(TOP)
    assert [check.name for check in checks] == [
        "compiler", "make", "interpreters", "headers", "HPy", "cffi", "pyperf", "processors", "processor quota", "valgrind",
        "hardware counters", "frequency governor", "turbo", "SMT", "address space", "clock", "virtual machine", "load", "disk"]
    assert [check for check in checks if check.status == "missing"] == []


def test_facts_looked_at_exist():
    """Every fact that the doctor judges is one that environment tells."""
    assert set(GOOD) - set(environment.facts(TOP)) == set()


def test_good_machine_has_nothing_to_mend():
    """A machine with all that is wanted gets no advice."""
    assert [check for check in doctor.of_machine(GOOD) if check.status != "ok"] == []


@pytest.mark.parametrize("name, changes, found", [
    ("processors", {"cpus_usable_count": 1}, "1 usable of 8, Model X"),
    ("processor quota", {"cgroup_cpu_quota_cpus": 1.5}, "1.5 of 8 processors"),
    ("valgrind", {"valgrind_version": "absent: valgrind is not installed"}, "absent: valgrind is not installed"),
    ("hardware counters", {"hardware_counters": "absent: not passed on"}, "absent: not passed on"),
    ("frequency governor", {"frequency_governor": "powersave"}, "powersave"),
    ("frequency governor", {"frequency_governor": "absent: no file"}, "absent: no file"),
    ("turbo", {"turbo": "on"}, "on"), ("turbo", {"turbo": "absent: no file"}, "absent: no file"),
    ("SMT", {"smt": "on"}, "on: two threads share a core"),
    ("address space", {"aslr": "off"}, "randomisation: off"),
    ("clock", {"clock_source": "hpet"}, "hpet, 1 ns"),
    ("virtual machine", {"hypervisor": "xen", "steal_ticks": 7}, "xen; ticks stolen since start: 7"),
    ("load", {"load_average_1_min": 2.5}, "2.50 over the last minute on 8 processors"),
    ("load", {"load_average_1_min": "absent: no /proc/loadavg"}, "absent: no /proc/loadavg")])
def test_advice(name, changes, found):
    """Each thing that disturbs a measurement, or limits it, is a warning that says what was found."""
    check = with_facts(name, **changes)
    assert (check.status, check.found) == ("warn", found)


def test_quota_as_large_as_the_machine_is_no_limit():
    """A quota that covers the usable processors is not warned about."""
    assert with_facts("processor quota", cgroup_cpu_quota_cpus=8.0) == Check("processor quota", "ok", "8.0")


def test_affinity_unknown_counts_all_processors():
    """Where the affinity is not told, the processors that are online count."""
    assert with_facts("processors", cpus_usable_count="absent: not told").status == "ok"


def test_counters_forbidden_names_the_setting():
    """Counters that a kernel setting forbids are brought by that setting."""
    check = with_facts("hardware counters", hardware_counters="absent: perf_event_paranoid is 4", perf_event_paranoid=4)
    assert check.remedy == "sysctl kernel.perf_event_paranoid=2"


def test_interpreter_that_lacks_everything():
    """Every lack of an interpreter is missing, with the command that brings it."""
    names = ("headers", "HPy", "cffi", "pyperf")
    bare = dataclasses.replace(interpreters.current(), tag="cpython3.11", include=None, hpy=None, cffi=None, pyperf=None,
                               missing=tuple((f"{name} (gone)", f"bring {name}") for name in names))
    assert doctor.of_interpreter(bare) == [
        Check(name, "missing", f"cpython3.11 lacks {name} (gone)", f"bring {name}") for name in names]


def test_interpreter_that_has_everything():
    """What an interpreter has is told by version; HPy with the version of its universal ABI."""
    whole = dataclasses.replace(interpreters.current(), include="/include", hpy="0.9.0", cffi="2.0", pyperf="2.9", missing=())
    assert [(check.status, check.found) for check in doctor.of_interpreter(whole)] == [
        ("ok", "/include"), ("ok", "0.9.0, ABI hpy0"), ("ok", "2.0"), ("ok", "2.9")]


def test_compiler_missing(tmp_path, monkeypatch):
    """No compiler on PATH is missing, with the command that brings one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert doctor.check_compiler() == Check(
        "compiler", "missing", "no C compiler: none of cc, gcc, clang is on PATH", "apt-get install gcc libc6-dev")


def test_compiler_without_the_c_library(tmp_path, monkeypatch):
    """A compiler that finds no headers of the C library is missing too, with its first error."""
    compiler = tmp_path / "bare-cc"
    compiler.write_text(f"#!/bin/sh\nexec '{environment.find_compiler()}' -nostdinc \"$@\"\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    check = doctor.check_compiler()
    assert (check.status, check.remedy) == ("missing", "apt-get install gcc libc6-dev")
    assert check.found.startswith(f"{compiler} does not compile: ") and "stdint.h" in check.found


def test_make_missing(tmp_path, monkeypatch):
    """No make on PATH is missing, with the command that brings it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.check_make() == Check("make", "missing", "no make on PATH", "apt-get install make")


@pytest.mark.parametrize("free_bytes, status", [(10_000_000_000, "ok"), (1_000_000_000, "warn"), (1_000_000, "missing")])
def test_disk(free_bytes, status):
    """Little room is warned about; too little for a build and a run is missing."""
    assert doctor._disk(free_bytes).status == status


@pytest.mark.parametrize("status, remedy", [("fine", ""), ("ok", "do nothing"), ("warn", ""), ("missing", "")])
def test_check_is_whole(status, remedy):
    """A finding has a known status, and a remedy exactly where it is not ok."""
    with pytest.raises(ValueError):
        Check("name", status, "found", remedy)
