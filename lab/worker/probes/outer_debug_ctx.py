"""Does a context that HPy passed stay valid when another is acquired and released inside?

In HPy's debug mode, and in its trace mode: a method's context is used, a callback is made inside of the method, and another
inside of that one; after each release the outer context is used again, by the body and by the method. Nothing may end the
process, every result must be right, and HPy's LeakDetector may find no handle. PyPy 7.3.19 passes methods in debug mode that
nest the same context, marked as invalid, with any arm: the second extension is left out there.

Why it is asked: acquiring inside of a method is what helpers do that are called with a context and without.

Source: hpyproject/hpy#268; a debug context is marked invalid when the call that it was passed to is over.
"""

import hpy.debug

from misusing import WrongUses, expect_order, place
from probing import PYPY, expect

REQUIRES = ("attached", "body")
MODES = ("debug", "trace")
CALLS = 3


def run(subject):
    wrong = WrongUses(subject)
    before = place()
    with hpy.debug.LeakDetector():
        for _ in range(CALLS):
            inner = subject.run("nest", arg=2, function=int)
            expect("levels that ran inside of the arm's method", inner.checksum, 2)
            if PYPY and subject.job["arm"]["mode"] == "debug":
                continue
            answers = []
            wrong.module.with_handle(lambda: answers.append(subject.run("nest", arg=2, function=int).checksum))
            expect("levels that ran inside of another extension's method, which then closes a handle", answers, [2])
    expect_order(subject, before)
    return "methods used their context after callbacks inside of them, and so did the bodies"
