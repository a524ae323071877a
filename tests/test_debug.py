"""The debug mode: every wrong use is reported, in the words of csrc/runtime/debug_words.h, and a program in order is not."""

import re
import shutil
import subprocess

import pytest
from run_in_worker import SCRIPTS, TOP, Worker, compile_runtime

from lab import builder
from lab.environment import find_compiler
from lab.executor import WorkerFailure

# what csrc/probes/wrong_uses/ does: in which function it is found (None: an end, not a call), and what is said
UNACQUIRED, UNSET = "a context was released that was not acquired", "NULL or unset: what was given was never made"
UNKNOWN = "what was given is not one that was made, or was freed long ago"
AFTER_RELEASE, ELSEWHERE = "a context was used after it was released", "a context was used on another thread"
DETACHED = "a context was used while the thread was not attached"
RAISING = "a context was released with an exception pending that the body raised: ValueError"
LOST = "Python was called with an exception pending since before the acquisition"
DROPPED = "an exception that was pending since before the acquisition was cleared or replaced"
REPORTED = {
    "released_null": ("HPy_LeaveContext", "NULL was given to be released"),
    "released_unacquired": ("HPy_LeaveContext", UNACQUIRED),
    "released_borrowed": ("HPy_LeaveContext", UNACQUIRED),
    "released_twice": ("HPy_LeaveContext", "a context was released twice"),
    "released_out_of_order": ("HPy_LeaveContext", "a context was released out of order"),
    "released_elsewhere": ("HPy_LeaveContext", "a context was released on another thread"),
    "released_detached": ("HPy_LeaveContext", "a context was released while the thread had left Python execution"),
    "released_raising": ("HPy_LeaveContext", RAISING),
    "used_after_release": ("an HPy function", AFTER_RELEASE),
    "made_from_released": ("HPy_GetContextReference", AFTER_RELEASE),
    "used_elsewhere": ("an HPy function", ELSEWHERE),
    "borrowed_used_elsewhere": ("an HPy function", ELSEWHERE),
    "used_detached": ("an HPy function", DETACHED),
    "borrowed_used_detached": ("an HPy function", DETACHED),
    "exception_lost": ("an HPy function", LOST),
    "exception_cleared": ("an HPy function", DROPPED),
    "exception_replaced": ("an HPy function", DROPPED),
    "exception_replaced_inside": ("HPy_LeaveContext", DROPPED),
    "exception_lost_inside": ("an HPy function", DROPPED),
    "left_open_by_thread": (None, "a thread ended and left an acquisition open"),
    "left_open_outside": (None, "a thread ended and left an acquisition open"),
    "left_open_by_helper": ("HPyContextTrampoline", "a helper returned and left an acquisition open"),
    "kept_from_helper": ("an HPy function", AFTER_RELEASE),
    "raised_in_helper": ("HPyContextTrampoline", RAISING),
    "token_null": ("HPy_EnterContextFrom", UNSET),
    "vm_null": ("HPyVM_OpenContext", UNSET),
    "value_unset": ("HPyVMValue_OpenContext", UNSET),
    "token_unknown": ("HPy_EnterContextFrom", UNKNOWN),
    "vm_garbage": ("HPyVM_OpenContext", UNKNOWN),
    "value_garbage": ("HPyVMValue_OpenContext", UNKNOWN),
    "token_used_after_close": ("HPy_EnterContextFrom", "what was given was used after it was freed"),
    "token_closed_twice": ("HPyContextReference_Close", "what was given was freed twice"),
    "plain_called_after_free": ("HPyContextTrampoline", "what was given was used after it was freed"),
    "handle_called_after_free": ("HPyHandleTrampoline", "what was given was used after it was freed"),
    "checked_called_after_free": ("HPyCheckedTrampoline", "what was given was used after it was freed"),
    "plain_freed_twice": ("HPyContextTrampoline_Free", "what was given was freed twice"),
    "handle_freed_twice": ("HPyHandleTrampoline_Free", "what was given was freed twice"),
    "checked_freed_twice": ("HPyCheckedTrampoline_Free", "what was given was freed twice"),
    "trampoline_null": ("HPyContextTrampoline_Free", UNSET),
    "plain_helper_null": ("HPyContextTrampoline", "the helper to call is NULL"),
    "handle_helper_null": ("HPyHandleTrampoline", "the helper to call is NULL"),
    "checked_helper_null": ("HPyCheckedTrampoline", "the helper to call is NULL"),
    "handle_null": ("HPy_GetHandleTrampoline",
                    "an argument was refused: the handle for a trampoline to own is HPy_NULL"),
    "storage_garbage": ("HPy_GetVM", "an argument was refused: the storage for the VM holds neither NULL nor a VM: "
                        "initialise it"),
    "storage_null": ("HPy_GetVMValue", "an argument was refused: storage is NULL"),
    "refused": ("HPy_EnterContextFrom", "an argument was refused: reference != NULL does not hold"),
}
# on a thread that is attached and on one that is not, or twice on the latter
TWICE = {"released_unacquired", "released_twice", "released_out_of_order", "released_elsewhere"}
AT_THE_END = {      # what stays open, until the interpreter ends
    "left_open": "an interpreter ended and left an acquisition open on the thread that ended it",
    "token_leaked": "what was made was never freed: HPyContextReference_Close",
    "trampoline_leaked": "what was made was never freed: HPyHandleTrampoline_Free",
}
# functions of HPy that run no Python, or only for some of what they may be given, and leave alone what is pending
HARMLESS = ("Dup", "Close", "Long_.*", "Float_.*", "Bool_.*", ".*_Check", "FatalError", "Err_(Occurred|ExceptionMatches)",
            "Type", "Type(Check|_GenericNew|_GetBuiltinShape|_GetName|_IsSubtype)", "Is", "AsStruct_.*", "New", "Bytes_.*",
            "Unicode_(?!FromEncodedObject).*", "List_.*", "Dict_.*", "Tuple_.*", "FromPyObject", "AsPyObject",
            "CallRealFunctionFromTrampoline", "(List|Tuple)Builder_.*", "Tracker_.*", "Field_.*", "ReenterPythonExecution",
            "LeavePythonExecution", "Global_.*", "Dump", "Capsule_.*", "ContextVar_.*", "Slice_Unpack", "SetCallFunction")
