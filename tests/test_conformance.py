"""The conformance suite: real probes, each in a process of its own, that do what the name of their outcome says."""

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from types import MappingProxyType

import pytest
from lab_tree import ROOT, copy_tree, environment, lab
from spec_tree import edit

from lab import builder, catalogue, conformance, conformance_docs, probes
from lab.errors import SpecError
from lab.results_schema import complete_row

PROBE = '''"""Does it {name}?

Why it is asked: it has to.

Source: the
tests.
"""

import ctypes
import os
import signal
import time

from probing import Detected, NotApplicable, Refused, Wrong, expect

REQUIRES = ("attached", "body")
{constants}


def run(subject):
    {body}
'''
REPORT = "print('''HPy Context Lab: HPy_LeaveContext: a context was released twice%s''')\n    os.abort()"
SITE, REMEDY = "\n  this call, on thread 7:\n    /lib/arm.so+0x1f (call+0x7)", "\n  What to do: release each acquisition once."
DETECTS = 'DETECTS = "%s"\nEXPECTS = {"all": "crash", "lab_debug": "detected"}'
BODIES = {      # what run() does, and the constants of the file
    "ok": ("return 'seen: %d' % subject.run('nothing', arg=7, loops=3).checksum", ""),
    "wrong": ("print('before')\n    expect('the answer', subject.run('nothing', arg=7).checksum, 8)", ""),
    "refused": ("raise Refused('not on a Sunday')", ""),
    "seen": ("raise Detected('HPy Context Lab: …')", ""),
    "senseless": ("raise NotApplicable('nothing to free')", ""),
    "crash": ("print('almost there', flush=True)\n    ctypes.string_at(0)", ""),
    "hang": ("time.sleep(60)", "LIMIT_S = 1.0"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", ""),
    "bug": ("return {}['missing']", ""),
    "reported": (REPORT % (SITE + REMEDY), DETECTS % "released twice"),
    "misreported": (REPORT % (SITE + REMEDY), DETECTS % "out of order"),
    "nowhere": (REPORT % ("\n  this call, on thread 7:\n    (no frame is known)" + REMEDY), DETECTS % "released twice"),
    "no_remedy": (REPORT % SITE, DETECTS % "released twice"),
    "by_hpy": ("print('Wrong HPy Context! …')\n    os.abort()", 'MODES = ("debug",)\n' + DETECTS % "released twice"),
    "bare": ("return type(subject).__name__", "BARE = True"),
    "giving_back": ("return 'given back'", 'ROLES = ("CREATE", "FREE")'),
}


def write(folder, name, body="pass", constants=""):
    """The file of a probe."""
    path = folder / f"{name}.py"
    path.write_text(PROBE.format(name=name, body=body, constants=constants))
    return path


@pytest.fixture(scope="module")
def with_debug(interpreter, libraries):
    """The same with the lab's debug mode compiled into the extension halves."""
    return builder.build(ROOT, [interpreter], debug=True)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, interpreter, libraries, with_debug):
    """What each of those probes comes to on hpyvm/pointer, which claims "ok" for all, and on an arm that runs no body."""
    folder = tmp_path_factory.mktemp("probes")
    for name, (body, constants) in BODIES.items():
        write(folder, name, body, constants)
    every = catalogue.arms(ROOT)
    claims = MappingProxyType(dict.fromkeys(BODIES, "ok"))
    chosen = {"hpyvm/pointer": dataclasses.replace(every["hpyvm/pointer"], claims=claims),
              "control/empty": every["control/empty"]}
    told = []
    found = conformance.check(probes.read(folder).values(), chosen, interpreter, libraries, None, told.append, debug=with_debug,
                              only={"policy": ["attach"]})
    assert told == found
    return {(each.probe, each.arm, each.debug): each for each in found}


