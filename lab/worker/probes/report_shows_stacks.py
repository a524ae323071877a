"""Does a report of the lab's debug mode show where each of the calls was made, and what to do?

With a hook that takes the report: a context is released twice, or what was made is freed twice. The report must name the
wrong use; show the native stack of this call, of the one that acquired or made, and of the one that released or freed first,
each with the thread and beginning in the code of the extension that called; and say what to do.

Why it is asked: a message without the place sends its reader to a debugger, for a mistake whose first half is long over.

Source: docs/semantics.md, "A message says what happened, where (the native stacks of this call and of the acquisition) and
what to do".
"""

import re
import threading

from misusing import WrongUses
from probing import Detected, NotApplicable, expect

REQUIRES = ("attached", "body")
POLICIES = ("attach",)      # what is done wrong is done by the functions of this policy
DEBUG = ("on",)
EXPECTS = "detected"
DEEDS = {"enter_leave/ambient": "released_twice", "hpyvm/pointer": "released_twice", "hpyvm/value": "released_twice",
         "enter_leave/token": "released_twice", "trampoline/plain": "plain_freed_twice", "trampoline/handle": "handle_freed_twice",
         "trampoline/checked": "checked_freed_twice"}
SITE = re.compile(r"^  (this call|\w+)(?: by (\w+))?, on thread (\d+):\n((?:    .*\n)+)", re.M)
VERBS = {True: ["this call", "acquired", "released"], False: ["this call", "made", "freed"]}


def run(subject):
    deed = DEEDS.get(subject.arm.id)
    if deed is None:
        raise NotApplicable("this wrong use is not written for it (csrc/probes/wrong_uses)")
    wrong, reports = WrongUses(subject), []
    subject.lab.runtime.debug_on_misuse(reports.append)
    try:
        wrong.do(deed)
    except ValueError:
        pass                    # that something is freed twice is an error in any mode
    finally:
        subject.lab.runtime.debug_on_misuse(None)
    expect("whether there was a report that a call was made twice", [" twice" in text for text in reports[:1]], [True])
    sites = SITE.findall(reports[0])
    expect("the calls that it shows", [verb for verb, *_ in sites], VERBS[deed == "released_twice"])
    expect("their threads", {int(thread) for _, _, thread, _ in sites}, {threading.get_native_id()})
    expect("where their stacks begin", ["wrong_uses" in stack.partition("\n")[0] for *_, stack in sites], [True] * len(sites))
    expect("whether the names of both functions are told", [bool(function) for _, function, _, _ in sites[1:]], [True, True])
    expect("whether it says what to do", "\n  What to do: " in reports[0], True)
    raise Detected(reports[0].partition("\n")[0])
