"""What the tests of flavours do in a process of their own; each returns what its test compares."""

import ctypes
import gc
import sys
import threading

import hpy.debug

from loading import LEAVE, Arm, Lab, load_extension
from probing import Refused, Subject, thread_states, where

FLAVOURS = {"Universal": "universal", "Debug": "debug", "Trace": "trace"}


class Bodies:
    """The lab's bodies and those of flavours.c."""

    def __init__(self, bodies, ours):
        self.set_callable, self._both = bodies.set_callable, (ours, bodies)

    def address(self, name):
        for module in self._both:
            try:
                return module.address(name)
            except LookupError:
                pass
        raise LookupError(name)


def subject_in(libraries, arm, mode, extension):
    """The arm loaded in that mode."""
    subject = Subject({"libraries": libraries, "arm": dict(arm, mode=mode)})
    subject.arm.bodies = Bodies(subject.arm.bodies, load_extension("flavours", extension, "universal"))
    return subject


def flavour_of(ctx):
    """The flavour of the context at the address [ctx], by its name."""
    return FLAVOURS[ctypes.c_char_p.from_address(ctx).value.decode().split()[1]]


def context(subject, flags=0, driver=None):
    """The address of the context that a body gets; None where it is refused."""
    try:
        return subject.run("context", flags=flags, driver=driver, size=1).checksum
    except Refused:
        return None


def handed_out(subject):
    """The flavour of what a body gets on this thread attached, on it detached, and on a foreign one; None: refused."""
    contexts = context(subject), context(subject, LEAVE), context(subject, LEAVE, subject.lab.driver("foreign_thread"))
    return [flavour_of(ctx) if ctx else None for ctx in contexts]


def flavours(libraries, arm, extension):
    """What the arm hands out in each mode, one after the other in one process; then what the first extension gets."""
    subjects, answers = {}, {}
    for mode in ("universal", "debug", "trace"):
        subjects[mode] = subject_in(libraries, arm, mode, extension)
        answers[mode] = handed_out(subjects[mode])
    answers["the first again"] = handed_out(subjects["universal"])
    return answers


def two(libraries, arm, extension, modes):
    """What two extensions get that were loaded in these modes, in their order."""
    subjects = [subject_in(libraries, arm, mode, extension) for mode in modes]
    return [flavour_of(context(subject)) for subject in subjects]


def nested(libraries, arm, extension, depth, body):
    """In each mode: (levels that ran, that called Python, raised, reported, whether the thread is as it was).

    HPy's LeakDetector looks on.
    """
    answers = {}
    for mode in ("universal", "debug", "trace"):
        subject = subject_in(libraries, arm, mode, extension)
        before, levels = (where(), thread_states()), []
        with hpy.debug.LeakDetector():
            run = subject.run(body, arg=depth, function=lambda number: levels.append(number) or number)
        answers[mode] = [run.checksum, len(levels), run.raised, len(subject.unraisable), (where(), thread_states()) == before]
    return answers


def crowd(libraries, arm, extension, mode, count, depth):
    """(levels, raised) of [count] foreign threads that call back at once, twice each, and leave Python at each level."""
    subject = subject_in(libraries, arm, mode, extension)
    module = load_extension("flavours", extension, "universal")
    module.set_loop(subject.lab.native_address("native_call_loop"))
    with hpy.debug.LeakDetector():
        run = subject.run("nest_left", arg=depth, loops=2, flags=LEAVE, function=int,
                          driver=module.address("crowd"), size=count)
    return run.checksum, run.raised


def borrowed(libraries, arm, extension):
    """Where the contexts are that bodies get in debug mode: twice here, then inside of an HPy call that a body makes; and twice
    on each of two threads that live at once."""
    subject = subject_in(libraries, arm, "debug", extension)
    inside, on_threads, both = [], [], threading.Barrier(2)
    by_turns = [context(subject), context(subject)]
    subject.run("python", function=lambda number: inside.append(context(subject)) or number)

    def ask():
        found = []
        for _ in range(2):
            both.wait()
            found.append(context(subject))
        both.wait()
        on_threads.append(found)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return by_turns, inside, on_threads


