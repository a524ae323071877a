"""Can callbacks nest a thousand deep?

As nesting, but further than any record of fixed size goes: with Python held, and with Python left around every inner callback.
All levels must run in order, in the same place, and nothing may be left.

Why it is asked: a record of fixed size works in every test and fails in recursion.

Source: docs/semantics.md: acquisitions nest at least 1,000 deep; our reading, the issue is silent.
"""

from probing import expect, settled, thread_states, where

REQUIRES = ("attached", "released", "body")
DEPTH = 1000


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
        expect("whether the levels came in order (%s)" % body, levels == list(range(1, DEPTH + 1)), True)
        expect("where the levels ran (%s)" % body, places, {before[0]})
        expect("(place, thread states) afterwards (%s)" % body, (where(), settled(before[1])), before)
    if len(served) == 1:
        expect("outermost levels whose inner one was refused, Python being left",
               subject.attempt("nest_left", arg=DEPTH, function=int).raised, 1)
        expect("what was reported of them", [kind for kind, _ in subject.unraisable], [RuntimeError])
        del subject.unraisable[:]
    return "%d levels, with Python held%s" % (DEPTH, " and with Python left" if len(served) > 1
                                              else "; refused where Python was left")
