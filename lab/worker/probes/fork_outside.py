"""What if a process forks while another thread is inside of a callback?

That thread has left Python inside of it and is not in the child. The child must make a callback of its own, have no more thread
states than its one thread, and end as Python ends, waiting for nobody; in the parent the other thread must go on and end well,
and the process end.

Why it is asked: what finalization waits for may be gone with the thread; locks that it held would never be released.

Source: docs/semantics.md, "Fork" and "Finalization".
"""

import os
import threading

from places import NOWHERE, Places, fire, interpreter, post, restore, save, source, wait
from probing import PYPY, expect, settled, thread_states

REQUIRES = ("foreign", "body")
LIMIT_S = 10.0


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    callback, inside, leave = places.callback(), places.event(), places.event()
    served = places.serves("foreign")
    called = fire(callback, interpreter(0, "inside"), save(), post(inside), wait(leave), restore(), places.use())
    if served:
        other = places.start(called, interpreter(NOWHERE, "of a foreign thread afterwards"))
    else:
        thread = threading.Thread(target=places.here, args=(called, interpreter(0, "of a Python thread afterwards")))
        thread.start()
    places.here(save(), wait(inside), restore())
    child = os.fork()
    if child == 0:
        if "attached" in subject.capabilities:
            places.here(fire(callback, interpreter(0, "inside"), places.use(), source("import sys; sys.modules")))
        if served:
            places.foreign(fire(callback, interpreter(0, "inside"), places.use()), interpreter(NOWHERE, "afterwards"))
        expect("thread states of the child", settled(1), 1 if not PYPY else thread_states())
        places.unbind(callback)
        raise SystemExit(0)
    expect("the exit status of the child", os.waitpid(child, 0)[1], 0)
    places.here(post(leave))
    places.join(other) if served else thread.join()
    expect("(interpreter, thread state) afterwards", places.place(), here)
    expect("thread states afterwards", settled(count), count)
    places.unbind(callback)
    return "the child ended well without that thread, the parent with it"
