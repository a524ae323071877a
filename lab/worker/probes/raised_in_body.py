"""Is an exception that a body raises reported before the release, with nothing pending afterwards?

On an attached thread, on one that left Python execution and on foreign threads, as far as the arm serves those: a body that
sets ValueError, and one whose Python function raises KeyError. The callback must answer that it raised; the hook for
exceptions that nobody can catch must be called on the thread of the body, inside the acquisition; nothing is pending and no
thread state is left afterwards, and the next callback works.

Why it is asked: native code can neither see nor handle an exception; one that stays pending comes out elsewhere.

Source: docs/semantics.md, "Rules for all states"; our reading, the issue is silent.
"""

import sys

from misusing import expect_order, place
from probing import LEAVE, expect, pending_exception, where

REQUIRES = ("attached", "body")
CALLS = 3


def run(subject):
    before, reported = place(), []
    sys.unraisablehook = lambda args: reported.append((args.exc_type.__name__, where()))

    def fail(number):
        reported.append(("body", where()))
        raise KeyError(number)

    ways = [("attached", subject.attempt, {}), ("with Python left", subject.attempt, {"flags": LEAVE}),
            ("foreign", subject.foreign, {})]
    served = [way for way in ways if way[0] == "attached" or subject.serves({"foreign": "foreign"}.get(way[0], "released"))]
    for name, call, how in served:
        expect("bodies that raised, %s" % name, call("raise", loops=CALLS, **how).raised, CALLS)
        expect("what was reported, %s" % name, [kind for kind, _ in reported], ["ValueError"] * CALLS)
        del reported[:]
        expect("bodies whose function raised, %s" % name, call("python", loops=CALLS, function=fail, **how).raised, CALLS)
        expect("what was done and reported, %s" % name, [kind for kind, _ in reported], ["body", "KeyError"] * CALLS)
        places = [spot for _, spot in reported]
        expect("whether each was reported where it was raised", places[::2] == places[1::2], True)
        expect("whether that was the caller's place", {spot == before[0] for spot in places}, {name != "foreign"})
        del reported[:]
        expect("the exception that is pending", pending_exception(), None)
        expect_order(subject, before)
    return "%d of each reported before the release: %s" % (CALLS, ", ".join(name for name, _, _ in served))
