"""The thread core of the runtime half, on each interpreter that LAB_PYTHONS names, else on the one that runs the tests.

Threads of C do single steps with it (worker_scripts/core_steps.c), compiled together with the real sources.
"""

import concurrent.futures
import os
import signal
import subprocess
import time

import pytest
from run_in_worker import SCRIPTS, Worker, compile_runtime

from lab.executor import WorkerFailure

EXITS = int(os.environ.get("LAB_EXITS", "5"))       # processes that end under fire, per interpreter and kind
INTERPRETERS = int(os.environ.get("LAB_INTERPRETERS", "100"))      # that come and go
LIMIT_S = 60.0
STAYS = "hpylab_runtime: the interpreter cannot end: it waits for "
PATIENCE_MS = 150                                   # after which these builds say that they wait


class Core:
    """The thread core for one interpreter: [tag], and calls of functions of core_cases.py in fresh processes."""

    def __init__(self, interpreter, libraries, folder):
        self.tag, self.interpreter = interpreter.tag, interpreter
        self.is_cpython = interpreter.implementation == "cpython"
        self.version = tuple(map(int, interpreter.version.split(".")[:2]))
        self.path = str(compile_runtime(folder / f"{self.tag}.so", interpreter, f"-DHPYRT_PATIENCE_MS={PATIENCE_MS}",
                                        f"-I{SCRIPTS}", str(SCRIPTS / "core_steps.c"), str(SCRIPTS / "core_module.c")))
        self.worker = Worker(interpreter, libraries, LIMIT_S * max(1, INTERPRETERS / 200))

    def __call__(self, case, **arguments):
        try:
            return self.worker(f"core_cases.{case}", path=self.path, **arguments)
        except WorkerFailure as failure:
            return str(failure)

    def script(self, name, *arguments):
        """A process of worker_scripts/[name], which is given the path of the core and [arguments]."""
        return subprocess.Popen([self.interpreter.path, "-Wignore", str(SCRIPTS / name), self.path, *arguments], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def cores(request, interpreter, tmp_path_factory):
    """The thread core, compiled for each interpreter."""
    given = request.getfixturevalue("interpreters_given") if os.environ.get("LAB_PYTHONS") else [interpreter]
    folder = tmp_path_factory.mktemp("cores")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda each: Core(each, NoLibraries(), folder), given))


class NoLibraries:
    """The cases load the thread core alone."""

    def for_worker(self, tag):
        return {}


@pytest.fixture
def everywhere(cores):
    """Compares what a case answers on each interpreter with what is expected; [since]: on CPython from that version on."""
    def check(case, expected, since=None, **arguments):
        meant = [core for core in cores if since is None or (core.is_cpython and core.version >= since)]
        if not meant:
            pytest.skip("no such interpreter is given")
        answers = {core.tag: core(case, **arguments) for core in meant}
        if callable(expected):
            failed = {tag: answer for tag, answer in answers.items() if isinstance(answer, str) or not expected(answer)}
            assert failed == {}
        else:
            assert answers == dict.fromkeys(answers, expected)
    return check


# ---- policies, depth ----

def test_attached_only(everywhere):
    """Under attached_only a foreign thread and threads that left Python are refused and stay as they are; others are let in."""
    left = [0, -1, -1, -1, -1, 0]
    everywhere("policies", [[-1, -1, 0, -1, -1, 0], left, left, [0, 0, 0, 0, 0], 0])


def test_depth(everywhere):
    """1,000 acquisitions nest, with Python left half-way too; 65,536 on every kind of thread, and one more is refused."""
    everywhere("depth", [[1000, 0, 65536, 0, 0], [500, 0, 500, 0, 0, -1, 0, 0, 0], [65536, 0, 0, -1]], deep=1000, limit=65536)


# ---- sub-interpreters ----

A, B = 0, 1         # interpreters' ids


def test_switching(everywhere):
    """Acquisitions lead to their own interpreter and back, A to B to A, from every kind of thread, with Python left in between."""
    there = [0, B, 0, 0, A, 0, 0, B, 0, A, 0, B, 0]
    left = [0, 0, -1, 0, A, 0, 0, B, 0, 0, -1, 0, A, 0, -1, 0, B, 0, 0]
    expected = {
        "attached": [*there, A], "left": [0, *there, -1, 0], "foreign": [*there, -1], "python": [*there, A],
        "attached, left inside": [*left, A], "left, left inside": [0, *left, -1, 0], "foreign, left inside": [*left, -1],
        "python, left inside": [*left, A],
        "attached_only": [0, 2, 0, A], "attached_only, left": [0, -1, -1, 0, A],
    }
    everywhere("switching", lambda answer: answer[:2] == [expected, [A, B, 2]] and answer[2][0] == 1 and answer[3][1] == 1,
               since=(3, 8))


