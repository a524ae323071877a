"""Many threads that call back at the same time, and many interpreters after one another, for the probes that ask for many."""

import os

from places import NOWHERE, Places, fire, interpreter, post, source, states, wait
from probing import NotApplicable, expect, settled, thread_states


def needs_api(subject):
    """Raise NotApplicable for a control or a peer."""
    if not subject.api["functions"]:
        raise NotApplicable("it has no functions of its own that could hold anything; it is asked with fewer")


def resident_bytes():
    """What of this process is in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def crowd(subject, number):
    """[number] foreign threads that call back, wait for each other, and call back again."""
    places = Places(subject)
    count = thread_states()
    callback, ready, go = places.callback(), places.event(), places.event()
    nowhere = interpreter(NOWHERE, "of a foreign thread afterwards")
    body = interpreter(0, "inside"), places.use(), source("import sys; sys.modules")
    steps = fire(callback, *body), nowhere, post(ready), wait(go), fire(callback, *body), nowhere
    threads = [places.start(*steps) for _ in range(number)]
    places.left(*[wait(ready)] * number)
    places.here(*[post(go)] * number)
    for _, thread in threads:
        places.c.join(thread, 0)
    places.unbind(callback)
    for program, _ in threads:
        places.check(program)
    expect("thread states when the threads have ended", settled(count), count)


def procession(subject, number):
    """[number] sub-interpreters, one after the other; a callback of each is made on each kind of thread, wherever it leads."""
    places = Places(subject)
    here, count = places.place(), thread_states()
    for turn in range(number):
        with places.sub() as b:
            expect("whether the interpreter of turn %d is a new one" % turn, b.id > turn, True)
            callback = b.callback()
            b.here(fire(callback, interpreter(b.id, "inside of a callback of turn %d" % turn), places.use()),
                   states(1, "of an interpreter"))
            if places.serves("foreign"):
                places.foreign(fire(callback, places.use()), interpreter(NOWHERE, "of a foreign thread afterwards"))
            if places.serves("released"):
                places.left(fire(callback, places.use()), interpreter(NOWHERE, "of a thread that left"))
    expect("(interpreter, thread state) afterwards", places.place(), here)
    expect("thread states afterwards", settled(count), count)
