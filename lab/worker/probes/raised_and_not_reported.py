"""What if a body raises, and its caller does not report the exception before the release?

Any arm: a body sets ValueError and returns as though nothing were. No form looks, since that would cost every call: the
exception stays pending in code that never asked for it, and comes out as a SystemError of the method that is not to blame.
"wrong" is that nothing was said at the release; the lab's debug mode must report it there.

Why it is asked: who forgets it has the exception come out in code that is not to blame.

Source: docs/semantics.md, "Rules for all states": the caller's duty in every form; our reading, the issue is silent.
"""

from misusing import WrongUses, expect_order, place
from probing import Wrong, pending_exception

REQUIRES = ("attached", "body")
EXPECTS = {"all": "wrong: nothing was said at the release", "lab_debug": "detected"}
DETECTS = "a context was released with an exception pending that the body raised"


def run(subject):
    before, _ = place(), WrongUses(subject).lend_bodies()
    try:
        subject.run("raise_silently")
    except (SystemError, ValueError) as error:
        found = "%s from the method that made the callback" % type(error).__name__
    else:
        found = "%s is pending in its caller" % pending_exception()
    expect_order(subject, before)
    raise Wrong("nothing was said at the release; then: %s" % found)
