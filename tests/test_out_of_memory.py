"""Out of memory at every allocation of the runtime half: a refusal or MemoryError, and nothing leaked."""

import pytest
from run_in_worker import ARMS, FORMS, SCRIPTS, TOP, Worker, compile_runtime

from lab import spec

ATTACHING = [form for form in FORMS if "attach" in ARMS[form].policies]
LIMIT_S = 60.0
IDLE = 16               # contexts, and origins, that lie idle before one is used again


@pytest.fixture(scope="module")
def call(interpreter, libraries, tmp_path_factory):
    """Calls functions of out_of_memory.py with a runtime half, made of the real sources, whose allocations can fail."""
    output = tmp_path_factory.mktemp("faults") / ("hpylab_runtime" + interpreter.ext_suffix)
    compile_runtime(output, interpreter, "-include", str(SCRIPTS / "faults.h"), str(SCRIPTS / "faults.c"))
    worker = Worker(interpreter, libraries, LIMIT_S)
    return lambda function, arm, **arguments: worker(f"out_of_memory.{function}", runtime=str(output),
                                                    extension=worker.arm(arm), **arguments)


ENTRIES = ["register_context", *(function.implementation for function in spec.table_functions(TOP))]


@pytest.mark.parametrize("form", ATTACHING)
@pytest.mark.parametrize("name", ["callback", "foreign", "deep"])
def test_refused(call, form, name):
    """Each allocation of a callback fails once: it is refused, or Bind raises, later ones work, and nothing is left behind."""
    (count, refusals, works, left), states = call("operate", form, name=name, entries=ENTRIES)
    assert (works, left, states) == (True, 0, 0)
    assert set(refusals) <= {"refused", "raised", "MemoryError: no memory for another trampoline", "MemoryError: "}
    assert count >= {"callback": 0, "foreign": 3, "deep": 4}[name] and bool(refusals) == bool(count)


@pytest.mark.parametrize("form", ATTACHING)
def test_debug_contexts_refused(call, form):
    """In HPy's debug mode, where each level is lent a context of its own: each time one cannot be had the callback is refused."""
    refused, works, depth, left = call("deeper", form)
    assert (refused, works) == (True, True)
    pieces = 2 * (depth + IDLE)         # for each context that there is two
    assert pieces <= left <= pieces + IDLE + 8      # beside as many origins, the record and its frames


@pytest.mark.parametrize("form", ATTACHING)
def test_pending_stays_pending(call, form):
    """In HPy's debug mode a callback that is refused for want of memory leaves an exception pending that was so before."""
    refused, ran = 1, 2 + 1
    found = call("with_pending", form)
    assert (set(found) <= {refused, ran}, found[-1]) == (True, ran)
    assert form != "trampoline/handle" or refused in found


def test_no_page(call):
    """Each allocation of another page of trampolines fails once: MemoryError that says so, and nothing is left behind."""
    said, left, asked, again = call("page", "trampoline/plain", entries=ENTRIES)
    assert len(said) == asked > 3 and again
    assert {name for name, text in said} == {"MemoryError"} and all(text.startswith("no memory for another") for name, text in said)
    assert set(left) <= {0, 1} and sum(left) <= 16      # an origin that found no thunk lies idle


def test_import(call):
    """Each allocation of the runtime half's import fails once: MemoryError; the one that is let through works."""
    asked, said, checksum = call("load", "hpyvm/pointer")
    assert (len(said), set(said), checksum) == (asked, {"MemoryError"}, 7)
