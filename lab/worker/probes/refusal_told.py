"""Can native code tell a refusal from a callback that ran and answered NULL?

Under attached_only: a callback that answers NULL (0 for an arm that acquires by itself) on an attached thread, and a refusal
on the same thread when it has left Python execution. What native code gets must not be the same. A function pointer that
returns nothing but its helper's result cannot tell the two: "wrong" is the outcome of such a design, however it is built.

Why it is asked: native code that cannot tell the two goes on with an answer that nobody gave.

Source: hpyproject/hpy#268, "result = trampoline(helper, arg)".
"""

from entries import Entries
from probing import LEAVE, Wrong, expect

REQUIRES = ("attached", "body")
POLICIES = ("attached_only",)
DEBUG = ("off",)


def of_a_helper(subject):
    """(status, result) of a trampoline whose helper answers NULL, and of one that is refused."""
    ran = []
    with Entries(subject) as entries:
        trampoline = entries.make("attached_only")
        helper = entries.helper(lambda arg: ran.append(arg))
        answered = entries.caller(trampoline, holding=True)(helper, 7)
        refused = entries.caller(trampoline, holding=False)(helper, 8)
        expect("the status of giving it back", entries.free(trampoline), 0)
    expect("what the helper was called with", ran, [7])
    return answered, refused


def of_a_body(subject):
    """(refused, result) of a body that answers 0, and of one that is refused."""
    answered = subject.attempt("nothing", arg=0)
    refused = subject.attempt("nothing", arg=0, flags=LEAVE)
    return (answered.refused, answered.checksum), (refused.refused, refused.checksum)


def run(subject):
    answered, refused = of_a_helper(subject) if subject.functions("CALL") else of_a_body(subject)
    if answered == refused:
        raise Wrong("a helper that ran and answered NULL and a refusal both answer %r" % (refused[1],))
    return "answered NULL: %r; refused: %r" % (answered, refused)
