"""What probes have in common: running a body through an arm, and looking at the interpreter from outside."""

import ctypes
import gc
import sys
import threading
import time

from loading import LEAVE, Arm, Lab      # noqa: F401  (probes take the flag from here)

SETTLE_S = 2.0              # thread states of threads that ended are freed by a pending call


class Wrong(Exception):
    """The arm did something else than it should have."""


class Refused(Exception):
    """The arm refused, which is for the probe's expectation to judge."""


class Detected(Exception):
    """The probe saw a debug mode report the wrong use, and went on: with a hook, or an exception that says so."""


class NotApplicable(Exception):
    """The question makes no sense of this arm, or cannot be asked of this interpreter; the text says why."""


class Subject:
    """One arm under question, with the callable that its bodies call."""

    def __init__(self, job):
        self.job = job
        self.lab = Lab(job["libraries"])
        self.capabilities, self.api = job["arm"].get("capabilities", ()), job.get("api")
        self.bound = {}             # what is bound, by whatever names it -> what gives it back
        try:
            self.arm = Arm(self.lab, job["arm"])
        except ImportError as error:
            raise Refused("to be imported: %s" % error)
        self.job_module = self.arm.module       # a probe may put another arm in that place
        self.unraisable = []
        sys.unraisablehook = lambda args: self.unraisable.append((args.exc_type, str(args.exc_value)))

    def attempt(self, body, arg=7, loops=1, flags=0, function=None, driver=None, size=0, captured=()):
        """Drive [body] through the arm; the native_run with what came of it, refused or not.

        captured: () or (object,); the rest as in loading.py and native.h.
        """
        run = self.lab.new_run()
        run.arg, run.loops, run.size = arg, loops, size
        held = [references(thing) for thing in (function, *captured) if thing is not None]
        self.arm.bodies.set_callable(function)
        try:
            self.arm.drive(driver or self.lab.native_address("native_call_loop"), run, body,
                           self.lab.address(run), flags, captured=captured)
        finally:
            self.arm.bodies.set_callable(None)
        expect("references to what the body called and to what was captured",
               [references(thing) for thing in (function, *captured) if thing is not None], held)
        return run

    def run(self, body, loops=1, **how):
        """As attempt, but a refusal is none of the probe's business: raises Refused."""
        run = self.attempt(body, loops=loops, **how)
        if run.refused:
            text = "%d of %d callbacks were refused" % (run.refused, run.calls or loops)
            raise Refused(text) if run.refused == (run.calls or loops) else Wrong(text)
        return run

    def foreign(self, body, loops=1, **how):
        """As attempt, each of the [loops] callbacks on an OS thread of its own that Python never saw."""
        return self.attempt(body, loops=loops, flags=LEAVE, driver=self.lab.driver("foreign_thread"), size=1, **how)

    def serves(self, thread):
        """Whether the arm, under the policy it is bound with, serves threads that left Python ("released") or never saw it."""
        return thread in self.capabilities and self.arm.policy == "attach"

    def functions(self, role):
        """What the arm's API has of this role (csrc/…/api.h), as lab/conformance.py describes functions."""
        return [function for function in self.api["functions"] if function["role"] == role]


class Left:
    """What a probe must leave as it found it, whatever came of it, unless it says in LEAVES why not."""

    def __init__(self, subject):
        self.subject = subject
        self.place, self.states, self.others = where(), thread_states(), self._others()

    def _others(self):
        subject = self.subject
        return {"interpreters": interpreters(), "the exception that is pending": pending_exception(),
                "references to the arm's module": references(subject.job_module),
                "references to the runtime half's module": references(subject.lab.runtime)}

    def check(self):
        """Raise Wrong where anything is not as it was."""
        for give_back in list(self.subject.bound.values()):
            give_back()
        expect("(thread, thread state, interpreter) in the end", where(), self.place)
        expect("thread states in the end", settled(self.states), self.states)
        for what, now in self._others().items():
            expect(what + " in the end", now, self.others[what])
        expect("what was reported and not asked for", self.subject.unraisable, [])


def needs_attaching(subject, why):
    """Raise NotApplicable where the arm's policy refuses all threads that are not attached."""
    if subject.arm.policy == "attached_only":
        raise NotApplicable("under attached_only " + why)


def expect(what, actual, expected):
    """Raise Wrong unless the two are equal."""
    if actual != expected:
        raise Wrong("%s is %r; expected %r" % (what, actual, expected))


# ---- the interpreter from outside, through its C API; PyPy shows less of itself ----

PYPY = sys.implementation.name == "pypy"


def function(name, result, *arguments):
    """A function of Python's C API, which is called attached."""
    found = getattr(ctypes.pythonapi, name)
    found.restype, found.argtypes = result, arguments
    return found


def thread_state():
    """The address of the current thread state; on PyPy, which hides it, the OS thread's id."""
    return threading.get_ident() if PYPY else function("PyThreadState_Get", ctypes.c_void_p)()


def interpreter_id():
    """The id of the interpreter that runs this; PyPy has one."""
    if PYPY:
        return 0
    get = "PyInterpreterState_Get" if sys.version_info >= (3, 9) else "_PyInterpreterState_Get"
    interpreter = function(get, ctypes.c_void_p)()
    return function("PyInterpreterState_GetID", ctypes.c_int64, ctypes.c_void_p)(interpreter)


def thread_states():
    """How many thread states the main interpreter has; on PyPy, how many threads it knows."""
    if PYPY:
        return len(sys._current_frames())
    head = function("PyInterpreterState_ThreadHead", ctypes.c_void_p, ctypes.c_void_p)
    following = function("PyThreadState_Next", ctypes.c_void_p, ctypes.c_void_p)
    state = head(function("PyInterpreterState_Main", ctypes.c_void_p)())
    count = 0
    while state:
        count, state = count + 1, following(state)
    return count


def interpreters():
    """How many interpreters there are; PyPy has one."""
    if PYPY:
        return 1
    following = function("PyInterpreterState_Next", ctypes.c_void_p, ctypes.c_void_p)
    each, count = function("PyInterpreterState_Head", ctypes.c_void_p)(), 0
    while each:
        each, count = following(each), count + 1
    return count


def references(thing):
    """The reference count of [thing]; 0 on PyPy, which has none."""
    return 0 if PYPY else sys.getrefcount(thing)


def pending_exception():
    """The name of the type of the exception that is pending; None if there is none, and on PyPy, where a pending one would
    be raised by the call that this is."""
    if PYPY:
        return None
    occurred = function("PyErr_Occurred", ctypes.c_void_p)()
    return ctypes.cast(occurred, ctypes.py_object).value.__name__ if occurred else None


def where():
    """(OS thread, thread state, interpreter) of the caller."""
    return threading.get_ident(), thread_state(), interpreter_id()


def settled(count):
    """The number of thread states, once it has come down to [count] or has had its time to."""
    deadline = time.monotonic() + SETTLE_S
    while thread_states() > count and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.001)
    return thread_states()
