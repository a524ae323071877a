"""Python interpreters, each asked what it is by running a small script in it.

What one lacks (headers, HPy, cffi, pyperf) is told with the command that brings it and is no error: an interpreter
without HPy is still an interpreter. What cannot be used at all raises InterpreterError.
"""

from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import InterpreterError, UnknownName

OLDEST = (3, 8)
TOO_OLD = "the oldest that works is"
HPY_VERSION = "0.9.0"
NEWEST_CFLAGS = "-O3 -DNDEBUG -w"     # with which HPy is compiled for 3.14 and later: see _pip
LIMIT_S = 20.0
NEWEST_SOUGHT = 15     # python3.15 on PATH
_GIVE_ANOTHER = "give the path of a CPython or PyPy, 3.8 or later"

# Runs in the interpreter that is asked, which may be older than 3.8: then it must still be able to say so.
# The working folder leaves sys.path first, so that a json.py lying there is not what gets imported. hpy.universal is
# imported, not only looked up: an HPy whose binary does not load is no HPy.
_SCRIPT = """\
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import json, os, struct, sysconfig

def version_of(name, module):
    try:
        found = __import__(module, fromlist=["*"])
    except Exception as error:
        return None, "%s: %s" % (type(error).__name__, error)
    try:
        from importlib.metadata import version
        return version(name), ""
    except Exception:
        pass
    try:
        return found.get_version()[0] if hasattr(found, "get_version") else found.__version__, ""
    except Exception as error:
        return None, "%s: %s" % (type(error).__name__, error)

def confstr(name):
    try:
        return os.confstr(name) or ""
    except (AttributeError, OSError, ValueError):
        return ""

include = sysconfig.get_path("include") or ""
answer = {
    "numbers": list(sys.version_info[:2]), "version": sys.version.split()[0], "executable": sys.executable or "",
    "implementation": getattr(getattr(sys, "implementation", None), "name", "cpython"),
    "include": include if os.path.isfile(os.path.join(include, "Python.h")) else None, "include_sought": include,
    "ext_suffix": sysconfig.get_config_var("EXT_SUFFIX") or "",
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "bits": 8 * struct.calcsize("P"), "libc": confstr("CS_GNU_LIBC_VERSION"),
    "packages": {}, "hpy_devel": None,
    # Debian and others let pip install into a virtual environment alone (PEP 668)
    "managed": sys.prefix == getattr(sys, "base_prefix", sys.prefix)
               and os.path.exists(os.path.join(sysconfig.get_path("stdlib") or "", "EXTERNALLY-MANAGED")),
}
if sys.version_info >= (3, 8):
    for name, module in (("hpy", "hpy.universal"), ("cffi", "cffi"), ("pyperf", "pyperf")):
        answer["packages"][name] = version_of(name, module)
    if answer["packages"]["hpy"][0]:
        found = os.path.join(os.path.dirname(sys.modules["hpy.universal"].__file__ or ""), "devel")
        answer["hpy_devel"] = found if os.path.isfile(os.path.join(found, "include", "hpy.h")) else None
print("LAB" + json.dumps(answer))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that the lab can build for and measure in, or what it lacks for that."""

    tag: str                                 # "cpython3.11"; a free-threaded build ends in "t"
    path: str                                # absolute; of a virtual environment: that environment's
    version: str                             # "3.11.2"
    implementation: str                      # "cpython", "pypy"
    include: str | None                      # the folder with Python.h; None where there is none
    ext_suffix: str                          # ".cpython-311-x86_64-linux-gnu.so"
    hpy: str | None                          # version; None where hpy.universal cannot be imported
    hpy_devel: str | None                    # HPy's folder with include/ and lib/; None where HPy ships without
    cffi: str | None
    pyperf: str | None
    free_threaded: bool
    bits: int                                # of a pointer
    libc: str                                # "glibc 2.36"; "unknown" where the C library does not say
    missing: tuple[tuple[str, str], ...]     # (what, the command that brings it)

    @property
    def unknown(self) -> str:
        """What nobody has shown about this build, to be said beside whatever is measured on it; "" where there is nothing."""
        if not self.free_threaded:
            return ""
        return ("without the GIL, which HPy 0.9.0 was not made for: whether HPy, and bodies that run side by side, are safe there "
                "is unknown; results say what one thread at a time saw")

    def lacks(self, *needed: str) -> tuple[tuple[str, str], ...]:
        """The members of [missing] whose name begins with one of [needed]: ``headers``, ``HPy``, ``cffi``, ``pyperf``."""
        return tuple((what, remedy) for what, remedy in self.missing if what.startswith(needed))


