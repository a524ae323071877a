"""What does releasing the same context twice do?

By each form that has a release, inside an outer acquisition: the second release ends that one, and its own release then does
nothing. A thread that was attached stays so all the time; one that the outer acquisition attached is detached by the second
release of the inner one, which is what makes the mistake a bad one. The thread ends where it began, and callbacks work.

Why it is asked: error paths release what the normal path has released.

Source: docs/semantics.md, "Wrong use"; the issue leaves the policy of errors open.
"""

from misusing import WrongUses, expect_order, place
from probing import expect

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("RELEASE",)
EXPECTS = {"all": "ok", "lab_debug": "detected"}
DETECTS = "a context was released twice"


def run(subject):
    before = place()
    expect("whether the threads are attached after each release", WrongUses(subject).do("released_twice"), 111100)
    expect_order(subject, before)
    return "the second ends the enclosing acquisition, of a foreign thread too; all in order afterwards"