def test_ambient_interpreter(everywhere):
    """An ambient acquisition means the interpreter that the thread is attached to, else was attached to last, else the main one."""
    everywhere("ambient", [[A, B], {
        "foreign, new": A, "foreign, was in b": B, "foreign, was in b and a": A, "left": A, "left inside b": B, "inside b": B,
        "after b": A, "in b, left": B, "in b": B}], since=(3, 8))


def test_ensure_around_a_sub_interpreter(everywhere):
    """PyGILState_Ensure of another library means the main interpreter before and after, and that of an acquisition inside."""
    around = [0, A, 0, 0]
    everywhere("other_library", [B, [[*around, 0, 0, B, 0, 0, 0, *around, -1], [0, 0, 0, 0, 0, B, 0, *around, -1]], 1],
               since=(3, 8))


def test_interpreters_come_and_go(everywhere):
    """100 interpreters that threads of each kind visited leave nothing but their views; a token of one that ended is refused."""
    def flat(answer):
        visited, control, answers, counts, states = answer
        return visited - control < 2**20 + control // 2 and [answers, counts, states] == [[[0, True, -1]], [1, 1], 1]
    everywhere("thousand", flat, since=(3, 8), count=INTERPRETERS)


def test_without_a_context(everywhere):
    """Where no extension offered a context an ambient acquisition is refused on every kind of thread, and changes nothing."""
    everywhere("unoffered", [[-1, 0, -1, 0, -1, 0], [0, -1, 0, -1, 0, -1, -1, 0], [-1, 0, -1, 0, -1, -1]])


def test_interpreters_of_pythons_module(everywhere):
    """One that Python's own module made runs code, and ends, after threads of each kind visited it; then it is refused."""
    def right(answer):
        b, answers, foreign, states = answer
        there = [0, b, 0, A, 0, 0]
        return answers == [there] * 3 and foreign == [*there, 0, 0, -1, -1] and states == 1
    everywhere("managed", right, since=(3, 8))


def test_imported_into_a_sub_interpreter_alone(everywhere):
    """Then the main one is known all the same: PyGILState_Ensure of others leads there, before that interpreter ended and after."""
    def right(answer):
        b, views, foreign, states = answer
        return views == 2 and foreign == [0, b, 0, b, 0, 0, 0, 0, 0, A, 0, 0, -1, -1] and states == 1
    everywhere("sub_alone", right, since=(3, 8))


def test_own_gil(everywhere):
    """An interpreter with a GIL of its own is refused with the reason; a thread there can still enter the main one's by token."""
    def refused(answer):
        said, called, steps, views = answer
        entered = (called, steps) == (None, [1, 0, A, 0, 0, 1, -1])
        without_ctypes = "_ctypes does not support loading in subinterpreters" in str(called)      # of 3.12: nothing to call by
        return "ImportError" in said and "this interpreter has a GIL of its own, and HPy cannot be imported" in said \
            and (entered or without_ctypes) and views == 1
    everywhere("own_gil", refused, since=(3, 12))


def test_end_inside_a_sub_interpreter(everywhere):
    """A thread that ends inside of a sub-interpreter does not keep that from ending."""
    everywhere("end_inside_sub", [True, 1, 1], since=(3, 8))


# ---- foreign threads ----

def test_thread_specific_destructors(everywhere):
    """Destructors of other libraries' keys, older and newer than the runtime half's, acquire and call PyGILState_Ensure."""
    acquired, ensured = [0, A, 0, 0, 0, 0, -1], [0, A, 0, 0]

    def right(answer):
        seen, states, records = answer
        return states == 1 and records == 1 and all(each in (acquired, ensured) for found in seen.values() for each in found) \
            and len(seen) == 14
    everywhere("destructors", right, since=(3, 8), count=300)


@pytest.mark.parametrize("ended_inside", [False, True])
def test_short_threads(everywhere, ended_inside):
    """10,000 short threads leave no thread state, no record and no memory behind, though they end inside an acquisition."""
    def flat(answer):
        states, grown, records, last = answer
        return (states, records, last) == (0, 1, [0, 0, 0, 0]) and grown < 2**19
    everywhere("short_threads", flat, count=10000, ended_inside=ended_inside)


