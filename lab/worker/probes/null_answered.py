"""Is anything left when a callback answers NULL, or raises?

Hundreds of callbacks with a captured object on an attached thread, and where the arm serves those on one that left Python
and on foreign ones: whose body answers 0, whose body raises, and of a trampoline whose helper answers NULL. The captured
object and what the body called must have as many references as before, and in HPy's debug mode its LeakDetector must find no
handle.

Why it is asked: the way out that is taken seldom is the one on which a handle is forgotten.

Source: hpyproject/hpy#268, "result = trampoline(helper, arg)"; docs/semantics.md: "a fresh handle for each call, closed by
the runtime".
"""

import hpy.debug

from entries import Entries
from probing import LEAVE, PYPY, expect, references

REQUIRES = ("attached", "body")
MODES = ("universal", "debug")
CALLS = 100


class Thing:
    """What is captured."""


def answer_zero(thing, number):
    return 0


def fail(thing, number):
    raise KeyError(number)


def by_bodies(subject, thing):
    """Callbacks of the arm, each handed [thing]."""
    ways = [subject.attempt] + [subject.foreign] * subject.serves("foreign")
    for way in ways + [lambda *args, **how: subject.attempt(*args, flags=LEAVE, **how)] * subject.serves("released"):
        expect("callbacks that were refused, or raised",
               of(way("captured", loops=CALLS, function=answer_zero, captured=(thing,))), (0, 0))
        expect("callbacks that were refused, or raised, of a body that raises",
               of(way("captured", loops=CALLS, function=fail, captured=(thing,))), (0, CALLS))
        del subject.unraisable[:]


def of(run):
    return run.refused, run.raised


def by_helpers(subject, thing):
    """Trampolines by themselves, with a helper that answers NULL; one owns [thing] if it owns anything."""
    held = references(thing)
    with Entries(subject) as entries:
        made = entries.make(subject.arm.policy, thing)
        expect("references that a trampoline owns", references(thing) - held, int(entries.owns))
        do = entries.inside(made)
        expect("what the helpers answered", {do(lambda: None) for _ in range(CALLS)}, {None})
        expect("references while it is there", references(thing) - held, int(entries.owns))
        expect("the status of giving it back", entries.free(made), 0)


def run(subject):
    thing = Thing()
    held = references(thing), references(Thing)
    with hpy.debug.LeakDetector():
        by_bodies(subject, thing)
    if subject.functions("CALL") and not PYPY and (subject.arm.mode, subject.job["arm"]["debug"]) == ("universal", "off"):
        by_helpers(subject, thing)
    expect("references to the captured object and to its type", (references(thing), references(Thing)), held)
    return "%d of each, nothing left" % CALLS
