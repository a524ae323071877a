"""The plain way: one arm measured by an ordinary pyperf.Runner, for those who trust nothing else.

    python plain.py --job JOB [pyperf's own options]

JOB is a file with the job of a sheet whose "arms" hold one arm; each of its cells becomes a benchmark of that name. pyperf
itself calibrates, spawns the processes and writes the results; this file only says what a loop is.
"""

import json
import sys

import pyperf

from batches import Cell
from loading import Arm, Lab


def forward_job(command, args):
    """pyperf starts its worker processes with the arguments that this adds."""
    command.extend(["--job", args.job])


def timed(cell):
    """The function that pyperf calls with a number of loops; it answers seconds."""
    def run(loops):
        value, batch = cell.batch(loops)
        return value * loops
    return run


def main():
    runner = pyperf.Runner(values=3, warmups=1, min_time=0.005, add_cmdline_args=forward_job)
    runner.argparser.add_argument("--job", required=True)
    args = runner.parse_args()
    with open(args.job) as source:
        job = json.load(source)
    arm = None
    for spec in job["cells"]:
        # the managing process only spawns others: nothing is loaded there
        cell = None
        if args.worker:
            arm = arm or Arm(Lab(job["libraries"]), job["arms"][0])
            cell = Cell(arm.lab, arm, job, spec["parameters"])
        runner.bench_time_func(spec["benchmark"], timed(cell) if cell else lambda loops: 0.0,
                               metadata={"lab_arm": job["arms"][0]["id"], "lab_scenario": job["scenario"]})


if __name__ == "__main__":
    sys.exit(main())
