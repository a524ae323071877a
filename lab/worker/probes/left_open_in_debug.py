"""Does HPy's own debug mode notice an acquisition that is left open?

The extension and its contexts are in HPy's debug mode. By each form that has a release, foreign threads and a threading.Thread
end and leave an acquisition open. A debug context checks the calls that are made through it; entering and leaving are none of
them, so that without the lab's debug mode nothing is to be reported, and everything is to be in order afterwards.

Why it is asked: if HPy's debug mode told it, a debug mode of the design's own would not be needed.

Source: hpyproject/hpy#268: "not via the current debug context mechanism, it would have to be a different mechanism".
"""

import threading

import hpy.debug

from misusing import WrongUses, expect_order, place

REQUIRES = ("attached", "body")
ROLES = ("RELEASE",)
POLICIES = ("attach",)
MODES = ("debug",)
EXPECTS = {"all": "ok", "lab_debug": "detected"}
DETECTS = "a thread ended and left an acquisition open"
LIMIT_S = 10.0


def run(subject):
    before, wrong = place(), WrongUses(subject)
    with hpy.debug.LeakDetector():
        wrong.do("left_open_by_thread")
        thread = threading.Thread(target=wrong.do, args=("left_open",))
        thread.start()
        thread.join()
    expect_order(subject, before)
    return "HPy's debug mode reported nothing, and no handle as leaked"
