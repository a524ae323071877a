"""What if a cached context is used on a thread that never acquired one?

A body keeps the context that it got; then a thread that Python never saw calls Python through it, without acquiring. An arm
that is itself a cached context, and serves attached threads alone, is called back on such a thread instead. There is no
thread state to run with: the process dies, on every version, while the same with a call that needs none would go well on
some. The lab's debug mode must say so first.

Why it is asked: caching is what a context that is simply handed out invites, and threads are where it ends.

Source: hpyproject/hpy#437; hpyproject/hpy#268, a thread that the runtime is not aware of.
"""

from misusing import WrongUses
from probing import Refused, Wrong

REQUIRES = ("attached", "body")
EXPECTS = {"all": "crash: SIGSEGV", "lab_debug": "detected"}
DETECTS = "a context was used"


def run(subject):
    if "foreign" not in subject.capabilities and not subject.api["functions"]:
        refused = subject.foreign("python", function=int).refused
    else:
        wrong = WrongUses(subject).lend_bodies()
        subject.run("keep")
        refused = not wrong.module.use_kept_elsewhere()
    if refused:
        raise Refused("a thread that had none")
    raise Wrong("a thread called Python without a thread state, and nothing was said")
