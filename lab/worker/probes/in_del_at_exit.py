"""Can a callback be made in `__del__` of an object that goes when the process ends?

Python clears the modules when it finalizes, and what they hold goes then. The thread is attached: the callback must be served,
with its thread state, also one that is nested, and the process must end well. PyPy calls no `__del__` at its end.

Why it is asked: modules are cleared when most of the interpreter is gone, and what they hold is freed by code that calls back.

Source: docs/semantics.md, "Finalization"; hpyproject/hpy#268: destructors among the use cases.
"""

import sys

from places import Places, fire, interpreter, state
from probing import PYPY, NotApplicable

REQUIRES = ("attached", "body")


class Late:
    """Makes the callback when it goes."""

    def __init__(self, do, where, unbind, callback):
        self.do, self.where, self.unbind, self.callback = do, where, unbind, callback

    def __del__(self):
        self.do(*self.where)
        self.unbind(self.callback)


def run(subject):
    if PYPY:
        raise NotApplicable("PyPy calls no __del__ when a process ends")
    places = Places(subject)
    callback, own = places.callback(), places.place()[1]
    inside = [interpreter(0, "inside"), state(own, "inside"), places.use()]
    program = places.watch(fire(callback, *inside, fire(callback, *inside), *inside), state(own, "afterwards"))
    sys.modules["late"] = Late(places.c.run, program.where, places.arm.module.unbind, callback.address)
    return places.at_end("served in __del__ while modules were cleared")
