"""Libraries as the compiler makes them, and only where something changed.

A file is made again when its command or any file it could read has changed; the digests lie in build/stamps.json. Commands
run in the checkout and name what lies in it by relative paths, so that it can be moved or copied with what was built.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import spec
from lab.errors import BuildError, MissingTool

HPY = "{hpy}"             # in a stamp: the folder of HPy's headers, which may lie in the checkout or beside it
HERE = "{checkout}"       # in a command: the checkout's path, which is no reason to build anew, nor to be found in what is built


@dataclass
class Target:
    """One output and how it is made: a compiler command, or a copy; [arm]: of which it is the universal extension half; [hpy]:
    where HPy's headers lie, which is no reason to build anew."""

    output: Path
    command: list[str]
    sources: list[Path] = field(default_factory=list)
    copy_of: Path | None = None
    arm: str = ""
    hpy: tuple[str, ...] = ()


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Holds the lock of the folder [out], which ends with the process that holds it."""
    out.mkdir(exist_ok=True)
    with open(out / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(paths: Iterable[Path]) -> str:
    state = hashlib.sha256()
    for path in sorted(paths):
        state.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return state.hexdigest()


def make(top: Path, targets: list[Target], progress: Callable[[str], None]) -> None:
    """Make those targets whose stamp is not right any more. Raises the first error when all the others are made and stamped."""
    stamps_path = top / "build" / "stamps.json"
    try:
        stamps = json.loads(stamps_path.read_text())
    except (OSError, ValueError):
        stamps = {}
    headers_digest = _digest([*(top / "csrc").rglob("*.h"), *(top / "variants").rglob("*.h")])
    native, rest = targets[:1], targets[1:]
    for group in (native, [t for t in rest if t.copy_of is None], [t for t in rest if t.copy_of is not None]):
        wanted = {str(t.output.relative_to(top)): (t, _stamp(t, headers_digest)) for t in group}
        stale = {name: (t, stamp) for name, (t, stamp) in wanted.items() if stamps.get(name) != stamp or not t.output.exists()}
        if not stale:
            continue
        errors = []
        try:
            for name, error in _make_all(top, {name: t for name, (t, _) in stale.items()}):
                if error:
                    errors.append(error)
                    continue
                stamps[name] = stale[name][1]
                progress(name)
        finally:
            temporary = stamps_path.with_suffix(".tmp")
            temporary.write_text(json.dumps(stamps, indent=1))
            os.replace(temporary, stamps_path)
        if errors:
            raise errors[0]


def _make_all(top: Path, targets: Mapping[str, Target]) -> Iterator[tuple[str, BuildError | None]]:
    """Makes [targets] side by side; the name of each when it is done, in their order, with what was wrong."""
    demanded = spec.demanded_symbols(top) if any(target.arm for target in targets.values()) else {}

    def attempt(target: Target) -> BuildError | None:
        try:
            _make_one(top, target, set(demanded.get(target.arm, ())))
        except BuildError as error:
            return error
        return None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from zip(targets, pool.map(attempt, targets.values()))


def _stamp(target: Target, headers_digest: str) -> str:
    own = _digest([target.copy_of] if target.copy_of else target.sources)
    command = list(target.command)
    for folder in target.hpy:
        command = [word.replace(folder, HPY) for word in command]
    return hashlib.sha256("\0".join([*command, headers_digest, own]).encode()).hexdigest()


def _make_one(top: Path, target: Target, demanded: set[str]) -> None:
    target.output.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.output.with_name(target.output.name + ".tmp")
    try:
        if target.copy_of is not None:
            shutil.copyfile(target.copy_of, temporary)
        else:
            _compile(top, target, str(temporary.relative_to(top)))
        if target.arm:
            _check_symbols(target.output.name, temporary, demanded)
        os.replace(temporary, target.output)
    finally:
        temporary.unlink(missing_ok=True)


def _compile(top: Path, target: Target, into: str) -> None:
    output = str(target.output.relative_to(top))
    command = [into if word == output else word.replace(HERE, str(top)) for word in target.command]
    done = subprocess.run(command, cwd=top, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).splitlines()[:20])
        raise BuildError(f"{target.output.name} could not be built:\n{said}", "the command was: " + " ".join(command))


def undefined_symbols(library: Path) -> set[str]:
    """The symbols that [library] expects the process to have, without those of libc. Raises BuildError, MissingTool."""
    nm = shutil.which("nm")
    if nm is None:
        raise MissingTool("nm is missing", "apt-get install binutils")
    done = subprocess.run([nm, "-D", "--undefined-only", str(library)], capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"nm {library}: {done.stderr.strip()}")
    names = [line.split()[-1] for line in done.stdout.splitlines() if line.split()[-2] == "U"]
    return {name for name in names if "@" not in name}


def _check_symbols(name: str, library: Path, demanded: set[str]) -> None:
    """A universal extension half expects just the symbols its form demands, and nothing of Python.h. Raises BuildError."""
    found = undefined_symbols(library)
    if found != demanded:
        raise BuildError(f"{name} expects the symbols {sorted(found)} of the process; its form demands {sorted(demanded)}",
                         "an extension half may call HPy and libc alone; see its stub.c")
