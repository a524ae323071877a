"""csrc/runtime/contexts.c and debug_contexts.c: each form hands out the flavour that it should, on every interpreter given."""

import os
import subprocess
from pathlib import Path

import pytest
from run_in_worker import ARMS, FORMS, SCRIPTS, TOP, Worker, compile_runtime

from lab import builder, interpreters, venvs
from lab.builder import CFLAGS
from lab.environment import find_compiler
from lab.errors import InterpreterError
from lab.executor import WorkerFailure

ATTACHING = [form for form in FORMS if "attach" in ARMS[form].policies]
AMBIENT = {"enter_leave/ambient", "enter_leave/get"}        # which cannot know who calls
MODES = ["universal", "debug", "trace"]
DEEP, MANY = 1000, 64
RUNNING = "own"        # the interpreter that runs the tests
GIVEN = [path for path in os.environ.get("LAB_PYTHONS", "").split(os.pathsep) if path]


def given(path, own):
    """The interpreter at [path] with its environment; skips what is too old, and the one that runs the tests."""
    try:
        found = interpreters.describe(path)
    except InterpreterError as error:
        if interpreters.TOO_OLD in error.message:
            pytest.skip(error.message)
        raise
    if found.tag == own.tag:
        pytest.skip(f"{found.tag} is the one that runs the tests")
    return venvs.ensure(TOP, found)


@pytest.fixture(scope="module", params=[RUNNING, *GIVEN])
def worker(request, interpreter):
    """Fresh processes of each interpreter."""
    found = interpreter if request.param == RUNNING else given(request.param, interpreter)
    return Worker(found, builder.build(TOP, [found]), limit_s=60.0)


@pytest.fixture(scope="module")
def extension(tmp_path_factory):
    """The universal extension that flavours.c becomes."""
    output, include = tmp_path_factory.mktemp("extension") / "flavours.hpy0.so", builder.hpy_devel() / "include"
    subprocess.run([find_compiler(), *CFLAGS, *builder.HPY_QUIET, "-DHPY", "-DHPY_ABI_UNIVERSAL", "-isystem", str(include),
                    "-isystem", str(include / "hpy" / "forbid_python_h"), f"-I{TOP / 'csrc' / 'native'}", "-shared",
                    "-o", str(output), str(SCRIPTS / "flavours.c"), "-lpthread"], check=True)
    return str(output)


@pytest.fixture(scope="module")
def runtime(worker, tmp_path_factory):
    """A runtime half with exposed.c in it."""
    name = Path(worker.libraries.runtimes[worker.interpreter.tag]).name
    return str(compile_runtime(tmp_path_factory.mktemp("runtime") / name, worker.interpreter, "-Dmalloc=exposed_malloc",
                               str(SCRIPTS / "exposed.c")))


def deep_in_python(worker):
    """How many calls of Python from C, which is called from Python, should nest: CPython 3.12 itself allows for 1,500 or so."""
    return 400 if worker.interpreter.version.startswith("3.12.") else DEEP


def ends(worker, function, **arguments):
    """The last words of a process that should not survive [function]."""
    with pytest.raises(WorkerFailure) as failure:
        worker(function, **arguments)
    return failure.value.last_words


@pytest.mark.parametrize("form", FORMS)
def test_flavours(worker, extension, form):
    """A form hands out the flavour of the extension, also when another was loaded since; ambient ones that of the last one."""
    def everywhere(flavour):
        return [flavour] * 3 if form in ATTACHING else [flavour, None, None]

    last = "trace" if form in AMBIENT else "universal"
    assert worker("flavours.flavours", arm=worker.arm(form), extension=extension) == {
        **{mode: everywhere(mode) for mode in MODES}, "the first again": everywhere(last)}


@pytest.mark.parametrize("modes", [("debug", "universal"), ("universal", "debug"), ("trace", "debug")], ids="-".join)
@pytest.mark.parametrize("form", FORMS)
def test_two_flavours(worker, extension, form, modes):
    """Of two extensions of different flavours each gets its own; by an ambient form, the first gets the second's."""
    assert worker("flavours.two", arm=worker.arm(form), extension=extension, modes=modes) == [
        modes[1] if form in AMBIENT else modes[0], modes[1]]


@pytest.mark.parametrize("body", ["nest", "nest_left"])
@pytest.mark.parametrize("form", FORMS)
def test_nested(worker, extension, form, body):
    """1,000 acquisitions nest in each flavour, also with Python left in between; HPy finds no handle left open."""
    if body == "nest_left" and form not in ATTACHING:
        pytest.skip(f"{form} serves attached threads alone")
    answers = worker("flavours.nested", arm=worker.arm(form), extension=extension, depth=DEEP, body=body)
    assert answers == {mode: [DEEP, DEEP, 0, 0, True] for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ATTACHING)
def test_crowd(worker, extension, form, mode):
    """64 foreign threads at once, each 10 deep with Python left in between, twice."""
    assert worker("flavours.crowd", arm=worker.arm(form), extension=extension, mode=mode, count=MANY, depth=10) == [
        MANY * 10 * 2, 0]


@pytest.mark.parametrize("form", FORMS)
def test_nested_through_python(worker, extension, form):
    """1,000 acquisitions nest in debug mode that call Python, which calls the extension, which makes the next."""
    depth = deep_in_python(worker)
    assert worker("flavours.through_python", arm=worker.arm(form), extension=extension, depth=depth) == depth


def test_nested_methods(worker, extension):
    """1,000 calls into an extension in debug mode nest, each made by Python for the one before."""
    if worker.interpreter.implementation == "pypy":
        pytest.skip("PyPy passes all calls one debug context, which nested ones find invalid; nobody outside can mend that")
    depth = deep_in_python(worker)
    assert worker("flavours.methods", arm=worker.arm("hpyvm/pointer"), extension=extension, depth=depth) == depth


