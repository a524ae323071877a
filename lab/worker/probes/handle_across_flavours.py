"""Can a callback use a handle of its method's context while an extension in another flavour is loaded?

An extension in HPy's debug mode and another in universal, loaded in this order and in the other one: a method of the first
holds a handle and calls back through the arm, of its own flavour; the body uses that handle by the context that it gets. The
answer must be right. With a context of the other flavour the handle is taken for what it is not: in debug it leads to a
record about the object, in universal to the object itself. Each order is tried in a forked child, which that may kill. PyPy
7.3.19 passes methods in debug mode that nest the same context, marked as invalid; so there the method keeps the handle and
returns.

Why it is asked: data that a method hands to its callback are handles, and code that does so is in order.

Source: docs/semantics.md, "Flavours": undefined as soon as a handle crosses; hpyproject/hpy#268 is silent.
"""

import os

from loading import Arm
from misusing import WrongUses, expect_order, in_child, place
from probing import PYPY, Wrong

REQUIRES = ("attached", "body")
NUMBER = 123456


def crossing(subject, own, last):
    """What the body reads by the handle of a method in the mode [own], with an extension in the mode [last] loaded after."""
    subject.arm = Arm(subject.lab, dict(subject.job["arm"], mode=own))
    wrong = WrongUses(subject, own).lend_bodies()
    Arm(subject.lab, dict(subject.job["arm"], mode=last))
    answers = []
    if PYPY:
        wrong.module.keep_handle(NUMBER)
        answers.append(subject.run("use_handle").checksum)
        wrong.module.use_escaped()
    else:
        wrong.module.with_handle(lambda: answers.append(subject.run("use_handle").checksum))
    os.write(2, b"%d" % answers[0])


def run(subject):
    before, wrong = place(), []
    WrongUses(subject).lend_bodies()
    for own, last in (("debug", "universal"), ("universal", "debug")):
        said, status = in_child(lambda: crossing(subject, own, last))
        if said != str(NUMBER) or status:
            wrong.append("a handle of %s by a context of %s" % (own, last))
    expect_order(subject, before)
    if wrong:
        raise Wrong("neither answered right nor was refused: %s" % "; ".join(wrong))
    return "a handle of the method works in the callback, whatever was loaded last"
