"""Does a thread that Python never saw find at its next callback what it left in `threading.local`?

One such thread calls back again and again: what the first body stores in a threading.local, the others must find, and the
thread must be attached to nothing between them. A second thread must find nothing of it. When both have ended no thread
state is left.

Why it is asked: a thread state that is made anew for each acquisition loses what Python code keeps for the thread:
connections, decimal contexts, the state of a framework. It also costs more.

Source: docs/semantics.md, "Foreign threads"; PyGILState_Ensure makes one each time.
"""

from places import NOWHERE, Places, fire, interpreter, source
from probing import expect, settled, thread_states

REQUIRES = ("foreign", "body")
EXPECTS = {"all": "ok", "attached_only": "refused"}
CALLS = 5
COUNT = """
import threading
mark = globals().setdefault("mark", threading.local())
mark.count = getattr(mark, "count", 0) + 1
assert mark.count == %d, mark.count
"""


def run(subject):
    places = Places(subject)
    count, callback = thread_states(), places.callback()
    calls = [step for number in range(CALLS)
             for step in (fire(callback, interpreter(0, "inside"), places.use(), source(COUNT % (number + 1))),
                          interpreter(NOWHERE, "of a foreign thread between its callbacks"))]
    for _ in range(2):
        places.foreign(*calls)
    places.unbind(callback)
    expect("thread states afterwards", settled(count), count)
    return "%d callbacks of a thread, each found what the one before had left" % CALLS
