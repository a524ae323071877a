"""Counters of processor and kernel: software ones count what happens, absent ones say why, and the report has both."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from synthetic import INTERPRETER, make_run
from test_worker import work  # noqa: F401 - a fixture

from lab import report, results
from lab.analysis import counters

WORKER = Path(__file__).resolve().parent.parent / "lab" / "worker"
HARDWARE = {"cycles", "instructions", "branch_misses", "cache_misses"}
SOFTWARE = {"task_clock_ns", "context_switches", "page_faults", "migrations"}
CELL = "attached_call[mode=throughput]"
COUNT = f"""
import json, os, sys, threading, time
sys.path.insert(0, {str(WORKER)!r})
import counters

def threads(work):
    started = [threading.Thread(target=work) for _ in range(3)]
    [each.start() for each in started]
    [each.join() for each in started]

def busy():
    end = time.thread_time() + 0.03
    while time.thread_time() < end: pass

%s
counted = counters.Counters()
found = [counted.count(work) for work in (
    lambda: None, lambda: bytearray(b"x") * (64 << 20), lambda: [time.sleep(0.001) for _ in range(30)], lambda: threads(busy))]
counted.close()
print(json.dumps([found, sorted(counted.usage)]))
"""


def counted_by(python, before=""):
    """What four pieces of work made the counters count on an interpreter, and which of them getrusage told."""
    done = subprocess.run([python, "-c", COUNT % before], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(found):
    """Faults, switches and processor time are counted where they happen, those of threads too, and each counter once."""
    nothing, memory, sleeps, busy = (each["values"] for each in found)
    for each in found:
        assert each["values"].keys() | each["absent"].keys() == HARDWARE | SOFTWARE
        assert not each["values"].keys() & each["absent"].keys() and all(each["absent"].values())
        assert SOFTWARE - {"migrations"} <= each["values"].keys()
    assert memory["page_faults"] >= 64 * 256 / 2 > 10 * nothing["page_faults"]      # half of it, where pages are large
    assert sleeps["context_switches"] >= 30 and nothing["context_switches"] < 10
    assert busy["task_clock_ns"] >= 3 * 28_000_000 > 28_000_000 > nothing["task_clock_ns"]


def test_what_happens_is_counted():
    """On this machine the software counters are the kernel's; the processor's are there, or absent with errno and setting."""
    found, _ = counted_by(sys.executable)
    check(found)
    for why in found[0]["absent"].values():
        assert re.search(r"\((ENOENT|ENODEV|EOPNOTSUPP|EACCES|EPERM|ENOSYS), (perf_event_paranoid is -?\d|and there is no )", why)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_what_is_forbidden_says_so():
    """Who may not count in the kernel is told so for migrations, and has the rest of the software counters from getrusage."""
    setting = Path("/proc/sys/kernel/perf_event_paranoid")
    if not setting.exists() or int(setting.read_text()) < 2:
        pytest.skip("here everyone may count")
    # what cffi imports late may lie where nobody cannot read
    found, usage = counted_by(sys.executable, "import cffi; cffi.FFI().cdef('int late(void);'); os.setuid(65534)")
    check(found)
    assert usage == sorted(SOFTWARE - {"migrations"})
    assert re.match(r"forbidden \(E(ACCES|PERM), perf_event_paranoid is \d\)$", found[0]["absent"]["migrations"])


def test_on_every_interpreter(interpreters_given):
    """Counters count alike on every interpreter that can be measured."""
    for each in interpreters_given:
        check(counted_by(each.path)[0])


def test_a_shared_register_is_no_count():
    """A counter that ran for a part of the time only is absent for that batch, not scaled up."""
    script = f"""
import json, sys
sys.path.insert(0, {str(WORKER)!r})
import counters

class Shared(counters.Counters):
    times = iter([{{"cycles": (0, 0, 0), "instructions": (5, 0, 0)}},
                  {{"cycles": (90, 100, 60), "instructions": (25, 100, 100)}}])
    def read(self):
        return next(self.times)

