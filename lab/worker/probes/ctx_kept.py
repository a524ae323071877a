"""What if a context is kept after its release, and used?

Any arm: a body keeps the context that it got; when the callback is over, and the method that made it has returned, native
code on the same thread calls HPy through it. In HPy's universal flavour all contexts are one object, so that goes well, by
luck, and nothing says that it is wrong; a runtime is free to dispose of the context at the release. In HPy's debug flavour
the process must end with HPy's message, and with the lab's debug mode in either flavour with the lab's: "wrong" is a use that
went unnoticed.

Why it is asked: who keeps a context gets away with it until a runtime disposes of contexts at the release; somebody has to say
so before.

Source: hpyproject/hpy#268: GetContext invites to cache the context; HPy's documentation: a context must not be kept.
"""

from misusing import WrongUses, expect_order, place
from probing import Wrong, expect

REQUIRES = ("attached", "body")
MODES = ("universal", "debug")
EXPECTS = {"all": "wrong: nothing was said", "lab_debug": "detected"}
DETECTS = "a context was used after it was released"


def run(subject):
    before, wrong = place(), WrongUses(subject).lend_bodies()
    expect("the result", subject.run("keep", arg=3).checksum, 3)
    answer = wrong.module.use_kept()
    expect_order(subject, before)
    expect("what the kept context answered", answer, 7)
    raise Wrong("the kept context went on answering, and nothing was said")
