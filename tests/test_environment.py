"""The facts of a machine: this one's as kernel and tools tell them, and other machines' as files laid out like theirs."""

import os
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from lab import environment
from lab.errors import MissingTool

TOP = Path(__file__).resolve().parent.parent
CPU = "sys/devices/system/cpu"
CGROUP = "sys/fs/cgroup"
DMI = "sys/class/dmi/id"


def machine(folder, **files):
    """A root of a file system in [folder] with the [files], text by path; returns it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def fact(name, folder, **files):
    """The fact [name] of a machine with the [files]."""
    return environment.facts(TOP, machine(folder, **files))[name]


def git(folder, *arguments):
    subprocess.run(["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments], check=True,
                   capture_output=True)


@pytest.fixture(scope="module")
def here():
    """The facts of the machine that runs the tests."""
    return environment.facts(TOP)


def test_every_fact_is_a_scalar_or_says_why_absent(here):
    """Each value is a scalar; one that is absent gives a reason on one line."""
    for name, value in here.items():
        assert isinstance(value, (str, int, float, bool)), name
        assert value != "" and "\n" not in str(value), name
        if environment.is_absent(value):
            assert len(value) > len(environment.ABSENT), name


def test_facts_of_the_running_system(here):
    """What Python itself knows of the system agrees."""
    assert (here["kernel"], here["architecture"]) == (platform.release(), platform.machine())
    assert here["cpus_online_count"] == os.cpu_count()
    assert here["clock_resolution_ns"] == round(time.clock_getres(time.CLOCK_MONOTONIC) * 1e9)
    assert here["libc"] == os.confstr("CS_GNU_LIBC_VERSION")


def test_affinity(here):
    """The processors that this process may use, listed and counted."""
    usable = sorted(os.sched_getaffinity(0))
    assert (here["cpus_usable"], here["cpus_usable_count"]) == (",".join(map(str, usable)), len(usable))


def test_memory(here):
    """Memory in bytes, as sysconf counts it, and some of it available."""
    assert here["memory_total_bytes"] == pytest.approx(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), rel=0.05)
    assert 0 < here["memory_available_bytes"] <= here["memory_total_bytes"]


def test_load(here):
    """The load averages of one, five and fifteen minutes."""
    now = os.getloadavg()
    assert [here[f"load_average_{n}_min"] for n in (1, 5, 15)] == pytest.approx(now, abs=2.0)


def test_compiler_version(here):
    """The first line of what the compiler says of itself."""
    said = subprocess.run([here["compiler"], "--version"], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    assert here["compiler_version"] == said.stdout.splitlines()[0]


def test_valgrind_there_or_absent(here):
    """Valgrind's version, or that it is not installed."""
    if shutil.which("valgrind"):
        assert re.fullmatch(r"\d+\.\d+.*", here["valgrind_version"])
    else:
        assert here["valgrind_version"] == "absent: valgrind is not installed"


def test_lab_version(here):
    """The version of the checkout's pyproject.toml."""
    assert here["lab_version"] == re.search(r'^version = "(.+)"$', (TOP / "pyproject.toml").read_text(), re.M).group(1)


def test_empty_machine_raises_nothing(tmp_path):
    """On a machine without proc and sys every fact read there is absent, with the file that is not there."""
    found = environment.facts(tmp_path, tmp_path)
    assert found["cpu_model"] == "absent: no /proc/cpuinfo"
    assert found["frequency_governor"] == f"absent: no /{CPU}/cpu0/cpufreq/scaling_governor"
    assert found["steal_ticks"] == "absent: no /proc/stat"
    assert list(found) == list(environment.facts(TOP))


def test_garbage_raises_nothing(tmp_path):
    """A file with something else in it makes the fact absent with what was found."""
    assert fact("load_average_1_min", tmp_path, **{"proc/loadavg": "busy"}) == (
        "absent: ValueError: could not convert string to float: 'busy'")


