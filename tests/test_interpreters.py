"""Interpreters: what the running one says of itself, and programs that only pretend to be one."""

import json
import os
import platform
import subprocess
import sys
import sysconfig
import time
from importlib.metadata import version

import pytest

from lab import interpreters
from lab.errors import InterpreterError, UnknownName

OTHERS = [path for path in os.environ.get("LAB_PYTHONS", "").split(os.pathsep) if path]


def program(folder, text, name="python"):
    """A shell script in [folder] that takes the place of an interpreter; its path."""
    path = folder / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def answering(folder, **changes):
    """A script that gives the running interpreter's answer with [changes]; its path."""
    answer = {**interpreters._ask(sys.executable, 20.0), "executable": "", **changes}
    (folder / "answer").write_text("LAB" + json.dumps(answer) + "\n")
    return program(folder, f"cat '{folder}/answer'\n")


def refusal(path, **options):
    with pytest.raises(InterpreterError) as caught:
        interpreters.describe(path, **options)
    return caught.value.message.removeprefix(f"interpreter {path}: ")


def test_running_interpreter():
    """The running interpreter's answer agrees with what this process sees of itself."""
    found = interpreters.current()
    tag = f"{sys.implementation.name}{sys.version_info[0]}.{sys.version_info[1]}"
    assert found.tag == tag + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "")
    assert (found.path, found.version) == (sys.executable, platform.python_version())
    assert found.ext_suffix == sysconfig.get_config_var("EXT_SUFFIX")
    assert found.bits == (64 if sys.maxsize > 2**32 else 32)
    assert (found.hpy, found.cffi, found.pyperf) == (version("hpy"), version("cffi"), version("pyperf"))


def test_headers_are_where_it_says():
    """The include folder holds Python.h, or the headers are listed as missing."""
    found = interpreters.current()
    there = os.path.isfile(os.path.join(found.include or "", "Python.h"))
    assert there == (found.lacks("headers") == ())


def test_current_is_asked_once():
    """The running interpreter is asked once for each process."""
    assert interpreters.current() is interpreters.current()


@pytest.mark.parametrize("path", OTHERS or [pytest.param("", marks=pytest.mark.skip(
    reason="LAB_PYTHONS names no other interpreter (paths with a colon between them)"))])
def test_other_interpreters(path):
    """Every interpreter named in LAB_PYTHONS says of itself what it prints as its version, or is too old and says so."""
    script = "import sys; print(sys.version.split()[0])"
    shown = subprocess.run([path, "-c", script], capture_output=True, text=True).stdout.strip()
    if tuple(map(int, shown.split(".")[:2])) < interpreters.OLDEST:
        assert refusal(path) == f"it is Python {shown}; the oldest that works is 3.8"
    else:
        assert interpreters.describe(path).version == shown


def test_bare_environment_lacks_packages(tmp_path):
    """An interpreter without packages is described, and each lack comes with the pip command of that interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    found = interpreters.describe(str(tmp_path / "bare" / "bin" / "python"))
    assert (found.hpy, found.cffi, found.pyperf) == (None, None, None)
    assert found.lacks("cffi", "pyperf") == (
        ("cffi (ModuleNotFoundError: No module named 'cffi')", f"{found.path} -m pip install cffi"),
        ("pyperf (ModuleNotFoundError: No module named 'pyperf')", f"{found.path} -m pip install pyperf"))


def test_hpy_that_does_not_load_is_missing(tmp_path):
    """An HPy whose binary cannot be imported counts as missing, with what the import said."""
    broken = tmp_path / "hpy"
    broken.mkdir()
    (broken / "__init__.py").write_text("")
    (broken / "universal.py").write_text("raise ImportError('undefined symbol: PyFrob')")
    path = program(tmp_path, f"PYTHONPATH='{tmp_path}' exec '{sys.executable}' \"$@\"\n")
    found = interpreters.describe(path)
    assert found.hpy is None
    assert [what for what, _ in found.lacks("HPy")] == ["HPy (ImportError: undefined symbol: PyFrob)"]


def test_wrapper_script_is_seen_through(tmp_path):
    """Of a script that starts an interpreter, the path of that interpreter is kept."""
    assert interpreters.describe(program(tmp_path, f"exec '{sys.executable}' \"$@\"\n")).path == sys.executable


def test_chatter_before_the_answer(tmp_path):
    """What a sitecustomize prints at start does not spoil the answer."""
    path = program(tmp_path, f"echo welcome; exec '{sys.executable}' \"$@\"\n")
    assert interpreters.describe(path) == interpreters.current()


def test_module_in_the_working_folder_is_not_imported(tmp_path, monkeypatch):
    """A json.py in the working folder does not get into the interpreter that is asked."""
    (tmp_path / "json.py").write_text("raise SystemExit('wrong json')")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    assert interpreters.describe(sys.executable) == interpreters.current()


def test_headers_missing_names_the_package(tmp_path):
    """No Python.h: what is missing, where it was sought, and the package that brings it."""
    found = interpreters.describe(answering(tmp_path, include=None, include_sought="/opt/include", numbers=[3, 11]))
    assert found.include is None
    assert found.lacks("headers") == (("headers (no Python.h in /opt/include)", "apt-get install python3.11-dev"),)


@pytest.mark.parametrize("implementation, numbers, remedy", [
    ("cpython", [3, 11], "{path} -m pip install hpy==0.9.0"),
    ("cpython", [3, 13], "{path} -m pip install hpy==0.9.0"),
    ("cpython", [3, 14], "{path} -m pip install 'setuptools<80' setuptools_scm wheel && CFLAGS='-O3 -DNDEBUG "
                         "-w' {path} -m pip install --no-build-isolation hpy==0.9.0"),
    ("pypy", [3, 11], "use another: HPy comes with such an interpreter, as with PyPy 7.3.19, or not at all"),
])
def test_hpy_remedy(tmp_path, implementation, numbers, remedy):
    """HPy is brought by the command that suits the interpreter's age and kind."""
    path = answering(tmp_path, implementation=implementation, numbers=numbers, packages={
        "hpy": [None, "gone"], "cffi": ["1", ""], "pyperf": ["1", ""]}, managed=False)
    assert interpreters.describe(path).missing == (("HPy (gone)", remedy.format(path=path)),)


