"""Does a callback that was made in a sub-interpreter run there when a thread calls it that Python never saw?

The thread calls it twice, and one that was made in the main interpreter in between: each body must run where its callback was
made, with a context that works, and the thread must not be attached afterwards. When it has ended neither interpreter may have
a thread state of it.

Why it is asked: such a thread is in no interpreter, so that a design which does not keep one with the callback has to guess.

Source: hpyproject/hpy#268, "some thread that the Java VM is not aware of yet"; docs/semantics.md, "Which interpreter, which
context".
"""

from places import NOWHERE, Places, fire, interpreter, source
from probing import expect, settled, thread_states

REQUIRES = ("foreign", "body")
EXPECTS = {"all": "ok", "attached_only": "refused"}
LIMIT_S = 5.0


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    of_a = places.callback()
    with places.sub() as b:
        of_b = b.callback()
        away = interpreter(NOWHERE, "of a foreign thread afterwards")
        work = places.use() + source("import sys; sys.modules")
        in_b = fire(of_b, interpreter(b.id, "inside of a callback of B"), work) + away
        in_a = fire(of_a, interpreter(here[0], "inside of a callback of A"), work) + away
        places.foreign(in_b, in_a, in_b)
        places.foreign(in_a, in_b)
        if "attached" in subject.capabilities:
            places.here(fire(of_b), interpreter(here[0], "afterwards"))     # which frees what threads left that ended
            b.here(b.visited())
        expect("thread states of A afterwards", settled(count), count)
    expect("(interpreter, thread state) afterwards", places.place(), here)
    places.unbind(of_a)
    return "each callback ran where it was made; no thread state is left"
