"""What if a daemon thread that left Python calls back again and again while the process ends?

At some moment it must be refused, and be refused from then on, still outside of Python, where it stays; the process must end
well, which is when it is looked at.

Why it is asked: a daemon thread that re-enters Python then is ended by it up to CPython 3.13 and hangs from 3.14 on, be it inside
of a lock of the native code; what called back is native code, and could be told.

Source: PEP 788; docs/semantics.md, "Finalization".
"""

import threading

from places import NOWHERE, REFUSED, Places, Program, fire, hammer, interpreter, post, restore, save, wait
from probing import needs_attaching

REQUIRES = ("attached", "released", "body")
DEBUG = ("off",)            # what is bound here is never given back, which the lab's debug mode reports
EXPECTS = "refused"
LIMIT_S = 5.0


def run(subject):
    needs_attaching(subject, "a thread that is not attached is refused at any time: the probe attached_only shows it")
    places = Places(subject)
    callback, ready, done, never = places.callback(), places.event(), places.event(), places.event()
    refused = fire(callback, status=REFUSED, what="the status of a callback after one was refused")
    program = Program(
        save(), fire(callback, places.use()), post(ready), hammer(callback, interpreter(0, "inside"), places.use()), refused,
        refused, interpreter(NOWHERE, "of the thread afterwards"), post(done), wait(never), restore())
    places.c.watch(program.where[0], program.where[1] - 3, 0)       # what comes before it posts that it is done
    threading.Thread(target=places.c.run, args=program.where, daemon=True).start()
    places.here(save(), wait(ready), restore())
    return places.at_end("and left alone", wait(done), outcome="refused")
