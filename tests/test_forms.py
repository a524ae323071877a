"""What the forms promise beyond the callback: policies, captured objects, wrong arguments, freeing while somebody is inside."""

import re

import pytest
from run_in_worker import ARMS, FORMS, SCRIPTS, TOP, Worker, compile_helper, compile_runtime

from lab import spec
from lab.executor import WorkerFailure

TRAMPOLINE_PAGE = 4096
ATTACHING = [form for form in FORMS if "attach" in ARMS[form].policies]
CONFLICT = "cannot use HPy_GetVM with multiple incompatible Python runtimes within one process"
RAN, REFUSED = [0, 7], [-1, 12345]


@pytest.fixture(scope="module")
def helper(tmp_path_factory):
    """The threads of native_threads.c."""
    return str(compile_helper(tmp_path_factory.mktemp("helper") / "threads.so", SCRIPTS / "native_threads.c"))


@pytest.fixture(scope="module")
def entries():
    """The names of the entries of the runtime's table, in their order."""
    return ["register_context", *(function.implementation for function in spec.table_functions(TOP))]


@pytest.fixture(scope="module")
def api(interpreter, libraries, entries):
    """Calls functions of forms.py that reach the runtime's functions as extensions do."""
    call = Worker(interpreter, libraries)
    return lambda function, **arguments: call(f"forms.{function}", entries=entries, extension=call.arm("enter_leave/token"),
                                              **arguments)


@pytest.mark.parametrize("form", FORMS)
def test_attached_only(interpreter, libraries, helper, form):
    """Under attached_only an attached thread is served, one that left Python and a foreign one are refused, nothing changes."""
    answers, unmoved, before, after = Worker(interpreter, libraries)("forms.attached_only", form, helper=helper)
    assert answers == [RAN, REFUSED, [3, 0]]
    assert (unmoved, after) == (True, before)


@pytest.mark.parametrize("form", ATTACHING)
def test_captured(interpreter, libraries, helper, form):
    """A captured object that nobody else holds lives while it is bound, is handed to every callback, and goes at Unbind."""
    answers, seen, alive, gone = Worker(interpreter, libraries)("forms.captured", form, helper=helper)
    assert answers == [[0, 42], [0, 43], [0, 44]]
    assert (seen, alive, gone) == ([True] * 4, True, True)


@pytest.mark.parametrize("form", ATTACHING)
def test_captured_twice(interpreter, libraries, form):
    """Two captured objects at once: each trampoline owns one; the HPyGlobal of the other designs is one place, and says so."""
    second, first = Worker(interpreter, libraries)("forms.captured_twice", form)
    taken = ["RuntimeError", "this arm's one place holds another captured object; unbind that first"]
    assert (second, first) == (101 if form == "trampoline/handle" else taken, 11)


def test_wrong_arguments(api):
    """NULL, what was given back before, what is none, garbage: an exception where there is a context, a refusal where not."""
    said = api("wrong_arguments")
    null, again, other = "the trampoline is NULL", "the trampoline was freed before", "this is no trampoline"
    garbage = ["ValueError", "the storage for the VM holds neither NULL nor a VM: initialise it"]
    assert said == {
        "close NULL": ["ValueError", "the context reference is NULL"], "close": 0,
        "close again": ["ValueError", "the context reference was closed before"],
        "no handle": ["ValueError", "the handle for a trampoline to own is HPy_NULL"],
        "Context no helper": [None, 12345], "Context called": True, "Checked no helper": [-1, 12345], "Checked called": [0, True],
        **{f"{kind} {what}": value for kind in ("Context", "Checked") for what, value in {
            "free": 0, "free again": ["ValueError", again], "free NULL": ["ValueError", null],
            "free another": ["ValueError", other]}.items()},
        "storage unaligned": [garbage, True], "storage unmapped": [garbage, True], "storage no VM": [garbage, True],
        "storage an object": [garbage, True], "storage without a descriptor": [garbage, True], "another token's place": False,
        "value": [garbage, [5, 6, 7]]}


def says(function, comments):
    """What the comment of a function of api.h says, with that of the function it refers to by "As …"."""
    said = " ".join(comments[function].split())
    referred = re.match(r"/\* As (HPy\w+)", said)
    return said + says(referred[1], comments) if referred else said


@pytest.mark.parametrize("proposal", spec.load(TOP).proposals, ids=lambda proposal: proposal.name)
def test_errors_are_named(proposal):
    """api.h says of each function that makes something which exceptions it ends with: those that are set on the way there."""
    comments = {function.name: function.comment for function in proposal.functions}
    own = (TOP / "variants" / proposal.name / "runtime.c").read_text(encoding="utf-8")
    expected = ["RuntimeError"]                             # of origins.c and debug_contexts.c
    expected += ["MemoryError"] if re.search("NoMemory|h_MemoryError", own) else []
    made = [function.name for function in proposal.functions if function.role == "CREATE"]
    assert len(made) >= 2
    assert [(name, error) for name in made for error in expected if error not in says(name, comments)] == []


def test_same_runtime_twice(api):
    """Asking the same runtime for its VM again is no conflict, and answers the same one."""
    assert api("vm_twice") == [0, 0, True, 0, 0, True]


@pytest.fixture(scope="module")
def second_runtime(interpreter, tmp_path_factory):
    """A runtime half with another magic number, made of the real sources."""
    output = tmp_path_factory.mktemp("second") / ("hpylab_runtime" + interpreter.ext_suffix)
    return str(compile_runtime(output, interpreter, "-DHPYRT_VM_MAGIC=0x5eed00"))


@pytest.mark.parametrize("function", ["GetVM", "GetVMValue"])
def test_two_runtimes(api, second_runtime, function):
    """A VM of another runtime in the storage ends the process with the message of the issue."""
    with pytest.raises(WorkerFailure, match=f"SIGABRT(?s:.*){CONFLICT}"):
        api("two_runtimes", other=second_runtime, name=function)


@pytest.mark.parametrize("function", ["GetVM", "GetVMValue"])
def test_runtime_compiled_at_run_time(api, function):
    """So does one whose functions lie in executable memory that is no library's; where that is data it is garbage."""
    with pytest.raises(WorkerFailure, match=f"SIGABRT(?s:.*){CONFLICT}"):
        api("runtime_in_memory", name=function, executable=True)
    assert api("runtime_in_memory", name=function, executable=False) == [
        "ValueError", "the storage for the VM holds neither NULL nor a VM: initialise it"]


def test_free_trampoline_inside(api):
    """A trampoline freed with a thread inside: the call ends well, and the address is given out again only afterwards."""
    assert api("free_trampoline_inside", most=2 * TRAMPOLINE_PAGE) == [0, False, 42, True]


def test_free_trampoline_on_the_way(api, helper):
    """One freed while a thread that called it waits to be attached: the helper runs or is refused, nothing else."""
    ran, refused = api("free_trampoline_on_the_way", helper=helper, rounds=50)
    assert ran + refused == 50


def test_close_token_inside(api):
    """A token closed with a thread inside: that one goes on, others are refused, its place is used again afterwards."""
    assert api("close_token_inside", most=100) == [[True], 0, True, False, True]
