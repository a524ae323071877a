"""Can a thousand interpreters be made and ended, each with callbacks of its own?

As ten_interpreters, and longer.

Why it is asked: what is left of each interpreter adds up.

Source: docs/semantics.md, "Sub-interpreters": what the runtime half holds of an interpreter goes with it.
"""

from crowd import procession

REQUIRES = ("attached", "body")
SLOW = True
LIMIT_S = 400.0
INTERPRETERS = 1000


def run(subject):
    procession(subject, INTERPRETERS)
    return "%d interpreters made and ended" % INTERPRETERS
