"""What does releasing a context of another flavour do?

By each form that has a release: inside of an acquisition in the universal flavour, the context that HPy passed to an
extension in its debug mode is released. The argument is not looked at, so the acquisition ends, and its own release then does
nothing. The thread stays where it was, the other extension can go on using its context, and callbacks work.

Why it is asked: with two contexts at hand, the method's and the acquired one, the wrong one is easily given.

Source: docs/semantics.md, "Wrong use" and "Flavours"; our reading, the issue is silent.
"""

from misusing import WrongUses, expect_order, place

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("RELEASE",)
EXPECTS = {"all": "ok", "lab_debug": "detected"}
DETECTS = "a context of another flavour was released"


def run(subject):
    before, other, wrong = place(), WrongUses(subject, "debug"), WrongUses(subject)

    def release(address):
        wrong.module.keep(address)
        wrong.do("other_flavour")
        return 0

    other.module.lend(release)          # makes an answer by its context afterwards
    expect_order(subject, before)
    return "the innermost acquisition ended, whatever was given"
