"""One exception class for each kind of failure; a message says the cause, [remedy] what to do about it.

Nothing in the package prints or exits but the command line, which shows both and takes [exit_status].
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LabError(Exception):
    """A failure that the user can do something about."""

    exit_status = 2

    def __init__(self, message: str, remedy: str = ""):
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class UnknownName(LabError, LookupError):
    """A name that nothing answers to; names the nearest known one."""

    def __init__(self, kind: str, name: str, known: Iterable[str], how_to_list: str):
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        guess = f"; the nearest known one is {near[0]!r}" if near else ""
        super().__init__(f"unknown {kind} {name!r}{guess}", f"{how_to_list} shows what there is")
        self.nearest = near[0] if near else None


class SpecError(LabError, ValueError):
    """A specification (interface.h, api.h, a .toml file) that is wrong; knows where."""

    def __init__(self, path, line: int, found: str, expected: str):
        super().__init__(f"{path}:{line}: found {found}; expected {expected}", "mend the specification, then run: lab generate")
        self.path, self.line, self.found, self.expected = path, line, found, expected


class MissingTool(LabError, OSError):
    """Something the machine lacks: a compiler, headers, HPy."""


class BuildError(LabError, RuntimeError):
    """A compiler or a post-build check said no."""


class InterpreterError(LabError, RuntimeError):
    """An interpreter that cannot be used, and why."""


class ResultsError(LabError, ValueError):
    """A file under results/ that cannot be believed: newer, truncated or edited."""


class WorkerError(LabError, RuntimeError):
    """A worker process that crashed, hung or answered nonsense; carries its last words."""

    exit_status = 1

    def __init__(self, message: str, last_words: str = "", remedy: str = ""):
        super().__init__(message, remedy)
        self.last_words = last_words


class PlanError(LabError, ValueError):
    """A selection that cannot be measured: no cell left, or a budget too small for it."""


class LeakError(LabError, RuntimeError):
    """Acquisitions, tokens or trampolines that were left open; [leaks]: a text for each, with the stack that opened it."""

    def __init__(self, leaks: list[str]):
        super().__init__(f"{len(leaks)} left open:\n" + "\n".join(leaks), "release each acquisition, and free what was made")
        self.leaks = leaks
