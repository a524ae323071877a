"""Can a callback be made inside a callback, also when the outer one left Python execution?

64 levels, first with Python held all the way, then with Python left around every inner callback. Each level calls Python
after the inner one has returned: it must find the thread state and the interpreter that the outermost caller had.

Why it is asked: a design that keeps only the outermost state is right until Python is left in between, and then waits for
itself.

Source: hpyproject/hpy#34 and #268; keeping only the outermost state deadlocks as soon as Python was left in between.
"""

from probing import expect, thread_states, where

REQUIRES = ("attached", "released", "body")
DEPTH = 64


def run(subject):
    before = where(), thread_states()
    served = ("nest", "nest_left") if subject.serves("released") else ("nest",)
    for body in served:
        levels, places = [], set()

        def note(level):
            levels.append(level)
            places.add(where())
            return level

        expect("levels that ran (%s)" % body, subject.run(body, arg=DEPTH, function=note).checksum, DEPTH)
        expect("the order of the levels on the way out (%s)" % body, levels, list(range(1, DEPTH + 1)))
        expect("where the levels ran (%s)" % body, places, {before[0]})
        expect("(place, thread states) afterwards (%s)" % body, (where(), thread_states()), before)
    if len(served) == 1:
        expect("outermost levels whose inner one was refused, Python being left",
               subject.attempt("nest_left", arg=DEPTH, function=int).raised, 1)
        expect("what was reported of them", [kind for kind, _ in subject.unraisable], [RuntimeError])
        del subject.unraisable[:]
    return "%d levels, with Python held%s" % (DEPTH, " and with Python left" if len(served) > 1
                                              else "; refused where Python was left")
