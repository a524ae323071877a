"""``lab bench --resume``: what a run that was killed had recorded is there once, and its plan is gone on with."""

import json
import random
import subprocess
import sys
import time

import pytest
from lab_tree import ROOT, copy_tree, environment, lab, measured_tree

from lab import results

KILLS = 20
BEGIN = ("bench", "attached_call", "--arm", "hpyvm/pointer", "--budget", "12s", "--seed", "5", "--name", "killed")
RESUME = ("bench", "--resume", "--name", "killed")


@pytest.fixture(scope="module")
def tree(tmp_path_factory, interpreter, libraries):
    """A checkout with what is built for the interpreter."""
    return copy_tree(tmp_path_factory.mktemp("resume"), built_for=interpreter.tag)


def kill(top, words, after_s, recorded=True):
    """Run ``lab WORDS`` and kill it so many seconds after it began, or, if [recorded], after it had recorded something;
    whether it was over by then."""
    folder = top / "results" / "killed"
    process = subprocess.Popen([sys.executable, "-m", "lab.cli", *words], cwd=ROOT, env=environment(top),
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    before = recorded and size(folder)
    while recorded and size(folder) == before and process.poll() is None:
        time.sleep(0.01)
    try:
        _, said = process.communicate(timeout=after_s)
        assert process.returncode == 0, said
        return True
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False


def size(folder):
    """Of what a run has recorded and not yet folded into its files."""
    journal = folder / "journal.jsonl"
    return journal.stat().st_size if journal.is_file() else 0


def values(folder):
    """All that a run holds: (benchmark, arm, process) -> values and counts of calls."""
    table = results.load(folder).samples
    groups = table.groupby(["benchmark", "arm", "block", "process"])
    return {key: (tuple(group.value_s), tuple(group.loops)) for key, group in groups}


@pytest.mark.slow
def test_a_killed_run_ends_as_it_was_planned(tree):
    """Killed at 20 random moments and gone on with each time: no value is lost, none counted twice, the plan is the same."""
    folder, moments, known, plans = tree / "results" / "killed", random.Random(268), {}, set()
    over = kill(tree, BEGIN, 0.3)
    for _ in range(KILLS):
        now = values(folder)
        assert {key: now.get(key) for key in known} == known
        known = now
        header = json.loads((folder / "run.json").read_bytes())
        plans.add(json.dumps([header["sheets"], header["comparisons"], header["seed"], header.get("calibration")]))
        recorded = moments.random() < 0.7       # else also while it starts
        over = over or kill(tree, RESUME, moments.uniform(0.0, 0.5) if recorded else moments.uniform(0.1, 1.5), recorded)
    if not over:
        done = lab(tree, *RESUME)
        assert done.returncode == 0 and done.stdout.startswith("complete: "), done.stderr
    header, end = results.load(folder).header, values(folder)
    plans = {plan for plan in plans if not plan.endswith(" null]")}     # before the first calibration
    assert {json.dumps([header["sheets"], header["comparisons"], header["seed"], header["calibration"]])} >= plans
    assert {key: end[key] for key in known} == known and len(end) > len(known) > 20
    processes = sorted({process for *_, process in end})
    assert processes == list(range(len(processes)))
    counts = {(benchmark, arm): set() for benchmark, arm, *_ in end}
    for (benchmark, arm, *_), (_, loops) in end.items():
        counts[benchmark, arm].update(loops)
    assert all(len(each) == 1 for each in counts.values())
    assert header["status"] == "complete" and header["elapsed_s"] < 20
    assert "is complete" in lab(tree, *RESUME).stderr


def test_what_cannot_be_gone_on_with_is_refused(tree, tmp_path_factory, interpreter):
    """A complete run, one of other binaries or another kernel, and options beside --resume: each by name, nothing changed."""
    top = measured_tree(tmp_path_factory, interpreter.tag)
    done = lab(top, "bench", "--resume", "--name", "twelve")
    assert done.returncode == 2 and "run 'twelve' is complete" in done.stderr
    done = lab(top, "bench", "all", "--resume", "--name", "twelve")
    assert done.returncode == 2 and "SCENARIOS beside --resume" in done.stderr
    done = lab(top, "bench", "--resume", "--seed", "3")
    assert done.returncode == 2 and "--seed beside --resume" in done.stderr


@pytest.mark.parametrize("name, says", [("kernel", "begun where the kernel is '6.66.6'"), ("binaries", "other binaries")])
def test_another_machine_or_build_is_refused(tmp_path_factory, interpreter, name, says):
    """A run begun on another kernel, or with other binaries, is left as it is."""
    top = measured_tree(tmp_path_factory, interpreter.tag)
    known = results.load(top / "results" / "twelve").header
    header = json.loads(json.dumps({key: known[key] for key in results.DECLARED}))
    if name == "kernel":
        header["environment"]["kernel"] = "6.66.6"
    else:
        header["hashes"] = dict.fromkeys(header["hashes"], "0")
    results.RunStore.create(top / "results" / name, header).finish("interrupted", 1.0)
    before = (top / "results" / name / "run.json").read_bytes()
    done = lab(top, "bench", "--resume", "--name", name)
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert (top / "results" / name / "run.json").read_bytes() == before