@pytest.mark.parametrize("debug", ["off", "on"])
@pytest.mark.parametrize("probe, outcome, detail, output", [
    ("ok", "ok", "seen: 21", ""),
    ("wrong", "wrong", "the answer is 7; expected 8", "before"),
    ("refused", "refused", "not on a Sunday", ""),
    ("seen", "detected", "HPy Context Lab: …", ""),
    ("crash", "crash", "killed by SIGSEGV", "almost there"),
    ("killed", "crash", "killed by SIGKILL", ""),
    ("hang", "hang", "hung: not done within 1.0 s", ""),
    ("bug", "broken", "ended with exit status 1", "Traceback")])
def test_outcome(outcomes, probe, outcome, detail, output, debug):
    """Each way a probe can end is told apart, with its detail and what it wrote, and only "ok" keeps the claim "ok"."""
    found = outcomes[probe, "hpyvm/pointer", debug]
    assert (found.outcome, found.expected, found.claimed, found.unexpected) == (outcome, "ok", True, outcome != "ok")
    assert (found.detail, found.output[:len(output)]) == (detail, output)
    assert found.seconds > 0


def test_report_is_detection(outcomes):
    """A process that a debug mode ended with the report that the probe names detected it; without that mode it died."""
    found = [outcomes["reported", "hpyvm/pointer", debug] for debug in ("off", "on")]
    assert [(each.outcome, each.detail) for each in found] == [
        ("crash", "killed by SIGABRT"), ("detected", "HPy Context Lab: HPy_LeaveContext: a context was released twice")]
    assert outcomes["misreported", "hpyvm/pointer", "on"].outcome == "wrong"
    assert outcomes["misreported", "hpyvm/pointer", "on"].detail.startswith("another report than 'out of order': HPy Context")


@pytest.mark.parametrize("probe, lacking", [("nowhere", "a native stack"), ("no_remedy", "what to do")])
def test_report_says_where_and_what_to_do(outcomes, probe, lacking):
    """A report of the lab's debug mode that shows no native stack, or no remedy, is none."""
    found = outcomes[probe, "hpyvm/pointer", "on"]
    assert (found.outcome, found.detail) == (
        "wrong", f"a report without {lacking}: HPy Context Lab: HPy_LeaveContext: a context was released twice")


def test_report_of_hpy_is_detection(outcomes):
    """In HPy's debug mode the report may be HPy's, whose words are its own."""
    found = [outcomes["by_hpy", "hpyvm/pointer", debug] for debug in ("off", "on")]
    assert [(each.outcome, each.detail) for each in found] == [("detected", "Wrong HPy Context! …")] * 2


def test_bare_probe(outcomes):
    """A probe may ask to be given the job, with nothing loaded."""
    found = outcomes["bare", "hpyvm/pointer", "off"]
    assert (found.outcome, found.detail) == ("ok", "dict")


def test_not_applicable(outcomes):
    """An arm without a capability that a probe needs is not run, once for all axes; a probe may find that out by itself."""
    found = outcomes["crash", "control/empty", "off"]
    assert (found.outcome, found.detail, found.seconds) == (
        "n/a", "runs no body: it is the cost of being called at all", 0.0)
    assert ("crash", "control/empty", "on") not in outcomes
    own = outcomes["senseless", "hpyvm/pointer", "off"]
    assert (own.outcome, own.detail, own.unexpected) == ("n/a", "nothing to free", False)
    lacking = outcomes["giving_back", "hpyvm/pointer", "on"]
    assert (lacking.outcome, lacking.detail, lacking.seconds) == ("n/a", "its API has nothing of the role FREE", 0.0)


def test_outcome_as_a_row(outcomes):
    """A row of conformance.json has what results.py says it has."""
    row = outcomes["ok", "hpyvm/pointer", "on"].as_dict()
    assert " ".join(row) == "probe arm policy mode debug outcome expected claimed detail output seconds"
    assert (row["policy"], row["mode"], row["debug"], json.loads(json.dumps(row))) == ("attach", "universal", "on", row)