def in_a_large_thread(function):
    """What function() returns, on a thread with a stack of 1 GiB and no limit of Python's in the way."""
    answers = []
    sys.setrecursionlimit(100000)
    threading.stack_size(1 << 30)
    thread = threading.Thread(target=lambda: answers.append(function()))
    thread.start()
    thread.join()
    return answers[0]


def through_python(libraries, arm, extension, depth):
    """How many acquisitions nest whose bodies call Python, which calls the arm again, which HPy passes a context to."""
    subject = subject_in(libraries, arm, "debug", extension)
    loop = subject.lab.native_address("native_call_loop")

    def function(number):
        if number == 0:
            return 0
        run = subject.lab.new_run()
        run.arg, run.loops = number - 1, 1
        subject.arm.drive(loop, run, "python", subject.lab.address(run))
        return run.checksum + 1

    subject.arm.bodies.set_callable(function)
    with hpy.debug.LeakDetector():
        return in_a_large_thread(lambda: function(depth))


def methods(libraries, arm, extension, depth):
    """How many calls of a method in debug mode nest that call Python, once the runtime half has seen a debug context."""
    Arm(Lab(libraries), dict(arm, mode="debug"))
    call = load_extension("flavours", extension, "universal", "debug").call

    def function(number):
        return number if number == depth else call(lambda: function(number + 1))

    return in_a_large_thread(lambda: function(0))


def methods_on_threads(libraries, arm, extension, count):
    """How many of [count] Python threads come through: each leaves Python in a method in debug mode and calls 40 others."""
    if arm:
        Arm(Lab(libraries), dict(arm, mode="debug"))
    module, done = load_extension("flavours", extension, "universal", "debug"), []

    def main():
        for _ in range(3):
            done.append(module.leave(lambda: [module.passed() for _ in range(40)] and 1))

    threads = [threading.Thread(target=main) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done)


def buffer(libraries, arm, extension):
    """Release a buffer of an object in debug mode inside a method in debug mode; the object's bytes."""
    if arm:
        Arm(Lab(libraries), dict(arm, mode="debug"))
    module = load_extension("flavours", extension, "universal", "debug")
    node = module.node_type(0)()
    view = memoryview(node)
    module.call(view.release)
    return list(memoryview(node))


def say(text):
    """A line on stderr, before what ends the process."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def use_address(module):
    return ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(module.address("use"))


def stale(libraries, arm, extension, others):
    """Use a context that was given back, inside a later acquisition with [others] in between. It should end the process."""
    subject = subject_in(libraries, arm, "debug", extension)
    use, ctx = use_address(subject.arm.bodies), context(subject)
    for _ in range(others):
        subject.run("nothing")
    say("given back")
    return subject.run("python", function=lambda number: use(ctx)).checksum


def stale_argument(libraries, arm, extension):
    """Use the context that HPy passed to a method, after it returned. It should end the process."""
    Arm(Lab(libraries), dict(arm, mode="debug"))
    module = load_extension("flavours", extension, "universal", "debug")
    use, ctx = use_address(module), module.passed()
    say("given back")
    return use(ctx)


def leaks(libraries, arm, extension):
    """What HPy's LeakDetector says of handles that bodies left open: 3 on this thread and 2 on foreign ones; of none."""
    subject, answers = subject_in(libraries, arm, "debug", extension), []
    for body in ("leak", "nothing"):
        try:
            with hpy.debug.LeakDetector():
                subject.run(body, loops=3)
                subject.run(body, loops=2, flags=LEAVE, driver=subject.lab.driver("foreign_thread"), size=1)
            answers.append(None)
        except hpy.debug.HPyLeakError as error:
            answers.append(str(error).splitlines()[0])
    return answers


# ---- HPy's private structures ----

class Info(ctypes.Structure):
    """What debug contexts share."""

    _fields_ = [("magic", ctypes.c_long), ("universal", ctypes.c_void_p), ("generation", ctypes.c_long),
                ("ring", ctypes.c_void_p * 16), ("next", ctypes.c_size_t)]


class Block(ctypes.Structure):
    """What each debug context has to itself."""

    _fields_ = [("magic", ctypes.c_long), ("valid", ctypes.c_uint8), ("info", ctypes.POINTER(Info))]


class Context(ctypes.Structure):
    """The beginning of a context."""

    _fields_ = [("name", ctypes.c_char_p), ("block", ctypes.POINTER(Block)), ("abi", ctypes.c_int)]