def describe(path: str, limit_s: float = LIMIT_S) -> Interpreter:
    """What the interpreter at [path] (a path, or a name found on PATH) is, by asking it; at most [limit_s] seconds.

    Raises InterpreterError: not there, not an interpreter, it crashes at start, it hangs, it is too old.
    """
    found = shutil.which(path)
    if found is None:
        why = "is not executable" if os.path.exists(path) else "is not there"
        raise InterpreterError(f"interpreter {path}: it {why}", _GIVE_ANOTHER)
    answer = _ask(os.path.abspath(found), limit_s)
    numbers = tuple(answer["numbers"])
    if numbers < OLDEST:
        raise InterpreterError(f"interpreter {path}: it is Python {answer['version']}; {TOO_OLD} "
                               f"{_dotted(OLDEST)}", _GIVE_ANOTHER)
    # sys.executable sees through wrapper scripts, which may choose another Python in another folder
    return _interpreter(answer, answer["executable"] or os.path.abspath(found))


@functools.lru_cache(maxsize=None)
def current() -> Interpreter:
    """The interpreter that runs the lab, asked once for each process. Raises InterpreterError."""
    return describe(sys.executable)


@functools.lru_cache(maxsize=None)
def find() -> tuple[Interpreter, ...]:
    """The interpreters of this machine, oldest first, one for each tag: the one that runs the lab, then those LAB_PYTHONS
    names (paths, separated by colons), then those of pyenv and uv, then those on PATH. What is no usable one is left out."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        described = pool.map(_attempt, _candidates())
    found = {current().tag: current()}
    for interpreter in described:
        if isinstance(interpreter, Interpreter):
            found.setdefault(interpreter.tag, interpreter)
    return tuple(sorted(found.values(), key=_age))


def unusable() -> list[InterpreterError]:
    """What is wrong with those that LAB_PYTHONS names and that are no usable interpreters, but for ones that are too old."""
    errors = [error for error in map(_attempt, _given()) if isinstance(error, InterpreterError)]
    return [error for error in errors if TOO_OLD not in error.message]


def _attempt(path: str) -> Interpreter | InterpreterError:
    try:
        return describe(path)
    except InterpreterError as error:
        return error


def _given() -> list[str]:
    return [path for path in os.environ.get("LAB_PYTHONS", "").split(os.pathsep) if path]


def _candidates() -> list[str]:
    """Paths of what may be interpreters, in the order in which they are preferred, each file once."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local" / "share" / "uv" / "python")
    paths = _given()
    for folder in (pyenv, uv):
        paths += sorted(str(path) for name in ("python3", "pypy3") for path in folder.glob(f"*/bin/{name}"))
    names = [f"python3.{minor}{suffix}" for minor in range(OLDEST[1], NEWEST_SOUGHT + 1) for suffix in ("", "t")]
    names += ["python3", "pypy3", *(f"pypy3.{minor}" for minor in range(OLDEST[1], NEWEST_SOUGHT + 1))]
    paths += [path for path in map(shutil.which, names) if path]
    return list({os.path.realpath(path): path for path in reversed(paths) if os.access(path, os.X_OK)}.values())[::-1]


def _age(interpreter: Interpreter) -> tuple:
    return (interpreter.implementation != "cpython", *map(int, interpreter.version.split(".")[:2]), interpreter.free_threaded)


def select(wanted: Sequence[str]) -> list[Interpreter]:
    """The interpreters that [wanted] names, each once: by tag, version (``3.12``), path or command; the one that runs the lab
    for none, all that find() knows for ``all``.

    Raises UnknownName for what is none of these, InterpreterError for a file that is no usable interpreter.
    """
    chosen = {}
    for name in wanted or (current().path,):
        for interpreter in _named(name):
            chosen[interpreter.tag] = interpreter
    return sorted(chosen.values(), key=_age)


def _named(name: str) -> tuple[Interpreter, ...]:
    if name == current().path:
        return (current(),)
    if name == "all":
        return find()
    if os.sep in name:
        return (describe(name),)
    tags = {each.tag: each for each in find()}
    match = tags.get(name) or tags.get(f"cpython{name}")
    if match is None and shutil.which(name) is None:
        raise UnknownName("interpreter", name, tags, "lab list interpreters")
    return (match or describe(name),)


