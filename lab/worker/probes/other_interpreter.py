"""Does a callback that was made in one interpreter run there when a thread of another one calls it?

It is bound in a sub-interpreter B and called while the main interpreter A is current: on an attached thread, and on one that
left Python, where the arm serves that. The body must run in B, with a context that works; afterwards the thread must be in A
again with the thread state it had, and neither interpreter may have a thread state more than the one that is kept in B for the
thread, from CPython 3.13 on.

Why it is asked: on such a thread nothing but what was kept for the callback can say where it belongs. A design that asks the
thread gets A, and Python objects of B then meet those of A.

Source: hpyproject/hpy#268, "trampolines … sub-interpreters"; docs/semantics.md: a thread that is attached to another interpreter
is switched under either policy.
"""

from places import Places, ensure, fire, interpreter, release, source, state
from probing import expect, thread_states

REQUIRES = ("attached", "body")
POLICIES = ("attach", "attached_only")


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    with places.sub() as b:
        callback = b.callback()
        steps = [fire(callback, interpreter(b.id, "inside"), ensure(), release(), interpreter(b.id, "after PyGILState inside"),
                      places.use(), source("import sys; sys.modules"))]
        around = [interpreter(here[0], "afterwards"), state(here[1], "afterwards")]
        places.here(*steps, *steps, *around)
        if places.serves("released"):
            places.left(*steps, *steps, interpreter(-1, "afterwards, of a thread that left"))
        expect("(interpreter, thread state) afterwards", places.place(), here)
        b.here(b.visited())
    expect("thread states of A afterwards", thread_states(), count)
    return "ran in B; A as before"
