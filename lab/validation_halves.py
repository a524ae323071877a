"""What `lab validate` compares: copies of one extension half, the same half with instructions planted, a driver of another harness.

All lie under build/validation/, apart from what every run is measured with.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import builder, catalogue
from lab.environment import ABSENT

ARM = "hpyvm/pointer"
FOLDER = "validation"
NEEDED = "apt-get install g++ libbenchmark-dev"
CXXFLAGS = ("-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True)
class Halves:
    """Where all of it lies."""

    copies: tuple[Path, ...]
    planted: dict[int, Path]        # instructions more -> extension
    google: Path | str              # the driver; "absent: why"
    google_version: str             # "" where the driver is absent


def build(top: Path, copies: int, planted: Sequence[int], progress: Callable[[str], None] = lambda text: None) -> Halves:
    """So many copies, the planted ones, and the driver where Google Benchmark is there. Raises as builder.build does."""
    arm = catalogue.arms(top)[ARM]
    stub = top / "csrc" / "validation" / "planted.c"
    wanted = {f"copy{number}": builder.Half(arm) for number in range(copies)}
    wanted.update({f"planted{count}": builder.Half(arm, stub, (f"-DHPYLAB_PLANTED={count}",)) for count in planted})
    paths = builder.build_halves(top, FOLDER, wanted, progress)
    google = _google(top, progress)
    return Halves(tuple(paths[f"copy{number}"] for number in range(copies)), {count: paths[f"planted{count}"] for count in planted},
                  google, "" if isinstance(google, str) else _google_version())


def _google(top: Path, progress: Callable[[str], None]) -> Path | str:
    """The driver with Google Benchmark in it, made if it is not there yet; why there is none."""
    wanted = os.environ.get("CXX", "").strip()
    compiler = next(filter(None, map(shutil.which, [wanted] if wanted else ["c++", "g++", "clang++"])), None)
    if compiler is None:
        return f"{ABSENT}{f'CXX={wanted} is no program on PATH' if wanted else 'no C++ compiler is on PATH'} ({NEEDED})"
    source, output = top / "csrc" / "validation" / "google_benchmark.cc", top / "build" / FOLDER / "google_benchmark.so"
    command = [compiler, *CXXFLAGS, "-Icsrc/native", "-shared", "-o", str(output.relative_to(top)) + ".tmp",
               str(source.relative_to(top)), "-lbenchmark", "-lpthread"]
    header = top / "csrc" / "native" / "native.h"
    stamp = hashlib.sha256(b"\0".join([" ".join(command).encode(), source.read_bytes(), header.read_bytes()])).hexdigest()
    stamp_file = output.with_suffix(".stamp")
    if output.is_file() and stamp_file.is_file() and stamp_file.read_text() == stamp:
        return output
    output.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, cwd=top, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line or "cannot find" in line] or ["no message"]
        return f"{ABSENT}it does not build: {errors[0].strip()} ({NEEDED})"
    os.replace(f"{output}.tmp", output)
    stamp_file.write_text(stamp)
    progress(str(output.relative_to(top)))
    return output


def _google_version() -> str:
    """As its package says; its own functions do not tell in every version."""
    try:
        done = subprocess.run(["pkg-config", "--modversion", "benchmark"], capture_output=True, text=True)
    except OSError:
        return "of unknown version"
    return done.stdout.strip() or "of unknown version"
