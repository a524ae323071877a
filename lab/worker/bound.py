"""An arm's callback that stays bound while Python code runs, and is called from it on any kind of thread."""

import ctypes

from loading import POLICIES
from probing import PYPY, NotApplicable, Refused, Wrong, function

DRIVER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


class Bound:
    """An arm's callback while it is bound."""

    def __init__(self, subject, run, names):
        self.lab, self.run, self.names = subject.lab, run, names
        self.address, self.closure = subject.lab.address(run.call), subject.lab.address(run.closure)

    def call(self, arg=7, holding=True):
        """The result of one call on this thread, attached or, unless [holding], detached. Raises Refused, Wrong."""
        kind = ctypes.PYFUNCTYPE if holding else ctypes.CFUNCTYPE
        result = ctypes.c_int64()
        status = kind(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(self.address)(
            self.closure, arg, ctypes.addressof(result))
        return _result(status, result.value)

    def on_foreign_thread(self, arg=7):
        """The same on an OS thread that Python never saw."""
        run = self.lab.new_run()
        run.call, run.closure, run.arg, run.loops = self.run.call, self.run.closure, arg, 1
        self.lab.native.native_on_new_thread(self.lab.native.native_call_loop, run)
        return _result(-run.refused or run.raised, run.checksum)

    def forget_arguments(self):
        """Let go of the captured object: from here on the callback alone keeps it."""
        forget(self.names)


def _result(status, result):
    if status < 0:
        raise Refused("a callback was refused")
    if status > 0:
        raise Wrong("a callback raised")
    return result


def while_bound(subject, play, body="python", callable=None, captured=()):
    """What play(bound) returns; [body] is bound meanwhile with the subject's arm, this thread attached, no acquisition open.

    callable: what the body calls. captured: () or a list of one object, which is taken out of it. Raises NotApplicable on PyPy.
    """
    if PYPY:
        raise NotApplicable("PyPy's ctypes cannot be called back while the thread is attached")
    run, results, names, lab = subject.lab.new_run(), [], [], subject.lab

    def drive(address):
        try:
            results.append((play(Bound(subject, run, names)), None))
        except Exception as error:
            results.append((None, error))
        return 0

    driver = DRIVER(drive)
    subject.arm.bodies.set_callable(callable)
    try:
        _call(subject.arm.module.drive, names, captured, ctypes.cast(driver, ctypes.c_void_p).value, lab.address(run),
              subject.arm.bodies.address(body), lab.address(run), POLICIES[subject.arm.policy], 0)
    finally:
        subject.arm.bodies.set_callable(None)
    answer, error = results[0]
    if error:
        raise error
    return answer


def _call(drive, names, captured, *numbers):
    """drive(*numbers, *captured), where [captured] has no other name than the tuple at the address names[0]."""
    if not captured:
        drive(*numbers)
        return
    given = numbers + (captured.pop(),)
    names.append(id(given))
    function("Py_IncRef", None, ctypes.c_void_p)(id(given))
    del given
    try:
        function("PyObject_Call", ctypes.py_object, ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p)(drive, names[0], None)
    finally:
        forget(names)


def forget(names):
    """Let go of the tuple at the address names[0], if it is still there."""
    if names:
        function("Py_DecRef", None, ctypes.c_void_p)(names.pop())
