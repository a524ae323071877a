"""Does a callback get back into a sub-interpreter that the thread has just left?

Python code that runs there leaves Python, and calls the callback, twice. The body must run in that interpreter, with the thread
state that the thread left there and a context that works; afterwards the thread must be able to re-enter as if nothing had
happened, and that state must be the only one there.

Why it is asked: up to CPython 3.11 nothing of Python tells where a thread came from that left a sub-interpreter: what is kept
for the thread is its state of the main one. A second thread state in its place loses what threading.local and context variables
hold.

Source: docs/semantics.md, "a Python thread that left Python execution"; CPython's documentation, PyGILState and sub-interpreters.
"""

from places import NOWHERE, Places, fire, interpreter, restore, save, source, state, states
from probing import expect, thread_states

REQUIRES = ("attached", "released", "body")
EXPECTS = {"all": "ok", "attached_only": "refused"}
LIMIT_S = 5.0


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    with places.sub() as b:
        callback = b.callback()
        steps = fire(callback, interpreter(b.id, "inside"), state(b.state, "inside"), places.use(),
                     source("import sys; sys.modules"))
        b.here(save(), steps, steps, interpreter(NOWHERE, "afterwards"), restore(),
               state(b.state, "of the thread that is back"))
        b.here(states(1, "afterwards"))
    expect("(interpreter, thread state, thread states) afterwards", (*places.place(), thread_states()), (*here, count))
    return "ran in the sub-interpreter, with the thread state that was left"