WAYS = {"enter_leave/ambient, attached only": ("HPy_EnterContextIfAttached", "HPy_LeaveContext"), 
        "enter_leave/token": ("HPy_EnterContextFrom", "HPy_LeaveContext"),
        "hpyvm/pointer": ("HPyVM_OpenContext", "HPyVM_CloseContext"), 
        "hpyvm/value": ("HPyVMValue_OpenContext", "HPyVMValue_CloseContext")}
FOR_EVERY_WAY = ["released_twice", "released_out_of_order", "released_elsewhere", "used_after_release", "used_elsewhere"]


def first_line(name):
    function, words = REPORTED[name]
    return f"HPy Context Lab: {function + ': ' if function else ''}{words}"


def reported(name, way=""):
    """The first lines of what is reported of a deed that is done twice, by a way in that attaches foreign threads or not."""
    return [first_line(name)] * (4 if name in TWICE and "attached only" not in way else 2)


@pytest.fixture(scope="module")
def misuse(interpreter):
    """The path of the extension that does all this, with the debug mode."""
    return str(builder.build(TOP, [interpreter], debug=True).wrong_uses)


@pytest.fixture(scope="module")
def worker(interpreter, libraries):
    """Runs misuse.py's functions."""
    return Worker(interpreter, libraries)


def last_words(worker, function, *, says, **arguments):
    """The report that ends a process with an abort."""
    with pytest.raises(WorkerFailure) as caught:
        worker(function, **arguments)
    assert caught.value.message.startswith("killed by SIGABRT")
    words = caught.value.last_words
    assert words.count("HPy Context Lab: ") == 1 and f"HPy Context Lab: {says}\n" in words + "\n", words
    return words


