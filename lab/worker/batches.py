"""Batches: one arm in one cell, run for a number of loops, with its result checked outside the timed part.

What is special about a scenario lies in setup.py in its folder, which may define
    prepare(cell)          before the first batch: fill in cell.run, set cell.data, a callable for the bodies
    expected(cell)         the checksum a batch must end with, where it is not loops * arg
    beside(cell, running)  of a scenario that measures latencies: what the main thread does while running() is true
"""

import importlib.util
import os

import latencies
from loading import BARE, LEAVE, MODES, CheckFailed

ARG = 7                     # what the callback is called with, unless the scenario says otherwise


class Cell:
    """One arm in one cell: the batch's native_run with everything that stays the same from batch to batch."""

    def __init__(self, lab, arm, job, parameters):
        self.lab, self.arm, self.parameters = lab, arm, parameters
        self.body, self.data, self.keep = job["body"], 0, []
        self.driver = lab.driver(job["scenario"])
        self.flags = (0 if job["thread"] == "attached" else LEAVE) | (BARE if "bare" in job["requires"] else 0)
        self.run = lab.new_run()
        self.run.arg, self.run.loops, self.run.size = ARG, 1, job["size"]
        self.run.mode = MODES[parameters.get("mode", "throughput")]
        self.latencies = latencies.prepare(self, job) if job.get("measures") == "latency" else None
        self.setup = load_setup(job)
        if hasattr(self.setup, "prepare"):
            self.setup.prepare(self)

    def batch(self, loops):
        """Run one batch; returns (seconds for each call, native_run). Raises CheckFailed, OSError."""
        run = self.run
        run.loops = loops
        if self.latencies is None:
            self.start()
        else:
            latencies.drive(self)
        if run.refused or run.raised:
            raise CheckFailed("%d of %d callbacks were refused, %d raised" % (run.refused, run.calls, run.raised))
        expected = self.setup.expected(self) if hasattr(self.setup, "expected") else loops * run.arg
        if run.checksum != expected:
            raise CheckFailed("the batch's checksum is %d, not %d" % (run.checksum, expected))
        if run.elapsed_ns <= 0 or run.calls <= 0:
            what = "went backwards" if run.elapsed_ns < 0 else "did not advance"
            raise CheckFailed("%d ns for %d calls: the clock %s" % (run.elapsed_ns, run.calls, what))
        return run.elapsed_ns / run.calls * 1e-9, run

    def start(self):
        """Let the driver run, on the thread that calls this."""
        self.arm.drive(self.driver, self.run, self.body, self.data, self.flags)


def load_setup(job):
    """The scenario's setup.py as a module, or None."""
    path = job.get("setup")
    if not path or not os.path.exists(path):
        return None
    spec = importlib.util.spec_from_file_location("scenario_setup", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
