"""What if a callback comes when Python has finalized?

From the thread that finalized it, and from one that Python never saw and that called back before, where the arm serves such.
Each must be refused, without being attached to anything, and the process must end well.

Why it is asked: the native library that calls back does not end with Python; its own atexit functions and threads run on.

Source: PEP 788; docs/semantics.md, "interpreter gone".
"""

from places import NOWHERE, REFUSED, Places, fire, interpreter, post, restore, save, wait

REQUIRES = ("body",)
DEBUG = ("off",)            # what is bound here is never given back, which the lab's debug mode reports
EXPECTS = "refused"
LIMIT_S = 5.0


def run(subject):
    places = Places(subject)
    callback, ready, gone = places.callback(), places.event(), places.event()
    late = fire(callback, places.use(), status=REFUSED, what="the status of a callback after Python has finalized")
    if places.serves("foreign"):
        places.watch(fire(callback, places.use()), post(ready), wait(gone), late, late, start=True)
        places.here(save(), wait(ready), restore())
    nowhere = interpreter(NOWHERE, "of the thread that finalized")
    return places.at_end("on the thread that finalized" + (" and on a foreign one" if places.serves("foreign") else ""),
                         post(gone), late, late, nowhere, outcome="refused")
