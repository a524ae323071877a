"""What the tests of running out of memory do in a process of their own, with a runtime half whose allocations can be made to fail."""

import ctypes

from api import INT, POINTER, Api, failure
from loading import LEAVE, Arm, Lab
from probing import thread_states

MOST = 200                  # allocations of one operation
PAGE = 4096                 # thunks that the pool grows by
IDLE = 16                   # tokens and origins that are let lie before one is used again


class Faults:
    """The runtime half's allocations: fail_after(n) lets n succeed and the next fail, fail_from(n) all that come after."""

    def __init__(self, path):
        library = ctypes.PyDLL(path)
        self.fail_after = library.faults_fail_after
        self.fail_from = library.faults_fail_from
        self.fail_after.argtypes = self.fail_from.argtypes = (ctypes.c_int64,)
        self.asked, self.alive = library.faults_asked, library.faults_alive
        self.asked.restype = self.alive.restype = ctypes.c_int64


def sweep(faults, operation):
    """[operation] with each of its allocations failing in turn, twice over. It answers None, or how it was refused.

    Returns (how many allocations it makes, what the refusals were, whether it worked again after each one, by how many pieces
    of memory the second time left more than the first).
    """
    refusals, works, kept = [], all([operation() is None for _ in range(IDLE + 2)]), []
    for _ in range(2):
        for count in range(MOST):
            faults.fail_after(count)
            said = operation()
            asked = faults.asked()
            faults.fail_after(-1)
            works = works and operation() is None
            if asked <= count:
                break
            refusals.append(said)
        kept.append(faults.alive())
    return len(refusals) // 2, sorted({str(said) for said in refusals}), works, kept[1] - kept[0]


def operate(libraries, runtime, extension, entries, name):
    """sweep() of one of the operations below, and how many thread states it left."""
    lab = Lab(dict(libraries, runtime=runtime))
    arm = Arm(lab, extension)
    faults = Faults(runtime)
    before = thread_states()
    answer = sweep(faults, globals()[name](lab, arm, entries))
    return answer, thread_states() - before


def callback(lab, arm, entries):
    """Bind, one callback on this thread, unbind."""
    return lambda: refusal(lab, arm, lab.native_address("native_call_loop"), "nothing", 1)


def foreign(lab, arm, entries):
    """Bind, a callback on a thread of its own, unbind."""
    return lambda: refusal(lab, arm, lab.driver("foreign_thread"), "nothing", 1, LEAVE)


def deep(lab, arm, entries):
    """Bind, 300 nested callbacks on a foreign thread, unbind."""
    arm.bodies.set_callable(int)
    return lambda: refusal(lab, arm, lab.driver("foreign_thread"), "nest", 300, LEAVE)


def deeper(libraries, runtime, extension):
    """In HPy's debug mode, nested callbacks that go deeper each time, with the allocations for that failing from another one on:
    whether each was refused and then worked, how deep they went, and how many pieces of memory all that left."""
    lab = Lab(dict(libraries, runtime=runtime))
    arm = Arm(lab, dict(extension, mode="debug"))
    arm.bodies.set_callable(int)
    faults, refused, works = Faults(runtime), True, True
    before, depth = faults.alive(), 40

    def descend():
        return refusal(lab, arm, lab.native_address("native_call_loop"), "nest", depth)

    for count in range(12):
        depth += 48         # more than lie idle, and than those that can still be had
        faults.fail_from(count)
        refused = descend() is not None and refused
        faults.fail_after(-1)
        works = descend() is None and works
    return refused, works, depth, faults.alive() - before


def with_pending(libraries, runtime, extension):
    """In HPy's debug mode, a callback inside of a body that has set an exception, with each allocation of the two failing in turn:
    what the body found each time that it ran."""
    lab = Lab(dict(libraries, runtime=runtime))
    arm = Arm(lab, dict(extension, mode="debug"))
    faults, found = Faults(runtime), []
    for count in range(MOST):
        run = lab.new_run()
        run.arg, run.loops, run.size = 1, 1, 1
        faults.fail_after(count)
        try:
            arm.drive(lab.native_address("native_call_loop"), run, "pending", lab.address(run))
            found += [] if run.refused else [run.checksum]
        except MemoryError:     # to bind it
            pass
        asked = faults.asked()
        faults.fail_after(-1)
        if asked <= count:
            break
    return found


def page(libraries, runtime, extension, entries):
    """The first trampoline of another page, with each allocation failing in turn: what was said, the memory each left behind,
    how many allocations it made at last, and whether those of the page before can be freed and had again."""
    lab = Lab(dict(libraries, runtime=runtime))
    Arm(lab, extension)
    api, faults = Api(lab, entries), Faults(runtime)
    held = [api.call("GetContextTrampoline", POINTER) for _ in range(PAGE)]
    said, left = [], []
    for count in range(MOST):
        alive = faults.alive()
        faults.fail_after(count)
        made = failure(api.call, "GetContextTrampoline", POINTER)
        asked = faults.asked()
        faults.fail_after(-1)
        if not isinstance(made, tuple):
            break
        said.append(made)
        left.append(faults.alive() - alive)
    freed = held.pop()
    api.call("ContextTrampoline_Free", INT, freed)
    again = {api.call("GetContextTrampoline", POINTER) for _ in range(PAGE)}
    return said, left, asked, freed in again


def refusal(lab, arm, driver, body, arg, flags=0):
    """None where the callback ran; else how it was refused."""
    run = lab.new_run()
    run.arg, run.loops, run.size = arg, 1, 1
    try:
        arm.drive(driver, run, body, lab.address(run), flags)
    except MemoryError as error:
        return "MemoryError: %s" % error
    return "refused" if run.refused else "raised" if run.raised else None


def load(libraries, runtime, extension):
    """The runtime half imported with each of its allocations failing in turn: what each import said, then what works at last."""
    faults = Faults(runtime)
    said = []
    for count in range(MOST):
        faults.fail_after(count)
        try:
            lab = Lab(dict(libraries, runtime=runtime))
        except MemoryError:
            said.append("MemoryError")
            continue
        finally:
            asked = faults.asked()
            faults.fail_after(-1)
        break
    run = lab.new_run()
    run.arg, run.loops = 7, 1
    Arm(lab, extension).drive(lab.native_address("native_call_loop"), run, "nothing")
    return asked, said, run.checksum
