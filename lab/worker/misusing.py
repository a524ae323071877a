"""Wrong uses on purpose, with the extension of csrc/probes/wrong_uses/: single ones, and bodies that any arm can run.

With the lab's debug mode that extension is built with it, and what is found ends the process.
"""

import ctypes
import gc
import os
import re
import signal
import sys
import tempfile

from loading import LEAVE, load_extension
from probing import PYPY, Detected, NotApplicable, expect, function, settled, thread_states, where

NO_WAY = "csrc/probes/wrong_uses/ways.c has no way in of this form"
REPORT = re.compile(r"^HPy Context Lab: .*", re.M)


def address_of(table):
    """Where the runtime half's table is: behind a capsule, or on PyPy an integer."""
    if isinstance(table, int):
        return table
    return function("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(table, b"hpylab_runtime.table")


class WrongUses:
    """The extension, loaded in the mode of HPy that the subject's arm is loaded in."""

    def __init__(self, subject, mode=None):
        job = subject.job
        self.subject, self.started = subject, False
        self.module = load_extension("wrong_uses", job["libraries"]["wrong_uses"], "universal", mode or job["arm"]["mode"])

    def need_way(self):
        """Raise NotApplicable unless the subject's form has a way in: for a deed that a process of its own does."""
        if not self.module.has_way(self.subject.arm.id):
            raise NotApplicable(NO_WAY)
        return self

    def do(self, what):
        """Do it by the way in of the subject's form; what it saw, as a number. Raises NotApplicable where it has none."""
        if not self.started:
            self.module.start(address_of(self.subject.lab.runtime.table))
            self.started = True
        try:
            return self.module.do(what, self.subject.arm.id)
        except LookupError:
            raise NotApplicable(NO_WAY) from None

    def lend_bodies(self):
        """Let the subject's arm run this extension's bodies too, by their names. Raises NotApplicable for the CPython ABI."""
        if self.subject.arm.abi == "cpython":
            raise NotApplicable("its contexts hold constants alone, and only bodies of the CPython ABI can use them")
        self.subject.arm.bodies = _Bodies(self.subject.arm.bodies, self.module)
        return self


class _Bodies:
    """The lab's bodies and those of wrong_uses."""

    def __init__(self, bodies, module):
        self._bodies, self._module = bodies, module

    def address(self, name):
        try:
            return self._module.body(name)
        except LookupError:
            return self._bodies.address(name)

    def set_callable(self, callable):
        self._module.set_callable(callable)
        self._bodies.set_callable(callable)


def place():
    """Where this thread is, and how many thread states there are."""
    return where(), thread_states()


def expect_order(subject, before):
    """Raise Wrong unless this thread is at the place [before] and the arm serves every kind of thread as ever."""
    expect("(place, thread states) afterwards", (where(), settled(before[1])), before)
    caller, seen = before[0], []

    def note(number):
        seen.append(where())
        return number

    expect("a callback afterwards", subject.run("python", arg=3, function=note).checksum, 3)
    if subject.serves("released"):
        expect("one with Python left", subject.run("python", arg=4, flags=LEAVE, function=note).checksum, 4)
    expect("where they ran", set(seen), {caller})
    if subject.serves("foreign"):
        del seen[:]
        expect("one on a foreign thread", subject.foreign("python", arg=5, function=note).checksum, 5)
        expect("whether it ran in the caller's place", [spot[2] == caller[2] and spot[1] != caller[1] for spot in seen], [True])
    expect("(place, thread states) in the end", (where(), settled(before[1])), before)


def refused_import(arm):
    """The text of the error that the import of the arm of a job ends with; None: it was imported.

    HPy 0.9.0 frees the definition of a module whose execution fails (hpymodule.c, do_load); the module itself is left in a cycle,
    and the collector walks into it. So it is set aside here: what the arm did is the question.
    """
    gc.disable()
    try:
        load_extension("arm", arm["path"], arm["abi"], arm["mode"])
    except (ImportError, RuntimeError) as error:        # the latter from hpy.universal, of what the dynamic linker said
        return str(error)
    finally:
        if not PYPY:
            gc.freeze()
        gc.enable()


def in_child(deed):
    """What a forked child wrote that does deed() and ends as that says, or in order; and its exit status, of os.wait."""
    with tempfile.TemporaryFile() as words:
        child = os.fork()
        if child == 0:
            os.dup2(words.fileno(), 1)
            os.dup2(words.fileno(), 2)
            deed()
            raise SystemExit(0)
        status = os.waitpid(child, 0)[1]
        words.seek(0)
        return words.read().decode(errors="replace"), status


def expect_end(said, status, words, report):
    """Raise Wrong unless a process ended in order and wrote [words]; Detected where the lab's debug mode aborted it."""
    found = REPORT.search(said)
    if found:
        sys.stderr.write(said)
        expect("whether the report is that %s" % report, report in found.group(), True)
        expect("the signal that ended it", status, signal.SIGABRT)
        raise Detected(found.group())
    expect("what it wrote", said, words)
    expect("its status, of os.wait()", status, 0)
