"""What if a process forks inside of a callback?

On a thread that is attached, on one that left Python, and on one that Python never saw, where the arm serves those. In the child,
which has that thread alone, the open acquisition must go on and end, and another must be possible after it, on the same thread
attached and left; the same in the parent. In both the thread must be in the main interpreter with the thread state it had, and
afterwards as it was before the callback.

Why it is asked: the child has one thread, which is in the middle of an acquisition: locks and thread states that others held
are gone.

Source: docs/semantics.md, "Fork"; PyOS_AfterFork_Child.
"""

from places import NOWHERE, Places, fire, fork, interpreter, restore, save, source, state
from probing import expect, settled, thread_states

REQUIRES = ("attached", "body")
LIMIT_S = 15.0


def forked(places, callback, own=()):
    here = [interpreter(0, "inside"), places.use(), list(own)]
    inner = fire(callback, *here, source("import threading; threading.current_thread()"))
    left = save() + inner + interpreter(NOWHERE, "of the thread that left") + restore() if places.serves("released") else []
    return fire(callback, *here, fork(*here, inner, left, *here), *here, inner, left, *here)


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    callback, own, kinds = places.callback(), state(places.place()[1], "of the thread"), 1
    places.here(fork(forked(places, callback, own), own), forked(places, callback, own), own)
    if places.serves("released"):
        places.left(forked(places, callback, own), interpreter(NOWHERE, "of a thread that left, afterwards"))
        kinds += 1
    if places.serves("foreign"):
        places.foreign(forked(places, callback), interpreter(NOWHERE, "of a foreign thread afterwards"))
        kinds += 1
    expect("(interpreter, thread state) afterwards", places.place(), here)
    expect("thread states afterwards", settled(count), count)
    places.unbind(callback)
    return "both processes went on, on %d kinds of thread" % kinds
