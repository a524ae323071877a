"""Runs known numbers of callbacks where a counting valgrind watches: every batch is one call of hpylab_drive.

Reads the job, a JSON object, from standard input and writes the answer, a JSON object, to the file descriptor that
LAB_ANSWER_FD names: the batches in the order they ran, those that warm up included. What each executed is in the files that
callgrind wrote, one for each call of hpylab_drive, in the same order.
"""

import gc
import json
import os
import sys
import traceback

from batches import Cell
from loading import Arm, Lab
from measure import Progress


def count_cell(job, spec, cells, progress):
    """One benchmark's batches, as they ran: for each arm those that warm up, then job["calls"] in turn."""
    batches = []
    for cell in cells:
        progress.tell(spec["benchmark"], cell.arm.id)
        for calls in [job["calls"][0]] * job["warmups"] + job["calls"] * job["repeats"]:
            cell.batch(calls)
            batches.append({"benchmark": spec["benchmark"], "arm": cell.arm.id, "calls": calls})
    return batches


def run_job(job, progress):
    lab, arms, batches = Lab(job["libraries"]), {}, []
    gc.disable()                # a collection would be in the count of whichever batch it came in
    try:
        for spec in job["cells"]:
            cells = []
            for index in spec["arms"]:
                progress.tell(spec["benchmark"], job["arms"][index]["id"])
                if index not in arms:
                    arms[index] = Arm(lab, job["arms"][index])
                cells.append(Cell(lab, arms[index], spec["scenario"], spec["parameters"]))
            batches += count_cell(job, spec, cells, progress)
    except Exception as error:
        traceback.print_exc()
        benchmark, arm = progress.told
        return {"error": {"benchmark": benchmark, "arm": arm, "message": "%s: %s" % (type(error).__name__, error)}}
    return {"batches": batches}


def main():
    job = json.load(sys.stdin)
    answer = run_job(job, Progress(job["progress"]))
    with os.fdopen(int(os.environ["LAB_ANSWER_FD"]), "w") as out:
        json.dump(answer, out)


if __name__ == "__main__":
    main()
