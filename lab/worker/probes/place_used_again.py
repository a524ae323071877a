"""Is the place of a token or a trampoline used again when it has been given back?

4,600 are made and given back, one after the other: at rest, and while the thread is inside of an acquisition by the very one
that it gives back. They must not need as many places; all is as before when the last is gone.

Why it is asked: a place that is never used again is a leak that grows for as long as a process makes callbacks.

Source: docs/semantics.md, "Wrong use": "its place is used again when the last one has left".
"""

from entries import Entries
from probing import expect

REQUIRES = ("attached", "body")
ROLES = ("FREE",)
DEBUG = ("off",)
MADE, MOST = 4600, 4200           # the trampolines' pages have 4096


def run(subject):
    with Entries(subject) as entries:
        at_rest, inside = set(), set()
        for _ in range(MADE):
            made = entries.make(subject.arm.policy)
            at_rest.add(made)
            expect("the status of giving it back", entries.free(made), 0)
        for _ in range(MADE):
            made = entries.make(subject.arm.policy)
            inside.add(made)
            statuses = []
            entries.inside(made)(lambda: statuses.append(entries.free(made)))
            expect("the status of giving it back inside of it", statuses, [0])
    for what, places in (("at rest", at_rest), ("inside", inside)):
        expect("whether %d given back %s had at most %d places (%d)" % (MADE, what, MOST, len(places)),
               len(places) <= MOST, True)
    return "%d given back at rest had %d places, as many inside %d" % (MADE, len(at_rest), len(inside))