@pytest.mark.parametrize("name", REPORTED)
def test_wrong_use_ends_the_process(worker, misuse, name):
    """Each wrong use aborts with a report that says what, where (the native stack) and what to do."""
    words = last_words(worker, "misuse.do", extension=misuse, what=name, says=first_line(name).partition(": ")[2])
    here = "acquired by HPy_EnterContext" if REPORTED[name][0] is None else "this call"
    assert re.search(rf"^  {here}, on thread \d+:\n    \S*wrong_uses\.hpy0\.so\+0x", words, re.M), words
    assert re.search(r"^  What to do: [^\n]+\.$", words, re.M), words


@pytest.mark.parametrize("name", ["released_twice", "used_after_release", "kept_from_helper"])
def test_report_shows_all_stacks(worker, misuse, name):
    """A context that was released is reported with the stacks of this call, of the acquisition and of the release."""
    report = worker("misuse.with_hook", extension=misuse, deeds=[name])[name][0]
    heads = re.findall(r"^  (.*), on thread \d+:\n    \S*wrong_uses\.hpy0\.so\+0x", report, re.M)
    by = ("HPyCheckedTrampoline",) * 2 if name == "kept_from_helper" else ("HPy_EnterContext", "HPy_LeaveContext")
    assert heads == ["this call", f"acquired by {by[0]}", f"released by {by[1]}"]


@pytest.mark.parametrize("what", AT_THE_END)
def test_what_stays_open_is_reported_at_the_end(worker, misuse, what):
    """What is left open, or never freed, is reported with the stack that opened it when the interpreter or the process ends."""
    words = last_words(worker, "misuse.left", extension=misuse, what=what, says=AT_THE_END[what])
    assert re.search(r"^  (acquired|made) by HPy_\w+, on thread \d+:\n    \S*wrong_uses\.hpy0\.so\+0x", words, re.M)


def test_helper_that_goes_on(worker, misuse):
    """A helper that has atexit's functions called, as the end of an interpreter would, is not left open: it still returns."""
    assert worker("misuse.do", extension=misuse, what="exit_functions_in_helper") == 1


def test_open_when_the_process_ends(worker, misuse):
    """An acquisition that is open when the process exits without ending the interpreter is reported."""
    last_words(worker, "misuse.left", extension=misuse, what="left_open", at="process",
               says="the process ended and left an acquisition open")


@pytest.mark.parametrize("way", ["enter_leave/ambient", *WAYS])
def test_no_report_without_a_wrong_use(worker, misuse, way):
    """A program in order runs to its end: nested, on threads, with Python left, with an exception pending that it leaves so."""
    assert worker("misuse.do", extension=misuse, what="correct", way=way) == 0


@pytest.mark.parametrize("way", WAYS)
def test_every_proposal_is_wrapped(worker, misuse, way):
    """What the roles say is checked for every pair of functions, under their names."""
    found = worker("misuse.with_hook", extension=misuse, deeds=FOR_EVERY_WAY, way=way)
    for name, reports in found.items():
        expected = [line.replace("HPy_LeaveContext", WAYS[way][1]) for line in reported(name, way)]
        assert [report.splitlines()[0] for report in reports] == expected
        assert f"  acquired by {WAYS[way][0]}, on thread " in reports[0]


def test_hook_instead_of_abort(worker, misuse):
    """With a hook the process goes on after each wrong use, and what is in order stays so."""
    found = worker("misuse.with_hook", extension=misuse, deeds=list(REPORTED))
    assert {name: [report.splitlines()[0] for report in reports] for name, reports in found.items()} == {
        name: reported(name) for name in REPORTED}


def test_exception_lost_by_each_function(worker, misuse):
    """Whichever function of HPy loses an exception that was pending, it is told at that call, not as what the body raised."""
    count, reports = worker("misuse.counted", extension=misuse, what="exception_lost_by_each")
    assert (count, len(reports)) == (64, 64)
    assert {report.splitlines()[0] for report in reports} == {
        f"HPy Context Lab: an HPy function: {words}" for words in (LOST, DROPPED)}


