"""Does the context that the callback gets work, and can the body raise?

On a thread that is attached: a body calls Python and gets the right answer, in the same interpreter and with the same
thread state as the caller; an exception that the body raises is reported before the release, and nothing stays pending.

Why it is asked: all else rests on it.

Source: hpyproject/hpy#268, "work with the ctx".
"""

from probing import expect, pending_exception, references, thread_states, where

REQUIRES = ("attached", "body")
MODES = ("universal", "debug", "trace")


def run(subject):
    seen = []

    def double(number):
        seen.append(where())
        return 2 * number

    def fail(number):
        raise KeyError("from Python")

    before = where(), thread_states(), references(double)
    expect("the result of 3 calls", subject.run("python", arg=21, loops=3, function=double).checksum, 3 * 42)
    expect("where the bodies ran", seen, [before[0]] * 3)
    del seen[:]

    expect("bodies that raised", subject.run("raise", loops=2).raised, 2)
    expect("bodies whose callable raised", subject.run("python", function=fail).raised, 1)
    reported = [kind.__name__ for kind, text in subject.unraisable]
    expect("what was reported", reported, ["ValueError", "ValueError", "KeyError"])
    del subject.unraisable[:]
    expect("the exception that is pending", pending_exception(), None)
    expect("(place, thread states, references) afterwards", (where(), thread_states(), references(double)), before)
    return "3 results, 3 exceptions reported, state and references as before"
