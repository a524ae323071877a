"""Does an exception that is pending survive acquire and release?

With ValueError set the same thread calls back into a body that calls no Python: the exception must be pending inside, and
still be the same afterwards; then the same with Python execution left around the callback, where the arm serves that. Nothing
may be reported.

Why it is asked: a destructor runs with an exception pending, and HPy 0.9 has no way to set one aside.

Source: hpyproject/hpy#175 (no context in tp_destroy); hpyproject/hpy#268, tp_dealloc among the use cases.
"""

from probing import expect, pending_exception, thread_states, where

REQUIRES = ("attached", "body")
POLICIES = ("attach", "attached_only")
INSIDE_AND_AFTERWARDS = 2 + 1


def run(subject):
    before = where(), thread_states()
    ways = (1, 2) if subject.serves("released") else (1,)
    for way in ways:
        found = subject.run("pending", arg=way)
        expect("bodies that raised", found.raised, 0)
        expect("pending inside (2) and afterwards (1), %s" % ("with Python left" if way == 2 else "with Python held"),
               found.checksum, INSIDE_AND_AFTERWARDS)
    expect("what was reported", subject.unraisable, [])
    expect("the exception that is pending", pending_exception(), None)
    expect("(place, thread states) afterwards", (where(), thread_states()), before)
    return "pending inside and afterwards, %s" % ("with Python held and with Python left" if len(ways) == 2
                                                  else "with Python held")
