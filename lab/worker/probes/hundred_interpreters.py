"""Can a hundred interpreters be made and ended, each with callbacks of its own?

As ten_interpreters, and longer: of forms alone, which may hold something of each interpreter, and once of each, since
neither the policy nor the lab's debug mode has a part in what is held; those are asked with ten.

Why it is asked: what is left of each interpreter adds up.

Source: docs/semantics.md, "Sub-interpreters": what the runtime half holds of an interpreter goes with it.
"""

from crowd import needs_api, procession

REQUIRES = ("attached", "body")
POLICIES = ("attach",)
DEBUG = ("off",)
LIMIT_S = 60.0
INTERPRETERS = 100


def run(subject):
    needs_api(subject)
    procession(subject, INTERPRETERS)
    return "%d interpreters made and ended" % INTERPRETERS
