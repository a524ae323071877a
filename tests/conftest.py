"""What many tests need and is made once: the interpreter that runs them, and everything built for it."""

from pathlib import Path

import pytest

from lab import builder, interpreters

TOP = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def interpreter():
    """The interpreter that runs the tests."""
    return interpreters.current()


@pytest.fixture(scope="session")
def libraries(interpreter):
    """Everything that is written in C, built for that interpreter in the checkout."""
    return builder.build(TOP, [interpreter])
