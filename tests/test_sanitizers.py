"""The C under AddressSanitizer and UndefinedBehaviorSanitizer, and its threads under valgrind's helgrind.

The sources are the real ones, compiled once more with the sanitizers; every probe is run on every form with them. Extensions of
HPy itself and CPython are as they are. Memory that is never given back is not looked for here (CPython keeps plenty), but in
test_out_of_memory.py and by the counts of the probes.
"""

import dataclasses
import fnmatch
import os
import re
import shutil
import subprocess

import pytest
from lab_tree import copy_tree
from run_in_worker import FORMS, SCRIPTS, TOP, Worker, compile_helper, compile_runtime

from lab import builder, catalogue, conformance, probes, spec, targets
from lab.environment import find_compiler

SANITIZE = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer")
UNDER_HELGRIND = ("enter_leave/ambient", "enter_leave/token", "trampoline/handle", "hpyvm/value")
OF_PROGRAM, OF_LIBRARY = "obj:*/python3*", "obj:*/libpython3*"
HELGRINDED = ("foreign_thread", "released_thread", "end_waits", "while_finalizing", "daemon_while_finalizing")
WHOLE = bool(os.environ.get("LAB_HELGRIND"))        # each of those probes by each of those forms, and not by one: minutes
LIMIT_S = 120.0
NOT_SANITIZED = ("ten_thousand_threads", "hundred_interpreters")     # they look at memory, which AddressSanitizer holds back


def run_time(name):
    """The path of a library of the compiler's; skips where there is none."""
    done = subprocess.run([find_compiler(), f"-print-file-name={name}"], capture_output=True, text=True)
    if not os.path.isabs(done.stdout.strip()):
        pytest.skip(f"the compiler has no {name}: apt-get install gcc brings it on Debian")
    return done.stdout.strip()


