"""What the scheduler needs of a run's store, without a disk: for runs whose values go elsewhere, or nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(eq=False)
class Memory:
    """A run in memory, of one sheet. May be gone on with, as a store on disk may."""

    answers: list[dict] = field(default_factory=list)
    failures: list[dict] = field(default_factory=list)
    plain: dict[str, str] = field(default_factory=dict)         # arm -> what a pyperf.Runner wrote
    calibration: dict = field(default_factory=dict)
    header: dict = field(default_factory=lambda: {"failures": []})

    @property
    def processes(self) -> frozenset[int]:
        """The ids of the processes so far."""
        return frozenset(range(len(self.answers)))

    def taken(self, sheet: Mapping) -> list[dict]:
        """The answers so far, in their order."""
        return self.answers

    def add_calibration(self, key: str, loops: dict) -> None:
        self.calibration[key] = loops

    def add(self, answer: dict, sheet: dict, process: int, seed: int, elapsed_s: float = 0.0) -> None:
        self.answers.append(answer)

    def add_crosscheck(self, interpreter: str, arm: str, text: str) -> None:
        self.plain[arm] = text

    def fail(self, failure: dict) -> None:
        self.failures.append(failure)

    def flush(self) -> None:
        pass

    def finish(self, status: str, elapsed_s: float) -> None:
        raise KeyboardInterrupt    # the scheduler finishes a store where Ctrl-C interrupted: here there is nothing to keep
