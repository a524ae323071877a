"""Latencies: a batch whose calls fall due at times fixed beforehand, with something else at work beside them.

The driver is started by a second Python thread, which leaves Python, so that the main thread is free to do what the scenario's
setup.py says in beside(cell, running): to keep Python busy, for instance, as long as running() is true.
"""

import os
import random
import threading
import time

PENDING, RUNNING = 0, 1         # native_latencies.phase; 2 when all calls have returned
POLL_S = 0.0002                 # the driver gives ten times that from the opening to the first slot
OVER = 2


def prepare(cell, job):
    """The native_latencies of [cell], known to its run; what it asks for is the set-up's to say."""
    latencies = cell.lab.ffi.new("native_latencies *")
    latencies.seed = random.Random(str(job.get("seed", 0)) + str(sorted(cell.parameters.items()))).getrandbits(63)
    cell.run.latencies = latencies
    return latencies


def drive(cell):
    """Run one batch of [cell] from a thread of its own, with beside() on this one; raises what either raises."""
    latencies, raised = cell.latencies, []
    latencies.phase = PENDING

    def work():
        try:
            cell.start()
        except BaseException as error:      # told by the main thread, which is the worker's
            raised.append(error)
        finally:
            latencies.phase = OVER

    thread = threading.Thread(target=work)
    thread.start()
    while latencies.phase == PENDING:
        time.sleep(POLL_S)
    try:
        if hasattr(cell.setup, "beside"):
            cell.setup.beside(cell, lambda: latencies.phase == RUNNING)
    finally:
        thread.join()
    if raised:
        raise raised[0]


def record(cell):
    """What the last batch of [cell] measured, as the answer tells it; durations in ns."""
    latencies = cell.latencies
    return {"threads": cell.run.size, "processors": processors(), "arrivals": latencies.arrivals, "gap_ns": latencies.gap_ns,
            "seed": latencies.seed, "wait": histogram(latencies.wait), "service": histogram(latencies.service)}


def histogram(counted):
    """A native_histogram without its empty buckets."""
    counts = [[bucket, count] for bucket, count in enumerate(counted.counts) if count]
    return {"count": counted.count, "sum_ns": counted.sum_ns, "smallest_ns": counted.smallest_ns,
            "largest_ns": counted.largest_ns, "buckets": counts}


def processors():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
