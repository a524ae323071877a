"""Under the policy attached_only, is a thread that is attached served, and every other refused with nothing changed?

Seven kinds of thread: the main one, one of `threading`, one that PyGILState attached, and one in a sub-interpreter are
attached: each gets in, with its own thread state. The first two and the last with Python left, one that Python never saw,
and such a one with the thread state that a callback under `attach` made for it and that is kept, are not: no body runs, no
thread state is made or attached, nothing is pending, the thread can re-enter Python, and then gets in again.

Why it is asked: code that must not attach a thread, as in a signal handler or under a lock of its own, needs to be told so, and
a refusal that changes something is worse than none.

Source: JNI's GetEnv beside AttachCurrentThread; hpyproject/hpy#268, "JVM even differentiates these two situations".
"""

from places import (NOWHERE, REFUSED, NotApplicable, Places, ensure, fire, interpreter, release, restore, save, source, state,
                    states)
from probing import LEAVE, expect, pending_exception, settled, thread_states, where

REQUIRES = ("attached", "body")
POLICIES = ("attached_only",)
CALLS = 5


def in_bulk(subject):
    """Many callbacks of each kind that native code makes by itself."""
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


def run(subject):
    in_bulk(subject)
    places, count, kinds = Places(subject), thread_states(), ["main", "threading", "foreign"]
    callback = places.callback()
    refused = fire(callback, interpreter(0, "of a body that must not run"), status=REFUSED,
                   what="the status of a callback of a thread that is not attached") + interpreter(NOWHERE, "afterwards")

    def served(number, own=()):
        return fire(callback, interpreter(number, "inside"), list(own), places.use(), source("import sys; sys.modules"))

    def on_python_thread():
        own = state(places.place()[1], "of a Python thread")
        places.here(served(0, own), own)
        places.left(refused, refused)
        places.here(served(0, own), states(thread_states(), "of a Python thread that was refused"), own)

    on_python_thread()
    places.python_thread(on_python_thread)
    places.foreign(refused, refused, ensure(), served(0), save(), refused, restore(), served(0), release(), refused)
    if "foreign" in subject.capabilities:       # else nothing attaches such a thread, and keeps what it made
        attaching = places.callback("attach")
        places.foreign(fire(attaching, interpreter(0, "inside"), source("import sys; sys.modules")), refused, refused,
                       fire(attaching, served(0)), refused)
        kinds.append("foreign, with a kept thread state")
        places.unbind(attaching)
    try:
        with places.sub() as b:
            callback_of_b = b.callback()
            own = state(b.state, "of a thread in a sub-interpreter")
            inside = fire(callback_of_b, interpreter(b.id, "inside"), own, places.use())
            late = fire(callback_of_b, status=REFUSED, what="the status of a callback of a thread that left a sub-interpreter")
            b.here(inside, own, save(), late, interpreter(NOWHERE, "afterwards"), restore(), own, inside)
        kinds.append("in a sub-interpreter")
    except NotApplicable:
        pass                                    # PyPy has none
    places.unbind(callback)
    expect("thread states afterwards", settled(count), count)
    return "attached served, left and foreign refused, state as before: %s" % ", ".join(kinds)
