"""Does a thread that Python never saw get in, and is nothing left of it when it has ended?

50 threads after one another that call back once, and one that calls back 50 times: the bodies must run on those threads, in
the main interpreter, each with a thread state that is not the caller's; afterwards the interpreter must have as many thread
states as before, and what the bodies called as many references.

Why it is asked: pools, timers and audio callbacks call from such threads; a thread state that is left behind with each is a
leak that grows.

Source: hpyproject/hpy#268, "some thread that the Java VM is not aware of yet".
"""

from probing import LEAVE, expect, references, settled, thread_states, where

REQUIRES = ("foreign", "body")
EXPECTS = {"all": "ok", "attached_only": "refused"}
CALLS = 50


def run(subject):
    driver = subject.lab.driver("foreign_thread")
    caller, before = where(), thread_states()
    for each_its_own in (1, 0):
        seen = []

        def note(number):
            seen.append(where())
            return number

        held = references(note)
        answer = subject.run("python", arg=3, loops=CALLS, flags=LEAVE, function=note, driver=driver, size=each_its_own)
        expect("the sum of the results", answer.checksum, 3 * CALLS)
        expect("bodies that ran on the caller's thread", [place for place in seen if place[0] == caller[0]], [])
        expect("bodies that ran with the caller's thread state", [place for place in seen if place[1] == caller[1]], [])
        expect("interpreters the bodies ran in", {place[2] for place in seen}, {caller[2]})
        expect("references to what the bodies called", references(note), held)
        expect("where the caller is afterwards", where(), caller)
        expect("thread states afterwards", settled(before), before)
    return "%d threads with one callback and one thread with %d; no thread state is left" % (CALLS, CALLS + 1)
