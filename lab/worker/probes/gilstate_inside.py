"""Does PyGILState work inside of a callback?

What extensions of the C API and ctypes do in code that a callback calls: PyGILState_Ensure and PyGILState_Release, twice nested,
and again with Python left around it. It must find the thread state that the callback runs with, and leave it there.

Why it is asked: a thread state that PyGILState does not know makes PyGILState_Ensure wait for the lock that its own caller
holds, or make a second thread state for the thread.

Source: PEP 311; docs/semantics.md: PyGILState keeps working before, inside and after.
"""

from places import NOWHERE, Places, ensure, fire, interpreter, release, restore, save, source, state
from probing import expect, settled, thread_states

REQUIRES = ("attached", "body")
LIMIT_S = 5.0
MARK = "import threading; mark = globals().setdefault('mark', threading.local()); mark.seen = True"
SEEN = "assert mark.seen; del mark.seen"


def ensured(places, callback, own=()):
    here, look = [interpreter(0, "inside"), list(own)], interpreter(0, "inside of PyGILState")
    nested = ensure() + look + list(own) + ensure() + source("import sys; sys.modules") + release() + look + release()
    left = save() + nested + interpreter(NOWHERE, "after PyGILState of a thread that left") + restore()
    return fire(callback, *here, source(MARK), nested, *here, places.use(), left, *here, places.use(), source(SEEN))


def run(subject):
    places = Places(subject)
    here, count = places.place(), thread_states()
    callback, kinds = places.callback(), ["attached"]

    def on_python_thread():
        own = state(places.place()[1], "of a Python thread")
        places.here(ensured(places, callback, own), ensure(), release(), own)
        if places.serves("released"):
            places.left(ensured(places, callback, own), interpreter(NOWHERE, "of a Python thread afterwards"))

    on_python_thread()
    places.python_thread(on_python_thread)
    if places.serves("released"):
        kinds.append("left")
    if places.serves("foreign"):
        places.foreign(ensured(places, callback), interpreter(NOWHERE, "of a foreign thread afterwards"), ensure(),
                       interpreter(0, "where PyGILState leads afterwards"), release())
        kinds.append("foreign")
    expect("(interpreter, thread state) afterwards", places.place(), here)
    expect("thread states afterwards", settled(count), count)
    places.unbind(callback)
    return "PyGILState found the callback's thread state: " + ", ".join(kinds)