def test_managed_environment_gets_one_of_its_own(tmp_path):
    """Where pip refuses to install (PEP 668), the remedy makes a virtual environment and says how to use it."""
    path = answering(tmp_path, implementation="cpython", numbers=[3, 11], packages={
        "hpy": ["0.9.0", ""], "cffi": [None, "gone"], "pyperf": ["1", ""]}, managed=True)
    assert interpreters.describe(path).missing == (("cffi (gone)", (
        f"{path} -m venv build/env/cpython3.11 && build/env/cpython3.11/bin/python -m pip install cffi; "
        "then use --python build/env/cpython3.11/bin/python")),)


def test_free_threaded_tag(tmp_path):
    """A free-threaded build has a tag of its own."""
    path = answering(tmp_path, implementation="cpython", numbers=[3, 13], free_threaded=True)
    assert interpreters.describe(path).tag == "cpython3.13t"


def test_not_there(tmp_path):
    """A path with nothing at it."""
    assert refusal(str(tmp_path / "python")) == "it is not there"


def test_not_executable(tmp_path):
    """A file that may not be run."""
    (tmp_path / "python").write_text("")
    assert refusal(str(tmp_path / "python")) == "it is not executable"


def test_not_a_program(tmp_path):
    """A file that is executable and no program."""
    path = tmp_path / "python"
    path.write_bytes(b"\0\1\2")
    path.chmod(0o755)
    assert refusal(str(path)) == "it cannot be run: Exec format error"


def test_not_an_interpreter(tmp_path):
    """A program that answers something else."""
    path = program(tmp_path, "echo 'I am a parrot'\n")
    assert refusal(path) == "it is not a Python interpreter; its last words: I am a parrot"


def test_silent_program(tmp_path):
    """A program that answers nothing."""
    assert refusal(program(tmp_path, "exit 0\n")) == "it is not a Python interpreter; it said nothing"


def test_fails_at_start(tmp_path):
    """An interpreter that ends with an error: its status and its last words."""
    path = program(tmp_path, "echo 'No module named encodings' >&2; exit 3\n")
    assert refusal(path) == "it fails at start (exit status 3); its last words: No module named encodings"


def test_crashes_at_start(tmp_path):
    """An interpreter that dies of a signal: which one."""
    path = program(tmp_path, "echo dying >&2; kill -SEGV $$\n")
    assert refusal(path) == "it crashes at start (SIGSEGV); its last words: dying"


def test_hangs(tmp_path):
    """An interpreter that never answers is ended after the limit, with the child that would hold its pipes open."""
    path = program(tmp_path, f"sleep 30 & echo $! > '{tmp_path}/child'; wait\n")
    begin = time.monotonic()
    assert refusal(path, limit_s=0.5) == "it hangs: no answer within 0.5 s"
    assert time.monotonic() - begin < 10
    assert not alive(int((tmp_path / "child").read_text()))


def alive(pid):
    """Whether the process [pid] still runs after two seconds; one that has ended and was not yet collected does not."""
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return False
        except OSError:
            return False
        time.sleep(0.02)
    return True


def test_too_old(tmp_path):
    """A Python before 3.8 is refused by its version."""
    assert refusal(answering(tmp_path, numbers=[2, 7], version="2.7.18")) == "it is Python 2.7.18; the oldest that works is 3.8"


def test_refusal_says_what_to_do(tmp_path):
    """A refusal comes with a remedy."""
    with pytest.raises(InterpreterError) as caught:
        interpreters.describe(str(tmp_path / "python"))
    assert caught.value.remedy == "give the path of a CPython or PyPy, 3.8 or later"


def test_select_none_is_the_running_one_and_all_is_every_one_found():
    """Without a wish the running interpreter is chosen; for all, it is among those that were found."""
    assert interpreters.select([]) == [interpreters.current()]
    assert interpreters.select(["all"]) == list(interpreters.find())
    assert interpreters.current() in interpreters.find()


def test_select_by_tag_and_path_once():
    """An interpreter named by its tag and by its path is chosen once."""
    current = interpreters.current()
    assert interpreters.select([current.tag, current.path]) == [current]


def test_select_unknown_name_names_the_nearest():
    """A name that is no tag and no command names the nearest tag and how to list them."""
    with pytest.raises(UnknownName) as caught:
        interpreters.select(["cpytohn3"])
    assert caught.value.nearest in {each.tag for each in interpreters.find()}
    assert caught.value.remedy == "lab list interpreters shows what there is"
