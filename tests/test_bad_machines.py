"""A clock that goes back, counts that are not those asked for, a frequency that changes: refused or flagged by name."""

import dataclasses
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from run_in_worker import Worker
from synthetic import make_metadata, make_run
from test_driver import Mock, arms_of, measure
from test_worker import work  # noqa: F401 - a fixture

from lab import environment, report, results, samples
from lab.analysis import cells
from lab.executor import ProcessExecutor

WORKER = Path(__file__).resolve().parent.parent / "lab" / "worker"
# For the native library alone the time of a reading is what it was, less [STEP_NS] for every reading before, where it is due.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long readings;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    Dl_info caller;
    int status = (int)syscall(SYS_clock_gettime, clock, now);
    if (!dladdr(__builtin_return_address(0), &caller) || strstr(caller.dli_fname, "libhpylab_native") == NULL)
        return status;
    if (STUCK) {
        now->tv_sec = now->tv_nsec = 1;
    } else if (++readings == DUE) {
        now->tv_sec -= 5;
    }
    return status;
}
"""


@pytest.fixture
def clock(tmp_path):
    """A function that makes the variables for a worker whose clock goes back 5 s once, at reading [due], or is stuck."""
    def make(due, stuck=0):
        source, library = tmp_path / "clock.c", tmp_path / f"clock{due}.so"
        source.write_text(CLOCK)
        subprocess.run([environment.find_compiler(), "-shared", "-fPIC", f"-DDUE={due}", f"-DSTUCK={stuck}", "-o", str(library),
                        str(source), "-ldl"], check=True)
        return {"LD_PRELOAD": str(library)}
    return make


def job(libraries, interpreter, name, arms, loops, acquisition=None):
    """A job of one benchmark with two rounds, as the scheduler would give it."""
    from lab import catalogue
    scenario, worker = catalogue.scenarios()[name], Worker(interpreter, libraries)
    parameters = {"acquisition": acquisition} if acquisition else scenario.cells()[0]
    cell = {"benchmark": catalogue.benchmark_name(name, parameters), "parameters": parameters,
            "rows": [list(range(len(arms)))] * 2, "loops": dict.fromkeys(arms, loops)}
    return {"scenario": name, "body": scenario.body, "thread": scenario.thread, "unit": scenario.unit,
            "requires": list(scenario.requires), "size": scenario.size, "single": scenario.single,
            "setup": str(scenario.folder / "setup.py"), "libraries": libraries.for_worker(interpreter.tag),
            "arms": [worker.arm(arm) for arm in arms], "calibrate": False, "cells": [cell]}


@pytest.mark.parametrize("due, stuck, says", [(6, 0, "the clock went backwards"), (1, 1, "the clock did not advance")])
def test_a_clock_that_does_not_advance(clock, interpreter, libraries, due, stuck, says):
    """A clock that goes back within a batch, or stands still, is an error of that worker; with a good one the job runs."""
    asked = job(libraries, interpreter, "attached_call", ["control/pass_ctx", "hpyvm/pointer"], 100)
    assert "error" not in ProcessExecutor(interpreter.path, WORKER / "measure.py").execute(asked, 30.0)
    bad = ProcessExecutor(interpreter.path, WORKER / "measure.py", {**os.environ, **clock(due, stuck)})
    error = bad.execute(asked, 30.0)["error"]
    assert says in error["message"] and error["benchmark"] == "attached_call[mode=throughput]"


def test_a_clock_that_goes_back_in_one_of_many_calls(clock, interpreter, libraries):
    """Where each call is timed singly, one that ends before it began is not made up for by the others."""
    asked = job(libraries, interpreter, "foreign_thread", ["peer/save_restore", "hpyvm/pointer"], 300, "first")
    executor = ProcessExecutor(interpreter.path, WORKER / "measure.py", {**os.environ, **clock(180)})
    assert "the clock went backwards" in executor.execute(asked, 30.0)["error"]["message"]


def test_other_counts_of_calls_are_refused():
    """A batch of another number of calls than was asked is no batch of this run: its arm fails by name, the rest goes on."""
    def trouble(job):
        if not job["calibrate"] and job["scenario"] == "call" and "arm0" in arms_of(job, job["cells"][0]):
            answer = {"metadata": {}, "cells": [helper.measure(job, cell, 0.01) for cell in job["cells"]]}
            answer["cells"][0]["arms"]["arm0"]["loops"] += 1
            return answer
    helper = Mock(lambda: 0.0)
    _, store, *_ = measure(trouble=trouble)
    assert [(each["benchmark"], each["arm"]) for each in store.failures] == [("call[n=0]", "arm0")]
    assert re.fullmatch(r"made \d+ calls in a batch where \d+ were asked", store.failures[0]["what"])
    assert any(scenario == "call" for scenario, *_ in store.added)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A made-up run of processes at 2600 MHz, of which some tell other frequencies."""
    made = results.load(make_run(tmp_path_factory.mktemp("run") / "warm", processes=6, rounds=2))
    processes = sorted(set(made.samples["process"]))
    steady = {process: (2600.0, 2610.0) for process in processes}
    return dataclasses.replace(made, samples=made.samples.assign(involuntary=0),
                               mhz={**steady, processes[2]: (2600.0, 1200.0), processes[5]: (3100.0, 3100.0)})


