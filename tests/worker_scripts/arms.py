"""What the tests of the arms do in a process of their own; each returns what its test compares."""

import ctypes
import gc

from binding import while_bound
from loading import BARE, POLICIES, Arm, Lab, load_extension
from probing import thread_states, where


NESTED = 16


def reported(subject):
    """(name, text) of each exception that was reported as unraisable."""
    return [(kind.__name__, text) for kind, text in subject.unraisable]


def statuses(subject, holding):
    """What call() answers for a body that answers, one that raises, and the innermost of nested ones: [status, result] each."""
    nested = []

    def play(bound):
        def function(number):
            if number > 0:
                nested.append(bound.call(number - 1, holding))
            return 40 + number

        subject.arm.bodies.set_callable(function)
        answers = [bound.call(0, holding)]
        bound.call(NESTED, holding)
        return answers + [nested[0]]

    before = where(), thread_states()
    answers = while_bound(subject, play)
    answers.insert(1, while_bound(subject, lambda bound: bound.call(holding=holding), body="raise"))
    return answers, reported(subject), (where(), thread_states()) == before


def no_body(subject):
    """What call() of an arm without a body answers."""
    return while_bound(subject, lambda bound: bound.call(), body="nothing")


def drive(subject, driver=0, body="nothing", data=0, policy=None, flags=0):
    """(name, text) of the exception that drive() raises; what it returns if it does not, which is 0 after a good batch of 3."""
    policy = POLICIES[subject.arm.policy] if policy is None else policy
    run = subject.lab.new_run()
    run.arg, run.loops = 7, 3
    try:
        status = subject.arm.module.drive(driver or subject.lab.native_address("native_call_loop"), subject.lab.address(run),
                                          subject.arm.bodies.address(body), data, policy, flags)
    except Exception as error:
        return type(error).__name__, str(error)
    return status if run.checksum == 3 * run.arg else "the checksum is %d" % run.checksum


def bare(subject):
    """(result of a bare callback, what binding a second says, the first's afterwards, that of a later one)."""
    def play(bound):
        call = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(subject.lab.address(bound.run.bare))
        return call(20), drive(subject, flags=BARE), call(21)

    def later(bound):
        return ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(subject.lab.address(bound.run.bare))(22)

    def double(number):
        return 2 * number

    return [*while_bound(subject, play, function=double, flags=BARE), while_bound(subject, later, function=double, flags=BARE)]


def bare_raises(subject):
    """What a bare callback answers whose body raised, and what was reported."""
    def play(bound):
        return ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(subject.lab.address(bound.run.bare))(1)
    return while_bound(subject, play, body="raise", flags=BARE), reported(subject)


def bare_refused(subject):
    """What a bare callback bound under attached_only answers to a thread that left Python execution, and how often its body
    ran; or what binding it raises."""
    ran = []

    def play(bound):
        return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(subject.lab.address(bound.run.bare))(1)

    try:
        return while_bound(subject, play, function=ran.append, flags=BARE, policy="attached_only"), len(ran)
    except NotImplementedError as error:
        return type(error).__name__


def load(libraries, other, runtime):
    """(name, text) of the exception that loading the arm [other] raises with the runtime half at [runtime], or without one."""
    try:
        if runtime:
            Arm(Lab(dict(libraries, runtime=runtime)), other)
        else:
            load_extension("arm", other["path"], other["abi"])
    except Exception as error:
        gc.freeze()     # HPy 0.9.0 frees the definition of a module whose init fails; the collector must not visit the module
        return type(error).__name__, str(error)
    return None


def both(subject, other):
    """The checksum of a body's HPy calls through the subject's arm, after the arm [other] was loaded as well."""
    Arm(subject.lab, other)
    calls = subject.lab.ffi.new("int64_t *", 5)
    run = subject.lab.new_run()
    run.arg, run.loops = 7, 1
    subject.arm.drive(subject.lab.native_address("native_call_loop"), run, "work", subject.lab.address(calls))
    return run.checksum


def enter_without_extension(libraries):
    """HPy_EnterContext where no extension was loaded, attached and detached: (contexts, whether the thread is as it was)."""
    lab = Lab(libraries)
    before = where(), thread_states()
    contexts = []
    for kind in (ctypes.PyDLL, ctypes.CDLL):
        enter = kind(lab.runtime.__file__).HPy_EnterContext
        enter.restype = ctypes.c_void_p
        contexts.append(enter())
    return contexts, (where(), thread_states()) == before
