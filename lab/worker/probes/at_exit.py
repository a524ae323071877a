"""Can a callback be made by a function of `atexit`?

By one that is called before the runtime half closes the interpreter to threads that are not attached, and by one that is called
after that. The main thread is attached: both must be served, with its thread state, and the process must end well. Having left
Python the thread is served by the first where the arm serves that, and refused by the second.

Why it is asked: extensions flush and free what they hold there, and what they hold may call back.

Source: docs/semantics.md, "Finalization".
"""

import atexit

from places import NOWHERE, REFUSED, Places, fire, interpreter, restore, save, source, state

REQUIRES = ("attached", "body")
last = []

atexit.register(lambda: last and last[0]())         # before the runtime half is loaded, and so called after what it registers


def run(subject):
    places = Places(subject)
    callback, own = places.callback(), places.place()[1]
    same = state(own, "inside")
    called = fire(callback, interpreter(0, "inside"), same, places.use(), source("import sys; sys.modules"))
    refused = fire(callback, interpreter(0, "inside"), status=REFUSED,
                   what="the status of a callback of a thread that left, when the interpreter is closed")
    nowhere = interpreter(NOWHERE, "of a thread that left")
    left = save() + called + nowhere + restore() if places.serves("released") else []
    left_late = save() + refused + nowhere + restore() if subject.api["functions"] else []
    first, second = places.watch(called, left, called, same), places.watch(called, left_late, called, same)
    atexit.register(places.c.run, *first.where)
    last.append(lambda: (places.c.run(*second.where), places.unbind(callback)))
    return places.at_end("served attached in both functions" + (", refused after leaving in the second" if left_late else ""))