def test_row_from_before_there_were_axes():
    """A row that an earlier lab wrote is read as one of the release mode; what it expected was claimed."""
    old = {"probe": "nesting", "arm": "hpyvm/pointer", "outcome": "ok", "expected": "ok", "detail": "64", "seconds": 0.1}
    assert complete_row(old) == {**old, "policy": "", "mode": "universal", "debug": "off", "output": "", "claimed": True}
    assert complete_row({**old, "expected": ""})["claimed"] is False
    new = {**complete_row(old), "debug": "on", "claimed": False}
    assert complete_row(new) == new


def places(found):
    """Where each case is asked."""
    return [(case.arm.id, case.policy, case.mode, case.debug, case.why_not) for case in found]


def test_cases(tmp_path):
    """A probe is asked along its axes: policies that the arm serves, HPy's modes, the lab's debug mode of forms alone."""
    write(tmp_path, "plain")
    write(tmp_path, "wide", constants='POLICIES = ("attach", "attached_only")\nMODES = ("debug", "trace")\nDEBUG = ("off",)')
    found, arms = probes.read(tmp_path), catalogue.arms(ROOT)
    chosen = [arms["enter_leave/get"], arms["hpyvm/value"], arms["control/pass_ctx"], arms["control/hpy_cpython_abi"]]
    assert places(probes.cases([found["plain"]], chosen)) == [
        ("enter_leave/get", "attached_only", "universal", "off", ""),
        ("enter_leave/get", "attached_only", "universal", "on", ""),
        *(("hpyvm/value", policy, "universal", debug, "") for policy in ("attach", "attached_only") for debug in ("off", "on")),
        ("control/pass_ctx", "attach", "universal", "off", ""), ("control/hpy_cpython_abi", "attach", "universal", "off", "")]
    alone = "serves the policy attached_only alone"
    assert places(probes.cases([found["wide"]], chosen[:2])) == [
        ("enter_leave/get", "attach", "debug", "off", alone), ("enter_leave/get", "attached_only", "debug", "off", ""),
        ("enter_leave/get", "attached_only", "trace", "off", ""),
        *(("hpyvm/value", policy, mode, "off", "") for policy in ("attach", "attached_only") for mode in ("debug", "trace"))]
    only = {"policy": ["attached_only"], "mode": ("trace",), "debug": ()}
    assert places(probes.cases([found["wide"]], chosen[1:2], only)) == [("hpyvm/value", "attached_only", "trace", "off", "")]


def test_slow_probes_are_asked_by_name(tmp_path):
    """A slow probe is not among all of them, unless that is said; its name is enough."""
    write(tmp_path, "quick")
    write(tmp_path, "slow", constants="SLOW = True")
    found = probes.read(tmp_path)
    chosen = [[each.name for each in probes.select(*how)] for how in (((), found), (["all"], found, True), (["slow"], found))]
    assert chosen == [["quick"], ["quick", "slow"], ["slow"]]


@pytest.mark.parametrize("claim, expected", [
    ("wrong", ["wrong"] * 4),
    ({"lab_debug": "detected"}, ["", "detected", "", "detected"]),
    ({"all": "ok", "lab_debug": "detected", "pypy lab_debug": "n/a"}, ["ok", "detected", "ok", "n/a"]),
    ({"pypy3.11": "hang", "hpy_universal attach lab_release": "crash"}, ["crash", "", "crash", "hang"])])
def test_claim_by_axis(tmp_path, claim, expected):
    """A claim is for every case, or by condition, of which the last that fits counts."""
    path = write(tmp_path, "plain")
    arm = dataclasses.replace(catalogue.arms(ROOT)["hpyvm/pointer"], claims=MappingProxyType({path.stem: claim}))
    found = probes.cases(probes.read(tmp_path).values(), [arm], {"policy": ["attach"]})
    assert [case.claimed(tag) for tag in ("cpython3.12", "pypy3.11") for case in found] == expected


def test_expectation_by_axis(tmp_path):
    """What a probe expects is for every case, or by condition as a claim is."""
    write(tmp_path, "table", constants='EXPECTS = {"all": "ok", "attached_only": "refused", "attach lab_debug": "detected"}')
    found = probes.cases(probes.read(tmp_path).values(), [catalogue.arms(ROOT)["hpyvm/pointer"]])
    assert [case.expected for case in found] == ["ok", "detected", "refused", "refused"]


