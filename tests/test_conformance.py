"""The conformance suite: real probes, each in a process of its own, that do what the name of their outcome says."""

import dataclasses
import shlex
import subprocess
import sys
from types import MappingProxyType

import pytest
from lab_tree import ROOT, copy_tree, environment, lab
from spec_tree import edit

from lab import catalogue, conformance
from lab.errors import SpecError

PROBE = '''"""Does it {name}?

Why this is asked.
"""

import ctypes
import os
import signal
import time

from probing import Refused, Wrong, expect

REQUIRES = ("attached", "body")


def run(subject):
    {body}
'''
BODIES = {
    "ok": "return 'seen: %d' % subject.run('nothing', arg=7, loops=3).checksum",
    "wrong": "expect('the answer', subject.run('nothing', arg=7).checksum, 8)",
    "refused": "raise Refused('not on a Sunday')",
    "crash": "print('almost there', flush=True)\n    ctypes.string_at(0)",
    "hang": "time.sleep(60)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "bug": "return {}['missing']",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, interpreter, libraries):
    """What each of those probes comes to on hpyvm/pointer, which claims "ok" for all, and on an arm that runs no body."""
    folder = tmp_path_factory.mktemp("probes")
    for name, body in BODIES.items():
        (folder / f"{name}.py").write_text(PROBE.format(name=name, body=body))
    every = catalogue.arms(ROOT)
    claims = MappingProxyType(dict.fromkeys(BODIES, "ok"))
    chosen = {"hpyvm/pointer": dataclasses.replace(every["hpyvm/pointer"], claims=claims),
              "control/empty": every["control/empty"]}
    probes = conformance.probes(folder)
    told = []
    found = []
    for name, probe in probes.items():
        limit_s = 1.0 if name == "hang" else 20.0
        found += conformance.check([probe], chosen, interpreter, libraries, progress=told.append, limit_s=limit_s)
    assert told == found
    return {(each.probe, each.arm): each for each in found}


@pytest.mark.parametrize("probe, outcome, detail", [
    ("ok", "ok", "seen: 21"),
    ("wrong", "wrong", "the answer is 7; expected 8"),
    ("refused", "refused", "not on a Sunday"),
    ("crash", "crash", "killed by SIGSEGV\nalmost there"),
    ("killed", "crash", "killed by SIGKILL"),
    ("hang", "hang", "hung: not done within 1.0 s"),
    ("bug", "crash", "ended with exit status 1\nTraceback")])
def test_outcome(outcomes, probe, outcome, detail):
    """Each way a probe can end is told apart, with its detail or its last words, and only "ok" keeps the claim "ok"."""
    found = outcomes[probe, "hpyvm/pointer"]
    assert (found.outcome, found.expected, found.breaks_claim) == (outcome, "ok", outcome != "ok")
    assert found.detail.startswith(detail)
    assert found.seconds > 0


def test_not_applicable(outcomes):
    """An arm without a capability that a probe needs is not run: "n/a" with the reason from its arm.toml."""
    found = outcomes["crash", "control/empty"]
    assert (found.outcome, found.detail, found.seconds) == (
        "n/a", "runs no body: it is the cost of being called at all", 0.0)
    assert not found.breaks_claim


def test_outcome_as_a_row(outcomes):
    """A row of conformance.json has what results.py says it has."""
    assert sorted(outcomes["ok", "hpyvm/pointer"].as_dict()) == ["arm", "detail", "expected", "outcome", "probe", "seconds"]


def test_probes_are_read_without_being_run(tmp_path):
    """The question is the docstring's first sentence, the rest is why; requirements are read from the source."""
    (tmp_path / "ok.py").write_text(PROBE.format(name="run\nat all", body="pass") + "\nraise SystemExit\n")
    probe = conformance.probes(tmp_path)["ok"]
    assert (probe.name, probe.question, probe.why) == ("ok", "Does it run at all?", "Why this is asked.")
    assert (probe.requires, probe.path) == (("attached", "body"), tmp_path / "ok.py")


@pytest.mark.parametrize("text, found", [
    ("REQUIRES = ()\n", "no docstring"), ('"""A question?"""\n', "no REQUIRES"),
    ('"""A question?"""\nREQUIRES = (\n', "no Python"),
    ('"""A question?"""\nREQUIRES = ("wings",)\n', "'wings' in REQUIRES")])
def test_file_that_is_no_probe(tmp_path, text, found):
    """A file that does not say what it asks and needs is refused with its path."""
    (tmp_path / "wrong.py").write_text(text)
    with pytest.raises(SpecError) as caught:
        conformance.probes(tmp_path)
    assert (caught.value.path, caught.value.found.startswith(found)) == (tmp_path / "wrong.py", True)


def test_every_arm_says_what_it_claims():
    """The issue's four probes are there, and every claim is about a probe that its arm can be asked."""
    probes, arms = conformance.probes(), catalogue.arms(ROOT)
    assert {"returned_ctx", "nesting", "foreign_thread", "released_thread"} <= probes.keys()
    conformance.check_claims(arms.values(), probes)
    claims = [(arm, probes[name]) for arm in arms.values() for name in arm.claims]
    assert [(arm.id, probe.name) for arm, probe in claims if arm.lacks(probe.requires)] == []
    assert len(claims) >= 4 * 3


@pytest.mark.parametrize("claims, found", [
    ({"returned_ctx": "ok", "retruned_ctx": "ok"}, "the claim retruned_ctx = 'ok'"),
    ({"returned_ctx": "okay"}, "the claim returned_ctx = 'okay'")])
def test_claim_that_nothing_would_check(claims, found):
    """A claim about a probe that is not there, or of an outcome that cannot be, is refused with its file."""
    arm = dataclasses.replace(catalogue.arms(ROOT)["hpyvm/pointer"], claims=MappingProxyType(claims))
    with pytest.raises(SpecError) as caught:
        conformance.check_claims([arm], conformance.probes())
    assert (caught.value.path.name, caught.value.found) == ("variant.toml", found)


@pytest.fixture(scope="module")
def broken(tmp_path_factory, interpreter, libraries):
    """A checkout in which hpyvm/pointer claims of a probe what is not so."""
    top = copy_tree(tmp_path_factory.mktemp("broken"), built_for=interpreter.tag)
    body = "raise Wrong('a context from [elsewhere]')"
    (top / "lab" / "worker" / "probes" / "borrowed.py").write_text(PROBE.format(name="borrow", body=body))
    edit(top / "variants" / "hpyvm" / "variant.toml", "[form.claims]\n", '[form.claims]\nborrowed = "ok"\n')
    return top


def told(done):
    """The lines that a command wrote to stderr, but for what it built first."""
    return [line for line in done.stderr.splitlines() if not line.startswith("built ")]


def test_broken_claim_ends_with_the_command_that_shows_it(broken, interpreter):
    """A claim that does not hold is told with its detail and exit status 1; the command that is named shows it alone."""
    first = lab(broken, "check", "borrowed", "returned_ctx", "--arm", "hpyvm", "--arm", "control/pass_ctx", own=True)
    assert first.returncode == 1
    lines = told(first)
    assert lines[1:3] == [f"{interpreter.tag}: hpyvm/pointer claims ok for borrowed, and it was wrong:",
                          "a context from [elsewhere]"]
    alone = shlex.split(lines[3].removeprefix("alone: "))
    assert alone[:5] == ["lab", "check", "borrowed", "--arm", "hpyvm/pointer"]
    second = subprocess.run([sys.executable, "-m", "lab.cli", *alone[1:]], cwd=broken, env=environment(broken),
                            capture_output=True, text=True, timeout=60)
    assert (second.returncode, told(second)) == (1, lines)
    ran = [line.split()[1:3] for line in second.stdout.splitlines() if line.endswith(" s)")]
    assert ran == [["borrowed", "hpyvm/pointer:"]]


def test_claims_that_hold(broken, interpreter):
    """Where all claims hold the exit status is 0; the matrix has a row for each arm and says "n/a" where one was not asked."""
    done = lab(broken, "check", "returned_ctx", "--arm", "hpyvm", "--arm", "control/empty", own=True)
    assert (done.returncode, told(done)) == (0, [])
    assert [line.split() for line in done.stdout.splitlines()[-5:]] == [
        ["conformance,", interpreter.tag], ["arm", "returned_ctx"], ["hpyvm/pointer", "ok"], ["hpyvm/value", "ok"],
        ["control/empty", "n/a"]]
