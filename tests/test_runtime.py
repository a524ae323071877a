"""csrc/runtime: how threads get into the interpreter and back out, with the real libraries in fresh processes."""

import pytest
from run_in_worker import ARMS, FORMS, SCRIPTS, Worker, compile_helper

FOREIGN, RELEASED = ([form for form in FORMS if kind in ARMS[form].capabilities] for kind in ("foreign", "released"))
ATTACHING = [form for form in FORMS if "attach" in ARMS[form].policies]      # which hold something until they release it
DEEPEST = 65_536


@pytest.fixture(scope="module")
def worker(interpreter, libraries):
    """Fresh processes of the interpreter that runs the tests."""
    return Worker(interpreter, libraries)


@pytest.fixture(scope="module")
def helper(tmp_path_factory):
    """The library that native_threads.c becomes."""
    return str(compile_helper(tmp_path_factory.mktemp("helper") / "threads.so", SCRIPTS / "native_threads.c"))


@pytest.mark.parametrize("arm", FOREIGN)
def test_kept_state(worker, helper, arm):
    """A foreign thread's thread state is made once and used for all its callbacks, with what Python keeps in it."""
    assert worker("threads.kept_state", arm, helper=helper) == [1, [1, 2, 3, 4, 5], False]


def test_kept_state_can_fail(worker, helper):
    """PyGILState makes a thread state for each callback, and the same question shows it."""
    assert worker("threads.kept_state", "peer/pygilstate", helper=helper)[1] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("arm", FOREIGN)
def test_short_threads(worker, arm):
    """2,000 foreign threads with a callback each leave no thread state and no memory behind."""
    checksum, before, after, grown = worker("threads.short_threads", arm, count=2000)
    assert (checksum, after, grown < 2**17) == (6000, before, True), f"{grown} bytes"


@pytest.mark.parametrize("arm", [*FOREIGN, "peer/pygilstate"])
def test_end_while_joined(worker, helper, arm):
    """A foreign thread can end while the thread that waits for it is attached: its end does not need the interpreter."""
    status, before, after = worker("threads.end_while_joined", arm, helper=helper)
    assert (status, after) == (0, before)


@pytest.mark.parametrize("arm", [*RELEASED, "peer/pygilstate", "peer/save_restore"])
def test_released_thread(worker, arm):
    """A Python thread that left Python execution gets its own thread state back, main or not."""
    for seen, before, after in worker("threads.released", arm):
        assert (seen, after) == ([before], before)


@pytest.mark.parametrize("arm", FOREIGN)
def test_gilstate_of_another_library(worker, helper, arm):
    """PyGILState_Ensure of another library works around, inside and after acquisitions, on the state of whoever was first."""
    before, after = (answer := worker("threads.gilstate", arm, helper=helper)).pop("thread states")
    assert answer == {"status": 0, "statuses inside another's Ensure": [0, 0], "inside another's Ensure": True, "kept": True,
                      "another's Ensure inside ours": True, "another's Ensure after ours": True}
    assert after == before


@pytest.mark.parametrize("arm, body", [*((form, "nest") for form in FORMS), *((form, "nest_left") for form in RELEASED)])
def test_nesting(worker, arm, body):
    """Acquisitions nest 64 deep, and as deep as the stack, also with Python left in between."""
    for depth in (64, 1000):
        assert worker("threads.nest", arm, depth=depth, body=body) == [depth, 0, depth, 0, True]


@pytest.mark.parametrize("body", ["nest", "nest_left"])
@pytest.mark.parametrize("arm", ATTACHING)
def test_nesting_refused(worker, arm, body):
    """The 65,537th acquisition is refused: its body does not run, each caller sees that, and the thread is as it was."""
    assert worker("threads.nest_on_a_large_stack", arm, depth=DEEPEST, body=body) == [DEEPEST, 0, DEEPEST, 0, True]
    assert worker("threads.nest_on_a_large_stack", arm, depth=DEEPEST + 1, body=body) == [0, 1, 0, DEEPEST, True]


@pytest.mark.parametrize("arm", sorted(set(FORMS) - set(ATTACHING)))
def test_nesting_refused_where_python_was_left(worker, arm):
    """A form that never attaches is refused inside itself once Python was left in between."""
    assert worker("threads.nest", arm, depth=2, body="nest_left") == [0, 1, 0, 1, True]


@pytest.mark.parametrize("arm", FORMS)
def test_pending_exception(worker, helper, arm):
    """An exception that is pending stays so over an acquisition, of an attached thread and of one that left Python."""
    assert worker("threads.pending", arm, helper=helper) == [1, 1]


@pytest.mark.parametrize("arm", FOREIGN)
def test_callback_at_thread_end(worker, helper, arm):
    """A callback from another library's thread-specific destructor, after ours, gets in, and leaves no thread state behind."""
    assert worker("threads.late_callback", arm, helper=helper) == [0, 1, 0]


@pytest.mark.parametrize("arm", FOREIGN)
def test_fork_with_a_dead_thread(worker, helper, arm):
    """A child forked while an ended thread's state waits to be freed leaves that to fork, which freed it, and goes on."""
    assert worker("threads.fork", arm, helper=helper) == [0]


@pytest.mark.parametrize("arm", FOREIGN)
def test_fork_inside(worker, helper, arm):
    """A child forked by a foreign thread inside an acquisition goes on inside it: more nest, and no other thread is left."""
    assert worker("threads.fork_inside", arm, helper=helper) == [0, [0]]


@pytest.mark.parametrize("arm", FOREIGN)
def test_threads_at_exit(worker, arm):
    """Foreign threads can call back and end while the functions of atexit run."""
    assert worker("threads.at_exit", arm, count=20) is None


@pytest.mark.parametrize("arm", FORMS)
def test_other_interpreter(worker, arm):
    """In an interpreter without the runtime half, what was made in the main one switches there and back; others refuse."""
    made = arm == "enter_leave/token" or arm.startswith("trampoline/")
    answer, unmoved, more = worker("threads.other_interpreter", arm)
    assert (answer, unmoved) == ([0, 7] if made else [-1, -1], True)
    # from 3.12 on the state that a thread left in the main interpreter cannot be told: it is given one, which is kept
    kept = made and tuple(map(int, worker.interpreter.version.split(".")[:2])) >= (3, 12)
    assert more == [kept, kept]
