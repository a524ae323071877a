"""Does an object that a callback captured outlive its last name?

An object is bound with the callback and everybody else lets go of it, then callbacks on the same thread, on one that left
Python execution and on foreign threads are handed it, as far as the arm serves those. It must be the same object each time,
it must be gone once the callback is unbound, and its type must have the references it had before. PyPy keeps a name for as
long as the callback is bound; the rest is asked there too.

Why it is asked: a trampoline that owns a handle, and an HPyGlobal where the design has no place for one, are the two ways to
keep an object for a callback. PyPy 7.3.19 never lets go of what an HPyGlobal held.

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


def let_go(subject, things, note):
    """Bind it once, and let go of it before the callbacks; whether it lived before each."""
    watch = weakref.ref(things[0])

    def play(bound):
        alive = []
        bound.forget_arguments()
        gc.collect()
        for holding in (True, False) if subject.serves("released") else (True,):
            alive.append(watch() is not None)
            bound.call(7, holding)
        if subject.serves("foreign"):
            bound.on_foreign_thread(7)
        return alive

    return while_bound(subject, play, "captured", note, things)


def keep(subject, things, note):
    """Bind it for each kind of callback anew."""
    captured = (things.pop(),)
    subject.run("captured", function=note, captured=captured)
    if subject.serves("released"):
        subject.run("captured", function=note, captured=captured, flags=LEAVE)
    if subject.serves("foreign"):
        subject.foreign("captured", function=note, captured=captured)
    return [True]


def run(subject):
    before, things, seen = references(Thing), [Thing()], []
    watch, name = weakref.ref(things[0]), id(things[0])

    def note(thing, number):
        seen.append(id(thing))
        return number

    alive = (keep if PYPY else let_go)(subject, things, note)
    calls = 1 + subject.serves("released") + subject.serves("foreign")
    expect("whether it lived while it was bound", set(alive), {True})
    expect("what the callbacks were handed", seen, [name] * calls)
    for _ in range(3):
        gc.collect()
    expect("whether it is gone", watch() is None, True)
    expect("references to its type", references(Thing), before)
    return "%d callbacks were handed it%s; gone when unbound" % (calls, "" if PYPY else ", which nobody else kept")
