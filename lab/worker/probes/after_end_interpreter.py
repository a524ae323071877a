"""What if a callback comes that was made in a sub-interpreter that has ended?

From a thread that is attached to the main interpreter, and, where the arm serves those, from one that left it and from one that
Python never saw. Each must be refused and be left where it was; then what was bound is given back in the main interpreter.

Why it is asked: a design that keeps an interpreter must see that it is gone; one that keeps none runs the body elsewhere, where
the objects it was made with do not exist.

Source: docs/semantics.md, "A token or trampoline used after its interpreter ended is refused".
"""

from places import NOWHERE, REFUSED, Places, fire, interpreter, state
from probing import Refused, expect, settled, thread_states

REQUIRES = ("attached", "body")
EXPECTS = "refused"
LIMIT_S = 5.0


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    with places.sub() as b:
        callback = b.callback()
        b.here(fire(callback, interpreter(b.id, "inside")))
        if places.serves("foreign"):
            places.foreign(fire(callback))
        b.end(unbind=False)
    late = fire(callback, status=REFUSED, what="the status of a callback whose interpreter has ended")
    places.here(late, late, state(here[1], "afterwards"))
    if places.serves("released"):
        places.left(late, interpreter(NOWHERE, "of a thread that left"))
    if places.serves("foreign"):
        places.foreign(late, interpreter(NOWHERE, "of a foreign thread"))
    expect("(interpreter, thread state, thread states) afterwards", (*places.place(), settled(count)), (*here, count))
    places.unbind(callback)
    raise Refused("on each kind of thread, which was left where it was")
