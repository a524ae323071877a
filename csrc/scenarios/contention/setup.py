"""Tells the driver how many threads call how often, and keeps Python busy beside them.

Each thread calls 100 times a second. A CPython main thread that is busy lets go of its lock at most 200 times a second, as its
switch interval is 5 ms: one thread asks for half of that, and threads that wait together can be served one after another.
"""

import time

GAP_NS = 10000000
ARRIVALS = 6                # of each thread in a batch
BUSY_S = 0.001              # load "half": so long busy, then as long asleep
STEPS = 100                 # of Python code between two looks at whether the batch is over


def prepare(cell):
    cell.run.size = cell.parameters["threads"]
    cell.latencies.arrivals, cell.latencies.gap_ns = ARRIVALS, GAP_NS


def expected(cell):
    return cell.run.size * cell.latencies.arrivals      # the body answers 1


def beside(cell, running):
    load = cell.parameters["load"]
    while load != "never" and running():
        work()
        if load == "half":
            until = time.perf_counter() + BUSY_S
            while time.perf_counter() < until:
                work()
            time.sleep(BUSY_S)


def work():
    """Some Python code that never lets go of the interpreter by itself."""
    number = 0
    for _ in range(STEPS):
        number += 1
