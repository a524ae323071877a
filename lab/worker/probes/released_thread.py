"""Does a Python thread that left Python execution get back in, and out again?

From the main thread and from a threading.Thread, several times: the body must run with that thread's own thread state, and
the thread must be able to re-enter Python as if nothing had happened.

Why it is asked: it is what code does around anything that takes time, and a second thread state there loses threading.local.

Source: HPy_LeavePythonExecution; hpyproject/hpy#34.
"""

import threading

from probing import LEAVE, expect, settled, thread_states, where

REQUIRES = ("released", "body")
EXPECTS = {"all": "ok", "attached_only": "refused"}
CALLS = 5


def check(subject, found):
    seen = []

    def note(number):
        seen.append(where())
        return number

    before = where()
    try:
        expect("the sum of the results", subject.run("python", arg=3, loops=CALLS, flags=LEAVE, function=note).checksum, 3 * CALLS)
        expect("where the bodies ran", seen, [before] * CALLS)
        expect("where the caller is afterwards", where(), before)
    except Exception as error:
        found.append(error)


def run(subject):
    before, found = thread_states(), []
    check(subject, found)
    thread = threading.Thread(target=check, args=(subject, found))
    thread.start()
    thread.join()
    if found:
        raise found[0]
    expect("thread states afterwards", settled(before), before)
    return "%d callbacks on the main thread and %d on another, each with the thread's own state" % (CALLS, CALLS)