def test_another_frequency_flags_the_process(run):
    """All batches of a process that began or ended at another frequency are flagged, and no others."""
    chosen = sorted(set(run.samples["process"]))
    assert cells.other_frequency(run) == [chosen[2], chosen[5]]
    assert cells.contaminated(run).tolist() == run.samples["process"].isin([chosen[2], chosen[5]]).tolist()
    assert cells.contaminated(dataclasses.replace(run, mhz={})).sum() == 0     # a machine that does not tell


def test_the_report_tells_a_frequency_that_changed(run, tmp_path):
    """The report says between which frequencies the processor was, and how many processes are flagged for it."""
    text = unescape(re.sub(r"<[^>]*>", "", report.render(run, tmp_path / "report").read_text(encoding="utf-8")))
    told = f"changed while the run measured: 1200 to 3100 MHz. All batches of 2 of {len(run.mhz)} processes are flagged"
    assert told in " ".join(text.split())


def test_frequencies_travel_with_the_samples():
    """What a worker tells of its frequency is stored with each process, and one that tells none has none."""
    series = {name: [0] for name in ("positions", *samples.COUNTERS)}
    cell = {"benchmark": "b", "scenario": "s", "arms": {"control/a": {"loops": 5, "values": [1e-9], **series}}}
    sheet, suites = {"interpreter": "cpython3.11", "scenario": "s", "block": 0}, {}
    for process, told in ((1, {"lab_mhz": "2600,1200"}), (2, {}), (3, {"lab_mhz": "900"})):
        answer = {"metadata": {**make_metadata(), **told}, "cells": [cell]}
        samples.merge(suites, samples.runs_of_answer(answer, sheet, process, 1, {"s": "control/a"}))
    again = {path: samples.load_suite(samples.dump_suite(benchmarks)) for path, benchmarks in suites.items()}
    assert samples.frequencies(again) == {1: (2600.0, 1200.0), 3: (900.0,)}


def test_the_frequency_is_that_of_the_fastest_processor(tmp_path):
    """From cpufreq where there is one, else from cpuinfo; nothing where neither tells."""
    script = f"import sys; sys.path.insert(0, {str(WORKER)!r}); import measure; print(measure.fastest_mhz({str(tmp_path)!r}))"

    def told():
        return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()

    assert told() == "None"
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text("processor : 0\ncpu MHz\t\t: 1200.5\n\nprocessor : 1\ncpu MHz\t\t: 3000.0\n")
    assert told() == "3000.0"
    for number, khz in ((0, "800000"), (1, "4100000")):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{number}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_cur_freq").write_text(khz + "\n")
    assert told() == "4100.0"


def test_a_real_worker_tells_its_frequency(work):  # noqa: F811
    """On this machine the frequency before and after is in the metadata, as far as the kernel tells one."""
    answer = work("attached_call", ["control/pass_ctx", "hpyvm/pointer"])
    cpuinfo = Path("/proc/cpuinfo").read_text()
    told = "cpu MHz" in cpuinfo or any(Path("/sys/devices/system/cpu").glob("cpu*/cpufreq/scaling_cur_freq"))
    assert bool(re.fullmatch(r"\d+,\d+", answer["metadata"].get("lab_mhz", ""))) == told
