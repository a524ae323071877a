"""Can callbacks nest a thousand deep?

As nesting, but further than any record of fixed size goes: with Python held, and with Python left around every inner callback.
All levels must run in order, in the same place, and nothing may be left.

Source: docs/semantics.md: acquisitions nest at least 1,000 deep; our reading, the issue is silent.
"""

from probing import expect, settled, thread_states, where

REQUIRES = ("attached", "released", "body")
DEPTH = 1000


def run(subject):
    before = where(), thread_states()
    for body in ("nest", "nest_left"):
        levels, places = [], set()

        def note(level):
            levels.append(level)
            places.add(where())
            return level

        expect("levels that ran (%s)" % body, subject.run(body, arg=DEPTH, function=note).checksum, DEPTH)
        expect("whether the levels came in order (%s)" % body, levels == list(range(1, DEPTH + 1)), True)
        expect("where the levels ran (%s)" % body, places, {before[0]})
        expect("(place, thread states) afterwards (%s)" % body, (where(), settled(before[1])), before)
    return "%d levels, with Python held and with Python left" % DEPTH
