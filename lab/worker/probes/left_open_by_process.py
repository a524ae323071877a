"""What if an acquisition is still open when the process ends, with the interpreter not ended?

By each form that has a release, in a forked child that calls C's exit(): the acquisition is ignored, and the child ends with
status 0.

Why it is asked: exit() runs C's destructors with the acquisition open, in code that the lab has registered as well.

Source: docs/semantics.md, "Wrong use"; our reading, the issue is silent.
"""

import ctypes
import os

from misusing import WrongUses, expect_end, in_child

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("RELEASE",)
EXPECTS = {"all": "ok", "lab_debug": "detected"}
DETECTS = "the process ended and left an acquisition open"
LIMIT_S = 10.0


def run(subject):
    wrong = WrongUses(subject).need_way()

    def deed():
        wrong.do("left_open")
        os.write(2, b"open\n")
        ctypes.CDLL(None).exit(0)

    expect_end(*in_child(deed), words="open\n", report=DETECTS)
    return "ignored: exit status 0"