@pytest.fixture(scope="module")
def sanitized(interpreter, tmp_path_factory):
    """(libraries, environment): everything built with the sanitizers, and what a worker needs to run it."""
    environment = {"LD_PRELOAD": run_time("libasan.so"), "PYTHONMALLOC": "malloc",
                   "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:handle_segv=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "CFLAGS", (*(flag for flag in builder.CFLAGS if flag != "-O2"), *SANITIZE))
        patch.setattr(targets, "_check_symbols", lambda *arguments: None)     # the sanitizers' own are not libc's
        libraries = builder.build(copy_tree(tmp_path_factory.mktemp("sanitized")), [interpreter])
    return libraries, environment


@pytest.mark.parametrize("modes, fewest", [(["universal"], 30), (["debug", "trace"], 4)], ids=["universal", "debug, trace"])
def test_probes_under_address_and_undefined(interpreter, sanitized, modes, fewest):
    """Every probe ends on every form as it does without, in each mode of HPy that it asks about, and the sanitizers find nothing."""
    libraries, environment = sanitized
    arms = catalogue.arms(TOP)
    chosen = [probe for probe in probes.select([], probes.read()) if probe.name not in NOT_SANITIZED]
    outcomes = conformance.check(chosen, {name: arms[name] for name in FORMS}, interpreter, libraries,
                                 {**os.environ, **environment}, limit_s=LIMIT_S, only={"mode": modes})
    assert [(each.probe, each.arm, each.mode, each.outcome, each.detail, each.output[:2000]) for each in outcomes
            if each.unexpected] == []
    assert {each.mode for each in outcomes} == set(modes)
    assert sum(each.outcome == "ok" for each in outcomes) >= fewest * len(FORMS)


def test_sanitizer_would_tell(sanitized, interpreter, tmp_path):
    """A read past the end of what an extension half allocated is found: the sanitizers are at work."""
    source = tmp_path / "planted.c"
    source.write_text("#include <stdlib.h>\nlong planted(long n)\n{\n    char *block = malloc((size_t)n);\n    return block[n];\n}\n")
    library = tmp_path / "planted.so"
    subprocess.run([find_compiler(), *SANITIZE, "-fPIC", "-shared", "-o", str(library), str(source)], check=True)
    done = subprocess.run([interpreter.path, "-c", f"import ctypes; ctypes.CDLL({str(library)!r}).planted(8)"],
                          env={**os.environ, **sanitized[1]}, capture_output=True, text=True)
    assert done.returncode != 0 and "heap-buffer-overflow" in done.stderr


@pytest.mark.parametrize("function, answer", [
    ("free_trampoline_inside", [0, False, 42, True]), ("close_token_inside", [[True], 0, True, False, True])])
def test_freeing_under_address_and_undefined(interpreter, sanitized, function, answer):
    """Freeing a trampoline or a token that a thread is inside of touches no memory that was given back."""
    libraries, environment = sanitized
    call = Worker(interpreter, libraries, LIMIT_S, **environment)
    entries = ["register_context", *(each.implementation for each in spec.table_functions(TOP))]
    assert call(f"forms.{function}", entries=entries, extension=call.arm("enter_leave/token"), most=100 if "token" in function
                else 8192) == answer


@pytest.fixture
def under_helgrind(interpreter, for_helgrind, tmp_path):
    """(interpreter, libraries, folder): an interpreter that runs in helgrind, what was built for that, and where each of its
    processes leaves what was found."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        pytest.skip("valgrind is missing: apt-get install valgrind")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {valgrind} --tool=helgrind --suppressions={TOP / "tests" / "helgrind.supp"} '
                      f'--num-callers=30 --log-file={tmp_path}/%p.log {interpreter.path} "$@"\n')
    python.chmod(0o755)
    return dataclasses.replace(interpreter, path=python), for_helgrind, tmp_path


@pytest.fixture(scope="module")
def for_helgrind(interpreter, libraries, tmp_path_factory):
    """Everything, with a runtime half that tells helgrind which words its threads share without a lock."""
    output = tmp_path_factory.mktemp("helgrind") / libraries.runtimes[interpreter.tag].name
    compile_runtime(output, interpreter, "-DHPYLAB_HELGRIND")
    return dataclasses.replace(libraries, runtimes={interpreter.tag: output})


def findings(folder):
    """What helgrind says of each error, in every log of the folder."""
    texts = [path.read_text() for path in folder.glob("*.log")]
    assert texts and all("ERROR SUMMARY" in text for text in texts)
    return [part for text in texts if "ERROR SUMMARY: 0 errors" not in text
            for part in text.split("----------------------------------------------------------------")[1:]]


def test_suppressions_are_of_cpython_alone(libraries, interpreter):
    """What names the program is there for the shared library too, and nothing names what the lab built."""
    text = (TOP / "tests" / "helgrind.supp").read_text()
    entries = [[line.strip() for line in entry.splitlines()] for entry in re.findall(r"^{\n(.*?)^}", text, re.M | re.S)]
    named = {name: lines for name, *lines in entries}
    for name, lines in named.items():
        if OF_PROGRAM in lines:
            assert named[f"{name}_in_libpython"] == [line.replace(OF_PROGRAM, OF_LIBRARY) for line in lines]
    objects = {line.partition(":")[2] for lines in named.values() for line in lines if line.startswith("obj:")}
    built = [libraries.runtimes[interpreter.tag], libraries.native, *libraries.arms.values(), *libraries.drivers.values()]
    assert len(objects) == 3
    assert [(path, pattern) for path in built for pattern in objects
            if fnmatch.fnmatchcase(f"/checkout/{path.relative_to(TOP)}", pattern)] == []


@pytest.mark.parametrize("probe", HELGRINDED)
def test_threads_under_helgrind(under_helgrind, probe):
    """Helgrind sees no data race and no wrong lock order in the runtime half, also while an interpreter ends under its threads."""
    interpreter, libraries, folder = under_helgrind
    forms = UNDER_HELGRIND if WHOLE else [UNDER_HELGRIND[HELGRINDED.index(probe) % len(UNDER_HELGRIND)]]
    arms = catalogue.arms(TOP)
    outcomes = conformance.check([probes.read()[probe]], {name: arms[name] for name in forms}, interpreter, libraries,
                                 {**os.environ, "PYTHONMALLOC": "malloc"}, limit_s=LIMIT_S,
                                 only={"policy": ["attach"], "mode": ["universal"]})
    assert [(each.arm, each.unexpected, each.outcome == "n/a") for each in outcomes] == [(name, False, False) for name in forms]
    assert findings(folder) == []


@pytest.mark.parametrize("form", UNDER_HELGRIND if WHOLE else ["enter_leave/token"])
def test_contention_under_helgrind(under_helgrind, form):
    """Nor where many threads come and go at the same time."""
    interpreter, libraries, folder = under_helgrind
    Worker(interpreter, libraries, LIMIT_S, PYTHONMALLOC="malloc")("threads.crowded", form, count=16)
    assert findings(folder) == []


def test_freeing_under_helgrind(under_helgrind, tmp_path):
    """Nor where a trampoline is freed while threads are inside of it or on their way in."""
    interpreter, libraries, folder = under_helgrind
    call = Worker(interpreter, libraries, LIMIT_S, PYTHONMALLOC="malloc")
    entries = ["register_context", *(each.implementation for each in spec.table_functions(TOP))]
    rounds = 5 if WHOLE else 2
    ran, refused = call("forms.free_trampoline_on_the_way", entries=entries, extension=call.arm("enter_leave/token"),
                        rounds=rounds, microseconds=400_000,
                        helper=str(compile_helper(tmp_path / "threads.so", SCRIPTS / "native_threads.c")))
    assert ran + refused == rounds
    assert findings(folder) == []
