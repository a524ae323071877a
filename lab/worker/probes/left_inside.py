"""Can Python be left inside of a callback, a callback be made there, and both be ended?

On each kind of thread: one that is attached, one of Python's that left, and one that Python never saw. Inside the inner callback
and after it the thread must be where it was in the outer one, with the same thread state (threading.local tells that of a
foreign thread); between the two, and for threads that were not attached at the end, it must be attached to nothing.

Why it is asked: a design that remembers only how the thread was found first re-enters what it is in already, and waits for
itself, or leaves twice.

Source: hpyproject/hpy#34 and #268; HPy_LeavePythonExecution.
"""

from places import NOWHERE, Places, fire, interpreter, restore, save, source, state
from probing import expect, settled, thread_states

REQUIRES = ("released", "body")
EXPECTS = {"all": "ok", "attached_only": "refused"}
LIMIT_S = 5.0
MARK = """
import threading
mark = globals().setdefault("mark", threading.local())
mark.count = getattr(mark, "count", 0) + 1
assert mark.count == %d, mark.count
"""


def twice(places, callback, own=()):
    """Steps: a callback in which Python is left, and a callback made; [own]: a step that looks at the thread state."""
    here = [interpreter(0, "inside"), list(own), places.use()]
    inner = fire(callback, *here, save(), interpreter(NOWHERE, "where the inner body left"), restore(), source(MARK % 2))
    return fire(callback, *here, source(MARK % 1), save(), interpreter(NOWHERE, "before the inner callback"), inner,
                interpreter(NOWHERE, "after the inner callback"), restore(), *here, source(MARK % 3), source("del mark.count"))


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    callback, kinds = places.callback(), 0

    def on_python_thread():
        own = state(places.place()[1], "of a Python thread")
        if "attached" in subject.capabilities:
            places.here(twice(places, callback, own), own)
        places.left(twice(places, callback, own), interpreter(NOWHERE, "of a Python thread afterwards"))
        return 1

    kinds += on_python_thread()
    if "attached" in subject.capabilities:      # else the arm serves the thread that bound, alone
        kinds += places.python_thread(on_python_thread)
    if places.serves("foreign"):
        places.foreign(twice(places, callback), interpreter(NOWHERE, "of a foreign thread afterwards"))
        kinds += 1
    expect("(interpreter, thread state) afterwards", places.place(), here)
    expect("thread states afterwards", settled(count), count)
    places.unbind(callback)
    return "left and acquired again inside, on %d kinds of thread" % kinds