def test_borrowed_for_good(worker, extension):
    """In debug mode get hands out one context for each thread and depth of calls, which stays valid."""
    form = "enter_leave/get"
    (first, again), inside, on_threads = worker("flavours.borrowed", arm=worker.arm(form), extension=extension)
    assert first == again and all(one == other for one, other in on_threads)
    assert len({first, *inside, *(one for one, _ in on_threads)}) == 4
    for path in ("docs/semantics.md", "variants/enter_leave/README.md"):
        assert "one context for each thread and depth of calls" in " ".join((TOP / path).read_text(encoding="utf-8").split())


def test_methods_on_threads(worker, extension):
    """64 Python threads leave Python in a method in debug mode, while others make 40 calls each."""
    if worker.interpreter.implementation == "pypy":
        pytest.skip("PyPy passes all calls one debug context, which other threads find invalid; nobody outside can mend that")
    assert worker("flavours.methods_on_threads", arm=worker.arm("hpyvm/pointer"), extension=extension, count=MANY) == 3 * MANY


def test_methods_on_threads_by_hpy_alone(worker, extension):
    """The same without the runtime half ends the process: what the hook is for."""
    assert "Wrong HPy Context!" in ends(worker, "flavours.methods_on_threads", arm=None, extension=extension, count=MANY)


def without_types(worker):
    """Why HPy's types in debug mode cannot be tried there; empty where they can."""
    if worker.interpreter.implementation == "pypy":
        return "PyPy does not call through the debug context"
    newer = int(worker.interpreter.version.split(".")[1]) >= 13
    return "HPy 0.9.0 cannot make types on CPython 3.13 and later" if newer else ""


def test_buffer(worker, extension):
    """A buffer can be released inside a method in debug mode; HPy alone uses its root context there, which is invalid then."""
    if why := without_types(worker):
        pytest.skip(why)
    assert worker("flavours.buffer", arm=worker.arm("hpyvm/pointer"), extension=extension) == [0]
    assert "Wrong HPy Context!" in ends(worker, "flavours.buffer", arm=None, extension=extension)


@pytest.mark.parametrize("others", [0, 15])
@pytest.mark.parametrize("form", sorted(set(FORMS) - {"enter_leave/get"}))
def test_stale(worker, extension, form, others):
    """HPy's own check ends a process that uses a context after its release, inside the next acquisition and the 16th after."""
    words = ends(worker, "flavours.stale", arm=worker.arm(form), extension=extension, others=others)
    assert "given back\nError: Wrong HPy Context!" in words


def test_stale_argument(worker, extension):
    """So it does for a context that HPy passed to a method, after that has returned."""
    if worker.interpreter.implementation == "pypy":
        pytest.skip("PyPy passes all calls one debug context, which stays valid")
    words = ends(worker, "flavours.stale_argument", arm=worker.arm("hpyvm/pointer"), extension=extension)
    assert "given back\nError: Wrong HPy Context!" in words


@pytest.mark.parametrize("form", ATTACHING)
def test_leak_detector(worker, extension, form):
    """HPy's LeakDetector counts the handles that bodies left open on our contexts, and finds none where there are none."""
    assert worker("flavours.leaks", arm=worker.arm(form), extension=extension) == ["5 unclosed handles:", None]


@pytest.mark.parametrize("what, why", [
    ("magic of info", "what they share has another magic number"),
    ("magic of a block", "their private data has another magic number"),
    ("name", "their name is another"),
    ("abi", "their ABI is another"),
    ("block", "their private data has another size"),
    ("info", "one of their ring does not share what the others do"),
    ("ring", "one of their ring has another size"),
])
def test_another_layout(worker, extension, what, why):
    """Where HPy's debug contexts are laid out in another way, that flavour is refused with the reason, and the others work."""
    if what == "magic of info" and worker.interpreter.implementation == "pypy":
        pytest.skip("PyPy's own assertions look at that number")
    refusal = ["RuntimeError", f"contexts of HPy's debug mode cannot be handed out: {why} (the runtime half knows those of "
               "HPy 0.9.0); load this extension in universal mode"]
    assert worker("flavours.refused", arm=worker.arm("trampoline/plain"), extension=extension, what=what) == [
        refusal, refusal, "universal", "trace"]


@pytest.mark.parametrize("form", FORMS)
def test_no_memory(worker, extension, runtime, form):
    """Without memory for a debug context an acquisition is refused and changes nothing; with some again it is not."""
    levels, unchanged = worker("flavours.memory", arm=worker.arm(form), extension=extension, runtime=runtime, depth=100)
    assert (levels[0], levels[-1], unchanged) == (None, 100, True)
    assert form == "enter_leave/get" or 100 not in levels[:-1], "100 contexts were made of 4 pieces of memory"


@pytest.mark.parametrize("form", FORMS)
def test_growth(worker, extension, runtime, form):
    """The contexts are used again: 10,000 acquisitions and 100 threads need no more than the first few did."""
    most = 0 if form in ATTACHING else 50      # a Python thread can be joined just before its end, where it gives back
    assert worker("flavours.growth", arm=worker.arm(form), extension=extension, runtime=runtime) <= most


def test_in_traverse(worker, extension, runtime):
    """Inside a tp_traverse in debug mode the runtime half knows that it is in one, and after it that it is not."""
    if why := without_types(worker):
        pytest.skip(why)
    assert worker("flavours.traverse", arm=worker.arm("hpyvm/pointer"), extension=extension, runtime=runtime) == [
        False, True, 0]
