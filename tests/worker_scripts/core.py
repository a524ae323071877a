"""What the tests of the thread core do in a process of their own: threads that do steps (core_steps.c), in any interpreter.

Runs on Python 3.8 and PyPy with the standard library alone.
"""

import ctypes
import importlib.machinery
import importlib.util
import os
import sys

(ATTACH, AMBIENT, DETACH, NEST, UNNEST, ENSURE, RELEASE, SAVE, RESTORE, EXEC, WHERE, STATE, SLOT, WAIT, POST, END_THREAD, FORK,
 END_CHILD, USLEEP, CLOSE, CALL_BACK, AT_END) = range(22)

PYPY = sys.implementation.name == "pypy"
PLAIN, ATTACHED_ONLY = 0, 1     # policies


class Step(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int64), ("origin", ctypes.c_void_p), ("number", ctypes.c_int64), ("text", ctypes.c_char_p),
                ("event", ctypes.c_void_p), ("expected", ctypes.c_int64), ("result", ctypes.c_int64)]


# what finds the extension again in another interpreter
SOURCE = """
import importlib.machinery, importlib.util, sys, threading
def load(name, path=%r):
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, path, loader=loader))
    loader.exec_module(module)
    return module
hpylab_runtime, core = load("hpylab_runtime"), load("core")
"""


class Core:
    """The thread core, loaded into this interpreter; a method for each function of core_module.c that takes steps."""

    def __init__(self, path, with_runtime=True):
        self.path, names = path, {}
        exec((SOURCE if with_runtime else SOURCE.replace('hpylab_runtime, core = load("hpylab_runtime"), ', "core = ")) % path, names)
        self.c = names["core"]
        self.started = []       # programs of threads that may still run

    def program(self, *steps):
        """An array of steps: each is a kind, or a kind with its origin, number, text or event."""
        array = (Step * len(steps))()
        for step, given in zip(array, steps):
            kind, *rest = given if isinstance(given, tuple) else (given,)
            step.kind = kind
            if rest and kind in (ATTACH, NEST, CLOSE):
                step.origin = rest.pop(0)
            if rest and kind == EXEC:
                step.text = rest.pop(0).encode()
            if rest and kind in (WAIT, POST, CALL_BACK):
                step.event = rest.pop(0)
            if rest and kind in (AMBIENT, NEST, UNNEST, USLEEP):
                step.number = rest.pop(0)
            if kind == AT_END:
                step.number, program = rest
                step.event, rest = ctypes.addressof(program), [len(program)]
            step.expected = rest.pop(0) if rest else 0
        return array

    def start(self, *steps):
        """(program, thread): a foreign thread does the steps."""
        program = self.program(*steps)
        self.started.append(program)
        return program, self.c.start(ctypes.addressof(program), len(program))

    def foreign(self, *steps, holding=False):
        """The results of steps done by a foreign thread; [holding]: this thread waits for it with the GIL held."""
        program = self.program(*steps)
        self.c.join(self.c.start(ctypes.addressof(program), len(program)), holding)
        return [step.result for step in program]

    def here(self, *steps):
        """The results of steps done by this thread."""
        program = self.program(*steps)
        self.c.steps(ctypes.addressof(program), len(program))
        return [step.result for step in program]

    def many(self, count, *steps):
        """[count] foreign threads do the steps, one after the other; the results of the last."""
        program = self.program(*steps)
        assert self.c.many(ctypes.addressof(program), len(program), count) == 0
        return [step.result for step in program]

    def events(self, count):
        return [self.c.event() for _ in range(count)]

    def settled(self, count):
        """The number of thread states of this interpreter once it has come down to [count], or has had its time to."""
        import time
        deadline = time.monotonic() + 2.0
        while self.c.states() > count and time.monotonic() < deadline:
            time.sleep(0.001)
        return self.c.states()


class Sub:
    """A legacy sub-interpreter with the thread core; [origin] is one of its own."""

    def __init__(self, core, policy=PLAIN):
        self.core = core
        self.state = core.c.new_interpreter(SOURCE % core.path + "core.offer()")
        self.origin = int(self.ask("core.origin(%d)" % policy))
        self.id = int(self.ask("core.where()"))

    def run(self, source):
        assert self.core.c.run_in(self.state, source) == 0

    def ask(self, expression):
        """What [expression] is there, as text."""
        reading, writing = os.pipe()
        self.run("import os; os.write(%d, str(%s).encode())" % (writing, expression))
        os.close(writing)
        with os.fdopen(reading) as pipe:
            return pipe.read()

    def end(self):
        self.core.c.end_interpreter(self.state)


class ManagedSub(Sub):
    """One made by Python's own module, which ends it, at the latest when the process ends: up to 3.12 one of the C API that is
    left is fatal."""

    def __init__(self, core, policy=PLAIN):
        try:
            import _interpreters as manager
            self.state, self.execute = manager.create("legacy"), manager.exec
        except ImportError:
            import _xxsubinterpreters as manager
            self.state = manager.create(**({"isolated": False} if sys.version_info >= (3, 9) else {}))
            self.execute = manager.run_string
        self.manager, self.core = manager, core
        self.run(SOURCE % core.path + "core.offer()")
        self.origin = int(self.ask("core.origin(%d)" % policy))
        self.id = int(self.ask("core.where()"))

    def run(self, source):
        assert self.execute(self.state, source) is None

    def end(self):
        self.manager.destroy(self.state)


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
