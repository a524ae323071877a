"""Do callbacks lead from one interpreter into another and back, and each end where it began?

A callback of the main interpreter A, inside of it one of a sub-interpreter B, inside of that one of A, and so on, four deep and
back; then with Python left at every level, and on a thread that Python never saw, where the arm serves those. Each level must
be in the interpreter its callback was made in, before and after the inner one, and on a thread of Python's the two levels in A
must have the same thread state.

Why it is asked: what is kept for a single "outer" interpreter or thread state is lost at the second change.

Source: docs/semantics.md, "switches back: A→B→A"; hpyproject/hpy#268 on sub-interpreters and trampolines.
"""

from places import Places, fire, interpreter, restore, save, source, state
from probing import expect, settled, thread_states

REQUIRES = ("attached", "body")
LIMIT_S = 5.0
DEPTH = 4


def nested(places, levels, leave):
    """Steps that call the callbacks of [levels], (callback, interpreter, thread state or None), one inside of the other."""
    (callback, number, own), *deeper = levels
    here = interpreter(number, "at a level") + places.use() + (state(own, "at a level") if own else [])
    inner = nested(places, deeper, leave) if deeper else source("import sys; sys.modules")
    if leave and deeper:
        inner = save() + inner + interpreter(-1, "between two levels") + restore()
    return fire(callback, here, inner, here, source("import sys; sys.modules"))


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    of_a = places.callback()
    ways = (False, True) if places.serves("released") else (False,)
    with places.sub() as b:
        levels = [(of_a, *here), (b.callback(), b.id, None)] * (DEPTH // 2)
        for leave in ways:
            places.here(nested(places, levels, leave), interpreter(here[0], "afterwards"), state(here[1], "afterwards"))
            if leave:
                places.left(nested(places, levels, leave), interpreter(-1, "afterwards, of a thread that left"))
        if places.serves("foreign"):
            levels = [(callback, number, None) for callback, number, _ in levels]
            for leave in ways:
                places.foreign(nested(places, levels, leave), interpreter(-1, "afterwards, of a foreign thread"))
        places.here(fire(levels[1][0]))         # which frees what threads left that ended
        b.here(b.visited())
    expect("(interpreter, thread state, thread states) afterwards", (*places.place(), settled(count)), (*here, count))
    places.unbind(of_a)
    return "%d levels, %s" % (DEPTH, "with Python held and with Python left" if len(ways) == 2 else "with Python held")
