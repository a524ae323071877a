"""What if a body calls Python with an exception pending since before the acquisition?

Any arm: with ValueError set, a callback on the same thread calls a Python function that adds up a list. HPy 0.9 has no way to
set an exception aside; a destructor can do this without knowing. On CPython the addition takes the exception for its own, so
that the function fails of it; the callback reports that, as it must, and the caller, whose exception it was, finds nothing
pending. PyPy keeps the two apart. The lab's debug mode must report the call on both.

Why it is asked: the exception that is lost was another's, who learns nothing of it.

Source: hpyproject/hpy#268, tp_dealloc among the use cases; hpyproject/hpy#175.
"""

from misusing import WrongUses, expect_order, place
from probing import Wrong

REQUIRES = ("attached", "body")
EXPECTS = {"all": "wrong: was pending after it", "lab_debug": "detected"}
DETECTS = "Python was called with an exception pending since before the acquisition"
AFTERWARDS = {0: "no exception", 1: "the same exception", 2: "another exception"}


def add(number):
    return sum([number, 1, -1])


def run(subject):
    before, _ = place(), WrongUses(subject).lend_bodies()
    found = subject.run("call_with_pending", arg=1, function=add).checksum
    expect_order(subject, before)
    if found == 1:
        return "the call went well, and the exception stayed pending"
    ended = "failed" if found >= 10 else "went well"
    raise Wrong("the callback %s, and %s was pending after it" % (ended, AFTERWARDS[found % 10]))
