"""The environment each interpreter measures in: build/env/<tag>/, made once, with what a worker needs and nothing else.

An interpreter that has HPy, cffi and pyperf already (the one that runs the lab) is used as it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import builder, interpreters, targets
from lab.errors import BuildError, InterpreterError, LabError, MissingTool, UnknownName
from lab.interpreters import HPY_VERSION, NEWEST_CFLAGS, Interpreter

STEP_LIMIT_S = 900.0        # HPy is compiled from its sources on 3.12 and later
TOOLS = ("cffi", "pyperf")
HPY_ABI = "0.9."            # what an HPy of one's own must be a version of


@dataclass(frozen=True)
class Step:
    """One command on the way to an environment."""

    what: str
    argv: tuple[str, ...]
    variables: Mapping[str, str]


def ensure(top: Path, interpreter: Interpreter, say: Callable[[str], None] = lambda text: None) -> Interpreter:
    """[interpreter] itself if it has all that a worker needs, else the one of its environment, which is made if need be.

    Raises InterpreterError: what cannot be used (32 bits, no HPy for it), or the step that failed with its last lines.
    """
    _refuse_unusable(interpreter)
    if not interpreter.lacks("HPy", "cffi", "pyperf") and not _has_another_hpy(interpreter):
        return interpreter
    folder = _folder(top, interpreter)
    python = folder / "bin" / "python"
    todo = steps(interpreter, folder)
    stamp, wanted = folder / "lab-stamp", _stamp(interpreter, todo)
    with targets.alone(top / "build"):
        if not (stamp.is_file() and stamp.read_text() == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            for step in todo:
                say(f"{interpreter.tag}: {step.what}")
                _run(interpreter, step)
            stamp.write_text(wanted)
    found = interpreters.describe(str(python))
    lacking = found.lacks("HPy", "cffi", "pyperf")
    if lacking:
        stamp.unlink(missing_ok=True)
        raise InterpreterError(f"interpreter {interpreter.tag}: its environment {folder} lacks {lacking[0][0]}",
                               f"remove {folder} and try again")
    return found


def prepare(top: Path, wanted: Sequence[str], say: Callable[[str], None] = lambda text: None
            ) -> tuple[list[Interpreter], list[LabError]]:
    """The interpreters that [wanted] names (interpreters.select), each with its environment, and what is wrong with others.

    Raises UnknownName or InterpreterError where none of them can be used.
    """
    usable: dict[str, Interpreter] = {}
    first: dict[str, str] = {}      # tag -> the path it was given by
    unusable: list[LabError] = []
    for name in wanted or (interpreters.current().path,):
        try:
            found = interpreters.select([name])
        except (InterpreterError, UnknownName) as error:
            unusable.append(error)
            continue
        unusable += interpreters.unusable() if name == "all" else []
        for interpreter in found:
            if first.setdefault(interpreter.tag, interpreter.path) != interpreter.path:
                unusable.append(InterpreterError(f"interpreter {interpreter.path}: another {interpreter.tag} was given first, "
                                                 f"{first[interpreter.tag]}", "give one for each tag"))
                continue
            try:
                ready = ensure(top, interpreter, say)
                usable[ready.tag] = ready
            except InterpreterError as error:
                unusable.append(error)
    if not usable:
        raise unusable[0]
    return list(usable.values()), unusable


def ready(top: Path, wanted: Sequence[str], say: Callable[[str], None] = lambda text: None
          ) -> tuple[list[Interpreter], builder.Libraries, list[LabError]]:
    """As prepare, with everything built for those that can be used; one whose build fails is among the unusable.

    Raises what prepare and builder.build raise where none is left.
    """
    found, unusable = prepare(top, wanted, say)
    if len(found) > 1:
        for interpreter in list(found):
            try:
                builder.build(top, [interpreter], lambda output: say(f"built {output}"))
            except (BuildError, MissingTool) as error:
                found.remove(interpreter)
                unusable.append(InterpreterError(f"interpreter {interpreter.tag}: {error.message}", error.remedy))
    if not found:
        raise unusable[-1]
    return found, builder.build(top, found, lambda output: say(f"built {output}")), unusable


def overview(top: Path, found: Sequence[Interpreter]) -> list[tuple[str, str, str]]:
    """(tag, path, what it has and lacks) of each interpreter, and a row for the build without the GIL where there is none."""
    rows = []
    for each in found:
        said = [f"HPy {each.hpy}" if each.hpy else "no HPy of its own"]
        said += [f"lacks {what}: {remedy}" for what, remedy in each.lacks("headers")]
        if (each.lacks("HPy", "cffi", "pyperf") or _has_another_hpy(each)) and (each.hpy or each.implementation == "cpython"):
            made = (_folder(top, each) / "lab-stamp").is_file()
            brings = f"HPy {HPY_VERSION} in " if each.implementation == "cpython" else "cffi and pyperf in "
            said.append(f"{brings if made else 'its environment will be made in '}build/env/{each.tag}")
        rows.append((each.tag, each.path, "; ".join([*said, *([each.unknown] if each.unknown else [])])))
    rows += [("unusable", error.message, error.remedy) for error in interpreters.unusable()]
    if not any(each.free_threaded for each in found):
        rows.append(("cpython3.13t…", "n/a", "no CPython without the GIL was found; uv python install 3.14t brings one"))
    return rows


def _folder(top: Path, interpreter: Interpreter) -> Path:
    return top / "build" / "env" / interpreter.tag


def _refuse_unusable(interpreter: Interpreter) -> None:
    if interpreter.bits != 64:
        raise InterpreterError(f"interpreter {interpreter.path}: a build for {interpreter.bits} bits; the lab's libraries are "
                               "for 64", "give one for 64 bits")
    if "musl" in interpreter.ext_suffix or "musl" in interpreter.libc:
        raise InterpreterError(f"interpreter {interpreter.path}: built for musl; the lab's libraries are built for this "
                               "machine's C library", "give one built for glibc: of the distribution, of pyenv or of uv")
    if interpreter.implementation != "cpython" and interpreter.hpy and not interpreter.hpy.startswith(HPY_ABI):
        raise InterpreterError(f"interpreter {interpreter.path}: its HPy is {interpreter.hpy}, of another ABI than the "
                               f"{HPY_ABI}x that the extension halves are built for", "give PyPy 7.3.19, which ships HPy 0.9.1")
    if interpreter.implementation != "cpython" and not interpreter.hpy:
        raise InterpreterError(f"interpreter {interpreter.path}: {interpreter.implementation} {interpreter.version} without an "
                               "HPy of its own, and none can be installed into it", "give PyPy 7.3.19, which ships HPy")
    for what, remedy in interpreter.lacks("headers"):
        raise InterpreterError(f"interpreter {interpreter.path}: it lacks {what}", remedy)


def steps(interpreter: Interpreter, folder: Path, uv: str | None = None) -> list[Step]:
    """The commands that make the environment in [folder]: with uv where it is installed (or given), else with venv and pip."""
    uv = uv if uv is not None else shutil.which("uv")
    python = str(folder / "bin" / "python")
    if uv:
        make = Step("making an environment with uv", (uv, "venv", "--quiet", "--python", interpreter.path, str(folder)), {})
        install = (uv, "pip", "install", "--quiet", "--python", python)
    else:
        make = Step("making an environment", (interpreter.path, "-m", "venv", str(folder)), {})
        install = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    return [make, *_hpy_steps(interpreter, install), Step("installing cffi and pyperf", (*install, *TOOLS), {})]


def _hpy_steps(interpreter: Interpreter, install: Sequence[str]) -> list[Step]:
    """How HPy comes into the environment: by itself (PyPy), as a wheel (up to 3.11), or from its sources."""
    if interpreter.implementation != "cpython":
        return []
    minor = int(interpreter.version.split(".")[1])
    hpy = f"hpy=={HPY_VERSION}"
    if minor < 14:
        how = "installing" if minor < 12 else "compiling"
        return [Step(f"{how} HPy {HPY_VERSION}", (*install, hpy), {})]
    return [Step("installing what HPy is built with", (*install, "setuptools<80", "setuptools_scm", "wheel"), {}),
            Step(f"compiling HPy {HPY_VERSION}", (*install, "--no-build-isolation", hpy), {"CFLAGS": NEWEST_CFLAGS})]


def _has_another_hpy(interpreter: Interpreter) -> bool:
    """Whether a CPython came with an HPy that the extension halves are not built for; it gets an environment all the same."""
    return interpreter.implementation == "cpython" and interpreter.hpy != HPY_VERSION


def _stamp(interpreter: Interpreter, todo: Sequence[Step]) -> str:
    """What an environment was made of: another interpreter, or other commands, make it anew."""
    text = repr((interpreter.path, interpreter.version, [(step.what.removesuffix(" with uv"), dict(step.variables))
                                                         for step in todo]))
    return hashlib.sha256(text.encode()).hexdigest()


def _run(interpreter: Interpreter, step: Step) -> None:
    environment = {**os.environ, **step.variables}
    environment.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(step.argv, capture_output=True, text=True, errors="replace", env=environment,
                              stdin=subprocess.DEVNULL, timeout=STEP_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InterpreterError(f"interpreter {interpreter.tag}: {step.what} failed: {error}",
                               "run it by hand: " + " ".join(step.argv)) from None
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise InterpreterError(f"interpreter {interpreter.tag}: {step.what} failed; its last lines:\n" + "\n".join(lines[-12:]),
                               "run it by hand: " + " ".join(step.argv))
