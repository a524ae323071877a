"""Does a callback work that a sub-interpreter makes and calls by itself?

On a thread that is attached to it and calls from its Python code. The body must run in that interpreter, with the thread state
the caller has there and a context that works; afterwards the thread state must be the caller's, and the only one there.

Why it is asked: PyGILState_Ensure knows one thread state for each OS thread, that of the main interpreter. Up to CPython 3.11
it waits for the lock that its own caller holds; from 3.12 on it finds the state that is attached.

Source: CPython's documentation, "Bugs and caveats" of sub-interpreters (PyGILState); bpo-15751.
"""

from places import Places, fire, interpreter, source, state, states
from probing import expect, thread_states

REQUIRES = ("attached", "body")
LIMIT_S = 5.0


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    with places.sub() as b:
        callback = b.callback()
        steps = fire(callback, interpreter(b.id, "inside"), state(b.state, "inside"), places.use(),
                     source("import sys; sys.modules"))
        b.here(steps, steps, state(b.state, "afterwards"))
        b.here(states(1, "afterwards"))
    expect("(interpreter, thread state, thread states) afterwards", (*places.place(), thread_states()), (*here, count))
    return "ran in the sub-interpreter, with the caller's thread state"
