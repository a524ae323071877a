"""Under the policy attached_only, is an attached thread served, and every other refused with nothing changed?

An attached thread gets in. A Python thread that left Python execution and OS threads that Python never saw are refused: no
body runs, no thread state is made or attached, nothing is pending, and the caller re-enters Python as if nothing had
happened; after that the same thread gets in again.

Source: JNI's GetEnv beside AttachCurrentThread; hpyproject/hpy#268, "JVM even differentiates these two situations".
"""

from probing import LEAVE, expect, pending_exception, settled, thread_states, where

REQUIRES = ("attached", "body")
POLICIES = ("attached_only",)
CALLS = 5


def run(subject):
    before, seen = (where(), thread_states()), []

    def note(number):
        seen.append(where())
        return number

    def attached():
        del seen[:]
        expect("the sum of the results", subject.run("python", arg=3, loops=CALLS, function=note).checksum, 3 * CALLS)
        expect("where the bodies ran", seen, [before[0]] * CALLS)

    attached()
    del seen[:]
    expect("refusals of a thread that left", subject.attempt("python", loops=CALLS, flags=LEAVE, function=note).refused, CALLS)
    expect("the exception that is pending", pending_exception(), None)
    expect("refusals of foreign threads", subject.foreign("python", loops=CALLS, function=note).refused, CALLS)
    expect("the exception that is pending", pending_exception(), None)
    expect("bodies that ran all the same", seen, [])
    expect("(place, thread states) afterwards", (where(), settled(before[1])), before)
    attached()
    return "%d calls of each kind: attached served, left and foreign refused, state as before" % CALLS
