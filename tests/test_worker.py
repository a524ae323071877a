"""The measured process itself, run as the scheduler runs it: real jobs, real libraries, and jobs that go wrong."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import catalogue
from lab.executor import ProcessExecutor, WorkerFailure
from lab.plan import make_plan

ROOT = Path(__file__).resolve().parent.parent
WORKER = ROOT / "lab" / "worker"
SERIES = {"values", "positions", "voluntary", "involuntary", "faults", "migrations", "steal"}


@pytest.fixture(scope="module")
def work(interpreter, libraries):
    """A function that runs a job in a worker process: work(scenario, arms, **changes); with the libraries [built] otherwise."""
    arms, scenarios = catalogue.arms(ROOT), catalogue.scenarios(ROOT)
    executor = ProcessExecutor(interpreter.path, WORKER / "measure.py")

    def run(name, chosen, calibrate=False, loops=100, rounds=2, parameters=None, built=libraries, **changes):
        scenario = scenarios[name]
        parameters = parameters if parameters is not None else scenario.cells()[0]
        rows = [list(range(len(chosen)))[::1 if row % 2 == 0 else -1] for row in range(rounds)]
        cell = {"benchmark": catalogue.benchmark_name(name, parameters), "parameters": parameters, "rows": rows,
                "loops": None if calibrate else dict.fromkeys(chosen, loops)}
        job = {"scenario": name, "body": scenario.body, "thread": scenario.thread, "unit": scenario.unit,
               "requires": list(scenario.requires), "size": scenario.size, "single": scenario.single, "measures": scenario.measures,
               "setup": str(scenario.folder / "setup.py"), "libraries": built.for_worker(interpreter.tag),
               "arms": [{"id": arm, "path": str(built.arm(interpreter.tag, arm)),
                         "abi": arms[arm.removesuffix(catalogue.TWIN_SUFFIX)].abi,
                         "policy": arms[arm.removesuffix(catalogue.TWIN_SUFFIX)].policies[0]} for arm in chosen],
               "calibrate": calibrate, "cells": [cell]}
        return executor.execute({**job, **changes}, 30.0)

    return run


def setup_file(folder, text):
    """The path of a scenario's setup.py with that text."""
    path = folder / "setup.py"
    path.write_text(text)
    return str(path)


def test_batches_of_two_arms(work):
    """A sample has for each arm one value above 0 in each round, its place in the row, and what disturbed it."""
    chosen = ["control/pass_ctx", "hpyvm/pointer", "hpyvm/pointer@twin"]
    answer = work("attached_call", chosen, rounds=2)
    assert [(cell["benchmark"], cell["scenario"], cell["parameters"]) for cell in answer["cells"]] == [
        ("attached_call[mode=throughput]", "attached_call", {"mode": "throughput"})]
    arms = answer["cells"][0]["arms"]
    assert {name: arm["positions"] for name, arm in arms.items()} == {
        "control/pass_ctx": [0, 2], "hpyvm/pointer": [1, 1], "hpyvm/pointer@twin": [2, 0]}
    for arm in arms.values():
        assert arm.keys() == SERIES | {"loops", "warmups", "counters"}
        assert [len(arm[name]) for name in sorted(SERIES)] == [2] * len(SERIES)
        assert (arm["loops"], min(arm["values"]) > 0, max(arm["values"]) < 1e-3) == (100, True, True)
    assert answer["metadata"]["python_implementation"] == "cpython"


def test_calibration_tells_the_cost_of_a_call(work):
    """Calibration answers nanoseconds per call and no samples; a call without a context costs less than one with."""
    answer = work("attached_call", ["control/empty", "peer/pygilstate"], calibrate=True)
    costs = answer["cost_ns"]["attached_call[mode=throughput]"]
    assert (answer["cells"], sorted(costs)) == ([], ["control/empty", "peer/pygilstate"])
    assert 0 < costs["control/empty"] < costs["peer/pygilstate"] < 10_000


@pytest.mark.parametrize("name", sorted(catalogue.scenarios(ROOT)))
def test_every_arm_runs_every_scenario_it_can(work, name):
    """Each arm passes the scenario's check of its result, for the last of its parameter sets."""
    scenario = catalogue.scenarios(ROOT)[name]
    chosen = [arm.id for arm in catalogue.arms(ROOT).values() if not arm.lacks(scenario.requires)]
    answer = work(name, chosen, loops=1 if scenario.single else 20, rounds=1, parameters=scenario.cells()[-1], size=500)
    assert "error" not in answer
    assert list(answer["cells"][0]["arms"]) == chosen


