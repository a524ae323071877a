"""Does an object that a callback captured outlive its last name?

An object is bound with the callback and everybody else lets go of it, then callbacks on the same thread, on one that left
Python execution and on foreign threads are handed it, as far as the arm serves those. It must be the same object each time,
it must be gone once the callback is unbound, and its type must have the references it had before.

Why it is asked: a trampoline that owns a handle, and an HPyGlobal where the design has no place for one, are the two ways to
keep an object for a callback.

Source: hpyproject/hpy#268, HPy_GetContextTrampoline(ctx, my_handle).
"""

import gc
import weakref

from bound import while_bound
from probing import LEAVE, PYPY, expect, references

REQUIRES = ("attached", "body")
POLICIES = ("attach", "attached_only")


class Thing:
    """An object that can be seen to go."""


def run(subject):
    before = references(Thing)
    things, seen = [Thing()], []
    watch, name = weakref.ref(things[0]), id(things[0])

    def note(thing, number):
        seen.append(id(thing))
        return number

    def play(bound):
        alive = []
        bound.forget_arguments()
        gc.collect()
        for flags in (0, LEAVE) if subject.serves("released") else (0,):
            alive.append(watch() is not None)
            bound.call(7, holding=flags == 0)
        if subject.serves("foreign"):
            bound.on_foreign_thread(7)
        return alive

    alive = while_bound(subject, play, "captured", note, captured=things)
    del things[:]
    calls = 1 + subject.serves("released") + subject.serves("foreign")
    expect("whether it lived while it was bound", set(alive), {True})
    expect("what the callbacks were handed", seen, [name] * calls)
    for _ in range(3):
        gc.collect()
    expect("whether it is gone", watch(), None)
    expect("references to its type", references(Thing), before)
    how = "with names that the interpreter keeps" if PYPY else "owned by the callback alone"
    return "%d callbacks were handed it, %s; gone when unbound" % (calls, how)
