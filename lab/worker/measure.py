"""One fresh process of the paired protocol: the arms of a block take turns, a batch each, in the order of the job.

Reads the job, a JSON object, from standard input and writes the answer, a JSON object, to the file descriptor that
LAB_ANSWER_FD names. Before each batch the job's progress file is told the benchmark and the arm, so that a crash names the
one that caused it.
"""

import glob
import json
import os
import sys
import time
import traceback
from contextlib import suppress

from batches import Cell
from counters import count_cells
from latencies import record as latency_record
from loading import Arm, CheckFailed, Lab

CALIBRATION_NS = 200000     # a batch this long tells the cost of a call well enough
# whole batches before the measured ones, where a compiler is at work while the code runs; of a single batch's length fewer
JIT_WARMUPS, JIT_WARMUPS_SINGLE = 10, 3


class Progress:
    """The file that says which benchmark and arm are running."""

    def __init__(self, path):
        self.told = ("", "")
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def tell(self, benchmark, arm):
        self.told = (benchmark, arm)
        os.pwrite(self.descriptor, ("%s\t%s" % (benchmark, arm)).ljust(200).encode(), 0)


class Steal:
    """Ticks that the hypervisor gave to others, since the last time it was asked; 0 where the kernel does not say."""

    def __init__(self):
        self.before = self._read()

    def since(self):
        now = self._read()
        ticks, self.before = now - self.before, now
        return ticks

    @staticmethod
    def _read():
        try:
            with open("/proc/stat", "rb") as stat:
                return int(stat.readline().split()[8])
        except (OSError, IndexError, ValueError):
            return 0


def arm_record(loops):
    return {"loops": loops, "values": [], "warmups": [], "positions": [], "voluntary": [], "involuntary": [], "faults": [],
            "migrations": [], "steal": []}


def record(into, value, position, run, steal):
    into["values"].append(value)
    into["positions"].append(position)
    into["voluntary"].append(run.disturbance.voluntary_switches)
    into["involuntary"].append(run.disturbance.involuntary_switches)
    into["faults"].append(run.disturbance.page_faults)
    into["migrations"].append(run.disturbance.migrations)
    into["steal"].append(steal)


def measure_cell(job, spec, cells, progress):
    """Run the rows of one benchmark; the answer's entry for it."""
    arms = {}
    for index, cell in sorted(cells.items()):
        arms[cell.arm.id] = arm_record(spec["loops"][cell.arm.id])
        progress.tell(spec["benchmark"], cell.arm.id)
        if cell.latencies is not None:      # each thread calls once before; the body runs no Python code to be compiled
            arms[cell.arm.id]["latencies"] = []
        elif sys.implementation.name == "pypy":
            count = JIT_WARMUPS_SINGLE if job["single"] else JIT_WARMUPS
            arms[cell.arm.id]["warmups"] = [cell.batch(spec["loops"][cell.arm.id])[0] for _ in range(count)]
        elif not job["single"]:         # caches and branch predictors: one batch that does not count
            cell.batch(max(1, spec["loops"][cell.arm.id] // 10))
    steal = Steal()
    for row in spec["rows"]:
        for position, index in enumerate(row):
            cell = cells[index]
            progress.tell(spec["benchmark"], cell.arm.id)
            value, run = cell.batch(spec["loops"][cell.arm.id])
            record(arms[cell.arm.id], value, position, run, steal.since())
            if cell.latencies is not None:
                arms[cell.arm.id]["latencies"].append(latency_record(cell))
    return {"benchmark": spec["benchmark"], "scenario": job["scenario"], "parameters": spec["parameters"], "arms": arms}


def calibrate_cell(job, spec, cells, progress):
    """What a call costs each arm, in nanoseconds: the fastest of three batches that are long enough.

    By the clock on the wall, with whatever a driver does outside its timed part, such as starting threads: that is what a
    batch costs the budget.
    """
    costs = {}
    for cell in cells.values():
        progress.tell(spec["benchmark"], cell.arm.id)
        repeats, loops = 1 if job["single"] else 3, 1
        fastest = min(wall_ns(cell, loops) for _ in range(repeats))
        # of three, as one that was held up would end the search with a batch far too short
        while not job["single"] and fastest < CALIBRATION_NS and loops < 1 << 24:
            loops *= 4
            fastest = min(wall_ns(cell, loops) for _ in range(repeats))
        costs[cell.arm.id] = fastest / loops
    return costs


def wall_ns(cell, loops):
    begin = time.monotonic()
    cell.batch(loops)
    return (time.monotonic() - begin) * 1e9


def run_job(job, progress):
    """All cells of the job, one benchmark after the other; the answer, with an "error" record if one of them failed."""
    lab = Lab(job["libraries"])
    answer = {"cells": [], "cost_ns": {}}
    arms, counted = {}, []
    try:
        for spec in job["cells"]:
            cells = {}
            for index in sorted({index for row in spec["rows"] for index in row}):
                progress.tell(spec["benchmark"], job["arms"][index]["id"])
                if index not in arms:
                    arms[index] = Arm(lab, job["arms"][index])
                cells[index] = Cell(lab, arms[index], job, spec["parameters"])
            if job["calibrate"]:
                answer["cost_ns"][spec["benchmark"]] = calibrate_cell(job, spec, cells, progress)
            else:
                answer["cells"].append(measure_cell(job, spec, cells, progress))
                counted.append((spec["benchmark"], spec["loops"], list(cells.values()), answer["cells"][-1]["arms"]))
        if not job["single"]:
            count_cells(counted, progress)      # after all that is timed
    except Exception as error:      # a failed check, a library that does not load, whatever an arm's Bind raised
        if not isinstance(error, CheckFailed):
            traceback.print_exc()
        benchmark, arm = progress.told
        answer["error"] = {"benchmark": benchmark, "arm": arm, "message": "%s: %s" % (type(error).__name__, error)}
    return answer


def fastest_mhz(system="/"):
    """The frequency of the processor that is fastest now, which is one at work; None where the kernel does not tell."""
    found = []
    for path in glob.glob(os.path.join(system, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")):
        with suppress(OSError, ValueError):
            with open(path) as source:
                found.append(int(source.read()) / 1000)
    if not found:
        with suppress(OSError, ValueError, IndexError):
            with open(os.path.join(system, "proc/cpuinfo")) as source:
                found = [float(line.split(":")[1]) for line in source if line.startswith("cpu MHz")]
    return max(found) if found else None


def collect_metadata():
    """What pyperf says of this interpreter and machine."""
    import pyperf
    metadata = pyperf.Run([1.0], metadata={"unit": "second"}, collect_metadata=True).get_metadata()
    # after everything was loaded: a build without the GIL takes it back for modules that do not say they can do without
    metadata["lab_python_build"] = " ".join(sys.version.split())    # when it was compiled, and by what
    metadata["lab_gil"] = "on" if getattr(sys, "_is_gil_enabled", lambda: True)() else "off"
    return metadata


def main():
    job = json.load(sys.stdin)
    descriptor = int(os.environ["LAB_ANSWER_FD"])
    progress = Progress(job["progress"])
    started = time.monotonic()
    before = fastest_mhz()
    answer = run_job(job, progress)
    frequencies = [mhz for mhz in (before, fastest_mhz()) if mhz is not None]
    answer["seconds"] = time.monotonic() - started
    answer["metadata"] = collect_metadata()
    if frequencies:
        answer["metadata"]["lab_mhz"] = ",".join("%.0f" % mhz for mhz in frequencies)     # when it began and ended
    with os.fdopen(descriptor, "w") as out:
        json.dump(answer, out)


if __name__ == "__main__":
    main()
