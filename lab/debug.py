"""The lab's debug mode, for the tests of an extension: what is left open in a block, and what to do about a wrong use.

It works in the process that the runtime half is loaded in, for extension halves that are built with HPYLAB_DEBUG
(``lab.builder``: ``build(..., debug=True)``), and needs the standard library alone: Python 3.8 and later, and PyPy.

    from lab.debug import LeakDetector

    with LeakDetector():
        extension.do_work()         # LeakError: each acquisition that it left open, with the stack that opened it
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from lab.errors import LeakError

_RUNTIME = "hpylab_runtime"


class LeakDetector:
    """Finds the acquisitions, tokens and trampolines that are opened in a block, on any thread, and open at its end.

    What was open before does not count. As hpy.debug.LeakDetector does for handles: a context manager, or start and stop.
    Raises LeakError at the end of the block, unless the block itself raises.
    """

    def __init__(self) -> None:
        self._mark: int | None = None

    def start(self) -> None:
        """Begin. Raises ValueError when it has begun already."""
        if self._mark is not None:
            raise ValueError("the LeakDetector was started already")
        runtime = sys.modules.get(_RUNTIME)
        self._mark = runtime.debug_mark() if runtime else 0

    def stop(self) -> None:
        """End. Raises LeakError for what is open, ValueError when it has not begun."""
        if self._mark is None:
            raise ValueError("the LeakDetector was not started")
        mark, self._mark = self._mark, None
        runtime = sys.modules.get(_RUNTIME)
        leaks = runtime.debug_open(mark) if runtime else []
        if leaks:
            raise LeakError(leaks)

    def __enter__(self) -> LeakDetector:
        self.start()
        return self

    def __exit__(self, kind, value, traceback) -> None:
        if kind is None:
            self.stop()
        else:
            self._mark = None


def on_misuse(hook: Callable[[str], object] | None) -> None:
    """Have [hook] called with the report of each wrong use, instead of aborting the process; None: abort again.

    It is called on the thread that did wrong, in the interpreter that set it, after the report went to stderr; the wrong call
    then does as little as it can. What a thread left open that ends outside of Python is told by the next thread that acquires
    there in debug mode, sets a hook or looks for leaks, or when that interpreter ends: a thread that ends waits for nobody.
    Inside of a tp_traverse and after that interpreter ended the process aborts all the same.
    Raises RuntimeError while the runtime half is not loaded, TypeError for what is not callable.
    """
    runtime = sys.modules.get(_RUNTIME)
    if runtime is None:
        raise RuntimeError("no runtime half is loaded in this process: import an extension that uses it first")
    runtime.debug_on_misuse(hook)
