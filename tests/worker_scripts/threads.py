"""What the tests of the runtime half do in a process of their own; each returns what its test compares."""

import atexit
import ctypes
import os
import sys
import threading
import time

from binding import CALL, Thread, while_bound
from crowd import crowd
from probing import LEAVE, interpreter_id, settled, thread_state, thread_states, where


def recorder(seen, note=where):
    """A function for bodies: appends what [note] answers to [seen] and returns its argument."""
    def function(number):
        seen.append(note())
        return number
    return function


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def kept_state(subject, helper):
    """(thread states in 5 callbacks of one foreign thread, what a threading.local held in each, the caller's among them)."""
    seen, local = [], threading.local()

    def note():
        local.count = getattr(local, "count", 0) + 1
        return thread_state(), local.count

    def play(bound):
        thread = Thread(helper, bound, [bound.new_run(loops=2), bound.new_run(loops=3)])
        thread.let_end()
        thread.join()
        return len({state for state, count in seen}), [count for state, count in seen], thread_state() in dict(seen)

    return while_bound(subject, play, function=recorder(seen, note))


def short_threads(subject, count):
    """(sum of the results, thread states before and after, bytes by which the process grew) of threads with a callback each."""
    driver = subject.lab.driver("foreign_thread")

    def batch(loops):
        return subject.run("python", arg=3, loops=loops, flags=LEAVE, function=int, driver=driver, size=1).checksum

    before = thread_states()
    batch(count // 4)
    settled(before)
    size = resident_bytes()
    checksum = batch(count)
    return checksum, before, settled(before), resident_bytes() - size


def crowded(subject, count):
    """[count] foreign threads that call back at the same time, twice, look at where they are, and end."""
    crowd(subject, count)


def end_while_joined(subject, helper):
    """(status of the thread, thread states before and after): the thread ends while this one waits for it, attached."""
    before = thread_states()

    def play(bound):
        thread = Thread(helper, bound, [bound.new_run()])
        thread.let_end()
        return thread.join(holding=True)

    return while_bound(subject, play, function=int), before, settled(before)


def released(subject):
    """For the main thread and another: (where 3 bodies ran, where the thread was before, where it is afterwards)."""
    answers = []

    def check():
        seen, before = [], where()
        subject.run("python", loops=3, flags=LEAVE, function=recorder(seen))
        answers.append((sorted(set(seen)), before, where()))

    check()
    thread = threading.Thread(target=check)
    thread.start()
    thread.join()
    return answers


def gilstate(subject, helper):
    """Thread states on one foreign thread, by where: another library's callbacks (PyGILState) around, inside and after ours."""
    seen, others = [], []

    def play(bound):
        def foreign_library(closure, arg, result):      # entered with PyGILState_Ensure, as every ctypes callback is
            others.append((arg, thread_state()))
            if arg == 1:
                others.append((arg, bound.call(arg, holding=False)[0], bound.call(arg)[0]))
                others.append((arg, thread_state()))
            return 0

        callback = CALL(foreign_library)
        address = ctypes.cast(callback, ctypes.c_void_p).value

        def function(number):
            seen.append((number, thread_state()))
            if number == 3:
                callback(None, 30, None)            # released, then PyGILState_Ensure inside our acquisition
                seen.append((number, thread_state()))
            return number

        subject.arm.bodies.set_callable(function)
        thread = Thread(helper, bound, [bound.new_run(1, call=address), bound.new_run(2), bound.new_run(3),
                                        bound.new_run(4, call=address), bound.new_run(5)])
        thread.let_end()
        return thread.join()

    before = thread_states()
    status = while_bound(subject, play)
    ours = {number: [state for other, state in seen if other == number] for number, _ in seen}
    first, statuses, again = [entry[1:] for entry in others if entry[0] == 1]
    theirs = {arg: state[0] for arg, *state in others if arg != 1}
    kept = ours[2][0]
    return {
        "status": status, "statuses inside another's Ensure": statuses,
        "inside another's Ensure": ours[1] == [first[0]] * 2 and again == first,
        "kept": ours[3] == [kept, kept] and ours[5] == [kept],
        "another's Ensure inside ours": theirs[30] == kept, "another's Ensure after ours": theirs[4] == kept,
        "thread states": [before, settled(before)],
    }


def nest(subject, depth, body):
    """(levels that ran, callbacks that raised, levels that called Python, reports, whether the thread is as it was)."""
    before, levels = (where(), thread_states()), []
    run = subject.run(body, arg=depth, function=recorder(levels))
    reports = len(subject.unraisable)
    return run.checksum, run.raised, len(levels), reports, (where(), thread_states()) == before


def nest_on_a_large_stack(subject, depth, body):
    """nest() on a thread with room for the C frames of very many levels, which are not touched before they are used."""
    answers, before = [], threading.stack_size(depth * 4096)
    thread = threading.Thread(target=lambda: answers.append(nest(subject, depth, body)))
    thread.start()
    thread.join()
    threading.stack_size(before)
    return answers[0]


class PythonApi(ctypes.Structure):
    """The functions that native_threads.c needs of Python."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("set", "occurred", "clear", "save", "restore")]


def pending(subject, helper):
    """Whether an exception that was pending before an acquisition is pending after it: (attached, released)."""
    names = "PyErr_SetString", "PyErr_Occurred", "PyErr_Clear", "PyEval_SaveThread", "PyEval_RestoreThread"
    api = PythonApi(*(ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p) for name in names))
    call = ctypes.PyDLL(helper).call_with_exception

    def play(bound):
        run = bound.new_run()
        return [call(ctypes.byref(api), ctypes.c_void_p(id(KeyError)), ctypes.c_void_p(bound.loop),
                     ctypes.c_void_p(bound.lab.address(run)), leave) for leave in (0, 1)]

    return while_bound(subject, play, body="nothing")


def late_callback(subject, helper):
    """A thread-specific destructor of another library calls back at a thread's end, after ours had its turn.

    (its status, thread states inside the late callback more than before, and those afterwards).
    """
    seen, before = [], thread_states()

    def play(bound):
        bound.call()            # so that the runtime's destructor is the older one, and runs before ours
        del seen[:]
        thread = Thread(helper, bound, [bound.new_run()], late=bound.new_run())
        thread.let_end()
        deadline = time.monotonic() + 0.1
        while thread_states() > before and time.monotonic() < deadline:
            time.sleep(0.001)
        thread.begin_late()
        return thread.join()

    status = while_bound(subject, play, function=recorder(seen, thread_states))
    return status, seen[1] - before, settled(before) - before


def at_exit(subject, count):
    """Have [count] foreign threads with a callback each run from an atexit function; exit status 3 if their sum is wrong."""
    def late():
        driver = subject.lab.driver("foreign_thread")
        run = subject.run("python", arg=3, loops=count, flags=LEAVE, function=int, driver=driver, size=1)
        if run.checksum != 3 * count:
            os._exit(3)

    atexit.register(late)


def fork(subject, helper):
    """The exit status of a child that was forked by a thread while the state of an ended one was still to be freed."""
    def play(bound):
        statuses = []

        def forking():
            thread = Thread(helper, bound, [bound.new_run()])
            thread.let_end()
            thread.join()
            child = os.fork()
            if child == 0:
                counts = thread_states()
                ok = [bound.call(holding=False), bound.call()] == [(0, 7), (0, 7)]
                other = Thread(helper, bound, [bound.new_run()])
                other.let_end()
                ok = ok and other.join() == 0 and (counts, settled(counts)) == (1, 1)
                os._exit(0 if ok else 1)
            statuses.append(os.waitpid(child, 0)[1])

        worker = threading.Thread(target=forking)
        worker.start()
        worker.join()       # the main thread, which alone makes pending calls, makes none while it waits
        return statuses

    return while_bound(subject, play, function=int)


def fork_inside(subject, helper):
    """The exit status of a child that was forked by a body on a foreign thread: more acquisitions nest in the open one."""
    statuses = []

    def play(bound):
        def function(number):
            if number > 0:
                child = os.fork()
                if child == 0:
                    nested = [bound.call(0), bound.call(0, holding=False)]
                    os._exit(0 if nested == [(0, 0), (0, 0)] and thread_states() == 1 else 1)
                statuses.append(os.waitpid(child, 0)[1])
            return number

        subject.arm.bodies.set_callable(function)
        thread = Thread(helper, bound, [bound.new_run()])
        thread.let_end()
        return thread.join()

    return while_bound(subject, play), statuses


def other_interpreter(subject):
    """[status, result] of an acquisition on a thread that is attached to a sub-interpreter, where the runtime half was not
    loaded; the result says in which interpreter the body ran. Then whether the thread is where it was, and how many thread
    states more there are, after one such and after another one."""
    source = """if True:
        import ctypes, os
        result = ctypes.c_int64(-1)
        call = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(%d)
        os.write(%d, b"%%d %%d" %% (call(%d, 7, ctypes.addressof(result)), result.value))
    """
    reading, writing = os.pipe()

    def play(bound):
        code = source % (bound.lab.address(bound.run.call), writing, bound.closure)
        if sys.version_info >= (3, 13):
            import _interpreters
            interpreter = _interpreters.create("legacy")
            _interpreters.exec(interpreter, code)
            _interpreters.destroy(interpreter)
        else:
            import _xxsubinterpreters
            interpreter = _xxsubinterpreters.create(**({"isolated": False} if sys.version_info >= (3, 9) else {}))
            _xxsubinterpreters.run_string(interpreter, code)
            _xxsubinterpreters.destroy(interpreter)
        return [int(word) for word in os.read(reading, 100).split()]

    before, states, more = where(), thread_states(), []
    for _ in range(2):
        answer = while_bound(subject, play, function=lambda number: 100 * interpreter_id() + number)
        more.append(thread_states() - states)
    return answer, where() == before, more
