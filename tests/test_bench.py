"""``lab bench`` as a whole, with real workers: what a run declares, what comes of workers that fail, what Ctrl-C leaves."""

import datetime
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyperf
import pytest
from lab_tree import ROOT, copy_tree, environment, lab, measured_tree

from lab import autogen, bench, catalogue, cli, conformance, driver, results
from lab.bench import Request
from lab.errors import ResultsError

BAD_ARMS = {
    "aborts": "abort();", "hangs": "for (;;)\n        pause();", "is_killed": "raise(SIGKILL);", "segfaults": "raise(SIGSEGV);",
    "miscounts": "*result = arg + 1;",
}
BAD_STUB = """#include "arm.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int call(void *closure, int64_t arg, int64_t *result)
{
    (void)closure;
    *result = arg;
    fprintf(stderr, "farewell of %s\\n");
    %s
    return 0;
}

#include "keep_bind.h"
#include "no_bare.h"
"""
BAD_TOML = """title = "Fails"
summary = "fails on purpose"
source = "a test"
abi = "universal"
capabilities = ["released", "body"]

[why_not]
attached = "not needed"
foreign = "not needed"
bare = "not needed"
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory, interpreter, libraries):
    """A checkout with a real run."""
    return measured_tree(tmp_path_factory, interpreter.tag)


@pytest.fixture(scope="module")
def twelve(tree):
    """That run."""
    return results.load(tree / "results" / "twelve")


def request(name, *scenarios, budget_s=2.0, arms=("hpyvm",), protocol="paired"):
    """A short request."""
    return Request(scenarios, arms, (), "budget", budget_s, protocol, 7, name, ("lab", "bench"))


def test_new_name():
    """A run without a name gets the time in UTC."""
    when = datetime.datetime(2026, 11, 22, 18, 30, 15, tzinfo=datetime.timezone.utc)
    assert bench.new_name(when) == "2026-11-22-183015"


def test_header_declares_what_was_asked(twelve, interpreter):
    """The header has the request, the plan and the arms of the checkout, all before the first sample."""
    header = twelve.header
    assert {key: header[key] for key in ("name", "seed", "preset", "budget_s", "protocol", "status", "confidence")} == {
        "name": "twelve", "seed": 1, "preset": "budget", "budget_s": 12.0, "protocol": "paired", "status": "complete",
        "confidence": 0.95}
    assert header["command"][:4] == ["lab", "bench", "attached_call", "released_thread"]
    assert [arm["id"] for arm in header["arms"]] == list(catalogue.arms(ROOT))
    assert header["reference"] == {"attached_call": "control/pass_ctx", "released_thread": "peer/save_restore"}
    assert [each["tag"] for each in header["interpreters"]] == [interpreter.tag]
    assert ["released_thread", "peer/pygilstate", "peer/save_restore"] in header["comparisons"]
    assert {entry["arm"] for entry in header["not_applicable"]} >= {"control/cached_ctx", "control/empty"}
    assert (twelve.failures, header["environment"]["cpus_online_count"]) == ([], os.cpu_count())


def test_header_has_the_hashes_of_what_ran(twelve, tree, interpreter):
    """Specifications, sources, worker and binaries are there with their SHA-256; binaries of no other interpreter are."""
    hashes = twelve.header["hashes"]
    for name in ("csrc/interface.h", "variants/hpyvm/stub.c", "variants/hpyvm/variant.toml",
                 "csrc/scenarios/native_sort/setup.py", "build/universal/hpyvm-pointer.hpy0.so",
                 "build/native/libhpylab_native.so"):
        assert hashes[name] == hashlib.sha256((tree / name).read_bytes()).hexdigest()
    assert hashes["lab/worker/measure.py"] == hashlib.sha256((ROOT / "lab" / "worker" / "measure.py").read_bytes()).hexdigest()
    assert {name.split("/")[1] for name in hashes if name.startswith("build/")} == {
        "native", "drivers", "universal", interpreter.tag}


def test_budget_holds(twelve):
    """A budget of 12 s is kept within 20 %, with more than one process of each sheet, as many in each block of a scenario."""
    assert 0.8 * 12 < twelve.header["elapsed_s"] < 1.2 * 12
    processes = twelve.samples.groupby(["scenario", "block"])["process"].nunique()
    assert processes.min() > 1
    assert all(counts.nunique() == 1 for _, counts in processes.groupby(level="scenario"))


def test_every_arm_that_can_was_measured(twelve):
    """All arms of the checkout that can take part have samples in each of their cells, and the twin is among them."""
    found = {name: set(group) for name, group in twelve.samples.groupby("benchmark")["arm"]}
    for scenario in (catalogue.scenarios(ROOT)[name] for name in ("attached_call", "released_thread")):
        able = {arm.id for arm in catalogue.arms(ROOT).values() if not arm.lacks(scenario.requires)}
        for parameters in scenario.cells():
            assert found[catalogue.benchmark_name(scenario.name, parameters)] == able | {"hpyvm/pointer@twin"}


def test_every_file_is_pyperfs(twelve):
    """Each file of a real run loads with pyperf, with the same benchmarks as its arm has in the table, value by value."""
    paths = sorted(twelve.path.glob("pyperf/*/*.json.gz"))
    assert len(paths) >= len(twelve.samples["arm"].unique())
    count = 0
    for path in paths:
        for benchmark in pyperf.BenchmarkSuite.load(str(path)):
            arm, block = benchmark.get_metadata()["lab_arm"], benchmark.get_metadata()["lab_block"]
            chosen = twelve.samples.query("arm == @arm and block == @block and benchmark == @benchmark.get_name()")
            assert sorted(benchmark.get_values()) == sorted(chosen["value_s"])
            count += benchmark.get_nvalue()
    assert count == len(twelve.samples)


def test_pyperf_compares_two_files(twelve):
    """``pyperf compare_to`` and ``pyperf show`` take the files of a real run."""
    first, second = (str(next(twelve.path.glob(f"pyperf/*/{stem}.json.gz"))) for stem in ("hpyvm.pointer", "trampoline.plain"))
    pyperf_itself = [sys.executable, "-m", "pyperf"]
    done = subprocess.run([*pyperf_itself, "compare_to", "--table", first, second], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("attached_call[mode=dependent]", "attached_call[mode=serialised]", "released_thread"):
        assert name in done.stdout.replace("\n", "")    # in the table, or among those whose difference is not significant
    shown = subprocess.run([*pyperf_itself, "show", first], capture_output=True, text=True)
    assert (shown.returncode, shown.stdout.count("Mean +- std dev")) == (0, 4)
    for name in ("attached_call[mode=dependent]", "attached_call[mode=serialised]", "released_thread"):
        assert name in shown.stdout.splitlines()


def test_run_is_never_overwritten(tree, twelve):
    """A name that is taken is refused, and the run keeps what it has."""
    before = (twelve.path / "run.json").read_bytes()
    with pytest.raises(ResultsError, match="'twelve' exists already"):
        bench.bench(tree, request("twelve", "released_thread"), lambda event: None)
    assert (twelve.path / "run.json").read_bytes() == before


def test_budget_too_small_for_one_process_of_each(tree):
    """Every sheet runs once however small the budget is, and that is said."""
    told = []
    folder, outcome = bench.bench(tree, request("tiny", "attached_call", "released_thread", budget_s=0.2), told.append)
    assert (outcome.status, outcome.processes, outcome.failures) == ("complete", 2, 0)
    assert [event.text.startswith("the budget of 0.") for event in told if event.kind == "short"] == [True]
    assert results.load(folder).samples["scenario"].nunique() == 2


def test_conformance_is_taken_along_while_it_holds(tree, interpreter):
    """What ``lab check`` found goes into the next run, unless a source or a binary has changed; rubbish is passed over."""
    found = [conformance.Outcome("nesting", "hpyvm/pointer", "attach", "universal", "on", "ok", "ok", True, "seen", "", 0.1)]
    kept = bench.conformance_file(tree)
    kept.write_text("{")
    bench.keep_conformance(tree, interpreter, found)
    folder, _ = bench.bench(tree, request("with", "released_thread", budget_s=0.2), lambda event: None)
    assert results.load(folder).conformance == {interpreter.tag: [found[0].as_dict()]}
    spec = tree / "variants" / "hpyvm" / "variant.toml"
    spec.write_text(spec.read_text() + "# edited\n")
    folder, _ = bench.bench(tree, request("without", "released_thread", budget_s=0.2), lambda event: None)
    assert results.load(folder).conformance == {}


def test_plain_pyperf_runs_beside(tree, monkeypatch):
    """A budget that has room for it ends with a plain pyperf.Runner for each arm, in the first cell of attached_call."""
    monkeypatch.setattr(bench, "CROSSCHECK_FROM_S", 5.0)
    monkeypatch.setattr(bench, "CROSSCHECK_SHARE", 0.7)
    monkeypatch.setattr(bench, "PLAIN_PROCESSES", 2)
    said = []
    folder, outcome = bench.bench(tree, request("beside", "attached_call", budget_s=9.0), lambda event: None, said.append)
    run = results.load(folder)
    assert (outcome.status, outcome.failures, run.header["status"]) == ("complete", 0, "complete")
    assert said[-1].startswith("plain pyperf: attached_call, ")
    assert sorted(arm for _, arm in run.crosscheck) == ["control/pass_ctx", "hpyvm/pointer", "hpyvm/value"]
    for suite in run.crosscheck.values():
        benchmark = suite.get_benchmark("attached_call[mode=throughput]")
        assert (len(suite), benchmark.get_nvalue()) == (1, 2 * 3)
        assert 1e-10 < benchmark.mean() < 1e-6
    assert len(run.samples) > 0


def test_plain_pyperf_alone(tree, monkeypatch):
    """``--protocol pyperf`` is an ordinary pyperf.Runner for each arm and cell, whose report renders."""
    monkeypatch.setattr(bench, "PLAIN_PROCESSES", 2)
    asked = request("plain", "released_thread", budget_s=30.0, protocol="pyperf")
    folder, outcome = bench.bench(tree, asked, lambda event: None)
    run = results.load(folder)
    assert (outcome.status, outcome.failures, len(run.samples)) == ("complete", 0, 0)
    assert sorted(arm for _, arm in run.crosscheck) == ["hpyvm/pointer", "hpyvm/value", "peer/save_restore"]
    done = lab(tree, "report", "plain")
    assert (done.returncode, done.stderr) == (0, "")
    assert "released_thread" in (tree / "reports" / "plain" / "index.html").read_text(encoding="utf-8")
    done = lab(tree, "compare", "plain")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'plain' has nothing that was measured by the paired protocol" in done.stderr


@pytest.fixture(scope="module")
def failing(tmp_path_factory, interpreter):
    """(a checkout with arms that fail, what ``lab bench`` of them exited with, its run)."""
    top = copy_tree(tmp_path_factory.mktemp("failing"))
    for name, deed in BAD_ARMS.items():
        folder = top / "csrc" / "controls" / name
        folder.mkdir()
        (folder / "arm.toml").write_text(BAD_TOML)
        (folder / "stub.c").write_text(BAD_STUB % (name, deed))
    autogen.generate(top)
    chosen = [word for name in BAD_ARMS for word in ("--arm", f"control/{name}")]
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_ROOT", str(top))
        patch.setattr(driver, "PATIENCE_S", (3.0, 3.0))
        with pytest.raises(SystemExit) as ended:
            cli.main(["bench", "released_thread", *chosen, "--arm", "hpyvm", "--budget", "10s", "--name", "failing"])
    signal.signal(signal.SIGTERM, handler)
    return top, ended.value.code, results.load(top / "results" / "failing")


def test_failures_set_the_exit_status(failing):
    """A run with failures ends with exit status 1."""
    assert failing[1] == 1


@pytest.mark.parametrize("arm, what", [
    ("aborts", "killed by SIGABRT"), ("hangs", "hung: not done within 3.0 s"), ("is_killed", "killed by SIGKILL"),
    ("segfaults", "killed by SIGSEGV"), ("miscounts", "CheckFailed: the batch's checksum is 8, not 7")])
def test_failure_is_recorded_once_with_last_words(failing, arm, what):
    """A worker that crashes, hangs, is killed or counts wrong is one failure of its own cell, with its last words."""
    failure, = [each for each in failing[2].failures if each["arm"] == f"control/{arm}"]
    assert (failure["benchmark"], failure["scenario"]) == ("released_thread", "released_thread")
    assert failure["what"].startswith(what)
    assert f"farewell of {arm}" in failure["last_words"]


def test_failures_cost_their_own_cells_only(failing):
    """The other arms of the same sheet have all their samples, and those that failed have none."""
    run = failing[2]
    counts = run.samples.groupby("arm")["process"].nunique()
    assert sorted(counts.index) == ["hpyvm/pointer", "hpyvm/pointer@twin", "hpyvm/value", "peer/save_restore"]
    assert (counts.min() == counts.max(), counts.min() >= 3) == (True, True)
    assert (run.header["status"], len(run.failures)) == ("complete", len(BAD_ARMS))


def test_failures_are_in_the_report(failing):
    """The report says of each what happened, with its last words."""
    top, _, run = failing
    assert lab(top, "report", "failing").returncode == 0
    page = (top / "reports" / "failing" / "index.html").read_text(encoding="utf-8")
    for failure in run.failures:
        assert failure["arm"] in page
        assert f"farewell of {failure['arm'].split('/')[1]}" in page
    for what in ("killed by SIGABRT", "hung: not done within", "killed by SIGKILL", "killed by SIGSEGV"):
        assert what in page


def answers(folder):
    """How many answers of workers the journal of a run holds; 0 while there is none."""
    try:
        return (folder / "journal.jsonl").read_text().count('"kind":"answer"')
    except OSError:
        return 0


def workers(top):
    """The ids of the processes that run this checkout's measure.py with libraries of [top]."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes()
            if b"measure.py" in words and str(top).encode() in (path / "environ").read_bytes():
                found.append(path.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_keeps_what_was_measured(tree, number):
    """Ctrl-C, and kill, end a run with status 130; what was measured is loaded and reported, and no worker is left behind."""
    name = f"stopped-{number.name}"
    folder = tree / "results" / name
    command = [sys.executable, "-m", "lab.cli", "bench", "attached_call", "--budget", "60s", "--name", name]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(tree), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, start_new_session=True)
    deadline = time.monotonic() + 30
    while answers(folder) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, number)
    stdout, stderr = process.communicate(timeout=90)
    assert (process.returncode, "Traceback" in stderr) == (130, False), stderr
    assert stdout.startswith("interrupted: ")
    assert workers(tree) == []
    run = results.load(folder)
    assert (run.header["status"], run.failures) == ("interrupted", [])
    assert run.samples["process"].nunique() >= 3
    assert not (folder / "journal.jsonl").exists()
    assert lab(tree, "report", name).returncode == 0
    assert "interrupted" in (tree / "reports" / name / "index.html").read_text(encoding="utf-8")


def test_killed_run_keeps_what_was_measured(tree):
    """After a kill -9 in the middle every answer that was journalled is there, and the run says that it did not end."""
    folder = tree / "results" / "killed"
    command = [sys.executable, "-m", "lab.cli", "bench", "attached_call", "--budget", "60s", "--name", "killed"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(tree), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while answers(folder) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    run = results.load(folder)
    assert (run.header["status"], run.samples["process"].nunique() >= 2) == ("running", True)
    assert json.loads((folder / "run.json").read_text())["status"] == "running"
    assert lab(tree, "report", "killed").returncode == 0