def _ask(path: str, limit_s: float) -> dict:
    """The answer of the script, run in the program at the absolute [path]."""
    try:
        # a session of its own, so that what a wrapper script started ends with it and cannot hold the pipes open
        process = subprocess.Popen([path, "-c", _SCRIPT], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
    except OSError as error:
        raise InterpreterError(f"interpreter {path}: it cannot be run: {error.strerror}", _GIVE_ANOTHER) from None
    try:
        stdout, stderr = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise InterpreterError(f"interpreter {path}: it hangs: no answer within {limit_s:g} s", _GIVE_ANOTHER) from None
    finally:
        _end(process)
    if process.returncode != 0:
        raise InterpreterError(f"interpreter {path}: {_ending(process.returncode)}; {_last_words(stderr)}", _GIVE_ANOTHER)
    for line in stdout.splitlines():
        if line.startswith("LAB{"):  # a sitecustomize may have printed before
            return json.loads(line[len("LAB"):])
    raise InterpreterError(f"interpreter {path}: it is not a Python interpreter; {_last_words(stdout)}", _GIVE_ANOTHER)


def _end(process: subprocess.Popen) -> None:
    """Ends [process], if it still runs, with all that it started, and closes its pipes."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()
    process.stderr.close()


def _ending(returncode: int) -> str:
    if returncode < 0:
        try:
            return f"it crashes at start ({signal.Signals(-returncode).name})"
        except ValueError:
            return f"it crashes at start (signal {-returncode})"
    return f"it fails at start (exit status {returncode})"


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"its last words: {lines[-1][:200]}" if lines else "it said nothing"


def _interpreter(answer: dict, path: str) -> Interpreter:
    implementation, free_threaded = answer["implementation"], answer["free_threaded"]
    packages = {name: version for name, (version, _) in answer["packages"].items()}
    tag = f"{implementation}{_dotted(answer['numbers'])}" + ("t" if free_threaded else "")
    return Interpreter(
        tag=tag, path=path, version=answer["version"], implementation=implementation, include=answer["include"],
        ext_suffix=answer["ext_suffix"], hpy=packages["hpy"], hpy_devel=answer["hpy_devel"], cffi=packages["cffi"],
        pyperf=packages["pyperf"], free_threaded=free_threaded, bits=answer["bits"],
        libc=answer["libc"] or "unknown", missing=_missing(answer, tag, path))


def _missing(answer: dict, tag: str, path: str) -> tuple[tuple[str, str], ...]:
    """What the interpreter lacks, as (what and why, the command that brings it)."""
    missing = []
    if answer["include"] is None:
        package = "pypy3-dev" if answer["implementation"] == "pypy" else f"python{_dotted(answer['numbers'])}-dev"
        missing.append((f"headers (no Python.h in {answer['include_sought'] or 'any folder it names'})",
                        f"apt-get install {package}"))
    for name, title in (("hpy", "HPy"), ("cffi", "cffi"), ("pyperf", "pyperf")):
        version, why = answer["packages"][name]
        if version is None:
            missing.append((f"{title} ({why})", _install(name, answer, tag, path)))
    return tuple(missing)


def _install(package: str, answer: dict, tag: str, path: str) -> str:
    """The command that brings [package] to the interpreter at [path]; through an environment where pip refuses it."""
    if package == "hpy" and answer["implementation"] != "cpython":
        return "use another: HPy comes with such an interpreter, as with PyPy 7.3.19, or not at all"
    python = shlex.quote(path)
    if not answer["managed"]:
        return _pip(package, answer, python)
    inside = f"build/env/{tag}/bin/python"
    return f"{python} -m venv build/env/{tag} && {_pip(package, answer, inside)}; then use --python {inside}"


def _pip(package: str, answer: dict, python: str) -> str:
    pip = f"{python} -m pip install"
    if package != "hpy":
        return f"{pip} {package}"
    if tuple(answer["numbers"]) < (3, 14):
        return f"{pip} hpy=={HPY_VERSION}"
    # From 3.14 on its sources provoke warnings, which ones depends on the compiler, and take them for errors; and CFLAGS
    # replace all of Python's own: without -O3 HPy itself is slow, without -DNDEBUG its assertions stay on.
    return (f"{pip} 'setuptools<80' setuptools_scm wheel && "
            f"CFLAGS='{NEWEST_CFLAGS}' {pip} --no-build-isolation hpy=={HPY_VERSION}")


def _dotted(numbers: Sequence[int]) -> str:
    return ".".join(map(str, numbers))
