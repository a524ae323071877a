"""Does the end of a sub-interpreter wait for a thread that is inside of a callback of it?

A thread that Python never saw is inside of a callback that was made in a sub-interpreter, and sleeps there with Python left;
the main thread ends that interpreter meanwhile. The end must wait: when it is done the callback must be over, which went on
in its interpreter with a context that works, and the thread must be attached to nothing. A callback after that is refused.

Why it is asked: whoever ends an interpreter does not know who is inside; its objects go under the feet of those who are.

Source: docs/semantics.md, "Finalization waits, with the lock released, for the acquisitions that were open on other
threads".
"""

from places import NOWHERE, REFUSED, Places, fire, interpreter, post, restore, save, source, state, wait
from probing import expect

REQUIRES = ("attached", "foreign", "body")
EXPECTS = {"all": "ok", "attached_only": "refused"}
LIMIT_S = 5.0
SLEEP_S = 0.2


def run(subject):
    places = Places(subject)
    here = places.place()
    with places.sub() as b:
        callback, inside = b.callback(), places.event()
        in_b = interpreter(b.id, "inside of a callback of B")
        thread = places.start(
            fire(callback, in_b, post(inside), source("import time; time.sleep(%f)" % SLEEP_S), in_b, places.use()),
            post(inside), interpreter(NOWHERE, "of a foreign thread afterwards"))
        places.here(save(), wait(inside), restore())
        subject.bound[callback.address] = lambda: places.unbind(callback)      # from here on it is given back here
        b.end(unbind=False)
        program, _ = thread
        over = program.array[0].done
        places.join(thread)
    expect("whether the callback was over when the interpreter had ended", over, 1)
    places.here(fire(callback, status=REFUSED, what="the status of a callback whose interpreter has ended"),
                state(here[1], "afterwards"))
    places.unbind(callback)
    return "it waited for the thread inside, which ended well"