def test_modes_of_attached_call_differ(work):
    """The serialised mode, which waits for each call to end, costs more than the throughput of the same calls."""
    fastest = {}
    for mode in ("throughput", "serialised"):
        answer = work("attached_call", ["control/pass_ctx"], loops=20_000, rounds=8, parameters={"mode": mode})
        fastest[mode] = min(answer["cells"][0]["arms"]["control/pass_ctx"]["values"])
    assert fastest["serialised"] > fastest["throughput"]


def test_wrong_checksum_names_arm_and_benchmark(work, tmp_path):
    """A batch whose result is wrong is an error of that arm and benchmark, not a sample; no later arm is run."""
    setup = setup_file(tmp_path, "def expected(cell):\n"
                                 "    return cell.run.loops * 7 + (cell.arm.id == 'hpyvm/pointer')\n")
    answer = work("attached_call", ["control/pass_ctx", "hpyvm/pointer", "trampoline/plain"], setup=setup)
    assert answer["error"] == {"benchmark": "attached_call[mode=throughput]", "arm": "hpyvm/pointer", "last_words": "", "ending": "",
                               "message": "CheckFailed: the batch's checksum is 70, not 71"}
    assert answer["cells"] == []


def test_body_that_raises_is_no_sample(work, tmp_path):
    """A callable that raises makes its batch an error that says how often, with the exceptions as last words."""
    setup = setup_file(tmp_path, "def prepare(cell):\n    cell.arm.bodies.set_callable(lambda number: 1 // 0)\n")
    answer = work("attached_call", ["peer/pygilstate"], body="python", setup=setup, loops=30)
    assert (answer["error"]["arm"], answer["error"]["message"]) == (
        "peer/pygilstate", "CheckFailed: 0 of 3 callbacks were refused, 3 raised")
    assert "ZeroDivisionError" in answer["error"]["last_words"]


def test_driver_that_fails_is_an_error(work):
    """The errno value that a driver answers is told with the arm: here qsort has too little to sort."""
    answer = work("native_sort", ["control/cached_ctx"], size=1, loops=1)
    assert (answer["error"]["benchmark"], answer["error"]["arm"]) == ("native_sort", "control/cached_ctx")
    assert answer["error"]["message"].startswith("OSError: [Errno 22]")


def test_library_that_does_not_load_is_an_error(work, libraries, interpreter, tmp_path):
    """An extension half that cannot be loaded is an error of its arm."""
    broken = tmp_path / "broken.hpy0.so"
    broken.write_bytes(b"no library")
    arms = [{"id": "control/pass_ctx", "path": str(libraries.arm(interpreter.tag, "control/pass_ctx")), "abi": "universal"},
            {"id": "hpyvm/pointer", "path": str(broken), "abi": "universal"}]
    answer = work("attached_call", ["control/pass_ctx", "hpyvm/pointer"], arms=arms)
    assert (answer["error"]["arm"], answer["error"]["benchmark"]) == ("hpyvm/pointer", "attached_call[mode=throughput]")
    assert "broken.hpy0.so" in answer["error"]["message"]


def test_bug_in_a_set_up_is_an_error(work, tmp_path):
    """An exception of a scenario's set-up is told in one line, with its traceback as last words."""
    setup = setup_file(tmp_path, "def prepare(cell):\n    raise KeyError('a bug')\n")
    error = work("attached_call", ["control/pass_ctx"], setup=setup)["error"]
    assert (error["arm"], error["message"]) == ("control/pass_ctx", "KeyError: 'a bug'")
    assert "in prepare" in error["last_words"]


@pytest.mark.parametrize("death, what", [
    ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"), ("ctypes.string_at(0)", "killed by SIGSEGV"),
    ("os._exit(3)", "ended with exit status 3")])
