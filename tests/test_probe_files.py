"""What is wrong in a probe's file, or in what an arm claims of a probe, is told with its file, its line and the remedy."""

import dataclasses
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from types import MappingProxyType

import pytest
from lab_tree import ROOT, copy_tree, environment, lab

from lab import catalogue, probes
from lab.errors import SpecError

HEAD = '"""Does it work?\n\nWhy it is asked: it has to.\n\nSource: the tests.\n"""\n'
TAIL = "\n\ndef run(subject):\n    return \"it does\"\n"
FIRST = HEAD.count("\n") + 1        # the line of what stands between


def read(folder, constants, requires='REQUIRES = ("attached",)\n'):
    (folder / "asked.py").write_text(HEAD + constants + requires + TAIL, encoding="utf-8")
    return probes.read(folder)["asked"]


def refused(folder, constants, requires='REQUIRES = ("attached",)\n'):
    """(line, found, expected) of what is said of a probe with these constants."""
    with pytest.raises(SpecError) as caught:
        read(folder, constants, requires)
    assert caught.value.path == folder / "asked.py" and caught.value.remedy
    return caught.value.line, caught.value.found, caught.value.expected


@pytest.mark.parametrize("constant, meant", [
    ("REQUIRE", "REQUIRES"), ("REQUIRED", "REQUIRES"), ("EXPECT", "EXPECTS"), ("EXPECTED", "EXPECTS"), ("POLICY", "POLICIES"),
    ("MODE", "MODES"), ("LIMIT", "LIMIT_S"), ("DETECT", "DETECTS"), ("ROLE", "ROLES"), ("slow", "SLOW")])
def test_misspelt_constant(tmp_path, constant, meant):
    """A constant whose name is nearly one that is read is refused, with the one that is meant."""
    line, found, expected = refused(tmp_path, f"{constant} = True\n")
    assert (line, found) == (FIRST, f"the constant {constant}")
    assert expected == f"{meant}; or a name that is less like it, as _{constant}, for a constant of the probe's own"


def test_constants_of_the_probe_itself(tmp_path):
    """Names that are like none of those read, begin with an underscore or are a function's own are the probe's business."""
    own = ("CALLS = 3\nDEEDS = {}\n_POLICY = 1\nTHREADS: int = 4\nWAIT_S = 0.1\nSIZES = [SLOW for SLOW in range(3)]\n"
           "def helper(MODE=1):\n    EXPECT = MODE\n    return EXPECT\n\n\nclass Thing:\n    LIMIT = 3\n\n\n")
    probe = read(tmp_path, own)
    assert (probe.slow, probe.limit_s, probe.modes) == (False, None, ("universal",))


def test_annotated_constants_are_read(tmp_path):
    """A constant with a type beside its name counts like any other."""
    probe = read(tmp_path, 'SLOW: bool = True\nLIMIT_S: float = 2.5\nDEBUG: tuple = ("on",)\n'
                           'EXPECTS: str = "wrong or crash"\n')
    assert (probe.slow, probe.limit_s, probe.debug, probe.expects) == (True, 2.5, ("on",), {"all": "wrong or crash"})


@pytest.mark.parametrize("constants, found", [
    ("LIMIT_S = -1\n", "LIMIT_S = -1"), ("LIMIT_S = 0\n", "LIMIT_S = 0"), ("LIMIT_S = 1e999\n", "LIMIT_S = inf"),
    ("LIMIT_S = True\n", "LIMIT_S = True"), ('LIMIT_S = float("nan")\n', "LIMIT_S = float('nan')"),
    ('LIMIT_S = "5"\n', "LIMIT_S = '5'"), ("SLOW = 1\n", "SLOW = 1"), ("SLOW: bool\n", "SLOW: bool"),
    ('DEBUG = ("on", "on")\n', "'on' in DEBUG again"), ("MODES = ()\n", "none in MODES"), ("DEBUG = ()\n", "none in DEBUG"),
    ("POLICIES = ()\n", "none in POLICIES"), ('MODES = (["debug"],)\n', "['debug'] in MODES"), ("ROLES = (1,)\n", "1 in ROLES"),
    ('POLICIES = "attach"\n', "POLICIES = 'attach'"), ('EXPECTS = ["ok"]\n', "EXPECTS = ['ok']"),
    ('EXPECTS = {"all": ["ok"]}\n', "EXPECTS = {'all': ['ok']}"), ('EXPECTS = ""\n', "EXPECTS = ''"),
    ('EXPECTS = {[]: "ok"}\n', "EXPECTS = {[]: 'ok'}"),
    ('EXPECTS = {"all": "ok", 1: "ok"}\n', "EXPECTS = {'all': 'ok', 1: 'ok'}"),
    ('EXPECTS = {"on": "ok"}\n', "EXPECTS = {'on': 'ok'}"), ('DETECTS = ""\n', "DETECTS = ''"),
    ("SLOW = False\nSLOW = True\n", "SLOW again"), ("SLOW, LIMIT_S = True, 3\n", "SLOW, LIMIT_S = (True, 3)"),
    ("if True:\n    SLOW = True\n", "if True:"), ("MODES = DEBUG = ('on',)\n", "MODES = DEBUG = ('on',)"),
    ("from elsewhere import MODES\n", "from elsewhere import MODES")])
