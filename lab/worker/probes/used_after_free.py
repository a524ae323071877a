"""What if a token or a trampoline is used after it was given back?

By each form that has something to give back, at once, before its place has gone to another. A token refuses: entering from it
answers NULL, nothing changes and callbacks work. A trampoline is code that is gone; calling it ends the process with a
message of the runtime half, tried in a forked child first: "crash", which no function pointer can help.

Why it is asked: native code that was told to stop calls once more.

Source: docs/semantics.md, "Wrong use"; our reading, the issue is silent about the end of a trampoline.
"""

import signal
import sys

from misusing import WrongUses, expect_order, in_child, place
from probing import NotApplicable, Refused, expect

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("FREE",)
EXPECTS = {"all": "refused", "lab_debug": "detected"}
DETECTS = "what was given was used after it was freed"
MESSAGE = "called after it was freed"
DEEDS = {"enter_leave/token": "token_used_after_close", "trampoline/plain": "plain_called_after_free",
         "trampoline/handle": "handle_called_after_free", "trampoline/checked": "checked_called_after_free"}


def run(subject):
    deed = DEEDS.get(subject.arm.id)
    if deed is None:
        raise NotApplicable("this wrong use is not written for it (csrc/probes/wrong_uses/objects.c)")
    before, wrong = place(), WrongUses(subject)
    if subject.functions("CALL") and subject.job["arm"]["debug"] == "off":
        said, status = in_child(lambda: wrong.do(deed))
        sys.stderr.write(said)
        expect("the signal that ended the process", status & 0x7f, signal.SIGABRT)
        expect("whether it said why", MESSAGE in said, True)
    expect("whether it was refused", wrong.do(deed), 1)
    expect_order(subject, before)
    raise Refused("the token, which was closed before")
