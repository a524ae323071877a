"""Layouts: where code and data lie in a library, drawn at random instead of left to one linker's one choice.

Moving a loop by 32 bytes can cost more than two designs differ by, so a difference seen in one build may be that build's
(PROTOCOL: point 5). Layout 0 is what compiler and linker do by themselves. Every other number stands for one more draw, the
same whenever it is drawn: for each library the order in which its objects are linked, a gap in its code and in its data at a
random place among them, and how functions and loops are aligned. The instructions stay the same. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PLAIN = 0
RIGOROUS = 8                    # layouts of `lab bench --preset rigorous`
MOST = 64                       # each has to be built, and needs processes of its own
PAGE = 4096                     # of memory: moving a whole library by more is the loader's doing, in each process anew
CODE_STEP, DATA_STEP = 16, 8    # what the sections of objects are aligned to: a smaller gap is filled up by the linker
FUNCTIONS, LOOPS = (1, 16, 32, 64), (1, 16, 32)     # bytes; -O2 of gcc aligns functions to 16, and of loops some


@dataclass(frozen=True)
class Layout:
    """One layout by its [number]. Raises ValueError for one that does not exist."""

    number: int = PLAIN

    def __post_init__(self) -> None:
        if not 0 <= self.number < MOST:
            raise ValueError(f"layout {self.number}; expected 0 to {MOST - 1}")

    def draw(self, library: str, sources: Iterable[Path], padding: Path) -> tuple[list[str], list[Path]]:
        """The compiler's flags and the sources in the order to link them, for the [library] of that file name.

        [padding]: the file with the gaps, csrc/layout/padding.S.
        """
        ordered = list(sources)
        if self.number == PLAIN:
            return [], ordered
        generator = random.Random(f"layout {self.number} of {library}")
        ordered.append(padding)
        generator.shuffle(ordered)
        return [f"-falign-functions={generator.choice(FUNCTIONS)}", f"-falign-loops={generator.choice(LOOPS)}",
                f"-DHPYLAB_PADDING_TEXT={generator.randrange(0, PAGE, CODE_STEP)}",
                f"-DHPYLAB_PADDING_DATA={generator.randrange(0, PAGE, DATA_STEP)}"], ordered


def of_process(turn: int, count: int) -> int:
    """The number of the layout that the [turn]-th process of a sheet runs, of [count]: each in turn, so that a drift of the
    machine meets all of them alike."""
    return turn % count


def folder(number: int) -> str:
    """Where the libraries of that layout lie below build/."""
    return "." if number == PLAIN else f"layouts/{number}"
