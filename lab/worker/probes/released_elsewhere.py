"""What does a release do on another thread than the one that acquired?

By each form that has a release. A foreign thread releases the context of this one, first with no acquisition of its own,
which does nothing, then inside of one, which ends. The acquisition of this thread stays open and its context works; callbacks
work afterwards.

Why it is asked: work that moves to another thread takes the context along, and acquisitions are bound to threads.

Source: docs/semantics.md, "Wrong use"; hpyproject/hpy#268 has contexts bound to threads in mind, as JNI's are.
"""

from misusing import WrongUses, expect_order, place
from probing import expect

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("RELEASE",)
EXPECTS = {"all": "ok", "lab_debug": "detected"}
DETECTS = "a context was released on another thread"


def run(subject):
    before = place()
    expect("whether the threads are attached after each release", WrongUses(subject).do("released_elsewhere"), 1)
    expect_order(subject, before)
    return "there nothing, or the end of its own acquisition; here the acquisition stayed open"
