"""One process of Google Benchmark: the arms of the job one after the other, each with its repetitions, as its own main() has it.

Reads the job from standard input and writes the answer to the file descriptor that LAB_ANSWER_FD names, as measure.py does.
The job's "drivers" hold the library with Google Benchmark in it under the scenario's name.
"""

import json
import os
import sys
import traceback

from batches import Cell
from loading import Arm, CheckFailed, Lab


def repetitions(lab, library, cell, job):
    """What the repetitions of one arm took: nanoseconds per call."""
    run = cell.run
    run.loops, run.size = job["repetitions"], job["minimum_us"]
    cell.arm.drive(cell.driver, run, cell.body, cell.data, cell.flags)
    if run.refused or run.raised or run.checksum != run.calls * run.arg:
        raise CheckFailed("%d calls were refused, %d raised; the checksum is %d" % (run.refused, run.raised, run.checksum))
    return [library.hpylab_repetition(index) for index in range(job["repetitions"])]


def run_job(job):
    lab, answer, running = Lab(job["libraries"]), {"arms": {}}, None
    lab.ffi.cdef("double hpylab_repetition(int64_t index);")
    library = lab.ffi.dlopen(job["libraries"]["drivers"][job["scenario"]])
    try:
        cells = {}
        for arm in job["arms"]:
            running = arm["id"]
            cells[running] = Cell(lab, Arm(lab, arm), job, {"mode": "throughput"})
        for running, cell in cells.items():
            answer["arms"][running] = repetitions(lab, library, cell, job)
    except Exception as error:      # a failed check, a library that does not load, whatever an arm's Bind raised
        traceback.print_exc()
        answer["error"] = {"benchmark": None, "arm": running, "message": "%s: %s" % (type(error).__name__, error)}
    return answer


def main():
    job = json.load(sys.stdin)
    answer = run_job(job)
    with os.fdopen(int(os.environ["LAB_ANSWER_FD"]), "w") as out:
        json.dump(answer, out)


if __name__ == "__main__":
    main()
