"""What if threads that Python never saw call back again and again while the process ends?

Three of them, one of which calls Python in its body. At some moment each must be refused, and be refused from then on, without
being attached to anything; none may be ended, or wait for good, inside of its call; and the process must end well, which is when
the threads are looked at.

Why it is asked: PyGILState_Ensure ends such a thread up to CPython 3.13 and lets it hang from 3.14 on, or crashes.

Source: PEP 788; docs/semantics.md, "Finalization".
"""

from places import NOWHERE, REFUSED, Places, fire, hammer, interpreter, post, restore, save, source, wait
from probing import needs_attaching

REQUIRES = ("foreign", "body")
DEBUG = ("off",)            # what is bound here is never given back, which the lab's debug mode reports
EXPECTS = "refused"
LIMIT_S = 5.0


def run(subject):
    needs_attaching(subject, "a thread that is not attached is refused at any time: the probe attached_only shows it")
    places = Places(subject)
    callback = places.callback()
    refused = fire(callback, status=REFUSED, what="the status of a callback after one was refused")
    for body in (places.use(), [], source("sum(range(100))")):
        ready = places.event()
        places.watch(fire(callback, body), post(ready), hammer(callback, interpreter(0, "inside"), body), refused, refused,
                     interpreter(NOWHERE, "of a foreign thread afterwards"), start=True)
        places.here(save(), wait(ready), restore())
    return places.at_end("all three threads, and left alone", outcome="refused")
