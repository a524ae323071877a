"""Can a callback be made in the destructor of a capsule?

Of an HPyCapsule whose last name goes, and of one that goes while an exception is on its way. The destructor gets no context. The
body must run with the caller's thread state; the exception must still be on its way after it, which is why the second body makes
HPy calls but runs no Python code. PyPy 7.3.19 has HPy's capsules in other places of its context than HPy 0.9.

Why it is asked: it is given no context (hpyproject/hpy#175) and is where native resources are freed.

Source: hpyproject/hpy#268, destructors among the use cases; HPyCapsule_New.
"""

from places import Places, Program, fire, interpreter, source, state
from probing import PYPY, NotApplicable, expect, pending_exception, thread_states

REQUIRES = ("attached", "body")
MODES = ("universal", "debug")


def run(subject):
    if PYPY:
        raise NotApplicable("PyPy has HPyCapsule elsewhere than HPy 0.9")
    places = Places(subject)
    here, count = places.place(), thread_states()
    callback = places.callback()
    inside = interpreter(0, "inside"), places.use(), state(here[1], "inside")
    plain, raising = Program(fire(callback, *inside, source("import sys; sys.modules"))), Program(fire(callback, *inside))

    def fail():
        held = places.c.capsule(raising.where[0])
        raise KeyError(held is None)

    places.c.capsule(plain.where[0])
    try:
        fail()
    except KeyError as error:
        expect("the exception that was on its way", error.args, (False,))
    places.check(plain)
    places.check(raising)
    expect("what was reported", subject.unraisable, [])
    expect("the exception that is pending", pending_exception(), None)
    expect("(interpreter, thread state, thread states) afterwards", (*places.place(), thread_states()), (*here, count))
    places.unbind(callback)
    return "served in the destructor, without and with an exception on its way"
