"""What if an acquisition is still open when the interpreter ends, on the thread that ends it?

By each form that has a release, in a forked child, which then ends in order: the acquisition is ignored. Functions of atexit
must find the thread where it was, what the main module held must be destroyed, and the child must end with status 0, not wait
for itself.

Why it is asked: an end that waits for its own thread's acquisition never comes.

Source: docs/semantics.md, "Wrong use"; our reading, the issue is silent.
"""

import atexit
import os
import sys

from misusing import WrongUses, expect_end, in_child
from probing import where

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("RELEASE",)
EXPECTS = {"all": "ok", "lab_debug": "detected"}
DETECTS = "an interpreter ended and left an acquisition open on the thread that ended it"
LIMIT_S = 10.0
PYPY = sys.implementation.name == "pypy"        # where nothing is destroyed at the end


class Last:
    """What the end of the interpreter destroys."""

    def __del__(self, write=os.write):
        write(2, b"destroyed\n")


def run(subject):
    wrong = WrongUses(subject).need_way()

    def deed():
        wrong.do("left_open")
        before = where()
        sys.modules["__main__"].last = Last()
        atexit.register(lambda: os.write(2, b"as before\n" if where() == before else b"elsewhere\n"))

    said, status = in_child(deed)
    expect_end(said, status, "as before\n" if PYPY else "as before\ndestroyed\n", DETECTS)
    return "ignored: atexit ran in the same place, objects were destroyed, exit status 0"
