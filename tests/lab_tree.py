"""Checkouts of a test's own, and the command run in them; a small real run, made once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = ("native", "drivers", "universal")
LIMIT_S = 300
_measured: dict[str, Path] = {}


def copy_tree(top: Path, built_for: str = "") -> Path:
    """A checkout in [top], without its build/ but for what was built for everyone and for the interpreter [built_for]."""
    for name in ("csrc", "variants", "lab"):
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", top)
    for name in (*BUILT, built_for) if built_for else ():
        shutil.copytree(ROOT / "build" / name, top / "build" / name)
    if built_for:
        shutil.copy(ROOT / "build" / "stamps.json", top / "build")
    return top


def rename(folder: Path, **names: str) -> None:
    """Replace each of [names] by its value in every file of [folder]."""
    for path in (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__"):
        text = path.read_text(encoding="utf-8")
        for old, new in names.items():
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def environment(top: Path, **variables: str) -> dict[str, str]:
    """This process's variables, with LAB_ROOT at [top] and without what would choose another compiler."""
    kept = {name: value for name, value in os.environ.items() if name != "CC"}
    return {**kept, "LAB_ROOT": str(top), **variables}


def lab(top: Path, *words: str, own: bool = False, limit_s: float = LIMIT_S, **variables: str) -> subprocess.CompletedProcess:
    """Run ``lab WORDS`` on the checkout [top]: this one's package, or where [own] says so that of [top], as in a clone."""
    folder = top if own else ROOT
    return subprocess.run([sys.executable, "-m", "lab.cli", *words], cwd=folder, env=environment(top, **variables), text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=limit_s)


def measured_tree(factory, tag: str) -> Path:
    """A checkout, in a folder of [factory] (pytest's), with a real run of 12 s named ``twelve``; made once a session."""
    if tag not in _measured:
        top = copy_tree(factory.mktemp("measured"), built_for=tag)
        done = lab(top, "bench", "attached_call", "released_thread", "--budget", "12s", "--seed", "1", "--name", "twelve")
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        _measured[tag] = top
    return _measured[tag]
