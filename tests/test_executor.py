"""lab.executor: real processes that answer, crash, hang and talk too much; and a plain pyperf run."""

import os
import signal
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from synthetic import make_header, make_sheets

from lab.driver import run
from lab.errors import WorkerError
from lab.executor import ProcessExecutor, WorkerFailure, run_crosscheck
from lab.plan import Plan, Sheet
from lab.results import RunStore, load

START = """
import json, os, signal, sys, time
job = json.load(sys.stdin)
def answer(value):
    os.write(int(os.environ["LAB_ANSWER_FD"]), value if isinstance(value, bytes) else json.dumps(value).encode())
def progress(benchmark, arm):
    with open(job["progress"], "w") as file:
        file.write((benchmark + "\\t" + arm).ljust(200))
"""
MEASURE = """
metadata = {"platform": "synthetic", "python_version": "3.11"}
costs, cells = {}, []
for cell in job["cells"]:
    used = sorted({index for row in cell["rows"] for index in row})
    costs[cell["benchmark"]] = {job["arms"][index]: 10.0 for index in used}
    arms = {}
    for index in used:
        arm, rounds = job["arms"][index], len(cell["rows"])
        progress(cell["benchmark"], arm)
        if arm == "control/crash":
            print("about to crash")
            os.kill(os.getpid(), signal.SIGSEGV)
        zeros = [0] * rounds
        arms[arm] = {"loops": cell["loops"] and cell["loops"][arm], "values": [1e-8 + index * 1e-9] * rounds,
                     "positions": [row.index(index) for row in cell["rows"]], "voluntary": zeros,
                     "involuntary": zeros, "faults": zeros, "migrations": zeros, "steal": zeros}
    cells.append({"benchmark": cell["benchmark"], "scenario": job["scenario"], "parameters": cell["parameters"], "arms": arms})
answer({"cost_ns": costs} if job["calibrate"] else {"metadata": metadata, "cells": cells})
"""


def executor(folder: Path, code: str, **options) -> ProcessExecutor:
    """An executor whose worker reads its job, then runs [code]."""
    worker = folder / "worker.py"
    worker.write_text(START + textwrap.dedent(code))
    return ProcessExecutor(sys.executable, worker, **options)


def failure(folder: Path, code: str, timeout_s: float = 20.0) -> WorkerFailure:
    """How a worker that runs [code] fails."""
    with pytest.raises(WorkerFailure) as caught:
        executor(folder, code).execute({}, timeout_s)
    return caught.value


