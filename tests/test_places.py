"""Where and when a callback is made, and what is seen of it: steps that do not come to what they should, and ends of processes.

Real probes, each in a process of its own, on one arm that works.
"""

import pytest
from lab_tree import ROOT

from lab import catalogue, conformance, probes, targets

PROBE = '''"""Does it?

Why it is asked: it has to.

Source: the tests.
"""

import atexit
import ctypes
import os
import threading
import time

from places import (NOWHERE, REFUSED, Places, ensure, fire, fork, hammer, interpreter, restore, save, source, state,
                    states)
from probing import Refused, Wrong, expect

REQUIRES = ("attached", "body")
{constants}


def run(subject):
    places = Places(subject)
    callback = places.callback()
    {body}
'''
AT_END, LATE = "\n    return places.at_end('seen')", "atexit.register(places.c.run, *%s.where)"
BODIES = {      # what run() does
    # of steps
    "right": "places.here(fire(callback, interpreter(0, 'inside'), save(), interpreter(NOWHERE, 'left'), restore()))",
    "elsewhere": "places.here(fire(callback, interpreter(7, 'inside')))",
    "another_state": "places.here(fire(callback, state(7, 'inside')))",
    "more_states": "places.foreign(fire(callback, states(1, 'inside')))",
    "raised": "places.here(fire(callback, source('1 / 0')))",
    "not_refused": "places.here(fire(callback, status=REFUSED, what='the status'))",
    "refused": "places.arm.policy = 'attached_only'\n    places.left(fire(places.callback()))",
    "once_wrong": "places.here(hammer(callback, interpreter(0, 'inside'), ensure(), times=3))",
    "child": "places.here(fork(fire(callback, interpreter(7, 'inside'))))",
    "child_dies": "places.here(fork(fire(callback, source('import os; os.abort()'))))",
    # of ends
    "ends": "early = places.watch(fire(callback))\n    places.c.run(*early.where)" + AT_END,
    "never_done": "places.watch(fire(callback, interpreter(0, 'inside')))" + AT_END,
    "wrong_late": "late = places.watch(fire(callback, interpreter(7, 'inside')))\n    " + LATE % "late" + AT_END,
    "wrong_at_end": "return places.at_end('seen', interpreter(0, 'at the end'))",
    "crash_before": "atexit.register(ctypes.string_at, 0)" + AT_END,
    "hang_before": "atexit.register(time.sleep, 60)" + AT_END,
    "exit_before": "atexit.register(os._exit, 0)" + AT_END,
    # of ordinary answers
    "crash_after": "atexit.register(ctypes.string_at, 0)",
    "hang_after": "atexit.register(time.sleep, 60)",
    "status_after": "atexit.register(os._exit, 3)",
    "wrong_and_crash": "atexit.register(ctypes.string_at, 0)\n    raise Wrong('as it was')",
}
EXPECTED = {
    "right": ("ok", ""),
    "elsewhere": ("wrong", "the interpreter inside is 0; expected 7"),
    "another_state": ("wrong", "the thread state inside is"),
    "more_states": ("wrong", "the number of thread states inside is 2; expected 1"),
    "raised": ("wrong", "whether Python code ran (0) is -1; expected 0"),
    "not_refused": ("wrong", "the status is 0; expected -1"),
    "refused": ("refused", "the status of a callback is -1"),
    "once_wrong": ("wrong", "the status that the last of many callbacks ended with is 0; expected -1"),
    "child": ("wrong", "the exit status of a child is 1; expected 0"),
    "child_dies": ("wrong", "the exit status of a child is -6; expected 0"),
    "ends": ("ok", "seen"),
    "never_done": ("wrong", "the status of a callback is 0; expected 0: it was not done"),
    "wrong_late": ("wrong", "the interpreter inside is 0; expected 7: it came to something else"),
    "wrong_at_end": ("wrong", "the interpreter at the end is -1; expected 0: it came to something else"),
    "crash_before": ("crash", "killed by SIGSEGV"),
    "hang_before": ("hang", "hung: not done within 1.0 s"),
    "exit_before": ("broken", "ended without an answer"),
    "crash_after": ("crash", "killed by SIGSEGV, after it had answered"),
    "hang_after": ("hang", "hung: not done within 1.0 s, after it had answered"),
    "status_after": ("broken", "ended with exit status 3, after it had answered"),
    "wrong_and_crash": ("wrong", "as it was"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, interpreter, libraries):
    """What each of those probes comes to on enter_leave/token, by its name."""
    folder = tmp_path_factory.mktemp("probes")
    for name, body in BODIES.items():
        constants = "LIMIT_S = 1.0" if name.startswith("hang") else ""
        (folder / f"{name}.py").write_text(PROBE.format(body=body, constants=constants))
    arm = catalogue.arms(ROOT)["enter_leave/token"]
    found = conformance.check(probes.read(folder).values(), {arm.id: arm}, interpreter, libraries, only={"policy": ["attach"]})
    return {outcome.probe: outcome for outcome in found}


@pytest.mark.parametrize("name", BODIES)
def test_outcome(outcomes, name):
    """What a step came to is compared, also when Python is gone; a good answer is worth nothing without a good end."""
    kind, detail = EXPECTED[name]
    assert (outcomes[name].outcome, outcomes[name].detail[:len(detail)]) == (kind, detail)


def test_child_says_what_was_wrong(outcomes):
    """What a forked child found wrong stands in what the process wrote."""
    assert "in the child: the interpreter inside is 0; expected 7" in outcomes["child"].output


def test_built_for_each_interpreter(interpreter, libraries):
    """The extension of these probes knows the C API, so that each interpreter has one of its own."""
    path = libraries.for_worker(interpreter.tag)["places"]
    assert (str(libraries.places[interpreter.tag]), interpreter.tag in path) == (path, True)
    assert targets.undefined_symbols(libraries.places[interpreter.tag]) & {"PyGILState_Ensure", "PyEval_SaveThread"}