def test_value_that_cannot_be(tmp_path, constants, found):
    """A value that could not be meant is refused in its line, and so is one that would not be read."""
    line, said, expected = refused(tmp_path, constants)
    own = FIRST + (constants.count("\n") - 1 if not constants.startswith("if") else 0)
    assert (line, said) == (own, found) and expected


@pytest.mark.parametrize("content, line, found", [
    (HEAD.encode() + b"SLOW = False\n# caf\xe9\n", FIRST + 1, "'utf-8' codec can't decode byte 0xe9"),
    (HEAD.encode() + b"SLOW = \0False\n", None, "no Python: "), (b"", 1, "no docstring"),
    (HEAD.encode() + b"REQUIRES = ()\n", 1, "no run()"),
    (HEAD.replace("the tests.", "").encode() + b"REQUIRES = ()\n", 1, "no source")])
def test_file_that_cannot_be_read(tmp_path, content, line, found):
    """A file in another encoding, one that is not Python and one without a source or a question are refused."""
    (tmp_path / "asked.py").write_bytes(content)
    with pytest.raises(SpecError) as caught:
        probes.read(tmp_path)
    assert caught.value.found.startswith(found) and caught.value.line == (line or caught.value.line)


def test_folder_in_the_place_of_a_probe(tmp_path):
    """What is called like a probe and is no file is refused as well."""
    (tmp_path / "asked.py").mkdir()
    with pytest.raises(SpecError, match="asked.py:1: found nothing that can be read"):
        probes.read(tmp_path)


# ---- what an arm claims of a probe

def refused_claim(name, claim, arm="hpyvm/pointer"):
    changed = dataclasses.replace(catalogue.arms(ROOT)[arm], claims=MappingProxyType({name: claim}))
    with pytest.raises(SpecError) as caught:
        probes.check_claims([changed], probes.read())
    return caught.value.found, caught.value.expected


@pytest.mark.parametrize("arm, probe, condition", [
    ("hpyvm/pointer", "nesting", "hpy_debug hpy_trace"), ("hpyvm/pointer", "nesting", "pypy cpython3.12"),
    ("hpyvm/pointer", "nesting", "cpython3.11 cpython3.12"), ("hpyvm/pointer", "nesting", "lab_debug lab_release"),
    ("hpyvm/pointer", "ctx_kept", "hpy_trace"), ("peer/pygilstate", "nesting", "lab_debug"),
    ("control/hpy_cpython_abi", "returned_ctx", "pypy"), ("control/hpy_cpython_abi", "returned_ctx", "hpy_debug"),
    ("hpyvm/pointer", "nesting", "")])
def test_condition_that_nothing_meets(arm, probe, condition):
    """A condition is refused whose words never hold at once, or of which the probe is never asked of the arm."""
    found, expected = refused_claim(probe, {condition: "wrong"}, arm)
    assert found == f"the condition {condition!r} of the claim {probe}, which no case meets"
    assert "lab_release" in expected


def test_conditions_that_can_be_met():
    """Those of an interpreter, of its kind and of an axis that the probe is asked along are not, nor several of one kind."""
    claim = {"all": "wrong", "pypy": "ok", "pypy3.11 hpy_debug": "crash", "cpython cpython3.12 lab_debug": "hang",
             "cpython3.8": "ok"}
    arm = dataclasses.replace(catalogue.arms(ROOT)["hpyvm/pointer"], claims=MappingProxyType({"returned_ctx": claim}))
    probes.check_claims([arm], probes.read())


def test_condition_that_never_counts():
    """One that later conditions always override is refused: the last that fits counts."""
    found, expected = refused_claim("nesting", {"lab_debug": "wrong", "all": "ok"})
    assert found == "the condition 'lab_debug' of the claim nesting, which never counts" and "it after 'all'" in expected
    assert "never counts" in refused_claim("nesting", {"pypy": "wrong", "lab_debug": "ok", "lab_release": "ok"})[0]


@pytest.mark.parametrize("name, claim, expected", [
    ("nestin", "ok", "nesting, or another probe of"), ("nesting", {}, "a probe of"), ("nesting", ["ok"], "a probe of"),
    ("nesting", {"pypy": ["ok"]}, "a probe of"), ("nesting", "", "a probe of"), ("nesting", 3, "a probe of")])
def test_claim_of_another_shape(name, claim, expected):
    """A claim about no probe, or that names no outcome, is refused; the nearest probe is named."""
    found, wanted = refused_claim(name, claim)
    assert found == f"the claim {name} = {claim!r}" and wanted.startswith(expected)


