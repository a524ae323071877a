"""lab.validating and lab validate: slices that hold everything, a small sitting with real processes, what bad input is told."""

import dataclasses
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from lab_tree import ROOT, copy_tree, environment, lab

from lab import sittings, validating, validation_docs, validation_halves
from lab.analysis import falsepositives, power
from lab.errors import LabError, WorkerError
from lab.memory import Memory


@pytest.fixture(scope="module")
def tree(tmp_path_factory, interpreter, libraries):
    """A checkout with everything built, and a small sitting named ``small``, with what the command said."""
    validation_halves.build(ROOT, validating.COPIED, (0, *validating.PLANTED))
    top = copy_tree(tmp_path_factory.mktemp("validated"), built_for=interpreter.tag)
    shutil.copytree(ROOT / "build" / validation_halves.FOLDER, top / "build" / validation_halves.FOLDER)
    (top / "docs").mkdir()
    return top, lab(top, "validate", "--quick", "--name", "small", "--seed", "5")


def test_parts_of_a_slice():
    """Each slice holds a part of everything, in an order that the seed decides and that differs from slice to slice."""
    size = validating.size_of(200)
    found = validating.parts(size, 3)
    slices = [[part.kind for part in group] for _, group in itertools.groupby(found, lambda part: part.slice)]
    assert len(slices) == size.slices == 34
    assert all(sorted(kinds) == ["google", "paired", "paired", "planted", "pyperf", "two"] for kinds in slices)
    assert len(set(map(tuple, slices))) > 20
    assert sorted(part.number for part in found if part.kind == "paired") == list(range(2 * size.slices))
    assert found == validating.parts(size, 3) != validating.parts(size, 4)


@pytest.mark.parametrize("comparisons, slices", [(1, 1), (6, 1), (7, 2), (200, 34)])
def test_size(comparisons, slices):
    """At least as many comparisons as were asked for, by each harness; none are refused."""
    size = validating.size_of(comparisons)
    assert size.slices == slices and size.comparisons * slices >= comparisons
    with pytest.raises(LabError, match="0 comparisons tell nothing\ngive 1 or more"):
        validating.size_of(0)


def test_pairs_have_no_arm_in_common():
    """No arm is in two comparisons of a run, whose arms are all in one; Google Benchmark has copies enough."""
    arms = [arm for pair in validating.PAIRS for arm in pair]
    assert sorted(arms) == sorted([*validating.COPIES, validating.TWIN]) and len(set(arms)) == len(arms)
    assert 2 * validating.Size(1).comparisons == validating.COPIED


def test_a_small_sitting(tree):
    """The command measures a part of everything, says how long it will take, and shows all figures."""
    top, done = tree
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    made = sittings.load(top / "results" / "small")
    google = sittings.KINDS if "Google Benchmark is absent" not in done.stderr else [k for k in sittings.KINDS if k != "google"]
    assert "5 parts in 1 slice, about " in done.stderr
    assert {record["kind"] for record in made.records} == set(google)
    assert (made.header["status"], made.header["seed"], made.header["size"]["slices"]) == ("complete", 5, 1)
    assert "build/validation/planted32.hpy0.so" in made.header["hashes"]
    for title in ("How often identical arms were called different", "What the planted instructions take",
                  "What was said of planted instructions", "When this protocol has an interval"):
        assert title in done.stdout
    assert (top / "results" / "small" / sittings.FILE).stat().st_size < 50_000


def test_what_is_stored_is_raw(tree):
    """A run has all its batches as whole nanoseconds of about 1 ms or more, of as many calls as were made; pyperf's likewise."""
    made = sittings.load(tree[0] / "results" / "small")
    run, = made.of_kind("paired")
    assert run["arms"] == [*validating.COPIES, validating.TWIN] and len(run["processes"]) == validating.QUICK.processes
    for process in run["processes"]:
        assert [len(values) for values in process["elapsed_ns"]] == [8] * 8
        assert all(type(value) is int and value > 200_000 for values in process["elapsed_ns"] for value in values)
    chain, = made.of_kind("pyperf")
    assert len({each["arm"] for each in chain["benchmarks"]}) == len(chain["benchmarks"]) == 4
    assert all(len(each["elapsed_ns"]) == 2 and value > 500_000
               for each in chain["benchmarks"] for values in each["elapsed_ns"] for value in values)
    assert [len(made.of_kind(kind)[0]["processes"]) for kind in ("planted", "two")] == [6, 6]