DIES = ("ctypes.string_at(0)", "crash", "killed by SIGSEGV")
COUNTS = ('expect("the depth", 3, 4)', "wrong", "the depth is 3; expected 4")


@pytest.mark.parametrize("ending, expected, met", [
    (DIES, "crash", True), (DIES, "crash: SIGSEGV", True), (DIES, "wrong or crash: SIGSEGV", True), (DIES, "crash: SIGABRT", False),
    (DIES, "wrong or crash: SIGABRT", False), (DIES, "wrong: killed", False),
    (COUNTS, "wrong", True), (COUNTS, "wrong: the depth is", True), (COUNTS, "crash or wrong: 3; expected 4", True),
    (COUNTS, "wrong: the levels", False), (COUNTS, "crash or wrong: the levels", False)])
def test_another_signal_or_other_words(tmp_path, interpreter, libraries, ending, expected, met):
    """Who expects or claims a crash may say by which signal, and in which words something is wrong; others do not pass for it."""
    body, outcome, detail = ending
    write(tmp_path, "ends", body, f'EXPECTS = "{expected}"\nPOLICIES = ("attach",)')
    arm = catalogue.arms(ROOT)["hpyvm/pointer"]
    for chosen in (arm, dataclasses.replace(arm, claims=MappingProxyType({"ends": expected}))):
        found, = conformance.check(probes.read(tmp_path).values(), {arm.id: chosen}, interpreter, libraries)
        assert (found.outcome, found.detail, found.unexpected) == (outcome, detail, not met)
        assert met or found.expected == expected


def test_what_is_known_to_go_wrong_is_said_in_words():
    """No probe of the checkout and no form expects a bare "wrong", which another mistake could pass for."""
    of_probes = {(probe.name, outcome) for probe in probes.read().values() for outcome in probe.expects.values()}
    for arm in catalogue.arms(ROOT).values():
        for name, claim in arm.claims.items() if arm.kind == "form" else ():
            of_probes |= {(f"{arm.id} {name}", outcome) for outcome in ([claim] if isinstance(claim, str) else claim.values())}
    assert {each for each in of_probes if "wrong" in each[1].split(probes.ALTERNATIVE)} == set()


def test_describe():
    """Some of a field's rows are told from the others by the axes that differ, in words where those are enough."""
    every = [{"policy": policy, "mode": "universal", "debug": debug} for policy in ("attach", "attached_only")
             for debug in ("off", "on")]
    assert probes.describe(every, every) == ""
    assert probes.describe(every[1::2], every) == "lab debug"
    assert probes.describe(every[:1], every) == "attach, release"
    assert probes.describe([every[0], every[3]], every) == "attach, release; attached_only, lab debug"
    assert probes.name_of({**every[3], "probe": "nesting"}) == "nesting, attached_only, lab debug"


def test_probes_are_read_without_being_run(tmp_path):
    """The question is the docstring's first sentence, the rest is why; requirements are read from the source."""
    (tmp_path / "ok.py").write_text(PROBE.format(name="run\nat all", body="pass", constants="") + "\nraise SystemExit\n")
    probe = probes.read(tmp_path)["ok"]
    assert (probe.name, probe.question, probe.why) == ("ok", "Does it run at all?", "Why it is asked: it has to.")
    assert (probe.source, probe.requires, probe.path) == ("the tests.", ("attached", "body"), tmp_path / "ok.py")
    assert (probe.policies, probe.modes, probe.expects) == ((), ("universal",), {"all": "ok"})
    assert (probe.detects, probe.limit_s, probe.slow) == ("", None, False)


ASKED = '"""A question?\n\nWhy it is asked: a test.\n\nSource: a test.\n"""\n'