def allocate(size):
    """The address of zeroed memory that is never freed."""
    return ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)(("calloc", ctypes.CDLL(None)))(1, size)


def change(info, what):
    """Make HPy's debug contexts other than HPy 0.9.0 makes them, in a place that is not used meanwhile."""
    last = ctypes.cast(info.ring[15], ctypes.POINTER(Context)).contents
    if what == "magic of info":
        info.magic ^= 1
    elif what == "magic of a block":
        last.block.contents.magic ^= 1
    elif what == "name":
        last.name = b"HPy Other Mode ABI"
    elif what == "abi":
        last.abi = 1
    elif what == "block":
        last.block = ctypes.cast(allocate(64), ctypes.POINTER(Block))
    elif what == "info":
        last.block.contents.info = ctypes.pointer(Info())
    elif what == "ring":
        info.ring[15] = allocate(1024)


def refused(libraries, arm, extension, what):
    """What loading an arm in debug mode raises, twice, where HPy's layout differs; what it hands out in the other modes."""
    passed = Context.from_address(load_extension("flavours", extension, "universal", "debug").passed())
    change(passed.block.contents.info.contents, what)
    lab, answers = Lab(libraries), []
    for _ in range(2):
        try:
            answers.append(flavour_of(Arm(lab, dict(arm, mode="debug")).module))
        except Exception as error:
            answers.append([type(error).__name__, str(error)])
        if hasattr(gc, "freeze"):
            gc.freeze()     # HPy 0.9.0 frees the definition of a module whose init fails, and the collector would visit that
    for mode in ("universal", "trace"):
        subject = subject_in(libraries, arm, mode, extension)
        answers.append(flavour_of(context(subject)))
    return answers


def exposed(lab, name, result=ctypes.c_int64, *arguments):
    """A function of exposed.c, called attached."""
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.CDLL(lab.runtime.__file__)))


def memory(libraries, arm, extension, runtime, depth):
    """Nested acquisitions in debug mode while there is memory for no, 1, 2, 3 and 4 more pieces, and with enough again.

    (what became of each: None if the first was refused, else levels; whether the thread was as before after each).
    """
    subject = subject_in(dict(libraries, runtime=runtime), arm, "debug", extension)
    leave = exposed(subject.lab, "exposed_leave", None, ctypes.c_int64)
    levels, unchanged, before = [], [], (where(), thread_states())
    for pieces in (0, 1, 2, 3, 4, -1):
        leave(pieces)
        try:
            levels.append(subject.run("nest", arg=depth, function=int).checksum)
        except (Refused, MemoryError):      # of a trampoline there is none to bind either
            levels.append(None)
        leave(-1)
        unchanged.append((where(), thread_states()) == before)
    return levels, all(unchanged)


def growth(libraries, arm, extension, runtime):
    """How many debug contexts are made for 10,000 acquisitions and on 100 threads, after the first few.

    The threads are foreign ones, and Python's where the arm serves attached threads alone.
    """
    subject = subject_in(dict(libraries, runtime=runtime), arm, "debug", extension)
    made = exposed(subject.lab, "exposed_contexts")

    def threads(count):
        if subject.arm.policy == "attached_only":
            for _ in range(count):
                thread = threading.Thread(target=lambda: subject.run("nest", arg=1, function=int))
                thread.start()
                thread.join()
            return
        subject.run("nest", arg=1, loops=count, flags=LEAVE, function=int, driver=subject.lab.driver("foreign_thread"), size=1)

    threads(20)
    subject.run("nest", arg=40, function=int)
    warm = made()
    subject.run("nest", arg=10, loops=1000, function=int)
    threads(100)
    return made() - warm


def traverse(libraries, arm, extension, runtime):
    """(times that a tp_traverse was told that it is none, that it is one), whether the caller of gc.collect is in one."""
    lab = Lab(dict(libraries, runtime=runtime))
    Arm(lab, dict(arm, mode="debug"))
    ask = exposed(lab, "exposed_in_traverse", ctypes.c_int)
    module = load_extension("flavours", extension, "universal", "debug")
    node = module.node_type(ctypes.cast(ask, ctypes.c_void_p).value)
    kept = [node() for _ in range(10)]
    gc.collect()
    return [module.answered(0) > 0, module.answered(1) >= len(kept), ask()]
