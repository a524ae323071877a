"""What every arm promises in csrc/interface.h, of the real extension halves in fresh processes."""

import re
import subprocess

import pytest
from run_in_worker import ARMS, FORMS, TOP, Worker

from lab import catalogue, spec, targets
from lab.worker import autogen_interface

ATTACHED = sorted(arm.id for arm in ARMS.values() if {"attached", "body"} <= arm.capabilities)
RELEASED = sorted(arm.id for arm in ARMS.values() if {"released", "body"} <= arm.capabilities)
BARE = sorted(arm.id for arm in ARMS.values() if "bare" in arm.capabilities)
NOT_BARE = sorted(set(ARMS) - set(BARE))
LEAVE = 1               # of drive(): Python execution is left around the driver
UNTOUCHED = 12345       # what binding.py leaves in a result
RESULT, RAISED = [0, 40], [1, UNTOUCHED]
REPORTED = [["ValueError", "raised by the body"]]


@pytest.fixture(scope="module")
def worker(interpreter, libraries):
    """Fresh processes of the interpreter that runs the tests."""
    return Worker(interpreter, libraries)


@pytest.mark.parametrize("arm", ATTACHED)
def test_statuses_attached(worker, arm):
    """On an attached thread: the body's result, a body that raised and was reported, the result of a call deep in others."""
    answers, reported, unchanged = worker("arms.statuses", arm, holding=True)
    assert answers == [RESULT, RAISED, RESULT]
    assert (reported, unchanged) == (REPORTED, True)


@pytest.mark.parametrize("arm", RELEASED)
def test_statuses_released(worker, arm):
    """The same on a thread that left Python execution."""
    answers, reported, unchanged = worker("arms.statuses", arm, holding=False)
    assert answers == [RESULT, RAISED, RESULT]
    assert (reported, unchanged) == (REPORTED, True)


def test_empty_answers_its_argument(worker):
    """The arm that runs no body answers what it was called with."""
    assert worker("arms.no_body", "control/empty") == [0, 7]


@pytest.mark.parametrize("arm", BARE)
def test_bare_bound_twice(worker, arm):
    """A second bare callback finds the arm's one place taken and leaves the first alone; unbound, there is room again."""
    assert worker("arms.bare", arm) == [
        40, ["RuntimeError", "another callback is bound in this arm's one place; unbind it first"], 42, 44]


@pytest.mark.parametrize("arm", BARE)
def test_bare_raises(worker, arm):
    """A bare callback whose body raised answers HPyLab_RAISED, and the exception was reported."""
    assert worker("arms.bare_raises", arm) == [autogen_interface.RAISED, REPORTED]


@pytest.mark.parametrize("arm", [arm for arm in BARE if "attached_only" in ARMS[arm].policies])
def test_bare_refused(worker, arm):
    """Under attached_only a thread that left Python is answered HPyLab_REFUSED; a form of two functions has no bare one."""
    two = arm == "enter_leave/ambient" or arm.startswith("hpyvm/")
    assert worker("arms.bare_refused", arm) == ("NotImplementedError" if two else [autogen_interface.REFUSED, 0])


@pytest.mark.parametrize("arm", NOT_BARE)
def test_no_bare(worker, arm):
    """An arm without a place that bare code could reach says so."""
    assert worker("arms.drive", arm, flags=2) == [
        "NotImplementedError", "this arm has no place that code without user data could reach"]


@pytest.mark.parametrize("arm", sorted(ARMS))
def test_policies(worker, arm):
    """A policy that an arm has binds and calls its body; one that it has not is refused with the reason."""
    flags = 0 if "attached" in ARMS[arm].capabilities else LEAVE
    why = {"attach": "this arm never attaches a thread: it serves the policy attached_only alone",
           "attached_only": "this arm serves the policy attach alone"}
    said = {policy: worker("arms.drive", arm, policy=number, flags=flags) for number, policy in enumerate(catalogue.POLICIES)}
    assert said == {policy: 0 if policy in ARMS[arm].policies else ["NotImplementedError", why[policy]] for policy in said}


@pytest.mark.parametrize("policy", [2, -1, 2**32])
@pytest.mark.parametrize("arm", ["enter_leave/ambient", "enter_leave/get"])
def test_policy_unknown(worker, arm, policy):
    """What is no policy is refused, also a number that 32 bits would cut to one."""
    assert worker("arms.drive", arm, policy=policy) == ["ValueError", "the policy is 0 (attach) or 1 (attached_only)"]


@pytest.mark.parametrize("arm", sorted(ARMS))
def test_stale_runtime(worker, arm, tmp_path):
    """An extension half refuses a runtime half of another specification, and says what to do."""
    stale = tmp_path / worker.libraries.runtimes[worker.interpreter.tag].name
    content = worker.libraries.runtimes[worker.interpreter.tag].read_bytes()
    spec_bytes = autogen_interface.SPEC.to_bytes(8, "little")
    assert content.count(spec_bytes) == 1
    stale.write_bytes(content.replace(spec_bytes, (autogen_interface.SPEC ^ 1).to_bytes(8, "little")))
    assert worker("arms.load", other=worker.arm(arm), runtime=str(stale)) == [
        "ImportError", "the runtime half was built from another specification; run: lab build"]


@pytest.mark.parametrize("arm", sorted(ARMS))
def test_loaded_without_the_runtime(worker, arm):
    """Without the runtime half a demanded symbol is missing by name, or the module that an extension half looks for."""
    demanded = spec.demanded_symbols(TOP).get(arm)
    kind, text = worker("arms.load", other=worker.arm(arm), runtime=None)
    if demanded:
        assert re.search(r"undefined symbol: (\w+)", text)[1] in demanded
    else:
        assert (kind, text) == ("ModuleNotFoundError", "No module named 'hpylab_runtime'")


def test_undefined_symbols(libraries):
    """Of all universal extensions, twins too, get's and ambient's alone expect symbols of the process: those they demand."""
    undefined = {arm: targets.undefined_symbols(path) for (tag, arm), path in libraries.arms.items() if not tag}
    demanded = {"enter_leave/ambient": {"HPy_EnterContext", "HPy_EnterContextIfAttached", "HPy_LeaveContext"},
                "enter_leave/get": {"HPy_GetContext"}}
    assert {arm: names for arm, names in undefined.items() if names} == {
        arm + suffix: names for arm, names in demanded.items() for suffix in ("", catalogue.TWIN_SUFFIX)}
    assert targets.undefined_symbols(libraries.bodies["", "universal"]) == set()


def test_exported_symbols(libraries, interpreter):
    """The runtime half shows its init function and what a proposal demands, and nothing else."""
    command = ["nm", "-D", "--defined-only", str(libraries.runtimes[interpreter.tag])]
    nm = subprocess.run(command, capture_output=True, text=True)
    demanded = {name for names in spec.demanded_symbols(TOP).values() for name in names}
    assert {line.split()[-1] for line in nm.stdout.splitlines()} == {"PyInit_hpylab_runtime", *demanded}


@pytest.mark.parametrize("arm", FORMS)
def test_beside_the_cpython_abi(worker, arm):
    """An extension of HPy's CPython ABI, whose context has no functions, leaves universal extensions theirs."""
    assert worker("arms.both", arm, other=worker.arm("control/hpy_cpython_abi")) == 7


def test_enter_without_extension(worker):
    """Where no extension registered a context, HPy_EnterContext has none, and leaves the thread as it was."""
    assert worker("arms.enter_without_extension") == [[None, None], True]
