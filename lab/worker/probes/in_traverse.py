"""Can a callback be made in `HPy_tp_traverse`, if its body calls nothing?

While the garbage collector looks at an HPy type's object. Objects must not be made or changed there, so that the body only
looks where it is: it must run, with the caller's thread state. The lab's debug mode takes every acquisition there for a wrong
use, and can tell it of extensions in HPy's debug mode. PyPy calls no tp_traverse.

Why it is asked: native code that is shared between a traversal and other functions acquires without knowing where it is called.

Source: docs/semantics.md, "inside tp_traverse"; CPython's documentation of tp_traverse.
"""

import gc
import sys

from places import Places, Program, fire, interpreter, state
from probing import PYPY, NotApplicable, expect, thread_states

REQUIRES = ("attached", "body")
MODES = ("universal", "debug")
DETECTS = "inside a tp_traverse"


def run(subject):
    if PYPY:
        raise NotApplicable("PyPy calls no tp_traverse")
    if sys.version_info >= (3, 13):
        raise NotApplicable("HPy 0.9 crashes on CPython 3.13 and later when it makes an object with tp_traverse")
    places = Places(subject)
    here, count = places.place(), thread_states()
    callback = places.callback()
    program = Program(fire(callback, interpreter(0, "inside"), state(here[1], "inside")))
    thing = places.c.looked_at(program.where[0])
    gc.collect()
    places.check(program)
    del thing
    expect("(interpreter, thread state, thread states) afterwards", (*places.place(), thread_states()), (*here, count))
    places.unbind(callback)
    return "served in tp_traverse"
