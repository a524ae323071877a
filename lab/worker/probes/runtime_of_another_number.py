"""What if a VM's storage holds the VM of another runtime?

A storage that holds a VM with another magic number, whose functions are code of this process, is given to HPy_GetVM: the
process must end with the issue's message, in a forked child here, since an extension cannot serve two runtimes with one
storage. "ok" is that end. The other forms keep nothing that could be another runtime's.

Why it is asked: calling another runtime's functions with this one's contexts corrupts memory where a message could say why.

Source: hpyproject/hpy#268, the branches of ctx_GetVM: "cannot use HPy_GetVM with multiple incompatible Python runtimes within
one process".
"""

import signal

from misusing import WrongUses, in_child
from probing import NotApplicable, expect

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
ROLES = ("CREATE",)
DEBUG = ("off",)
DEEDS = {"hpyvm/pointer": "storage_of_another", "hpyvm/value": "value_of_another"}
MESSAGE = "cannot use HPy_GetVM with multiple incompatible Python runtimes within one process"


def run(subject):
    deed = DEEDS.get(subject.arm.id)
    if deed is None:
        raise NotApplicable("nothing that its user stores is taken for a runtime's")
    wrong = WrongUses(subject)
    said, status = in_child(lambda: wrong.do(deed))
    expect("the signal that ended the process", status & 0x7f, signal.SIGABRT)
    expect("whether it said why", MESSAGE in said, True)
    return "the process ended with the issue's message"
