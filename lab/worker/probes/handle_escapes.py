"""What if a handle outlives the acquisition in which it was opened?

Any arm: a body opens a handle and keeps it; after the release it is used and closed by another context of the same flavour.
In HPy's universal flavour that goes well, and no debug mode can tell: "wrong" is that nothing was said. In HPy's debug
flavour its LeakDetector, around the callback, must tell of the handle, and the lab's debug mode at the release.

Why it is asked: a handle is valid for as long as its context is; in universal mode nothing shows that it is not.

Source: docs/semantics.md, "Wrong use"; HPy's documentation: handles must be closed, and are valid as long as the context is.
"""

import hpy.debug

from misusing import WrongUses, expect_order, place
from probing import Detected, Wrong, expect

REQUIRES = ("attached", "body")
MODES = ("universal", "debug")
EXPECTS = "detected"
DETECTS = "a handle that was opened inside the acquisition is still open at its release"


def run(subject):
    before, wrong = place(), WrongUses(subject).lend_bodies()
    try:
        with hpy.debug.LeakDetector():
            expect("the result", subject.run("escape", arg=123456).checksum, 123456)
    except hpy.debug.HPyLeakError as error:
        raise Detected("HPy's LeakDetector: %s" % str(error).splitlines()[0]) from None
    answer = wrong.module.use_escaped()
    expect_order(subject, before)
    expect("the number that the handle refers to", answer, 123456)
    raise Wrong("the handle was used and closed after the release, and nothing was said")
