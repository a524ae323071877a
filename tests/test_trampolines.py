"""Trampolines and the pool of thunks beneath them, as extensions reach them, in fresh processes."""

import pytest
from run_in_worker import SCRIPTS, TOP, Worker, compile_helper

from lab import spec
from lab.executor import WorkerFailure

PAGE = 4096             # thunks
ALIVE = 100_000


@pytest.fixture(scope="module")
def worker(interpreter, libraries):
    """Calls functions of trampolines.py with what they need to find the proposal's functions."""
    call = Worker(interpreter, libraries)
    entries = ["register_context", *(function.implementation for function in spec.table_functions(TOP))]
    return lambda function, **arguments: call(f"trampolines.{function}", entries=entries,
                                              extension=call.arm("trampoline/plain"), **arguments)


@pytest.fixture(scope="module")
def pool(interpreter, libraries, tmp_path_factory):
    """Calls functions of many_thunks.c, which has a pool of its own, made of the real sources."""
    runtime = TOP / "csrc" / "runtime"
    harness = compile_helper(tmp_path_factory.mktemp("harness") / "thunks.so", SCRIPTS / "many_thunks.c", runtime / "thunks.c",
                             runtime / "thunks.S")
    call = Worker(interpreter, libraries)
    return lambda function, *arguments: call("trampolines.pool", harness=str(harness), function=function, arguments=arguments)


def test_many_alive(worker):
    """100,000 trampolines alive at once are distinct, have a state each and call their helper, with argument and context."""
    assert worker("many", count=ALIVE) == [ALIVE, ALIVE, 1, ALIVE, True]


def test_own_state(pool):
    """100,000 thunks alive at once pass three arguments through, and each its own state."""
    assert pool("check_states", ALIVE) == 0


def test_many_threads(pool):
    """8 threads that make, call and free 10,000 thunks at once, five times over, never meet one of another's."""
    assert pool("check_threads", 8, 10_000) == 0


def test_over_and_over(worker):
    """1,000,000 trampolines, each freed before the next is made, use the slots of one page and no more address space."""
    assert worker("over_and_over", count=1_000_000) == [PAGE, 0]


def test_use_after_free(worker):
    """Calling a freed trampoline ends the process with a message."""
    with pytest.raises(WorkerFailure, match="SIGABRT(?s:.*)HPyContextTrampoline: called after it was freed"):
        worker("use_after_free")


@pytest.mark.parametrize("alive", [0, PAGE - 1])
def test_free_wrongly(worker, alive):
    """Freeing one again, NULL or what is none is an error and changes nothing: no slot comes out twice, the others live on."""
    again, null, none = "the trampoline was freed before", "the trampoline is NULL", "this is no trampoline"
    said, distinct, called = worker("free_wrongly", alive=alive)
    assert said == [0, *(["ValueError", text] for text in (again, null, none, none, none))]
    assert (distinct, called) == (True, True)


def test_no_page_is_writable_and_executable(worker):
    """With pages of thunks in use no mapping of the process is writable and executable; thunks are mapped to read and execute."""
    assert worker("mappings", count=3 * PAGE) == [[], ["r-xp"] * 3, True]


def test_out_of_address_space(worker):
    """Without room for another page: MemoryError that says so; freed slots still serve, and with room again the pool grows."""
    no_room = ["MemoryError", "no memory for another page of trampolines"]
    assert worker("out_of_address_space") == [[no_room, no_room], True, True]


@pytest.mark.parametrize("content, said", [
    (None, "the runtime's own library could not be opened again"),
    ("", "the runtime's own library was replaced while it is in use"),
    ("x" * 2_000_000, "the runtime's own library was replaced while it is in use"),
])
def test_library_replaced(worker, tmp_path, content, said):
    """A runtime half whose file was removed, truncated or overwritten refuses to grow, and says why."""
    assert worker("library_replaced", folder=str(tmp_path), content=content) == ["MemoryError", said]


def test_no_descriptor(worker):
    """Without a file descriptor to be had the pool does not grow, and says why; later it does."""
    assert worker("no_descriptor") == [["MemoryError", "the runtime's own library could not be opened again"], True]
