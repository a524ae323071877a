"""Can a callback be made in `__del__`?

Of an object whose last name goes, of one that the garbage collector finds, and of one that goes while an exception is on its
way. The body calls Python; it must run in the caller's interpreter with its thread state, and leave it so.

Why it is asked: destructors run wherever the last reference goes, with whatever is pending there.

Source: hpyproject/hpy#268: destructors among the use cases.
"""

import gc

from places import Places, fire, interpreter, source, state
from probing import expect, pending_exception, thread_states

REQUIRES = ("attached", "body")


class Caller:
    """Makes the callback when it goes."""

    def __init__(self, do):
        self.do = do

    def __del__(self):
        self.do()


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    callback, gone = places.callback(), []

    def do():
        own = state(places.place()[1], "inside")
        places.here(fire(callback, interpreter(0, "inside"), own, places.use(), source("import sys; sys.modules")), own)
        gone.append(places.place())

    def fail():
        held = Caller(do)
        raise KeyError(held is None)

    Caller(do)
    cycle = Caller(do)
    cycle.self = cycle
    del cycle
    try:
        fail()
    except KeyError as error:
        expect("the exception that was on its way", error.args, (False,))
        del error
    for _ in range(3):
        gc.collect()
    expect("where the objects went", gone, [here] * 3)
    expect("what was reported", subject.unraisable, [])
    expect("the exception that is pending", pending_exception(), None)
    expect("(interpreter, thread state, thread states) afterwards", (*places.place(), thread_states()), (*here, count))
    places.unbind(callback)
    return "made in __del__ of 3 objects"
