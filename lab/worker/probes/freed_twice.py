"""What if a token or a trampoline is given back twice?

By each form that has something to give back, at once, before its place has gone to another: the second time must be refused
with ValueError, others that exist meanwhile must not be touched, and callbacks work afterwards.

Why it is asked: its place may have gone to another in between, whose callbacks would then end.

Source: docs/semantics.md, "Wrong use"; our reading, the issue is silent.
"""

from misusing import WrongUses, expect_order, place
from probing import NotApplicable, Refused

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("FREE",)
EXPECTS = {"all": "refused", "lab_debug": "detected"}
DETECTS = "what was given was freed twice"
DEEDS = {"enter_leave/token": "token_closed_twice", "trampoline/plain": "plain_freed_twice",
         "trampoline/handle": "handle_freed_twice", "trampoline/checked": "checked_freed_twice"}


def run(subject):
    deed = DEEDS.get(subject.arm.id)
    if deed is None:
        raise NotApplicable("this wrong use is not written for it (csrc/probes/wrong_uses/objects.c)")
    before, wrong = place(), WrongUses(subject)
    try:
        wrong.do(deed)
    except ValueError as error:
        expect_order(subject, before)
        raise Refused("with ValueError: %s" % error) from None
    raise AssertionError("nothing was raised")
