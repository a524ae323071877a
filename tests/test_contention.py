"""The scenario contention in a real worker: a known stall is in the tail, for every call that was due while it lasted."""

import pytest
from test_worker import setup_file, work    # noqa: F401 - a fixture

from lab.latencies import check_arm, histogram, start

REFERENCE, FORM = "peer/save_restore", "hpyvm/pointer"
STALL_MS, THREADS, ARRIVALS, GAP_MS = 50, 2, 100, 2
SETUP = f"""
import ctypes, time

def prepare(cell):
    cell.run.size, cell.latencies.arrivals, cell.latencies.gap_ns = {THREADS}, {ARRIVALS}, {GAP_MS} * 1000000

def expected(cell):
    return cell.run.size * cell.latencies.arrivals

def beside(cell, running):
    time.sleep(0.03)
    if running():
        ctypes.PyDLL(None).usleep({STALL_MS} * 1000)      # called with the interpreter's lock held
"""


def batch(answer, arm=FORM):
    assert "error" not in answer, answer["error"]
    check_arm(answer["cells"][0]["arms"][arm])
    return answer["cells"][0]["arms"][arm]["latencies"][0]


def longer_than(found, limit_ns):
    """How many durations are certainly longer."""
    return sum(count for bucket, count in found.buckets if start(bucket) > limit_ns)


def test_a_known_stall_is_in_the_tail(work, tmp_path):    # noqa: F811
    """50 ms in which nobody gets the lock: p90 and the longest wait show it, median and service do not."""
    found = batch(work("contention", [FORM], rounds=1, setup=setup_file(tmp_path, SETUP)))
    wait, service = histogram(found["wait"]), histogram(found["service"])
    assert wait.count == service.count == THREADS * ARRIVALS
    assert wait.quantile_ns(0.5) < 10e6
    assert wait.quantile_ns(0.9) > 20e6 and wait.largest_ns > 0.9 * STALL_MS * 1e6
    assert service.quantile_ns(0.5) < 1e6


def test_every_call_that_was_due_counts(work, tmp_path):    # noqa: F811
    """Not one call of each thread waited for the end of the stall, but all that were due in its first 40 ms waited 10 ms or more."""
    # a caller that asks again when it is answered would have one long wait for each thread: coordinated omission
    wait = histogram(batch(work("contention", [FORM], rounds=1, setup=setup_file(tmp_path, SETUP)))["wait"])
    assert longer_than(wait, 9e6) >= THREADS * (STALL_MS - 12) // GAP_MS > 10 * THREADS


def test_arms_of_a_process_have_the_same_schedule(work):    # noqa: F811
    """The moments follow from the job's seed and the cell, and from nothing else; another seed has others."""
    parameters = {"load": "never", "threads": 2}
    answers = [work("contention", [REFERENCE, FORM], rounds=1, parameters=parameters, seed=seed) for seed in ("1/7", "1/7", "1/8")]
    seeds = [[batch(answer, arm)["seed"] for arm in (REFERENCE, FORM)] for answer in answers]
    assert seeds[0] == seeds[1] and len(set(seeds[0])) == 1 and seeds[2] != seeds[0]
    assert batch(answers[0])["threads"] == 2 and batch(answers[0])["processors"] >= 1


def test_a_busy_main_thread_makes_callbacks_wait(work):    # noqa: F811
    """Beside a main thread that never lets go by itself the median wait is that of CPython's switch interval, or more."""
    waits = {load: histogram(batch(work("contention", [FORM], rounds=1, parameters={"load": load, "threads": 4}))["wait"])
             for load in ("never", "always")}
    assert waits["always"].quantile_ns(0.9) > 3e6
    assert waits["never"].smallest_ns < 100e3 < waits["always"].quantile_ns(0.9)


def test_refused_calls_are_an_error(work, libraries, interpreter):    # noqa: F811
    """Under the policy attached_only no foreign thread is let in: the batch is an error that says how many."""
    arms = [{"id": FORM, "path": str(libraries.arm(interpreter.tag, FORM)), "abi": "universal", "policy": "attached_only"}]
    error = work("contention", [FORM], rounds=1, arms=arms, parameters={"load": "never", "threads": 2})["error"]
    assert error["arm"] == FORM and error["message"].endswith("of 12 callbacks were refused, 0 raised")


@pytest.mark.parametrize("text, why", [
    ("beside(cell, running):\n    raise KeyError('beside')", "KeyError: 'beside'"),
    ("expected(cell):\n    return -1", "checksum is 200, not -1")])
def test_what_goes_wrong_beside_a_batch_is_an_error(work, tmp_path, text, why):    # noqa: F811
    """An exception of beside(), and a checksum that is wrong, are errors of the arm, after the batch has ended."""
    setup = setup_file(tmp_path, SETUP + f"\ndef {text}\n")
    error = work("contention", [FORM], rounds=1, setup=setup)["error"]
    assert error["arm"] == FORM and why in error["message"]


def test_a_clock_that_goes_backwards_is_refused(work, tmp_path):    # noqa: F811
    """A body that ran before it was called, by what it wrote, means that the clock went back."""
    setup = setup_file(tmp_path, SETUP + "\ndef expected(cell):\n    return cell.run.checksum\n")
    error = work("contention", [FORM], rounds=1, setup=setup, body="nothing")["error"]
    assert error["message"].endswith("the clock went backwards")


def test_without_latencies_the_driver_refuses(work):    # noqa: F811
    """A batch that says not what is measured has nothing to be counted in."""
    error = work("contention", [FORM], rounds=1, measures="time", setup="")["error"]
    assert error["message"].startswith("OSError: [Errno 22]")
