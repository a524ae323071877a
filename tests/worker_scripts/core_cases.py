"""The cases of tests/test_thread_core.py, each in a process of its own; each returns what its test compares."""

import ctypes
import os
import sys
import threading

from core import (AMBIENT, AT_END, ATTACH, ATTACHED_ONLY, CALL_BACK, CLOSE, DETACH, END_CHILD, END_THREAD, ENSURE, EXEC, FORK, NEST, PLAIN,
                  POST, PYPY, RELEASE, RESTORE, SAVE, SLOT, UNNEST, USLEEP, WAIT, WHERE, Core, ManagedSub, Sub, resident_bytes)


def made(core):
    """The address of a new origin of this interpreter, where there are ambient acquisitions from now on."""
    core.c.offer()
    return core.c.origin(PLAIN)


def on_python_thread(function):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(function()))
    thread.start()
    thread.join()
    return answers[0]


# ---- policies and depth ----

def policies(libraries, path):
    """Of a foreign thread, of Python threads that left and that did not: results under attached_only; thread states made."""
    core = Core(path)
    core.c.offer()
    only = core.c.origin(ATTACHED_ONLY)
    before = core.c.states()
    outside = (ATTACH, only), WHERE, SLOT, (AMBIENT, ATTACHED_ONLY), WHERE, SLOT
    left = SAVE, (ATTACH, only), WHERE, (AMBIENT, ATTACHED_ONLY), WHERE, RESTORE
    inside = (ATTACH, only), (AMBIENT, ATTACHED_ONLY), WHERE, DETACH, DETACH
    return (core.foreign(*outside), core.here(*left), on_python_thread(lambda: core.here(*left)), core.here(*inside),
            core.c.states() - before)


def depth(libraries, path, deep, limit):
    """[levels, refused beyond, levels] of nesting [deep] with a level left, then to the limit: attached, left, foreign."""
    core = Core(path)
    origin = made(core)
    half = deep // 2
    attached = core.here((NEST, origin, deep), (UNNEST, deep), (NEST, origin, limit + 1), (UNNEST, limit), WHERE)
    left = core.here((NEST, origin, half), SAVE, (NEST, origin, half), WHERE, (UNNEST, half), WHERE, RESTORE, (UNNEST, half), WHERE)
    foreign = core.foreign((NEST, origin, limit + 1), WHERE, (UNNEST, limit), WHERE)
    return attached, left, foreign


# ---- sub-interpreters ----

def switching(libraries, path):
    """Where threads of each kind find themselves on their way through two interpreters, (a, b), and 0 for what worked."""
    core = Core(path)
    a = made(core)
    b, only = Sub(core), Sub(core, ATTACHED_ONLY)
    touch = (EXEC, "import sys; sys.modules")
    there_and_back = ((ATTACH, b.origin), WHERE, touch, (ATTACH, a), WHERE, touch, (ATTACH, b.origin), WHERE, DETACH, WHERE, DETACH,
                      WHERE, DETACH, WHERE)
    left = ((ATTACH, b.origin), SAVE, WHERE, (ATTACH, a), WHERE, SAVE, (ATTACH, b.origin), WHERE, touch, DETACH, WHERE, RESTORE,
            WHERE, DETACH, WHERE, RESTORE, WHERE, touch, DETACH, WHERE)
    answers = {
        "attached": core.here(*there_and_back), "left": core.here(SAVE, *there_and_back, RESTORE),
        "foreign": core.foreign(*there_and_back), "python": on_python_thread(lambda: core.here(*there_and_back)),
        "attached, left inside": core.here(*left), "left, left inside": core.here(SAVE, *left, RESTORE),
        "foreign, left inside": core.foreign(*left), "python, left inside": on_python_thread(lambda: core.here(*left)),
        "attached_only": core.here((ATTACH, only.origin), WHERE, DETACH, WHERE),
        "attached_only, left": core.here(SAVE, (ATTACH, only.origin), WHERE, RESTORE, WHERE),
    }
    states = core.settled(1), int(b.ask("core.states()"))
    b.end()
    only.end()
    return answers, (core.c.where(), b.id, only.id), states, core.c.counts()


