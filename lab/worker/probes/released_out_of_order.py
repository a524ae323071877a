"""What if the outer of two acquisitions is released before the inner one?

By each form that has a release: the argument is not looked at, so the innermost acquisition ends first whatever it is given.
A thread that was attached stays so; one that was not stays attached until both are released. Callbacks work afterwards.

Why it is asked: cleanup code that is shared by two acquisitions gets their order wrong.

Source: docs/semantics.md, "Wrong use"; our reading, the issue says nothing of the order.
"""

from misusing import WrongUses, expect_order, place
from probing import expect

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("RELEASE",)
EXPECTS = {"all": "ok", "lab_debug": "detected"}
DETECTS = "a context was released out of order"


def run(subject):
    before = place()
    expect("whether the threads are attached after each release", WrongUses(subject).do("released_out_of_order"), 1110)
    expect_order(subject, before)
    return "the innermost ends first, on an attached thread and on a foreign one; all in order afterwards"