print(json.dumps(Shared().count(lambda: None)))
"""
    found = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
    assert found["values"] == {"instructions": 20}
    assert found["absent"]["cycles"] == "counted for 60 of 100 ns: it shares its register with others"


def test_a_worker_counts_after_it_has_timed(work):  # noqa: F811
    """Each arm of a cell has the counts of one batch of as many calls as those timed; one long call is not repeated."""
    answer = work("attached_call", ["control/pass_ctx", "peer/pygilstate"], loops=500)
    for arm in answer["cells"][0]["arms"].values():
        assert (arm["counters"]["calls"], len(arm["values"])) == (500, 2)
        assert arm["counters"]["values"]["task_clock_ns"] > 500
    answer = work("native_sort", ["control/cached_ctx", "peer/pygilstate"], single=True, loops=1)
    assert all("counters" not in arm for arm in answer["cells"][0]["arms"].values())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A made-up run of 8 processes with planted counters: hpyvm/pointer takes 12 cycles more than the reference."""
    made = results.load(make_run(tmp_path_factory.mktemp("run") / "counted", processes=8, rounds=2))
    why = {"cache_misses": "the processor has no such counter (ENODEV, perf_event_paranoid is 2)"}
    rows = [{"interpreter": INTERPRETER, "scenario": "attached_call", "benchmark": CELL, "arm": arm, "process": process,
             "calls": 1000, "values": {"cycles": 1000 * (cycles + process), "page_faults": 3}, "absent": why}
            for arm, cycles in (("control/pass_ctx", 10), ("hpyvm/pointer", 22)) for process in range(8)]
    return dataclasses.replace(made, counters=rows)


def test_added_is_within_processes(run):
    """What an arm adds is taken within each process: what processes differ by is not in it."""
    reference, form = counters.analyse(run)
    assert (reference.arm, reference.added, form.processes) == ("control/pass_ctx", {}, 8)
    assert (form.total["cycles"].point, form.total["cycles"].low, form.total["cycles"].high) == (25.5, 22, 29)
    assert (form.added["cycles"].point, form.added["cycles"].low, form.added["cycles"].high) == (12, 12, 12)
    assert (form.total["page_faults"].point, form.added["page_faults"].point) == (3000, 0)      # in a million calls


def test_the_report_has_counts_and_what_is_absent(run, tmp_path):
    """The scenario's section has a row for each arm, and says which counter is absent, and why."""
    path = report.render(run, tmp_path / "report")
    text = " ".join(re.sub(r"<[^>]*>", " ", unescape(path.read_text(encoding="utf-8"))).split())
    section = text[text.index("Counters of processor and kernel for a call on"):]
    assert text.count("Counters of processor and kernel") == 1
    assert "Cache misses: absent, the processor has no such counter (ENODEV, perf_event_paranoid is 2)." in section
    row = r"hpyvm/pointer \+12 \[\+12, \+12\] 25\.5 \[22, 29\] \+0 \[\+0, \+0\] 3000 \[3000, 3000\]"
    assert re.search(row, section), section[:900]


@pytest.mark.parametrize("counted", [
    {"calls": 0, "values": {}, "absent": {}}, {"calls": 5, "values": {"cycles": -1}, "absent": {}},
    {"calls": 5, "values": {"cycles": 1.5}, "absent": {}}, {"calls": 5, "absent": {}}, {"calls": 5, "values": {}}])
def test_counts_that_make_no_sense_are_refused(counted):
    """An answer with such counters is refused whole, as one with a value of 0 is."""
    from synthetic import make_metadata

    from lab import samples
    from lab.errors import WorkerError
    series = {name: [0] for name in ("positions", *samples.COUNTERS)}
    arm = {"loops": 5, "values": [1e-9], "counters": counted, **series}
    answer = {"metadata": make_metadata(), "cells": [{"benchmark": CELL, "scenario": "attached_call", "parameters": {},
                                                      "arms": {"control/pass_ctx": arm}}]}
    sheet = {"interpreter": INTERPRETER, "scenario": "attached_call", "block": 0}
    with pytest.raises(WorkerError, match="answered nonsense"):
        samples.runs_of_answer(answer, sheet, 1, 1, {"attached_call": "control/pass_ctx"})
    sound = {**arm, "counters": {"calls": 5, "values": {"cycles": 50}, "absent": {}}}
    answer["cells"][0]["arms"] = {"control/pass_ctx": sound}
    rows = samples.counter_rows(samples.runs_of_answer(answer, sheet, 1, 1, {"attached_call": "control/pass_ctx"}))
    assert [(row["values"], row["calls"], row["process"]) for row in rows] == [({"cycles": 50}, 5, 1)]
