"""Can a callback be made inside a callback, also when the outer one left Python execution?

64 levels, first with Python held all the way, then with Python left around every inner callback. Each level calls Python
after the inner one has returned: it must find the thread state and the interpreter that the outermost caller had.

Source: hpyproject/hpy#34 and #268; keeping only the outermost state deadlocks as soon as Python was left in between.
"""

from probing import expect, thread_states, where

REQUIRES = ("attached", "released", "body")
DEPTH = 64


def run(subject):
    before = where(), thread_states()
    for body in ("nest", "nest_left"):
        levels, places = [], set()

        def note(level):
            levels.append(level)
            places.add(where())
            return level

        expect("levels that ran (%s)" % body, subject.run(body, arg=DEPTH, function=note).checksum, DEPTH)
        expect("the order of the levels on the way out (%s)" % body, levels, list(range(1, DEPTH + 1)))
        expect("where the levels ran (%s)" % body, places, {before[0]})
        expect("(place, thread states) afterwards (%s)" % body, (where(), thread_states()), before)
    return "%d levels, with Python held and with Python left" % DEPTH
