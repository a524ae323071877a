"""What does a release do that nothing was acquired for?

By each form that has a release: of the context that the calling method was given, on that method's thread and on one that is
not attached. Nothing must change: both threads stay attached, or not, as they were, with the same thread state; callbacks
afterwards work on every kind of thread.

Why it is asked: error paths release what was never acquired, with the lock held.

Source: docs/semantics.md, "Wrong use"; the issue leaves the policy of errors open.
"""

from misusing import WrongUses, expect_order, place
from probing import expect

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("RELEASE",)
EXPECTS = {"all": "ok", "lab_debug": "detected"}
DETECTS = "a context was released that was not acquired"


def run(subject):
    before = place()
    expect("whether the threads are attached after it", WrongUses(subject).do("released_unacquired"), 10)
    expect_order(subject, before)
    return "nothing, on an attached thread and on a foreign one; all in order afterwards"
