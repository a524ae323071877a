"""Can the same runtime half be loaded twice in one process?

A second copy of the runtime half, with the same magic number, and a second copy of the arm's extension, which finds that one:
both arms call back in turn, inside of one another, and on every kind of thread that they serve. Every body must run in the
right place, and no thread state may be left. Symbols of the process are those of the copy that was loaded first, whoever
calls: that is why the lab's debug mode, which keeps its books in each copy, cannot be asked, and may crash.

Why it is asked: wheels bring copies of what they need along; two copies have two sets of books about the same threads.

Source: hpyproject/hpy#268, the magic number of HPyVM: runtimes that are compatible may share a process.
"""

import shutil
import sys
import tempfile

from loading import Arm, Lab
from misusing import expect_order, place
from probing import expect, where

REQUIRES = ("attached", "body")
DEBUG = ("off",)
CALLS = 3


def second(subject, folder):
    """A copy of the arm's extension that found a copy of the runtime half, both in [folder]."""
    first, libraries, arm = sys.modules.pop("hpylab_runtime"), subject.job["libraries"], subject.job["arm"]
    try:
        other = Lab(dict(libraries, runtime=shutil.copy(libraries["runtime"], folder)))
        expect("whether there are two runtime halves", other.runtime.__file__ != first.__file__, True)
        return Arm(other, dict(arm, path=shutil.copy(arm["path"], folder)))
    finally:
        sys.modules["hpylab_runtime"] = first


def run(subject):
    with tempfile.TemporaryDirectory(prefix="hpylab-") as folder:
        return call_both(subject, [subject.arm, second(subject, folder)])


def call_both(subject, arms):
    before, seen = place(), []
    arms[1].bodies = arms[0].bodies
    for _ in range(CALLS):
        for arm in arms:
            subject.arm = arm
            expect_order(subject, before)

    def inside(number):
        seen.append(where())
        if number == 0:
            return 0
        run = subject.lab.new_run()
        run.arg, run.loops = number - 1, 1
        arms[number % 2].drive(loop, run, "python", subject.lab.address(run))
        return 1 + run.checksum

    loop = subject.lab.native_address("native_call_loop")
    arms[0].bodies.set_callable(inside)
    try:
        expect("callbacks inside of one another", inside(10), 10)
    finally:
        arms[0].bodies.set_callable(None)
    subject.arm = arms[0]
    expect("where they ran", set(seen), {before[0]})
    expect_order(subject, before)
    return "two copies, each with an arm, in turn and inside of one another: no conflict"
