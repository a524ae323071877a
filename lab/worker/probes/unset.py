"""What if NULL, or what was never set, is given where a token, a VM or a helper belongs?

By each form that is given something: entering from NULL, opening NULL or an unset value, a trampoline called without a
helper. It must be refused, with nothing changed; callbacks work afterwards. (With -DHPYLAB_UNCHECKED the tests in the inline
functions are left out, and then it is undefined.)

Why it is asked: a callback that comes before the module has initialised what it keeps finds zeroes.

Source: docs/semantics.md, "Wrong use"; hpyproject/hpy#268 has NULL as the indication of an error.
"""

from misusing import WrongUses, expect_order, place
from probing import NotApplicable, Refused, expect

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("CREATE",)
EXPECTS = {"all": "refused", "lab_debug": "detected"}
DETECTS = "NULL"
DEEDS = {"enter_leave/token": "token_null", "hpyvm/pointer": "vm_null", "hpyvm/value": "value_unset",
         "trampoline/plain": "plain_helper_null", "trampoline/handle": "handle_helper_null",
         "trampoline/checked": "checked_helper_null"}


def run(subject):
    deed = DEEDS.get(subject.arm.id)
    if deed is None:
        raise NotApplicable("this wrong use is not written for it (csrc/probes/wrong_uses/objects.c)")
    before, wrong = place(), WrongUses(subject)
    expect("whether it was refused", wrong.do(deed), 1)
    expect_order(subject, before)
    raise Refused("answered as a refusal, and nothing changed")
