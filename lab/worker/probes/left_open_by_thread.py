"""What if a thread ends and leaves an acquisition open?

By each form that has a release, on threads that Python never saw and on a threading.Thread. The interpreter's lock must be
given back, or everybody else would wait for ever; no thread state may be left; callbacks work afterwards.

Why it is asked: the interpreter's lock is held by a thread that is no more.

Source: docs/semantics.md, "Wrong use"; our reading, the issue is silent.
"""

import threading

from misusing import WrongUses, expect_order, place

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("RELEASE",)
EXPECTS = {"all": "ok", "lab_debug": "detected"}
DETECTS = "a thread ended and left an acquisition open"
LIMIT_S = 10.0


def run(subject):
    before, wrong = place(), WrongUses(subject)
    for _ in range(3):
        wrong.do("left_open_by_thread")
    thread = threading.Thread(target=wrong.do, args=("left_open",))
    thread.start()
    thread.join()
    expect_order(subject, before)
    return "3 foreign threads and one of Python's ended inside: the lock was given back and no thread state is left"
