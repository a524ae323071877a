"""What if an acquisition is still open when a sub-interpreter is ended, on the thread that ends it?

By each form that has a release: a sub-interpreter loads an extension, which acquires and never releases; then it is ended.
The open acquisition must be ignored: the end does not wait for it, the thread is back where it was in the main interpreter,
with as many thread states, and callbacks work.

Why it is asked: an end that waits for its own thread's acquisition never comes, and what is left of it must not point into the
interpreter.

Source: docs/semantics.md, "Wrong use"; our reading, the issue is silent.
"""

import json

from misusing import WrongUses, expect_order, place
from probing import NotApplicable

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("RELEASE",)
EXPECTS = {"all": "ok", "lab_debug": "detected"}
DETECTS = "an interpreter ended and left an acquisition open on the thread that ended it"
LIMIT_S = 10.0
INSIDE = """
import json, sys
sys.path[:0] = json.loads({path!r})
from misusing import WrongUses
from probing import Subject
WrongUses(Subject(json.loads({job!r}))).do("left_open")
"""


def run(subject):
    import sys
    WrongUses(subject).need_way()
    before, interpreters = place(), module_of_interpreters()
    name = create(interpreters)
    error = interpreters.run_string(name, INSIDE.format(path=json.dumps(sys.path), job=json.dumps(subject.job)))
    if error:
        raise AssertionError(error)
    interpreters.destroy(name)
    expect_order(subject, before)
    return "ignored: the sub-interpreter ended, the main one is in order"


def module_of_interpreters():
    """CPython's own module of interpreters, which has had two names. Raises NotApplicable where there is none."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            return __import__(name)
        except ImportError:
            pass
    raise NotApplicable("PyPy has one interpreter")


def create(interpreters):
    """A new one that shares the main one's lock, which the module says in three ways."""
    for arguments, words in ((("legacy",), {}), ((), {"isolated": False}), ((), {})):
        try:
            return interpreters.create(*arguments, **words)
        except TypeError:
            pass
    raise NotApplicable("no interpreter can be made")