def ambient(libraries, path):
    """Which interpreter an ambient acquisition means, by where the thread was last: (a, b) and the answers."""
    core = Core(path)
    a = made(core)
    b = Sub(core)
    steps = core.program(SAVE, (AMBIENT, 0), DETACH, RESTORE, (AMBIENT, 0), DETACH)
    b.run("core.steps(%d, %d)" % (ctypes.addressof(steps), len(steps)))
    answers = {
        "foreign, new": core.foreign((AMBIENT, 0), DETACH)[0],
        "foreign, was in b": core.foreign((ATTACH, b.origin), DETACH, (AMBIENT, 0), DETACH)[2],
        "foreign, was in b and a": core.foreign((ATTACH, b.origin), DETACH, (ATTACH, a), DETACH, (AMBIENT, 0), DETACH)[4],
        "left": core.here(SAVE, (AMBIENT, 0), DETACH, RESTORE)[1],
        "left inside b": core.here((ATTACH, b.origin), SAVE, (AMBIENT, 0), DETACH, RESTORE, DETACH)[2],
        "inside b": core.here((ATTACH, b.origin), (AMBIENT, 0), DETACH, DETACH)[1],
        "after b": core.here((ATTACH, b.origin), DETACH, (AMBIENT, 0), DETACH)[2],
        "in b, left": steps[1].result, "in b": steps[4].result,
    }
    b.end()
    return (0, b.id), answers


def other_library(libraries, path):
    """Where PyGILState_Ensure of another library leads before, inside of and after acquisitions of a sub-interpreter."""
    core = Core(path)
    made(core)
    b = Sub(core)
    ensured = ENSURE, WHERE, (EXEC, "import threading; threading.current_thread()"), RELEASE
    answers = (core.foreign(*ensured, (ATTACH, b.origin), *ensured, DETACH, *ensured, WHERE),
               core.foreign((ATTACH, b.origin), SAVE, ENSURE, RELEASE, RESTORE, WHERE, DETACH, *ensured, WHERE))
    b.end()
    return b.id, answers, core.settled(1)


def unoffered(libraries, path):
    """What ambient acquisitions answer where no extension has offered a context, before and after one by origin."""
    core = Core(path)
    origin = core.c.origin(PLAIN)
    steps = (AMBIENT, 0), (ATTACH, origin), (AMBIENT, 0), DETACH, (AMBIENT, 0), WHERE
    return core.here(*steps), core.here(SAVE, *steps, RESTORE), core.foreign(*steps)


def managed(libraries, path):
    """Visits of one that Python's own module made, by a thread of each kind; it runs code on, and ends: (b, what they saw)."""
    core = Core(path)
    a = made(core)
    b = ManagedSub(core)
    visit = (ATTACH, b.origin), WHERE, (ATTACH, a), WHERE, DETACH, DETACH
    visited, leave = core.events(2)
    program, thread = core.start(*visit, (POST, visited), (WAIT, leave), (ATTACH, b.origin), WHERE)
    core.c.wait(visited)
    answers = core.here(*visit), core.here(SAVE, *visit, RESTORE)[1:-1], on_python_thread(lambda: core.here(*visit))
    b.run("import threading; threading.current_thread()")
    b.end()
    core.c.post(leave)
    core.c.join(thread)
    return b.id, answers, [step.result for step in program], core.settled(1)


def sub_alone(libraries, path):
    """(b, views, what a foreign thread saw) where the runtime half was imported into a sub-interpreter alone, which then ends."""
    core = Core(path, with_runtime=False)
    b = ManagedSub(core)
    views = core.c.counts()[1]
    ready, go = core.events(2)
    program, thread = core.start((ATTACH, b.origin), WHERE, ENSURE, WHERE, RELEASE, DETACH, (POST, ready), (WAIT, go), ENSURE, WHERE,
                                 (EXEC, "import sys; sys.modules"), RELEASE, (ATTACH, b.origin), WHERE)
    core.c.wait(ready)
    b.end()
    core.c.post(go)
    core.c.join(thread)
    return b.id, views, [step.result for step in program], core.settled(1)