def test_functions_that_lose_an_exception():
    """Each function of HPy is known to lose an exception that is pending, or is one of those that need not."""
    text = (TOP / "csrc" / "runtime" / "debug_exceptions.c").read_text(encoding="utf-8")
    header = builder.hpy_devel() / "include" / "hpy" / "universal" / "autogen_ctx.h"
    every = re.findall(r"\(\*ctx_(\w+)\)\(", header.read_text(encoding="utf-8"))
    losing = re.findall(r"SLOT\(ctx_(\w+)\)", text)
    assert len(set(losing)) == len(losing) and set(losing) <= set(every)
    harmless = re.compile("|".join(HARMLESS))
    assert [name for name in every if (name in losing) == bool(harmless.fullmatch(name))] == []


def test_refusals_are_those_of_release_mode(worker, misuse):
    """What api.h says is refused with ValueError raises it in the debug mode too, after the report to the hook."""
    deeds = ["token_closed_twice", "plain_freed_twice", "handle_freed_twice", "checked_freed_twice", "trampoline_null",
             "storage_null", "token_null", "released_twice"]
    found = worker("misuse.refusals", extension=misuse, deeds=deeds)
    assert [what for what in deeds if not found[what]] == ["token_null", "released_twice"]
    assert found["storage_null"] == "there is no storage for the VM: NULL was given"


def test_every_interpreter(interpreters_given, misuse):
    """The same on every interpreter given: all reports, what the end of the process finds, and no report without a reason."""
    for interpreter in interpreters_given:
        worker = Worker(interpreter, builder.build(TOP, [interpreter]), 30.0)
        found = worker("misuse.with_hook", extension=misuse, deeds=list(REPORTED))
        assert {name: [report.splitlines()[0] for report in reports] for name, reports in found.items()} == {
            name: reported(name) for name in REPORTED}, interpreter.tag
        for what, says in AT_THE_END.items():
            last_words(worker, "misuse.left", extension=misuse, what=what, says=says)
        assert worker("misuse.do", extension=misuse, what="correct", way="hpyvm/value") == 0
        assert worker("misuse.do", extension=misuse, what="exit_functions_in_helper") == 1


@pytest.mark.parametrize("name", ["released_twice", "used_after_release", "used_elsewhere", "released_raising", "correct"])
def test_in_the_debug_mode_of_hpy(worker, misuse, name):
    """In HPy's debug flavour the lab's debug mode sees the same, and HPy's own finds nothing to say about it."""
    found = worker("misuse.with_hook", extension=misuse, deeds=[name], way="enter_leave/token", mode="debug")
    lines = [] if name == "correct" else reported(name)
    assert [report.splitlines()[0] for report in found[name]] == lines


def test_handle_that_escaped(worker, misuse):
    """In HPy's debug flavour a handle that is open at the release is reported, with what it refers to."""
    found = worker("misuse.with_hook", extension=misuse, deeds=["handle_escaped"], way="enter_leave/token", mode="debug")
    for report in found["handle_escaped"]:
        assert report.startswith("HPy Context Lab: HPy_LeaveContext: a handle that was opened inside the acquisition is still "
                                 "open at its release: 1 open, the first <DebugHandle")
        assert "123456" in report.splitlines()[0]


def test_thread_that_stays_inside(worker, misuse, tmp_path):
    """A thread that is inside while the interpreter ends is told of at once, with the stack that got it there; then waited for."""
    with pytest.raises(WorkerFailure):      # it did not free what it made
        worker("misuse.stays_inside", extension=misuse, words=str(tmp_path / "words"))
    words = (tmp_path / "words").read_text()
    said = "HPy Context Lab: a thread stays inside an acquisition while the interpreter finalizes"
    assert re.search(rf"^{said}\n  acquired by HPy_EnterContextFrom, on thread \d+:\n    \S*wrong_uses\.hpy0\.so\+0x", words, re.M)
    assert "left an acquisition open" not in words


