"""Threads, interpreters and objects that call an arm's callback, for the probes that ask where and when one can be made.

What they do are programs of steps (csrc/probes/places): lists that the functions below return, each step with what it has to
come to, so that C can look at what Python did not live to see.
"""

import ctypes
import json
import sys
import threading

from loading import POLICIES, load_extension
from probing import PYPY, NotApplicable, Refused, Wrong, interpreter_id, thread_state

(FIRE, INTERPRETER, STATE, STATES, USE, ENSURE, RELEASE, SAVE, RESTORE, RUN, WAIT, POST, HAMMER, FORK, CALL, VISIT,
 DEPART) = range(17)
ANYTHING = -2 ** 63 + 1
RAN, RAISED, REFUSED = 0, 1, -1         # what FIRE and HAMMER come to
NOWHERE = -1                            # the interpreter of a thread that is not attached

# what finds the extensions again in another interpreter
SOURCE = """
import importlib.machinery, importlib.util, sys
def load(name, path):
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, path, loader=loader))
    loader.exec_module(module)
    return module
def load_universal(name, path):
    import hpy.universal
    return hpy.universal.load(name, path, importlib.machinery.ModuleSpec(name, None, origin=path))
sys.modules["hpylab_runtime"] = load("hpylab_runtime", %(runtime)r)
arm = (load if %(abi)r == "cpython" else load_universal)("arm", %(arm)r)
places = load_universal("places", %(places)r)
"""


class Step(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int64), ("count", ctypes.c_int64), ("target", ctypes.c_void_p), ("times", ctypes.c_int64),
                ("expected", ctypes.c_int64), ("result", ctypes.c_int64), ("done", ctypes.c_int64), ("begun", ctypes.c_int64),
                ("what", ctypes.c_void_p)]


libc = ctypes.CDLL(None)
libc.calloc.restype = ctypes.c_void_p


def lasting(size):
    """The address of [size] bytes that nobody frees, for what threads and the end of the process read when Python is gone."""
    address = libc.calloc(ctypes.c_size_t(1), ctypes.c_size_t(size))
    if not address:
        raise MemoryError("%d bytes" % size)
    return address


def text(string):
    """The address of a lasting C string."""
    raw = string.encode() + b"\0"
    address = lasting(len(raw))
    ctypes.memmove(address, raw, len(raw))
    return address


class Callback:
    """An HPyLab_Callback, bound until it is unbound."""

    def __init__(self):
        self.address = lasting(2 * ctypes.sizeof(ctypes.c_void_p))


# ---- steps; each function returns a list of them ----

def step(kind, what, expected=0, target=None, inside=(), times=0):
    inside = [each for steps in inside for each in steps]
    return [(kind, what, expected, target, len(inside), times), *inside]


def fire(callback, *inside, status=RAN, what="the status of a callback"):
    """Call [callback], and do what is [inside] in its body."""
    return step(FIRE, what, status, callback, inside)


def hammer(callback, *inside, times=10 ** 6):
    """The same until it is refused."""
    return step(HAMMER, "the status that the last of many callbacks ended with", REFUSED, callback, inside, times)


def fork(*inside):
    """Do what is [inside] in a child."""
    return step(FORK, "the exit status of a child", 0, None, inside)


def interpreter(expected, where):
    return step(INTERPRETER, "the interpreter " + where, expected)


def state(expected, where):
    """The address of the thread state that the thread is attached with; not asked on PyPy."""
    return [] if PYPY else step(STATE, "the thread state " + where, expected)


def states(expected, where):
    """How many thread states the current interpreter has; not asked on PyPy."""
    return [] if PYPY else step(STATES, "the number of thread states " + where, expected)


def source(code):
    return step(RUN, "whether Python code ran (0)", 0, code)


def use():
    return step(USE, "the status of an HPy call through the context", 0)


def ensure():
    return step(ENSURE, "what PyGILState_Ensure returned", ANYTHING)


def release():
    return step(RELEASE, "PyGILState_Release", 0)


def save():
    return step(SAVE, "PyEval_SaveThread", 0)


def restore():
    return step(RESTORE, "PyEval_RestoreThread", 0)


def wait(event):
    return step(WAIT, "the status of waiting", 0, event)


def post(event):
    return step(POST, "the status of an event", 0, event)


def call(function, given):
    """Call the function at an address with the context of the callback that this is inside of, and [given], an address."""
    return step(CALL, "the status of a function", 0, function, times=given)


def visit(sub):
    """Attach to a sub-interpreter as a library does that knows nothing of the arm, with a thread state of its own."""
    return step(VISIT, "the status of attaching to another interpreter", 0, sub.state)


def depart():
    return step(DEPART, "the status of a thread state's end", 0)


class Program:
    """Steps as C reads them."""

    def __init__(self, *steps):
        flat = [each for some in steps for each in some]
        address = lasting(ctypes.sizeof(Step) * len(flat))
        self.array, self.where = (Step * len(flat)).from_address(address), (address, len(flat))
        for made, (kind, what, expected, target, count, times) in zip(self.array, flat):
            if isinstance(target, Callback):
                target = target.address
            elif isinstance(target, str):
                target = text(target)
            made.kind, made.what, made.expected, made.target = kind, text(what), expected, target
            made.count, made.times = count, times


