"""Can a callback be made in `HPy_tp_destroy`?

Of an HPy type's object whose last name goes, and of one that goes while an exception is on its way. The slot gets no context:
that is what the callback is for. The body must run with the caller's thread state; the exception must still be on its way after
it, which is why the second body makes HPy calls but runs no Python code.

Why it is asked: it is given no context, and tp_dealloc of code that is being ported used to call Python.

Source: hpyproject/hpy#268, tp_dealloc among the use cases; hpyproject/hpy#175 (no context in tp_destroy).
"""

import gc

from places import Places, Program, fire, interpreter, source, state
from probing import PYPY, expect, pending_exception, thread_states

REQUIRES = ("attached", "body")
MODES = ("universal", "debug")


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    callback = places.callback()
    inside = interpreter(0, "inside"), places.use(), ([] if PYPY else state(here[1], "inside"))
    plain, raising = Program(fire(callback, *inside, source("import sys; sys.modules"))), Program(fire(callback, *inside))

    def fail():
        held = places.c.goer(raising.where[0], 0)
        raise KeyError(held is None)

    places.c.goer(plain.where[0], 0)
    try:
        fail()
    except KeyError as error:
        expect("the exception that was on its way", error.args, (False,))
    for _ in range(3):
        gc.collect()
    places.check(plain)
    places.check(raising)
    expect("what was reported", subject.unraisable, [])
    expect("the exception that is pending", pending_exception(), None)
    expect("(interpreter, thread state, thread states) afterwards", (*places.place(), thread_states()), (*here, count))
    places.unbind(callback)
    return "served in tp_destroy, without and with an exception on its way"