def test_end_inside(everywhere):
    """A thread that ends inside, attached or not, leaves the GIL to others and counts as inside no more."""
    everywhere("end_inside", lambda answer: answer[:2] == [[[0, 0, 0, -1]] * 5, False] and answer[2] <= 1 and answer[3] <= 1)


def test_callbacks(everywhere):
    """Callbacks of ctypes and cffi, a threading.local and current_thread() work around and inside of acquisitions."""
    everywhere("callbacks", lambda answer: answer[0] and set(answer[1]) == {"ctypes", "cffi"} and answer[2] <= 2 and answer[3])


# ---- origins, fork ----

def test_origins_in_use(everywhere):
    """An origin is in use by threads inside and on their way in: closed, it is recycled after they left, and refuses others."""
    everywhere("origins", [False, True, [True, [0]], [False, [-1, -1]], [0, [0, -1, -1, 0, 0], False]])


def test_fork(everywhere):
    """A child goes on, with the one thread it has; forked by a thread that is not attached, it is refused, and does not hang."""
    worked = {"attached": 0, "inside": 0, "foreign, inside": 0, "foreign, GIL held elsewhere": 0, "os.fork": 0}
    everywhere("forks", lambda answer: answer[0] == worked and answer[1] <= 1)


def test_child_ends(cores):
    """A child that was forked while another thread was inside ends: what that thread held does not keep it."""
    for core in cores:
        said, complained = core.script("core_fork_exit.py").communicate(timeout=LIMIT_S)
        assert (core.tag, said, complained) == (core.tag, "0\n", "")


# ---- finalization ----

def test_sub_interpreters_end_under_fire(everywhere):
    """An interpreter that ends waits for a thread inside, lets it in where it had left Python, and refuses everybody later."""
    def waited(answer):
        answers, views = answer
        return views == 1 and all(each[:2] == [0, True] and each[3:] == [-1, A] for each in answers)
    everywhere("ended_sub", waited, since=(3, 8), count=12)


def test_sub_interpreter_left_alive(everywhere):
    """A process ends with a sub-interpreter in which threads have kept states."""
    everywhere("sub_alive_at_exit", True, since=(3, 8))


def test_late_acquisitions(cores, tmp_path):
    """After its interpreter was closed a thread that is attached goes on, nested with Python left too; none attaches any more."""
    for core in cores:
        log = tmp_path / core.tag
        log.touch()
        assert core("late", log=str(log)) is None
        destroyed = "del [0, 0, 0]\n" if core.is_cpython else ""
        assert (core.tag, log.read_text()) == (core.tag, f"atexit [0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 0]\n{destroyed}")


@pytest.mark.parametrize("kind", ["main", "sub", "late_sub"])
def test_exits_under_fire(cores, kind):
    """Processes end while 6 foreign and 3 daemon threads hammer: none hangs or crashes, no thread dies, all are refused."""
    meant = [core for core in cores if kind == "main" or core.is_cpython and (kind == "sub" or core.version >= (3, 13))]
    for core in meant:
        for number in range(EXITS):
            process = core.script("core_exit.py", kind, str(number))
            said, complained = process.communicate(timeout=LIMIT_S)
            if complained.startswith(STAYS) and complained.count("\n") == 1:
                complained = ""         # on a busy machine it may be some time until a thread that is let in has left
            assert (core.tag, number, process.returncode, complained) == (core.tag, number, 0, "")
            alive, inside, refused = map(int, said.split())
            assert (alive, inside, refused > 0) == (6, 0, True), core.tag


def test_inside_for_good(cores):
    """A process waits for a thread that stays inside, says so after a while, and ends by Ctrl-C."""
    for core in cores:
        process = core.script("core_stay.py")
        assert process.stdout.readline() == "inside\n"
        said = process.stderr.readline()
        assert (core.tag, said) == (core.tag, STAYS + "1 thread(s) with a context that was not given back; an interrupt (Ctrl-C) ends "
                                    "the waiting\n")
        assert process.poll() is None
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate(timeout=LIMIT_S)[1]


def test_exit_inside(cores):
    """A process is ended from inside acquisitions of the thread that ends it, which does not wait for itself."""
    for core in cores:
        if core.is_cpython:         # PyPy's PyErr_Print does not end the process for a SystemExit
            waits = (3, 9) <= core.version < (3, 13)
            for depth, thread in [("1", "own"), ("3", "own")] + ([] if waits else [("1", "foreign"), ("3", "foreign")]):
                process = core.script("core_exit_inside.py", depth, thread)
                assert (core.tag, depth, thread, process.communicate(timeout=LIMIT_S)[1], process.returncode) == (
                    core.tag, depth, thread, "", 3)