class Places:
    """The subject's arm, and everything that can call its callbacks."""

    def __init__(self, subject):
        self.subject, self.arm = subject, subject.arm
        # its types are of the arm's mode, as if both were one extension; the universal ABI's where the arm has none
        self.c = load_extension("places", subject.lab.libraries["places"], "hybrid", self.arm.mode)

    def callback(self, policy=None):
        """One that is bound in this interpreter, under [policy] or the arm's own."""
        made = Callback()
        self.arm.module.bind(*self.binding(made, policy))
        self.subject.bound[made.address] = lambda: self.unbind(made)
        return made

    def binding(self, callback, policy=None):
        return callback.address, self.c.body(), 0, POLICIES[policy or self.arm.policy]

    def unbind(self, callback):
        self.subject.bound.pop(callback.address, None)
        self.arm.module.unbind(callback.address)

    def use(self):
        """An HPy call, where the arm's contexts have functions."""
        return [] if self.arm.abi == "cpython" else use()

    def serves(self, thread):
        return self.subject.serves(thread)

    def event(self):
        return self.c.event()

    def check(self, program):
        """Raise Wrong or Refused unless [program] came to what it should have."""
        number = self.c.wrong(*program.where)
        if number < 0:
            return
        wrong = program.array[number]
        what = ctypes.string_at(wrong.what).decode()
        if not wrong.done:
            raise Wrong("not done: " + what)
        if wrong.kind in (FIRE, HAMMER) and (wrong.result, wrong.expected) == (REFUSED, RAN):
            raise Refused(what + " is -1")
        if wrong.kind == STATE:         # addresses say nothing, and are never the same
            raise Wrong(what + (" is another than the one expected" if wrong.result else " is none"))
        raise Wrong("%s is %d; expected %d" % (what, wrong.result, wrong.expected))

    def here(self, *steps):
        """Do them on this thread."""
        program = Program(*steps)
        self.c.run(*program.where)
        self.check(program)

    def left(self, *steps):
        """The same, this thread having left Python."""
        self.here(save(), *steps, restore())

    def foreign(self, *steps, holding=False):
        """Do them on a thread that Python never saw; [holding]: this one waits for it attached."""
        self.join(self.start(*steps), holding)

    def start(self, *steps):
        """A foreign thread that does them, for join()."""
        program = Program(*steps)
        return program, self.c.start(*program.where)

    def join(self, started, holding=False):
        self.c.join(started[1], int(holding))
        self.check(started[0])

    def python_thread(self, do):
        """What do() returns or raises on a thread of Python's."""
        answers = []

        def main():
            try:
                answers.append((do(), None))
            except Exception as error:
                answers.append((None, error))

        thread = threading.Thread(target=main)
        thread.start()
        thread.join()
        answer, error = answers[0]
        if error:
            raise error
        return answer

    def sub(self):
        """A sub-interpreter, to be used in a with statement. Raises NotApplicable on PyPy."""
        return Sub(self)

    def place(self):
        """(interpreter, thread state) of this thread, which is attached."""
        return interpreter_id(), thread_state()

    # ---- the end of the process ----

    def watch(self, *steps, start=False):
        """A program to be looked at when the process ends; [start]: a foreign thread does it, which is over by then."""
        if not start:
            program = Program(*steps)
            self.c.watch(*program.where, 0)
            return program
        program, thread = self.start(*steps)
        self.c.watch(*program.where, thread)
        return program

    def at_end(self, detail, *steps, outcome="ok"):
        """What a probe returns that has an answer only when Python has finalized: after [steps], done then, it is [outcome]
        with [detail], or what went wrong with a program that is watched."""
        program = Program(*steps)
        answer = text(json.dumps({"outcome": outcome, "detail": detail, "error": {}}))
        return lambda descriptor: self.c.end_with(*program.where, descriptor, answer)


class Sub:
    """A legacy sub-interpreter in which the arm is imported: it ends with the with statement, or before."""

    def __init__(self, places):
        if PYPY:
            raise NotApplicable("PyPy has one interpreter")
        lab, arm = places.subject.lab, places.arm
        self.places, self.callbacks = places, []
        self.state = places.c.new_interpreter(text(SOURCE % {
            "runtime": lab.libraries["runtime"], "abi": arm.abi, "arm": arm.path, "places": lab.libraries["places"]}))
        asked = Program(interpreter(ANYTHING, "of a new one"))
        places.c.run_in(self.state, *asked.where)
        self.id = asked.array[0].result

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.state:
            self.end()

    def callback(self):
        """One that is bound there."""
        made = Callback()
        self.callbacks.append(made)
        self.run("arm.bind(%d, %d, %d, %d)" % self.places.binding(made))
        return made

    def here(self, *steps):
        """Do them on this thread, called by Python code that runs there."""
        program = Program(*steps)
        self.run("places.run(%d, %d)" % program.where)
        self.places.check(program)

    def run(self, code):
        """Run Python code there. Raises Wrong if that raises."""
        program = Program(source(code))
        self.places.c.run_in(self.state, *program.where)
        self.places.check(program)

    def visited(self):
        """A step that looks at the thread states there are when nobody is inside any more but one thread was: its own, from
        CPython 3.13 on, is kept for as long as that thread lives."""
        return states(2 if sys.version_info >= (3, 13) else 1, "of a sub-interpreter that a thread visited")

    def end(self, unbind=True):
        """End it; of its callbacks those that are not unbound stay as they are."""
        for callback in self.callbacks if unbind else ():
            self.run("arm.unbind(%d)" % callback.address)
        state, self.state = self.state, 0
        self.places.c.end_interpreter(state)