@pytest.mark.parametrize("text, found", [
    ("REQUIRES = ()\n", "no docstring"), ('"""A question?"""\nREQUIRES = ()\n', "no source"),
    ('"""A question?\n\nSource: a test."""\nREQUIRES = ()\n', "no reason"), (ASKED, "no REQUIRES"),
    (ASKED + "REQUIRES = (\n", "no Python"), (ASKED + 'REQUIRES = ("wings",)\n', "'wings' in REQUIRES"),
    (ASKED + 'POLICIES = ("attach_only",)\n', "'attach_only' in POLICIES"), (ASKED + 'ROLES = ("LEND",)\n', "'LEND' in ROLES"),
    (ASKED + 'SLOW = "no"\n', "SLOW = 'no'"),
    (ASKED + 'EXPECTS = "fine"\n', "EXPECTS = 'fine'"), (ASKED + 'EXPECTS = {"lab_debug": "ok"}\n', "EXPECTS = {'lab_debug': 'ok'}"),
    (ASKED + 'EXPECTS = {"all": "ok", "pypy": "wrong"}\n', "EXPECTS = {'all'"),
    (ASKED + 'EXPECTS = "crash: SIGFOO"\n', "EXPECTS = 'crash: SIGFOO'"),
    (ASKED + 'EXPECTS = "wrong: "\n', "EXPECTS = 'wrong: '"),
    (ASKED + "MODES = tuple()\n", "MODES = tuple()")])
def test_file_that_is_no_probe(tmp_path, text, found):
    """A file that does not say what it asks and needs is refused with its path."""
    (tmp_path / "wrong.py").write_text(text)
    with pytest.raises(SpecError) as caught:
        probes.read(tmp_path)
    assert (caught.value.path, caught.value.found.startswith(found)) == (tmp_path / "wrong.py", True)


def test_every_arm_says_what_it_claims():
    """The issue's four probes are there, and every claim is about a probe that its arm can be asked."""
    known, arms = probes.read(), catalogue.arms(ROOT)
    assert {"returned_ctx", "nesting", "foreign_thread", "released_thread", "attached_only"} <= known.keys()
    probes.check_claims(arms.values(), known)
    claims = [(arm, known[name]) for arm in arms.values() for name in arm.claims]
    assert [(arm.id, probe.name) for arm, probe in claims if arm.lacks(probe.requires)] == []
    assert len(claims) >= 4 * 3


@pytest.mark.parametrize("claims, found", [
    ({"returned_ctx": "ok", "retruned_ctx": "ok"}, "the claim retruned_ctx = 'ok'"),
    ({"returned_ctx": "okay"}, "the claim returned_ctx = 'okay'"),
    ({"nesting": {"lab_debug": "sure"}}, "the claim nesting = {'lab_debug': 'sure'}"),
    ({"nesting": {"lab_debugging": "ok"}}, "'lab_debugging' in the claim nesting")])
def test_claim_that_nothing_would_check(claims, found):
    """A claim about a probe that is not there, or of an outcome that cannot be, is refused with its file."""
    arm = dataclasses.replace(catalogue.arms(ROOT)["hpyvm/pointer"], claims=MappingProxyType(claims))
    with pytest.raises(SpecError) as caught:
        probes.check_claims([arm], probes.read())
    assert (caught.value.path.name, caught.value.found) == ("variant.toml", found)


@pytest.fixture(scope="module")
def broken(tmp_path_factory, interpreter, libraries):
    """A checkout in which hpyvm/pointer claims of a probe what is not so."""
    top = copy_tree(tmp_path_factory.mktemp("broken"), built_for=interpreter.tag)
    body = "print('[written]')\n    raise Wrong('a context from [elsewhere]')"
    write(top / "lab" / "worker" / "probes", "borrowed", body)
    edit(top / "variants" / "hpyvm" / "variant.toml", "[form.claims]\n",
         '[form.claims]\nborrowed = { lab_debug = "wrong", lab_release = "ok" }\n')
    return top


def told(done):
    """The lines that a command wrote to stderr, but for what it built first."""
    return [line for line in done.stderr.splitlines() if not line.startswith("built ")]


