"""Where does a callback of a thread run that is attached to nothing, and was in a sub-interpreter before?

A thread that Python never saw attaches to a sub-interpreter B by the C API, calls back there, and detaches; then it calls
back again, twice, and once more after it was in the main interpreter A the same way. The callback was made in A. With a form
that keeps the interpreter all must run in A; with one that asks the thread they must run where that thread was last.

Why it is asked: what is remembered of a thread decides, and nobody sees it: a wrong guess runs the body among the objects of
another interpreter.

Source: docs/semantics.md, "Which interpreter, which context": "else the one this OS thread was last attached to".
"""

from places import ANYTHING, NOWHERE, Places, depart, fire, interpreter, source, visit
from probing import expect

REQUIRES = ("attached", "foreign", "body")
EXPECTS = {"all": "ok", "attached_only": "refused"}
LIMIT_S = 5.0


def run(subject):
    places = Places(subject)
    here = places.place()
    callback = places.callback()
    with places.sub() as b:
        asked = interpreter(ANYTHING, "inside")
        work = places.use() + source("import sys; sys.modules")
        nowhere = interpreter(NOWHERE, "of a foreign thread afterwards")
        calls = fire(callback, asked, work) + nowhere
        program, thread = places.start(visit(b), fire(callback, asked, work), interpreter(b.id, "of a visitor afterwards"),
                                       depart(), nowhere, calls, calls)
        places.join((program, thread))
        ran = [step.result for step in program.array if step.kind == asked[0][0] and step.expected == ANYTHING]
        keeps = ran[0] == here[0]
        expect("the interpreters of the callbacks, of which the first was made in B", ran,
               [here[0] if keeps else b.id] * len(ran))
        places.here(fire(callback), interpreter(here[0], "afterwards"))     # which frees what threads left that ended
    places.unbind(callback)
    return "%d callbacks: all in the interpreter %s" % (len(ran), "they were made in" if keeps else "the thread was last in")