def thousand(libraries, path, count):
    """(bytes grown over [count] interpreters that threads visited, over as many that nobody did, what visits answered, counts).

    One foreign thread lives through them all and visits each, and what ended last.
    """
    core = Core(path)
    a = made(core)
    come, gone = core.events(2)
    visit = (WAIT, come), (ATTACH, None), WHERE, DETACH, (ATTACH, None), (POST, gone)
    program, thread = core.start(*visit * (count + count // 10))
    first = Sub(core)
    first.end()
    number, answers, ended = 0, set(), first.origin

    def one():
        nonlocal number, ended
        sub = Sub(core)
        core.foreign((ATTACH, sub.origin), DETACH)
        core.here((ATTACH, sub.origin), (ATTACH, a), DETACH, DETACH)
        core.here(SAVE, (ATTACH, sub.origin), DETACH, RESTORE)
        steps = program[number * len(visit):(number + 1) * len(visit)]
        steps[1].origin, steps[4].origin = sub.origin, ended
        core.c.post(come)
        core.c.wait(gone)
        answers.add((steps[1].result, steps[2].result == sub.id, steps[4].result))
        sub.end()
        number, ended = number + 1, sub.origin

    def grown(make):
        for _ in range(count // 10):
            make()
        before = resident_bytes()
        for _ in range(count):
            make()
        return resident_bytes() - before

    plain = "import importlib.machinery, importlib.util, sys, os"
    control = grown(lambda: core.c.end_interpreter(core.c.new_interpreter(plain)))
    visited = grown(one)
    core.c.join(thread)
    return visited, control, sorted(answers), core.c.counts(), core.settled(1)


def own_gil(libraries, path):
    """What importing the runtime half into an interpreter with its own GIL says, and what a token does on a thread there."""
    try:
        import _interpreters
        run = _interpreters.exec
    except ImportError:                     # 3.12
        import _xxsubinterpreters as _interpreters
        run = _interpreters.run_string
    core = Core(path)
    a = made(core)
    steps = core.program(WHERE, (ATTACH, a), WHERE, (EXEC, "import sys; sys.modules"), DETACH, WHERE, (AMBIENT, 0))
    other = _interpreters.create(*([] if sys.version_info < (3, 13) else ["isolated"]))
    said = error_of(run, other, SOURCE_ALONE % path)
    called = error_of(run, other, "import ctypes; ctypes.PyDLL(%r).core_run(ctypes.c_void_p(%d), ctypes.c_int64(%d))" % (
        path, ctypes.addressof(steps), len(steps)))
    _interpreters.destroy(other)
    return said, called, [step.result for step in steps], core.c.counts()[1]


def error_of(run, interpreter, code):
    """What the exception says that [code] raises there; None if it raises none."""
    try:
        error = run(interpreter, code)
    except Exception as raised:             # 3.12
        return str(raised)
    return error and "%s: %s" % (error.type.__name__, error.msg)


SOURCE_ALONE = """
import importlib.machinery, importlib.util
loader = importlib.machinery.ExtensionFileLoader("hpylab_runtime", %r)
loader.exec_module(importlib.util.module_from_spec(importlib.util.spec_from_loader("hpylab_runtime", loader)))
"""


# ---- foreign threads ----

def short_threads(libraries, path, count, ended_inside):
    """(thread states left, bytes grown more than with PyGILState, records left, what the last did) of [count] short threads."""
    core = Core(path)
    origin = made(core)
    plain = ENSURE, (EXEC, "import threading; threading.local().x = [1]"), RELEASE
    core.many(count // 5, *plain)
    before = resident_bytes()
    core.many(count, *plain)
    control = resident_bytes() - before
    steps = [(ATTACH, origin), (EXEC, "import threading; threading.local().x = [1]"), DETACH, (ATTACH, origin)]
    steps.append(END_THREAD if ended_inside else DETACH)
    core.many(count // 5, *steps)
    before, states = resident_bytes(), core.settled(1)
    answers = core.many(count, *steps)
    core.here(SAVE, (ATTACH, origin), DETACH, RESTORE)
    return core.settled(1) - states, resident_bytes() - before - control, core.c.counts()[0], answers[:4]


def destructors(libraries, path, count):
    """What thread-specific destructors of [count] threads see that acquire, or call PyGILState_Ensure, when their thread ends.

    By which keys (0: older than the runtime half's, 1: newer), and with an acquisition before or without: the results, and how
    many thread states and records are left.
    """
    core = Core(path)
    origin = made(core)
    ctypes.PyDLL(path).core_make_newer_key()
    use = (EXEC, "import threading; threading.local().x = [1]")
    acquire = core.program((ATTACH, origin), WHERE, use, ENSURE, RELEASE, DETACH, WHERE)
    ensure = core.program(ENSURE, WHERE, use, RELEASE)
    seen = {}
    for name, at_end in (("acquire, older", {0: acquire}), ("acquire, newer", {1: acquire}), ("ensure, older", {0: ensure}),
                         ("ensure, newer", {1: ensure}), ("acquire, both", {0: acquire, 1: acquire}),
                         ("ensure, acquire", {0: ensure, 1: acquire}), ("acquire, ensure", {0: acquire, 1: ensure})):
        for before in ((), ((ATTACH, origin), DETACH)):
            core.many(count, *((AT_END, key, program) for key, program in at_end.items()), *before)
            core.here(SAVE, (ATTACH, origin), DETACH, RESTORE)
            seen[name + ", after an acquisition" * bool(before)] = [
                [step.result for step in program] for program in at_end.values()]
    return seen, core.settled(1), core.c.counts()[0]


def callbacks(libraries, path):
    """What callbacks of ctypes and of cffi on foreign threads see, around and inside of acquisitions.

    (whether a threading.local counted on, who was called on a thread that they came to first, thread states, whether Python knows
    of no more than two threads more: cffi keeps the state of one that ended).
    """
    import cffi
    core = Core(path)
    origin = made(core)
    seen, local = [], threading.local()

    def count(library):
        threading.current_thread()
        local.count = getattr(local, "count", 0) + 1
        seen.append((library, local.count))

    ffi = cffi.FFI()
    of_ctypes = ctypes.CFUNCTYPE(None)(lambda: count("ctypes"))
    of_cffi = ffi.callback("void(void)", lambda: count("cffi"))
    both = ((CALL_BACK, ctypes.cast(of_ctypes, ctypes.c_void_p).value), (CALL_BACK, int(ffi.cast("intptr_t", of_cffi))))
    known = len(threading.enumerate())
    holding = () if PYPY else both        # PyPy's callbacks wait for the GIL, be it held by their own thread
    inside = (ATTACH, origin), *holding, SAVE, *both, RESTORE, DETACH
    core.foreign((ATTACH, origin), DETACH, *both, *inside, *both, ENSURE, *inside, RELEASE, *both)
    kept = [number for _, number in seen] == list(range(1, len(seen) + 1))
    del seen[:]
    core.foreign(*both, *inside, *both)
    return kept, [library for library, _ in seen], core.settled(1), len(threading.enumerate()) - known < 3


def end_inside(libraries, path):
    """A thread ends inside an acquisition, another waits for it attached: whether the GIL is free afterwards, for whom."""
    core = Core(path)
    origin = made(core)
    answers = []
    for steps in ([(ATTACH, origin), END_THREAD], [(ATTACH, origin), (ATTACH, origin), END_THREAD],
                  [(ATTACH, origin), SAVE, (ATTACH, origin), END_THREAD], [(ATTACH, origin), SAVE, END_THREAD], [(ATTACH, origin)]):
        core.foreign(*steps)
        answers.append(core.foreign((ATTACH, origin), (EXEC, "x = 1"), DETACH, WHERE))
    return answers, core.c.in_use(origin), core.settled(1), core.c.counts()[0]


def end_inside_sub(libraries, path):
    """A thread ends inside of a sub-interpreter, which can end nevertheless."""
    core = Core(path)
    made(core)
    b = Sub(core)
    core.foreign((ATTACH, b.origin), END_THREAD)
    answers = core.foreign((ATTACH, b.origin), WHERE, DETACH)
    core.foreign((ATTACH, b.origin), END_THREAD)
    b.end()
    return answers == [0, b.id, 0], core.settled(1), core.c.counts()[1]


# ---- origins ----

def origins(libraries, path):
    """in_use of an origin: by nobody, an attached thread, a detached one, one that waits for the GIL, and closing it there."""
    core = Core(path)
    made(core)
    used, closed, third = (core.c.origin(PLAIN) for _ in range(3))
    inside, leave, again = core.events(3)
    answers = [core.c.in_use(used)]
    core.here((ATTACH, used))
    answers.append(core.c.in_use(used))
    core.here(DETACH)
    program, thread = core.start((ATTACH, used), SAVE, (POST, inside), (WAIT, leave), RESTORE, DETACH)
    core.c.wait(inside)
    answers.append((core.c.in_use(used), core.here((CLOSE, used))))
    core.c.post(leave)
    core.c.join(thread)
    answers.append((core.c.in_use(used), core.foreign((ATTACH, used), WHERE)))
    program, thread = core.start((POST, inside), (ATTACH, closed), WHERE, (ATTACH, third), DETACH)
    waiting = core.here((WAIT, inside), (USLEEP, 20000), (CLOSE, closed))       # attached all the while
    core.c.join(thread)
    answers.append((waiting[2], [step.result for step in program], core.c.in_use(closed)))
    core.here((CLOSE, core.c.origin(PLAIN)))
    return answers


# ---- fork ----

def forks(libraries, path):
    """The exit statuses of children forked by each kind of thread; 0: there the steps answered as they should."""
    core = Core(path)
    origin = made(core)
    works = [(ATTACH, origin), (EXEC, "import threading; threading.current_thread()"), DETACH, END_CHILD]
    refused = [step_expecting((ATTACH, origin), -1), step_expecting(WHERE, -1), END_CHILD]
    ready, leave = core.events(2)
    other, thread = core.start((ATTACH, origin), DETACH, (POST, ready), (WAIT, leave))      # its state is kept in the parent
    core.c.wait(ready)
    statuses = {
        "attached": core.here(FORK, *works)[0],
        "inside": core.here((ATTACH, origin), FORK, *works, DETACH)[1],
        "foreign, inside": core.foreign((ATTACH, origin), FORK, *works, DETACH)[1],
    }
    program, forker = core.start((ATTACH, origin), DETACH, (POST, ready), (USLEEP, 20000), FORK, *refused)
    core.c.wait(ready)
    core.c.join(forker, True)               # holds the GIL while that thread forks
    statuses["foreign, GIL held elsewhere"] = program[4].result
    core.c.post(leave)
    core.c.join(thread)
    child = os.fork()
    if child == 0:
        answers = core.foreign((ATTACH, origin), WHERE, DETACH)
        os._exit(0 if answers == [0, 0, 0] and (PYPY or core.settled(1) == 1) else 1)
    statuses["os.fork"] = os.waitpid(child, 0)[1]
    return statuses, core.settled(1)


def step_expecting(step, expected):
    return (*(step if isinstance(step, tuple) else (step,)), expected)


# ---- finalization of a sub-interpreter ----

def ended_sub(libraries, path, count):
    """[count] interpreters that end while threads hammer them: whether any hung, and what is refused afterwards."""
    core = Core(path)
    a = made(core)
    for _ in range(2):
        core.c.hammer(a, None, 300)
    answers = set()
    for i in range(count):
        sub = Sub(core)
        inside, leave = core.events(2)
        program, thread = core.start((ATTACH, sub.origin), SAVE, (POST, inside), (USLEEP, 3000 * (i % 3)), (ATTACH, sub.origin),
                                     WHERE, DETACH, RESTORE, DETACH, (ATTACH, sub.origin))
        core.c.wait(inside)
        sub.end()           # waits for that thread, which is let in once more
        core.c.join(thread)
        results = [step.result for step in program]
        answers.add((results[4], results[5] == sub.id, results[9], *core.here((ATTACH, sub.origin), WHERE)))
    return sorted(answers), core.c.counts()[1]


def sub_alive_at_exit(libraries, path):
    """A sub-interpreter that foreign threads visited, and that is there when the process ends."""
    core = Core(path)
    made(core)
    b = ManagedSub(core)
    ready, never = core.events(2)
    core.start((ATTACH, b.origin), DETACH, (POST, ready), (WAIT, never))
    core.c.wait(ready)
    return core.foreign((ATTACH, b.origin), WHERE, DETACH)[1] == b.id


def late(libraries, path, log):
    """Appends to the file [log] what this thread's acquisitions answer in a function of atexit after ours, and in __del__ then.

    Attached, nested with Python left in between, and not attached.
    """
    import atexit

    def write(text, write=os.write, log=os.open(log, os.O_WRONLY | os.O_APPEND)):
        write(log, text.encode())

    class Late:
        def __del__(self):
            run(address, length)
            write("del %s\n" % [step.result for step in program])

    def after():
        write("atexit %s\n" % core.here((ATTACH, origin), (EXEC, "x = 1"), SAVE, (ATTACH, origin), DETACH, RESTORE, DETACH,
                                        SAVE, (ATTACH, origin), WHERE, RESTORE))

    atexit.register(after)          # before ours, and so called after it
    core = Core(path)
    origin = made(core)
    program = core.program((ATTACH, origin), (EXEC, "x = 1"), DETACH)
    run, address, length = core.c.steps, ctypes.addressof(program), len(program)
    sys.modules["late"] = Late()
