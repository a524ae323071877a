"""Can a callback be made by a thread that another library attached with PyGILState_Ensure?

A Python thread, one that left Python, and one that Python never saw: each calls PyGILState_Ensure, makes a callback, leaves
Python, makes another, comes back and releases. The callbacks must run with the thread state that PyGILState made or found
(threading.local tells), and that library must find its thread as it left it. Under attached_only the first is served as well,
for the thread is attached, and the second refused.

Why it is asked: such a thread state is not the design's to keep: it dies when the other library says so.

Source: PEP 311; docs/semantics.md, "a thread that another library attached".
"""

from places import NOWHERE, RAN, REFUSED, Places, ensure, fire, interpreter, release, restore, save, source, state
from probing import expect, settled, thread_states

REQUIRES = ("attached", "body")
POLICIES = ("attach", "attached_only")
LIMIT_S = 5.0
MARK = "import threading; mark = globals().setdefault('mark', threading.local()); mark.seen = True"
SEEN = "assert mark.seen"


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    callback = places.callback()
    serves, refuses = places.serves("released"), places.arm.policy == "attached_only"
    inner = fire(callback, interpreter(0, "inside"), places.use(), source(SEEN))
    from_left = fire(callback, interpreter(0, "inside"), source(SEEN), status=RAN if serves else REFUSED,
                     what="the status of a callback of a thread that left inside of PyGILState")
    left = save() + from_left + interpreter(NOWHERE, "after a callback of a thread that left") + restore()
    ensured = (ensure() + source(MARK) + inner + (left if serves or refuses else []) + inner
               + interpreter(0, "inside of PyGILState") + source("del mark.seen") + release())

    def on_python_thread():
        own = state(places.place()[1], "of a Python thread")
        places.here(ensured, ensured, own)
        places.left(ensured, ensured, interpreter(NOWHERE, "of a Python thread afterwards"))

    on_python_thread()
    places.python_thread(on_python_thread)
    places.foreign(ensured, ensured, interpreter(NOWHERE, "of a foreign thread afterwards"))
    expect("(interpreter, thread state) afterwards", places.place(), here)
    expect("thread states afterwards", settled(count), count)
    places.unbind(callback)
    return "served on threads that PyGILState attached" + (", refused where they left" if refuses else "")
