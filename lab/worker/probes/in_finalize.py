"""Can a callback be made in `HPy_tp_finalize`?

Of an HPy type's object whose last name goes, and of one that the garbage collector finds in a cycle. The slot has a context, and
code that it calls may have none. The body must run with the caller's thread state.

Why it is asked: functions that are shared with tp_destroy acquire without knowing that their caller has a context.

Source: hpyproject/hpy#268, destructors among the use cases; PEP 442.
"""

import gc

from places import Places, Program, fire, interpreter, source, state
from probing import PYPY, expect, thread_states

REQUIRES = ("attached", "body")
MODES = ("universal", "debug")


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    callback = places.callback()
    steps = fire(callback, interpreter(0, "inside"), places.use(), [] if PYPY else state(here[1], "inside"),
                 source("import sys; sys.modules"))
    programs = Program(steps), Program(steps)
    places.c.goer(0, programs[0].where[0])
    cycle = [places.c.goer(0, programs[1].where[0])]
    cycle.append(cycle)
    del cycle
    for _ in range(3):
        gc.collect()
    for program in programs:
        places.check(program)
    expect("what was reported", subject.unraisable, [])
    expect("(interpreter, thread state, thread states) afterwards", (*places.place(), thread_states()), (*here, count))
    places.unbind(callback)
    return "served in tp_finalize of 2 objects"
