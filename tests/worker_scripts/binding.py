"""An arm's callback in the hands of Python code: bound for as long as a function runs, called from any kind of thread."""

import ctypes

DRIVER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
CALL = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.POINTER(ctypes.c_int64))
UNTOUCHED = 12345


class Bound:
    """A callback while it is bound."""

    def __init__(self, subject, run):
        self.lab, self.run = subject.lab, run
        self.closure = subject.lab.address(run.closure)
        self.loop = subject.lab.native_address("native_call_loop")

    def new_run(self, arg=7, loops=1, call=None):
        """A batch of calls of the callback, or of the function at the address [call]."""
        run = self.lab.new_run()
        run.call = self.lab.ffi.cast("void *", call) if call else self.run.call
        run.closure, run.arg, run.loops = self.run.closure, arg, loops
        return run

    def call(self, arg=7, holding=True):
        """(status, result) of one call on this thread, attached or, unless [holding], detached."""
        kind = ctypes.PYFUNCTYPE if holding else ctypes.CFUNCTYPE
        prototype = kind(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.POINTER(ctypes.c_int64))
        result = ctypes.c_int64(UNTOUCHED)
        status = prototype(self.lab.address(self.run.call))(self.closure, arg, ctypes.byref(result))
        return status, result.value


def while_bound(subject, play, body="python", function=None, flags=0, policy=None, captured=()):
    """What play(bound) returns. [body] is bound with the subject's arm meanwhile, this thread attached, no acquisition open.

    [function] is what the body calls; policy and captured as in Arm.drive.
    """
    run, results, errors = subject.lab.new_run(), [], []

    def drive(address):
        try:
            results.append(play(Bound(subject, run)))
        except Exception as error:
            errors.append(error)
        return 0

    driver = DRIVER(drive)
    subject.arm.bodies.set_callable(function)
    subject.arm.drive(ctypes.cast(driver, ctypes.c_void_p).value, run, body, subject.lab.address(run), flags, policy,
                      captured)
    subject.arm.bodies.set_callable(None)
    if errors:
        raise errors[0]
    return results[0]


class Thread:
    """A thread of native_threads.c: runs the batches [runs], then waits for let_end(). [late]: a batch for its very end."""

    def __init__(self, helper, bound, runs, late=None):
        self.released, self.holding = ctypes.CDLL(helper), ctypes.PyDLL(helper)
        for library in (self.released, self.holding):
            library.thread_start.restype = ctypes.c_void_p
        address = bound.lab.address
        self.runs = runs, (ctypes.c_void_p * len(runs))(*map(address, runs)), late
        self.job = ctypes.c_void_p(self.holding.thread_start(
            ctypes.c_void_p(bound.loop), self.runs[1], ctypes.c_int64(len(runs)),
            ctypes.c_void_p(address(late) if late is not None else None)))
        if not self.job:
            raise MemoryError("no thread")
        self.released.thread_wait(self.job)

    def let_end(self):
        self.holding.thread_let_end(self.job)

    def begin_late(self):
        self.holding.thread_begin_late(self.job)

    def join(self, holding=False):
        """Wait for its end, attached all the while if [holding]; what its batches returned, or'd."""
        return (self.holding if holding else self.released).thread_join(self.job)