@pytest.mark.parametrize("form, probe, line", [("one", "in_del", 9), ("two", "in_del", 14), ("two", "nesting", 12)])
def test_line_of_a_claim(tmp_path, form, probe, line):
    """The line that is told is that of the form's own claim, not of one whose name begins alike, nor of another form's."""
    (tmp_path / "variant.toml").write_text(
        'title = "t"\nsource = "s"\n\n[[form]]\nname = "one"\n\n[form.claims]\nin_del_at_exit = "ok"\nin_del = "fine"\n\n'
        '[[form]]\nname = "two"\n[form.claims]\nin_del.pypy = "fine"\n', encoding="utf-8")
    arm = dataclasses.replace(catalogue.arms(ROOT)["hpyvm/pointer"], id=f"hpyvm/{form}", folder=tmp_path,
                              claims=MappingProxyType({probe: "fine"}))
    with pytest.raises(SpecError) as caught:
        probes.check_claims([arm], probes.read())
    assert (caught.value.path, caught.value.line) == (tmp_path / "variant.toml", line)


def test_claim_about_what_is_never_asked():
    """An arm that cannot be asked claims nothing: the reason stands beside it."""
    found, expected = refused_claim("foreign_thread", "wrong", "control/pass_ctx")
    assert found == "a claim about foreign_thread" and "control/pass_ctx cannot be asked: the caller's context" in expected


# ---- as the command says it

@pytest.fixture(scope="module")
def top(tmp_path_factory, interpreter, libraries):
    return copy_tree(tmp_path_factory.mktemp("asked"), built_for=interpreter.tag)


@pytest.mark.parametrize("path, old, new, said", [
    ("lab/worker/probes/nesting.py", "REQUIRES =", "LIMIT = 3\nREQUIRES =", "found the constant LIMIT; expected LIMIT_S"),
    ("csrc/controls/pass_ctx/arm.toml", "[claims]\n", '[claims]\nreturned_ctx = { "hpy_debug hpy_trace" = "wrong" }\n',
     "found the condition 'hpy_debug hpy_trace' of the claim returned_ctx"),
    ("csrc/controls/pass_ctx/arm.toml", "[claims]\n", '[claims]\nreturned_ctx = [["ok"]]\n',
     "found the claim returned_ctx = [['ok']]")])
def test_command_names_file_line_and_remedy(top, path, old, new, said):
    """`lab check` ends with exit status 2, the file, the line and the remedy, and without a traceback."""
    file = top / path
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace(old, new, 1), encoding="utf-8")
    try:
        done = lab(top, "check", "nesting", "--arm", "control/pass_ctx", own=True)
    finally:
        file.write_text(before, encoding="utf-8")
    line = before[:before.index(old)].count("\n") + (2 if "[claims]" in old else 1)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert f"{file.name}:{line}: {said}" in done.stderr and "mend the specification" in done.stderr


@pytest.mark.parametrize("words, said", [
    (["ctx_kept", "--form", "hpyvm/pointer", "--mode", "trace"], "ctx_kept is not asked of hpyvm/pointer with --mode trace"),
    (["nesting", "thousand_deep", "--form", "peer", "--lab-debug", "on", "--gdb"],
     "none of 2 probes is asked of 2 arms with --lab-debug on"),
    (["foreign_thread", "--form", "control/pass_ctx", "--gdb"], "foreign_thread cannot be asked of control/pass_ctx"),
    (["attached_only", "--form", "control/pass_ctx", "--gdb"], "serves the policy attach alone")])
def test_pair_without_cases(words, said):
    """A probe that is not asked of an arm, or not so, is told with what is possible, under --gdb too."""
    done = lab(ROOT, "check", *words)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False) and said in done.stderr
    assert "--gdb" in words or "; --mode universal or debug; --lab-debug off or on; " in done.stderr


# ---- the matrix

def on_a_terminal(columns, *words):
    """The lines that `lab` writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    variables = {name: value for name, value in environment(ROOT, TERM="xterm").items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen([sys.executable, "-m", "lab.cli", *words], cwd=ROOT, env=variables, stdin=subprocess.DEVNULL,
                               stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:     # as Linux says that nobody has it open any more
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode()).splitlines()]


def test_matrix_fits_a_terminal(interpreter, libraries):
    """On a terminal the arms stand in blocks that are no wider, each with all probes; elsewhere they stand in one table."""
    words = ("check", "handle_escapes", "--mode", "universal", "--python", interpreter.path)
    narrow, wide = on_a_terminal(80, *words), on_a_terminal(2000, *words)
    heads = [line for line in narrow if line.startswith("probe ")]
    whole = next(line for line in wide if line.startswith("probe ")).split()
    assert max(map(len, narrow)) <= 80 < max(map(len, wide)) and len(heads) > 1
    assert [word for head in heads for word in head.split()[1:]] == whole[1:]
    assert sum(line.startswith("handle_escapes ") for line in narrow) == len(heads)
    plain = [line.split() for line in lab(ROOT, *words).stdout.splitlines() if line.startswith("probe ")]
    assert plain == [whole] and len(whole) == len(catalogue.arms(ROOT)) + 1
