"""Does each extension get contexts of its own flavour, with others in HPy's debug, trace and universal mode interleaved?

Copies of the arm's extension in each of the three modes, in several orders of loading, call back in turn, and one inside of
the other, on every kind of thread that the arm serves: the body must get a context of the flavour that its own extension was
loaded in. A form whose function takes no argument cannot know who calls; it hands out the flavour of the extension that
registered last.

Why it is asked: handles of one flavour do not fit another: with the wrong context a debug handle is taken for an object.

Source: docs/semantics.md, "Flavours"; hpyproject/hpy#268, HPy_EnterContext() without an argument.
"""

from loading import Arm
from misusing import WrongUses, expect_order, place
from probing import LEAVE, Wrong, expect

REQUIRES = ("attached", "body")
CALLS = 3
FLAVOURS = {"universal": ord("U"), "debug": ord("D"), "trace": ord("T")}


def flavours(subject, arm):
    """The flavours that [arm]'s bodies get, by their numbers, on each kind of thread that it serves."""
    subject.arm = arm
    found = {subject.run("flavour").checksum}
    if subject.serves("released"):
        found.add(subject.run("flavour", flags=LEAVE).checksum)
    if subject.serves("foreign"):
        found.add(subject.foreign("flavour").checksum)
    return found


def run(subject):
    before, first, wrong = place(), subject.arm, []
    bodies = WrongUses(subject, "universal").lend_bodies().subject.arm.bodies
    arms = [("universal", first)]
    for mode in ("debug", "trace", "universal"):        # each is in turn the one that registered last
        arms.append((mode, Arm(subject.lab, dict(subject.job["arm"], mode=mode))))
        arms[-1][1].bodies = bodies
        for _ in range(CALLS):
            wrong += ["%s after %s" % (own, mode) for own, arm in arms if flavours(subject, arm) != {FLAVOURS[own]}]
        inner = []
        subject.arm = arms[-2][1]
        subject.run("python", function=lambda number: inner.append(flavours(subject, arms[-1][1])) or number)
        expect("kinds of context inside of the other's callback", len(inner), 1)
        if inner[0] != {FLAVOURS[mode]}:
            wrong.append("%s inside of the other" % mode)
    subject.arm = first
    expect_order(subject, before)
    if wrong:
        raise Wrong("contexts of another flavour: %s" % ", ".join(dict.fromkeys(wrong)))
    return "each got its own, %d times in turn and inside of the other's callback" % CALLS