def test_worker_that_dies_names_the_arm(work, tmp_path, death, what):
    """A worker that dies while an arm is prepared or runs is told by how it died, the arm and the benchmark."""
    setup = setup_file(tmp_path, f"""
import ctypes, os, signal

def prepare(cell):
    if cell.arm.id == 'trampoline/plain':
        print('famous', flush=True)
        {death}
""")
    with pytest.raises(WorkerFailure) as caught:
        work("attached_call", ["control/pass_ctx", "trampoline/plain"], setup=setup)
    failure = caught.value
    assert (failure.message, failure.benchmark, failure.arm) == (what, "attached_call[mode=throughput]", "trampoline/plain")
    assert "famous" in failure.last_words


def test_bare_callback_has_one_place(work, tmp_path):
    """A second bare callback while one is bound is refused with what to do, and the sort in progress is an error."""
    setup = setup_file(tmp_path, """
def prepare(cell):
    def again(left, right):
        other = cell.lab.new_run()
        other.loops = other.size = 2
        try:
            cell.arm.drive(cell.driver, other, cell.body, 0, cell.flags)
        except RuntimeError as error:
            print(error, flush=True)
            raise
    cell.arm.bodies.set_callable(again)
""")
    answer = work("native_sort", ["hpyvm/pointer"], size=2, loops=1, setup=setup)
    assert answer["error"]["message"] == "CheckFailed: 0 of 1 callbacks were refused, 1 raised"
    assert "another callback is bound" in answer["error"]["last_words"]


def test_plain_runner_measures_one_arm(work, interpreter, libraries, tmp_path):
    """plain.py is an ordinary pyperf.Runner: it takes pyperf's options and writes pyperf's file."""
    import pyperf

    plan = make_plan(catalogue.arms(ROOT), [catalogue.scenarios(ROOT)["released_thread"]], [interpreter.tag], 1)
    sheet = plan.sheets[0]
    job = {"scenario": "released_thread", "body": "nothing", "thread": "released", "requires": ["released"], "size": 1,
           "single": False, "libraries": libraries.for_worker(interpreter.tag),
           "arms": [{"id": "hpyvm/pointer", "path": str(libraries.arm("", "hpyvm/pointer")), "abi": "universal"}],
           "cells": [{"benchmark": name, "parameters": dict(parameters)} for name, parameters in sheet.benchmarks]}
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [interpreter.path, str(WORKER / "plain.py"), "--job", str(tmp_path / "job.json"), "--processes", "2", "--quiet",
               "--output", str(tmp_path / "out.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": ""})
    assert (done.returncode, done.stderr) == (0, "")
    suite = pyperf.BenchmarkSuite.load(str(tmp_path / "out.json"))
    benchmark = suite.get_benchmark("released_thread")
    assert sorted(suite.get_benchmark_names()) == ["released_thread"]
    assert (benchmark.get_nvalue(), benchmark.get_metadata()["lab_arm"]) == (2 * 3, "hpyvm/pointer")
    assert 1e-9 < benchmark.mean() < 1e-5


def test_worker_outside_its_executor():
    """Run by hand without a job, the worker says that it found none."""
    command = [sys.executable, str(WORKER / "measure.py")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, "JSONDecodeError" in done.stderr) == (1, True)


def test_worker_ends_with_its_parent(libraries, interpreter, tmp_path):
    """Where `lab` is killed the worker that it waits for is not left behind."""
    told, script = tmp_path / "told", tmp_path / "script.py"
    script.write_text(f"""import json, os, sys, time
sys.path.insert(0, {str(WORKER)!r})
from loading import Lab
job = json.load(sys.stdin)
Lab(job["libraries"])
os.rename(os.path.abspath(sys.argv[0]), job["told"] + "." + str(os.getpid()))
time.sleep(60)
""")
    code = "import json, os, sys; from lab.executor import run_worker; run_worker(sys.argv[2:], os.environ, json.loads(sys.argv[1]), 60)"
    job = {"libraries": libraries.for_worker(interpreter.tag), "told": str(told)}
    parent = subprocess.Popen([sys.executable, "-c", code, json.dumps(job), interpreter.path, str(script)])
    worker = int(wait_for(lambda: list(tmp_path.glob("told.*")))[0].suffix[1:])
    parent.kill()
    parent.wait()
    wait_for(lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2])


def wait_for(what, limit_s=10.0):
    """What it answers as soon as that is true."""
    deadline = time.monotonic() + limit_s
    while not (answer := what()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert answer
    return answer