def test_every_end_is_seen(worker, interpreter, tmp_path):
    """The end of each interpreter is looked at, however many there were before in the process."""
    if interpreter.implementation == "pypy":
        pytest.skip("PyPy has one interpreter")
    runtime = compile_runtime(tmp_path / ("hpylab_runtime" + interpreter.ext_suffix), interpreter, "-Dmalloc=exposed_malloc",
                              str(SCRIPTS / "exposed.c"))
    assert worker("misuse.watched", runtime=str(runtime), count=5000) == [0, 5000]


def test_in_traverse(worker, misuse, interpreter):
    """In HPy's debug flavour, an acquisition inside of a tp_traverse is reported; a Python hook is not called there."""
    if not interpreter.version.startswith(("3.8.", "3.9.", "3.10.", "3.11.", "3.12.")):
        pytest.skip("custom types of HPy 0.9.0 are broken from CPython 3.13 on")
    last_words(worker, "misuse.traverse", extension=misuse, says="HPy_EnterContextFrom: a context was acquired inside a tp_traverse")


def test_context_of_another_flavour(worker, misuse, tmp_path):
    """Releasing the context that HPy passed to an extension in another flavour is told from other contexts."""
    last_words(worker, "misuse.other_flavour", universal=misuse, debug=shutil.copy(misuse, tmp_path),
               says="HPy_LeaveContext: a context of another flavour was released (universal, debug or trace)")


def test_leak_detector(worker, misuse):
    """What a block leaves open is an error with the stack that opened it; what it closes is none, nor what was open before."""
    clean, acquired, made, clean_again, raised = worker("misuse.leaks", extension=misuse, lab_at=str(TOP))
    assert (clean, clean_again, raised, len(acquired), len(made)) == ([], [], "'block'", 1, 1)
    assert re.match(r"  acquired by HPy_EnterContext, on thread \d+:\n    \S*wrong_uses\.hpy0\.so\+0x", acquired[0])
    assert re.match(r"  made by HPy_GetContextReference, on thread \d+:\n    \S*wrong_uses\.hpy0\.so\+0x", made[0])


def test_leak_detector_on_every_interpreter(interpreters_given, misuse):
    """lab.debug works where the lab itself does not run: Python 3.8, PyPy."""
    for interpreter in interpreters_given:
        worker = Worker(interpreter, builder.build(TOP, [interpreter]), 30.0)
        found = worker("misuse.leaks", extension=misuse, lab_at=str(TOP))
        assert [len(one) for one in found[:4]] == [0, 1, 1, 0], interpreter.tag


def test_what_is_known_by_its_bytes_has_no_padding(tmp_path):
    """A structure that is handed about by value and has padding is refused by the compiler, in the debug mode."""
    text, include = (TOP / "csrc" / "autogen_context.h").read_text(encoding="utf-8"), builder.hpy_devel() / "include"
    words = "uintptr_t _data;\n    HPyContext *(*open_context)(HPyVMValue vm);"
    assert text.count(words) == 1
    for name, changed in (("sound.h", text), ("padded.h", text.replace(words, words.replace("uintptr_t", "int")))):
        (tmp_path / name).write_text(changed)
        done = subprocess.run([find_compiler(), "-std=c11", "-fsyntax-only", *builder.HPY_QUIET, "-DHPY", "-DHPY_ABI_UNIVERSAL",
                               "-DHPYLAB_DEBUG", f"-I{TOP / 'csrc'}", f"-I{include}", "-include", "hpy.h", "-x", "c",
                               str(tmp_path / name)], capture_output=True, text=True)
        refused = "HPyVMValue has padding" in done.stderr
        assert (done.returncode != 0, refused) == ((name == "padded.h",) * 2), done.stderr


def test_words_have_one_place():
    """Every misuse is said in one place, and says what to do."""
    text = (TOP / "csrc" / "runtime" / "debug_words.h").read_text(encoding="utf-8")
    names = re.findall(r"^    X\((\w+), \"[^\"]+\", \\\n      \"[^\"]+\"\)", text, re.M)
    assert len(names) == len(set(names)) == text.count("    X(") > 20
