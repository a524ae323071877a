"""Can ten interpreters be made and ended, each with callbacks of its own?

One after the other; in each a callback is made and called by that interpreter itself, by a foreign thread and by a thread that
left the main interpreter, where the arm serves those, and given back. Each interpreter must be able to end, and the main one must
be as before. `hundred_interpreters` and `thousand_interpreters` ask the same of more.

Why it is asked: what is held of an interpreter that has ended is used for the next one at the same address.

Source: docs/semantics.md, "Sub-interpreters": what the runtime half holds of an interpreter goes with it.
"""

from crowd import procession

REQUIRES = ("attached", "body")
LIMIT_S = 10.0
INTERPRETERS = 10


def run(subject):
    procession(subject, INTERPRETERS)
    return "%d interpreters made and ended" % INTERPRETERS