def test_governor(tmp_path):
    """The frequency governor of the first processor."""
    assert fact("frequency_governor", tmp_path, **{f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave\n"}) == "powersave"


@pytest.mark.parametrize("name, text, expected", [
    ("intel_pstate/no_turbo", "0\n", "on"), ("intel_pstate/no_turbo", "1\n", "off"),
    ("cpufreq/boost", "1\n", "on"), ("cpufreq/boost", "0\n", "off")])
def test_turbo(tmp_path, name, text, expected):
    """Turbo by either driver's file; one of them counts in the other direction."""
    assert fact("turbo", tmp_path, **{f"{CPU}/{name}": text}) == expected


@pytest.mark.parametrize("text, expected", [("0", "off"), ("1", "on, without the heap"), ("2", "on")])
def test_aslr(tmp_path, text, expected):
    """Address-space randomisation in words."""
    assert fact("aslr", tmp_path, **{"proc/sys/kernel/randomize_va_space": text}) == expected


@pytest.mark.parametrize("text, expected", [("0", "off"), ("1", "on")])
def test_smt(tmp_path, text, expected):
    """Whether two threads share a core."""
    assert fact("smt", tmp_path, **{f"{CPU}/smt/active": text}) == expected


@pytest.mark.parametrize("files, expected", [
    ({"proc/self/cgroup": "0::/a/b\n", f"{CGROUP}/a/b/cpu.max": "max 100000\n"}, "none"),
    ({"proc/self/cgroup": "0::/a/b\n", f"{CGROUP}/a/b/cpu.max": "150000 100000\n"}, 1.5),
    ({"proc/self/cgroup": "0::/a/b\n", f"{CGROUP}/a/b/cpu.max": "300000 100000\n", f"{CGROUP}/a/cpu.max": "50000 100000\n"},
     0.5),
    ({"proc/self/cgroup": "0::/\n", f"{CGROUP}/cgroup.controllers": "cpu memory\n"}, "none"),
    ({"proc/self/cgroup": "3:memory:/x\n2:cpu,cpuacct:/job\n", f"{CGROUP}/cpu,cpuacct/job/cpu.cfs_quota_us": "200000\n",
      f"{CGROUP}/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n"}, 2.0),
    ({"proc/self/cgroup": "1:cpu:/\n", f"{CGROUP}/cpu/cpu.cfs_quota_us": "-1\n", f"{CGROUP}/cpu/cpu.cfs_period_us": "100000\n"},
     "none"),
    ({"proc/self/cgroup": "0::/\n"}, "absent: no cpu controller in /sys/fs/cgroup")])
def test_cgroup_quota(tmp_path, files, expected):
    """The smallest quota of the enclosing cgroups, of version 2 and of version 1, in processors."""
    assert fact("cgroup_cpu_quota_cpus", tmp_path, **files) == expected


@pytest.mark.parametrize("files, expected", [
    ({"proc/cpuinfo": "flags : fpu vme\n"}, "none seen"),
    ({"proc/cpuinfo": "flags : fpu hypervisor\n"}, "one is there, which one is not told"),
    ({"proc/cpuinfo": "flags : hypervisor\n", f"{DMI}/sys_vendor": "QEMU\n", f"{DMI}/product_name": "Standard PC\n"},
     "QEMU Standard PC"),
    ({"sys/hypervisor/type": "xen\n"}, "xen"),
    ({"proc/cpuinfo": "Features : fp asimd\n"}, "absent: /proc/cpuinfo has no flags")])
def test_hypervisor(tmp_path, files, expected):
    """A hypervisor is told by the kernel, by the processor's flag, or not at all."""
    assert fact("hypervisor", tmp_path, **files) == expected


def test_steal(tmp_path):
    """Stolen ticks are the eighth count of all processors together."""
    assert fact("steal_ticks", tmp_path, **{"proc/stat": "cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n"}) == 88


@pytest.mark.parametrize("device, paranoid, root, expected", [
    ("cpu", "2", False, "cpu"), ("armv8_pmuv3_0", "1", False, "armv8_pmuv3_0"), ("cpu", "3", True, "cpu"),
    ("cpu", "3", False, "absent: perf_event_paranoid is 3"),
    ("software", "2", False, "absent: the processor's counters are not passed on to this machine")])
def test_hardware_counters(tmp_path, monkeypatch, device, paranoid, root, expected):
    """Counters are there when the kernel has a processor's device for them and lets this user ask."""
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    assert fact("hardware_counters", tmp_path, **{
        f"sys/bus/event_source/devices/{device}/type": "4\n", "proc/sys/kernel/perf_event_paranoid": paranoid}) == expected


def test_git_revision_and_dirty_flag(tmp_path):
    """A clean checkout has its revision and is not dirty; an untracked file makes it dirty."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    head = subprocess.run(["git", "-C", tmp_path, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    clean = environment.facts(tmp_path)
    assert (clean["git_revision"], clean["git_dirty"]) == (head, False)
    (tmp_path / "new.c").write_text("int x;\n")
    assert environment.facts(tmp_path)["git_dirty"] is True


def test_git_outside_a_repository(tmp_path):
    """Without a repository, and inside somebody else's, the revision is absent and says why."""
    assert "not a git repository" in environment.facts(tmp_path)["git_revision"]
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    (tmp_path / "inner").mkdir()
    found = environment.facts(tmp_path / "inner")
    assert found["git_revision"] == found["git_dirty"] == "absent: the lab lies inside another repository"


def test_tools_that_are_not_installed(tmp_path, monkeypatch):
    """Without any tool on PATH the facts they would tell are absent, by name."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    found = environment.facts(TOP)
    assert found["compiler"] == found["compiler_version"] == "absent: no C compiler: none of cc, gcc, clang is on PATH"
    assert found["git_revision"] == "absent: git is not installed"
    assert found["valgrind_version"] == "absent: valgrind is not installed"


def test_tool_that_fails(tmp_path, monkeypatch):
    """A tool that fails makes its fact absent, with its last words."""
    (tmp_path / "valgrind").write_text("#!/bin/sh\necho 'cannot run here' >&2\nexit 3\n")
    (tmp_path / "valgrind").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert environment.facts(TOP)["valgrind_version"] == "absent: cannot run here"


def compilers(folder, *names):
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


def test_find_compiler_in_order(tmp_path, monkeypatch):
    """The first of cc, gcc and clang that is there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    compilers(tmp_path, "clang")
    assert environment.find_compiler() == str(tmp_path / "clang")
    compilers(tmp_path, "gcc")
    assert environment.find_compiler() == str(tmp_path / "gcc")


def test_find_compiler_by_variable(tmp_path, monkeypatch):
    """CC comes before all others."""
    compilers(tmp_path, "cc", "my-cc")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "my-cc")
    assert environment.find_compiler() == str(tmp_path / "my-cc")


def test_no_compiler_names_the_command(tmp_path, monkeypatch):
    """Without a compiler the command that brings one is told."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(MissingTool) as caught:
        environment.find_compiler()
    assert caught.value.remedy == "apt-get install gcc libc6-dev"


def test_compiler_of_the_variable_not_there(tmp_path, monkeypatch):
    """A CC that is no program is refused, and no other compiler is taken in its place."""
    compilers(tmp_path, "cc")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "cc -m32")
    with pytest.raises(MissingTool) as caught:
        environment.find_compiler()
    assert caught.value.message == "no C compiler: CC=cc -m32 is no program on PATH"