def alive(pid: int) -> bool:
    """Whether a process exists that is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_job_goes_in_and_the_answer_comes_back(tmp_path):
    """The worker gets the job as it is, and its answer is whole even where a pipe holds only part of it."""
    found = executor(tmp_path, "answer({'got': job['cells'], 'long': 'x' * 300_000})").execute({"cells": [{"a": "é"}]}, 20)
    assert (found["got"], len(found["long"])) == ([{"a": "é"}], 300_000)


def test_a_worker_runs_in_a_session_and_an_environment_of_its_own(tmp_path):
    """Symbols are bound at once; hash seed and size of the environment differ from process to process, alike for a seed."""
    code = """
    keys = ("LD_BIND_NOW", "PYTHONHASHSEED", "LAB_OWN", "HOME")
    answer({"sid": os.getsid(0), "pid": os.getpid(), "padding": len(os.environ["LAB_PADDING"]),
            **{key: os.environ.get(key) for key in keys}})
    """
    def answers():
        runner = executor(tmp_path, code, environment={"LAB_OWN": "1"}, seed=9)
        return [runner.execute({}, 20) for _ in range(2)]
    (first, second), (again, _) = answers(), answers()
    assert first["sid"] == first["pid"] and (first["LD_BIND_NOW"], first["LAB_OWN"], first["HOME"]) == ("1", "1", None)
    randomised = [(each["padding"], each["PYTHONHASHSEED"]) for each in (first, second, again)]
    assert randomised[0] != randomised[1] and randomised[0] == randomised[2]


def test_a_crash_names_signal_culprit_and_last_words(tmp_path):
    """After SIGSEGV the arm that was running is known, and what was printed is kept."""
    error = failure(tmp_path, """
        progress("call[mode=throughput]", "hpyvm/pointer@twin")
        print("to stdout")
        sys.stderr.write("to stderr\\n")
        os.kill(os.getpid(), signal.SIGSEGV)
    """)
    assert (error.message, error.benchmark, error.arm) == ("killed by SIGSEGV", "call[mode=throughput]", "hpyvm/pointer@twin")
    assert error.last_words.splitlines()[:3] == ["to stdout", "to stderr", "Fatal Python error: Segmentation fault"]


def test_a_crash_before_the_first_batch_has_no_culprit(tmp_path):
    """Without progress nobody is blamed."""
    error = failure(tmp_path, "os.abort()")
    assert (error.message, error.benchmark, error.arm) == ("killed by SIGABRT", None, None)


def test_a_crash_after_the_answer_has_no_culprit(tmp_path):
    """The batches were over: the arm that ran last is not to blame for certain."""
    error = failure(tmp_path, "progress('b', 'a'); answer({'cells': []}); os.abort()")
    assert (error.message, error.arm) == ("killed by SIGABRT, after it had answered", None)


def test_a_hang_is_killed_with_its_children(tmp_path):
    """After the time given, worker and child are gone, and the arm that hung is known."""
    started = time.monotonic()
    error = failure(tmp_path, """
        import subprocess
        child = subprocess.Popen(["sleep", "60"])
        print(os.getpid(), child.pid)
        progress("b", "a")
        time.sleep(60)
    """, timeout_s=0.5)
    assert (error.message, error.benchmark, error.arm) == ("hung: not done within 0.5 s", "b", "a")
    assert time.monotonic() - started < 10
    deadline = time.monotonic() + 5
    pids = [int(word) for word in error.last_words.split()]
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [alive(pid) for pid in pids] == [False, False]


def test_a_worker_that_answers_and_never_ends_hangs(tmp_path):
    """An answer is believed only from a process that has ended."""
    error = failure(tmp_path, "answer({}); os.close(int(os.environ['LAB_ANSWER_FD'])); time.sleep(60)", timeout_s=0.5)
    assert error.message == "hung: not done within 0.5 s, after it had answered"


@pytest.mark.parametrize("code, message", [
    ("answer(b'{\"cells\": [')", "answered nonsense: b'{\"cells\": ['"), ("answer([1])", "answered nonsense: b'[1]'"),
    ("pass", "ended without an answer"), ("sys.exit(3)", "ended with exit status 3")])
def test_an_answer_that_is_none_is_refused(tmp_path, code, message):
    """Half an object, another type, nothing, or a bad exit status: each is said."""
    assert failure(tmp_path, code).message == message


def test_last_words_are_the_beginning_and_the_end_of_what_was_said(tmp_path):
    """Of megabytes of stderr the last 20 lines are kept, and 2,000 characters at most."""
    error = failure(tmp_path, """
        for number in range(300_000):
            sys.stderr.write(f"line {number}\\n")
        sys.exit(1)
    """)
    assert error.last_words.splitlines() == [*(f"line {number}" for number in range(5)), "…",
                                             *(f"line {number}" for number in range(299_980, 300_000))]
    assert len(failure(tmp_path, "sys.stderr.write('x' * 1_000_000); sys.exit(1)").last_words) == 3003


def test_an_error_that_the_worker_reports_gets_its_last_words(tmp_path):
    """A failed check is an answer; what was printed comes with it, and how the process ended."""
    found = executor(tmp_path, "print('0 before 1'); answer({'error': {'arm': 'a'}}); sys.exit(1)").execute({}, 20)
    assert found["error"] == {"last_words": "0 before 1", "ending": "ended with exit status 1", "arm": "a"}


def test_an_interpreter_that_is_not_there_is_a_failure(tmp_path):
    """The message names it."""
    with pytest.raises(WorkerFailure, match="^cannot start /no/such/python"):
        ProcessExecutor("/no/such/python", tmp_path / "worker.py").execute({}, 5)


def test_ctrl_c_stops_the_child(tmp_path):
    """An interrupted executor leaves no process behind."""
    pid_file = tmp_path / "pid"

    def interrupt():
        while not (pid_file.exists() and pid_file.read_text()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        executor(tmp_path, f"open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)").execute({}, 30)
    deadline = time.monotonic() + 10
    while alive(int(pid_file.read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(int(pid_file.read_text()))


def test_a_run_of_real_processes_is_stored_and_read_back(tmp_path):
    """Scheduler, executor and store together: one arm crashes in a process of its own, all else can be read with its values."""
    arms = ("control/pass_ctx", "control/empty", "control/crash")
    benchmarks = tuple((f"attached_call[mode={mode}]", {"mode": mode}) for mode in ("throughput", "dependent"))
    sheet = Sheet("cpython3.11", "attached_call", 0, arms, arms[0], benchmarks, 6, False)
    store = RunStore.create(tmp_path / "run", make_header("run", make_sheets(), 1))
    outcome = run(Plan(1, (sheet,), (), (), ""), store, {"cpython3.11": executor(tmp_path, MEASURE)},
                  lambda sheet, layout: {"arms": sheet.arms}, 1.0)
    store.finish(outcome.status, outcome.elapsed_s)
    found = load(tmp_path / "run")
    assert [(each["benchmark"], each["arm"], each["what"], each["last_words"].splitlines()[0]) for each in found.failures] == [
        (name, "control/crash", "killed by SIGSEGV", "about to crash") for name, _ in benchmarks]
    assert found.samples.groupby("arm")["value_s"].unique().map(list).to_dict() == {
        "control/pass_ctx": [1e-8], "control/empty": [1e-8 + 1e-9]}
    assert len(found.samples) == outcome.processes * 2 * 2 * 6 and outcome.processes >= 1


PYPERF = """
import pyperf
runner = pyperf.Runner(processes=1, values=2, warmups=0, loops=1)
runner.bench_time_func("attached_call[mode=throughput]", lambda loops: 1e-3 * loops)
"""


def test_the_crosscheck_stores_what_plain_pyperf_measured(tmp_path):
    """One arm after another through pyperf; one that fails, hangs or writes nonsense costs itself only."""
    scripts = {"control/pass_ctx": PYPERF, "control/bad": "print('no library'); raise SystemExit(4)",
               "control/none": "", "control/hang": "import time\ntime.sleep(60)",
               "control/odd": "import sys\nopen(sys.argv[-1], 'w').write('{}')"}
    commands = {}
    for arm, code in scripts.items():
        path = tmp_path / (arm.split("/")[1] + ".py")
        path.write_text(code)
        commands[arm] = [sys.executable, str(path)]
    store = RunStore.create(tmp_path / "run", make_header("run", make_sheets(), 1))
    clock = iter([0.0] * 3 + [99.0] + [0.0])    # the fourth arm begins a second before the deadline
    done = run_crosscheck(commands, store, "cpython3.11", "attached_call", 100.0, clock=lambda: next(clock))
    store.finish("complete", 1.0)
    found = load(tmp_path / "run")
    assert done == ["control/pass_ctx"]
    assert [each.get_values() for each in found.crosscheck["cpython3.11", "control/pass_ctx"]] == [(1e-3, 1e-3)]
    assert [(each["arm"], each["what"]) for each in found.failures[:3]] == [
        ("control/bad", "plain pyperf: ended with exit status 4"), ("control/none", "plain pyperf: wrote no file"),
        ("control/hang", "plain pyperf: hung: not done within 1.0 s")]
    assert [found.failures[3]["arm"], found.failures[0]["last_words"]] == ["control/odd", "no library"]


def test_a_crosscheck_without_time_says_so(tmp_path):
    """An arm that comes after the deadline is recorded, and nothing is started for it."""
    store = RunStore.create(tmp_path / "run", make_header("run", make_sheets(), 1))
    done = run_crosscheck({"a/x": ["/no/such"]}, store, "cpython3.11", "attached_call", 5.0, clock=lambda: 5.0)
    assert (done, [each["what"] for each in store.header["failures"]]) == ([], ["plain pyperf: no time was left"])


def test_a_worker_failure_is_a_worker_error():
    """The command line handles both alike: exit status 1, and the last words."""
    error = WorkerFailure("killed by SIGSEGV", "b", "a", "words")
    assert (isinstance(error, WorkerError), error.exit_status, str(error), error.last_words) == (
        True, 1, "killed by SIGSEGV", "words")
