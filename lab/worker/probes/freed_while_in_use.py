"""What if a token or a trampoline is given back while a thread is inside of it?

Another thread acquires and stays; this one gives back what was acquired through. The one inside must go on and end well,
with the answer it owes; what it owns must be there until then, and be released after it; nobody new may get in through it
where that can be asked; the place may be used again only after the last has left. Under the release mode: giving it back
then is no wrong use.

Why it is asked: a library is told to stop, and its callback is under way: nobody can wait for it without knowing of it.

Source: docs/semantics.md, "Wrong use"; our reading, the issue is silent about the end of a trampoline.
"""

import ctypes
import threading

from entries import POINTER, Entries
from probing import NotApplicable, expect, references, settled, thread_states, where

REQUIRES = ("attached", "released", "body")
DEBUG = ("off",)
WAIT_S = 10.0
OTHERS = 5000               # more than a page of trampolines holds: how many are made to see whether one of them gets its place


class Owned:
    """What a trampoline owns that owns an object."""


def run(subject):
    if not subject.functions("FREE"):
        raise NotApplicable("its API gives nothing back")
    before = where(), thread_states()
    entered, leave, answers, owned = threading.Event(), threading.Event(), [], Owned()
    held = references(owned)

    def stay(arg):
        entered.set()
        leave.wait(WAIT_S)
        return arg

    with Entries(subject) as entries:
        made, elsewhere = entries.make(captured=owned), []

        def give_back():
            statuses = [entries.free(made)]
            elsewhere.extend(entries.make() for _ in range(OTHERS))
            statuses.append(references(owned) > held)
            return 42 if statuses == [0, entries.owns] else 0

        expect("what an attached thread ended with that gave back what it was inside of", entries.inside(made)(give_back), 42)
        expect("whether its place was used again while a thread was inside", made in elsewhere, False)
        expect("statuses of giving the others back", {entries.free(other) for other in elsewhere}, {0})
        expect("references to what it owned, when that thread had left", references(owned), held)
        made = entries.make(captured=owned)
        inside = in_trampoline(entries, made, stay) if subject.functions("CALL") else in_acquisition(entries, made, stay)
        thread = threading.Thread(target=lambda: answers.append(inside()))
        thread.start()
        expect("whether a thread got inside", entered.wait(WAIT_S), True)
        expect("the status of giving it back", entries.free(made), 0)
        others = [entries.make() for _ in range(OTHERS)]
        expect("whether its place was used again while a thread was inside", made in others, False)
        expect("whether what it owns is there while a thread is inside", references(owned) > held, entries.owns)
        leave.set()
        thread.join()
        expect("what the thread inside ended with", answers, [42])
        expect("statuses of giving the others back", {entries.free(other) for other in others}, {0})
    expect("references to what it owned, when the last had left", references(owned), held)
    expect("(place, thread states) afterwards", (where(), settled(before[1])), before)
    return "given back with a thread inside, which ended well; %d others elsewhere meanwhile" % OTHERS


def in_trampoline(entries, trampoline, stay):
    """What a thread does that is inside of the trampoline until it may leave; answers the helper's result."""
    helper, call = entries.helper(stay), entries.caller(trampoline, holding=False)

    def inside():
        return call(helper, 42)[1]

    return inside


def in_acquisition(entries, token, stay):
    """The same with a token, whose first word is the function that enters."""
    enter = ctypes.PYFUNCTYPE(POINTER, POINTER)(POINTER.from_address(token).value)

    def inside():
        ctx = POINTER(enter(token))
        answer = stay(42) if ctx else None
        entries.leave(ctx)
        return answer

    return inside
