"""Where is a captured object released whose trampoline another interpreter gives back?

A trampoline that owns an object is made in the main interpreter A, and given back inside of a callback of a sub-interpreter
B: by B's code, with B current. The object must go then, in A, where its `__del__` looks where it is, and B must be as
before.

Why it is asked: the destructor of an object of A that runs in B finds the modules of B, and the memory of another
interpreter.

Source: docs/semantics.md, "it can still be given back, in any interpreter"; hpyproject/hpy#268, trampolines and
sub-interpreters.
"""

import gc

from entries import Entries
from places import Places, call, fire, interpreter, source
from probing import NotApplicable, expect, where

REQUIRES = ("attached", "body")
ROLES = ("FREE", "CALL")
DEBUG = ("off",)
LIMIT_S = 5.0


class Thing:
    """An object that notes where it goes."""

    def __init__(self, gone):
        self.gone = gone

    def __del__(self):
        self.gone.append(where())


def run(subject):
    places, gone = Places(subject), []
    with Entries(subject) as entries, places.sub() as b:
        if not entries.owns:
            raise NotApplicable("what it makes owns no object")
        here, thing = where(), Thing(gone)
        made = entries.make(subject.arm.policy, thing)
        del thing
        gc.collect()
        expect("whether it is gone while the trampoline is there", gone, [])
        free = getattr(entries.table, subject.functions("FREE")[0]["entry"])
        in_b = interpreter(b.id, "inside of a callback of B")
        b.here(fire(b.callback(), in_b, call(free, made), in_b, places.use(), source("import sys; sys.modules")))
        expect("(thread, interpreter) where it went", [(spot[0], spot[2]) for spot in gone], [(here[0], here[2])])
    return "released in the interpreter it is of"
