"""What many tests need and is made once: the interpreter that runs them, and everything built for it."""

import os
from pathlib import Path

import pytest

from lab import builder, interpreters, venvs
from lab.errors import InterpreterError

TOP = Path(__file__).resolve().parent.parent
# what the tests start imports the same modules some thousand times: they are compiled once
os.environ["PYTHONPYCACHEPREFIX"] = str(TOP / "build" / "pycache")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def interpreter():
    """The interpreter that runs the tests."""
    return interpreters.current()


@pytest.fixture(scope="session")
def libraries(interpreter):
    """Everything that is written in C, built for that interpreter in the checkout."""
    return builder.build(TOP, [interpreter])


@pytest.fixture(scope="session")
def interpreters_given():
    """The usable interpreters that LAB_PYTHONS names, each with its environment; skips where it names none."""
    given = [path for path in os.environ.get("LAB_PYTHONS", "").split(os.pathsep) if path]
    if not given:
        pytest.skip("LAB_PYTHONS names no interpreters (paths with a colon between them)")
    found = {}
    for path in given:
        try:
            each = interpreters.describe(path)
        except InterpreterError as error:
            if interpreters.TOO_OLD in error.message:
                continue
            raise
        found.setdefault(each.tag, each)
    return [venvs.ensure(TOP, each) for each in found.values()]