def test_shown_again(tree):
    """--show computes the same figures from what is stored, measuring nothing."""
    top, done = tree
    again = lab(top, "validate", "--show", "small")
    assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")


def test_figures_of_the_small_sitting(tree):
    """Every harness that was there has as many comparisons as it should, and the long runs can be drawn from."""
    made = sittings.load(tree[0] / "results" / "small")
    counts = {(rate.harness, rate.share.n) for rate in falsepositives.rates(made)}
    assert {("paired", 3), ("paired", 4), ("pyperf", 2), ("pyperf", 3)} <= counts
    assert power.analyse(made, draws=3).processes == 6 and power.times(made, draws=3).processes == 6


def test_docs_are_written(tree):
    """--write-docs makes the document, which says that nothing is stored while nothing is."""
    top, _ = tree
    done = lab(top, "validate", "--write-docs")
    assert (done.returncode, done.stdout) == (0, "wrote docs/validation.md\n")
    assert (top / validation_docs.DOCUMENT).read_text() == validation_docs.render(None)


@pytest.mark.parametrize("words, message, remedy", [
    ("--show smal", "unknown sitting 'smal'; the nearest known one is 'small'", "shows what there is"),
    ("--quick --name small", "run 'small' exists already, and results are never overwritten", "choose another --name"),
    ("--comparisons 0", "0 comparisons tell nothing", "give 1 or more"),
    ("--comparisons many", "'many' is not a valid integer", ""),
    ("--quick --comparisons 9", "--comparisons beside --quick", "give one of them"),
    ("--show small --quick", "--quick beside --show, which measures nothing", "give --show alone"),
    ("--write-docs --show small", "--write-docs beside --show, which measures nothing", "give --show alone"),
    ("--name ../up", "'../up' cannot be the name of a run", "choose letters"),
    ("--budgte 5", "No such option", "")])
def test_bad_argument(tree, words, message, remedy):
    """A wrong argument is told for what it is, with what to do: exit status 2, no traceback, nothing measured."""
    top, _ = tree
    done = lab(top, "validate", *words.split())
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False)
    assert message in done.stderr and remedy in done.stderr
    assert [path.name for path in (top / "results").iterdir()] == ["small"]


def test_interrupted(tree):
    """Ctrl-C keeps the parts that were measured, says how to see them, and exits with 130; a small try has a name of its own."""
    top, _ = tree
    process = subprocess.Popen([sys.executable, "-m", "lab.cli", "validate", "--quick", "--seed", "2"],
                               cwd=ROOT, env=environment(top), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    path, deadline = top / "results" / "validation-quick" / sittings.FILE, time.monotonic() + 120
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    made = sittings.load(path.parent)
    assert (process.returncode, made.header["status"], "Traceback" in err) == (130, "interrupted", False), err
    assert 1 <= len(made.records) < 5 and "what was measured is kept: lab validate --show validation-quick" in err
    shutil.rmtree(path.parent)


@dataclasses.dataclass
class Failing:
    """A session whose parts fail so many times before they succeed."""

    times: int

    def measure(self, part):
        self.times -= 1
        if self.times >= 0:
            validating._refuse_failures(Memory(failures=[{"what": "killed by SIGSEGV", "last_words": "words"}]))
        return {"kind": part.kind}


def test_a_worker_that_fails(tmp_path):
    """A part in which a process failed is tried again, and the sitting says so; one that fails each time ends it by name."""
    part, store, said = validating.Part(3, "two", 3), sittings.SittingStore(tmp_path / "one", {}), []
    assert validating._attempted(Failing(2), part, store, said.append) == {"kind": "two"}
    assert said == ["two, tried again: a worker failed: killed by SIGSEGV"] * 2
    with pytest.raises(WorkerError, match="a worker failed: killed by SIGSEGV\n.*what was measured before is kept") as raised:
        validating._attempted(Failing(3), part, store, said.append)
    assert raised.value.last_words == "words"
    assert store.header["failures"] == ["slice 4, two: a worker failed: killed by SIGSEGV"] * 5


def test_without_google_benchmark(tree, monkeypatch):
    """Where it is absent its parts leave no record, and what is said of the sitting has the reason."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    said = []
    machine = validating.prepare(tree[0], validating.QUICK, 1, said.append)
    session = validating._Session(machine)
    assert session.measure(validating.Part(0, "google", 0)) is None
    header = validating.header_of(tree[0], machine, 1.0)
    assert header["versions"]["google_benchmark"].startswith("absent: CXX=no-such-compiler is no program on PATH")