def test_broken_claim_ends_with_the_command_that_shows_it(broken, interpreter):
    """A claim that does not hold is told with what the process wrote and exit status 1; the command named shows it alone."""
    first = lab(broken, "check", "borrowed", "returned_ctx", "--arm", "hpyvm/pointer", "--arm", "control/pass_ctx", own=True)
    assert first.returncode == 1
    lines = told(first)
    assert lines[1:5] == [f"{interpreter.tag}: hpyvm/pointer claims ok for borrowed, and it was wrong:",
                          "a context from [elsewhere]", "it wrote:", "[written]"]
    alone = shlex.split(lines[5].removeprefix("alone: "))
    assert alone[:5] == ["lab", "check", "borrowed", "--arm", "hpyvm/pointer"]
    second = subprocess.run([sys.executable, "-m", "lab.cli", *alone[1:]], cwd=broken, env=environment(broken),
                            capture_output=True, text=True, timeout=60)
    assert (second.returncode, told(second)) == (1, lines[:6])
    ran = [line.split()[1:3] for line in second.stdout.splitlines() if line.endswith(" s)")]
    assert ran == [["borrowed", "hpyvm/pointer:"]]


def test_claims_that_hold(broken, interpreter):
    """Where all claims hold the exit status is 0; the matrix has a row for each probe and says "n/a" for one not asked."""
    done = lab(broken, "check", "returned_ctx", "--arm", "hpyvm", "--arm", "control/empty", own=True)
    assert (done.returncode, told(done)) == (0, [])
    assert [line.split() for line in done.stdout.splitlines()[-4:]] == [
        ["conformance,", interpreter.tag], ["hpyvm/", "hpyvm/", "control/"], ["probe", "pointer", "value", "empty"],
        ["returned_ctx", "ok", "ok", "n/a"]]


def test_under_gdb(broken, tmp_path):
    """``--gdb`` becomes gdb with the process of the one case, whose job is in a file; that process prints its answer."""
    gdb = tmp_path / "gdb"
    gdb.write_text('#!/bin/sh\nshift\nexec "$@"\n')      # --args
    gdb.chmod(0o755)
    found = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = lab(broken, "check", "borrowed", "--form", "hpyvm/value", "--lab-debug", "on", "--gdb", own=True, **found)
    assert json.loads(done.stdout.splitlines()[-1])["detail"] == "a context from [elsewhere]"
    job = json.loads((broken / "build" / "probe.json").read_text())["arm"]
    assert (job["id"], job["debug"], "universal-debug" in job["path"]) == ("hpyvm/value", "on", True)
    refused = lab(broken, "check", "borrowed", "--gdb", own=True, **found)
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (2, "lab: a debugger takes one process")


def test_only_a_whole_suite_is_kept(broken):
    """A check of a part of the axes is not kept for the next run's report; test_fourth_proposal.py has one that is."""
    done = lab(broken, "check", "all", "--policy", "attached_only", "--mode", "trace", "--arm", "all", own=True)
    assert done.returncode == 0 and "returned_ctx" in done.stdout
    assert not (broken / "build" / "conformance.json").exists()


def test_document_says_what_the_probes_say(tmp_path):
    """docs/conformance.md has every probe with its question, reason, source and what it expects; it is what would be made."""
    text = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert conformance_docs.check(ROOT) == [] and (ROOT / re.match("<!-- DO NOT EDIT. Made by (\\S+)", text)[1]).is_file()
    for probe in probes.read().values():
        section = text.partition(f"## `{probe.name}`\n")[2].partition("\n## ")[0]
        for part in (probe.question, probe.why, probe.source.split()[0]):
            assert part in section
    assert "Claimed otherwise: `trampoline/plain` (wrong: both answer None), `trampoline/handle` (wrong: both answer None)." in text
    top = copy_tree(tmp_path)
    assert conformance_docs.generate(top) == [top / "docs" / "conformance.md"]
    assert conformance_docs.check(top) == []
    write(top / "lab" / "worker" / "probes", "another")
    assert conformance_docs.check(top) == [top / "docs" / "conformance.md"]
