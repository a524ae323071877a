"""Runs one worker in a process of its own, and says what became of it: an answer, or how it failed and who was running.

A worker reads its job as JSON from stdin and writes one JSON object to the file descriptor that LAB_ANSWER_FD names; stdout and
stderr are for last words. Before each batch it writes "<benchmark>\\t<arm>" to the file job["progress"], so that after a crash
the culprit is known.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lab import catalogue
from lab.errors import WorkerError
from lab.units import format_duration

if TYPE_CHECKING:
    from lab.results import RunStore

PADDING = 4096    # bytes of environment: one page, over which the place of the stack repeats


class WorkerFailure(WorkerError):
    """A worker that failed while [arm] ran in [benchmark]; each is None where that is not known."""

    def __init__(self, message: str, benchmark: str | None = None, arm: str | None = None, last_words: str = ""):
        super().__init__(message, last_words)
        self.benchmark, self.arm = benchmark, arm


class ProcessExecutor:
    """Runs each job in a fresh process of its own session, with hashes and the size of the environment randomised.

    [python]: the interpreter; [worker]: the script; [environment]: the variables it gets (None: this process's own). Hash seeds
    and sizes come from [seed].
    """

    def __init__(self, python: str | Path, worker: str | Path, environment: Mapping[str, str] | None = None, seed: int = 0):
        # Unbuffered and with faulthandler, so that a crash leaves last words.
        self._argv = [str(python), "-u", "-X", "faulthandler", str(worker)]
        self._environment = with_bytecode(os.environ if environment is None else environment)
        self._random = random.Random(f"{seed}/{python}")

    def execute(self, job: dict, timeout_s: float) -> dict:
        """The answer to [job]. Raises WorkerFailure for a worker that crashed, hung for [timeout_s] or answered nonsense."""
        environment = {**self._environment, "LAB_PADDING": "x" * self._random.randrange(PADDING),
                       "PYTHONHASHSEED": str(self._random.randrange(1, 2**32)),
                       "LD_BIND_NOW": "1"}    # or the first batch of each arm would look its symbols up
        return run_worker(self._argv, environment, job, timeout_s)


def with_bytecode(environment: Mapping[str, str]) -> dict[str, str]:
    """[environment], in which what a process imports is compiled once for all processes, wherever its interpreter lies.

    Where nothing keeps what was compiled, each process compiles the worker and what it imports again.
    """
    kept = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {"PYTHONPYCACHEPREFIX": str(catalogue.root() / "build" / "pycache"), **kept}


def run_worker(argv: Sequence[str], environment: Mapping[str, str], job: dict, timeout_s: float) -> dict:
    """The answer to [job] of the worker that [argv] starts with these variables. Raises WorkerFailure as execute does."""
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        paths = {name: Path(folder, name) for name in ("job", "log", "progress")}
        paths["job"].write_text(json.dumps({**job, "progress": str(paths["progress"])}), encoding="utf-8")
        try:
            content, status = _supervise(argv, environment, timeout_s, paths["job"], paths["log"])
        except OSError as error:
            raise WorkerFailure(f"cannot start {argv[0]}: {error}") from None
        return _answer(content, _ending(status, timeout_s), paths["progress"], paths["log"])


def _supervise(argv: Sequence[str], environment: Mapping[str, str] | None, timeout_s: float, stdin: str | Path,
               log: Path) -> tuple[bytes, int | None]:
    """What a process wrote to LAB_ANSWER_FD, and its exit status; None where it was killed after [timeout_s].

    Its session is killed in the end, whatever happens here. The pipe's end tells that the process is over: waiting for that
    does not wake this process up 20 times a second, as subprocess's own wait with a timeout does, while the other measures.
    """
    deadline = time.monotonic() + timeout_s
    reading, writing = os.pipe()
    variables = {**(os.environ if environment is None else environment), "LAB_ANSWER_FD": str(writing)}
    try:
        with open(stdin, "rb") as source, open(log, "wb") as sink:
            process = subprocess.Popen(argv, stdin=source, stdout=sink, stderr=sink, env=variables, pass_fds=(writing,),
                                       start_new_session=True)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    content, status = b"", None
    try:
        while select.select([reading], [], [], max(0.0, deadline - time.monotonic()))[0]:
            chunk = os.read(reading, 1 << 16)
            content += chunk
            if not chunk:
                with suppress(subprocess.TimeoutExpired):
                    status = process.wait(max(0.0, deadline - time.monotonic()))
                break
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(reading)
    return content, status


def _ending(status: int | None, timeout_s: float) -> str:
    """How a process ended, in words; empty where all was well."""
    if status is None:
        return f"hung: not done within {format_duration(timeout_s)}"
    if status < 0:
        known = {each.value: each.name for each in signal.Signals}
        return f"killed by {known.get(-status, f'signal {-status}')}"
    return f"ended with exit status {status}" if status else ""


def _answer(content: bytes, ending: str, progress: Path, log: Path) -> dict:
    """The answer in [content]; raises WorkerFailure, with who was running, where there is none or the process ended badly."""
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    words = _last_words(log)
    if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
        return {**answer, "error": {"last_words": words, "ending": ending, **answer["error"]}}
    if isinstance(answer, dict):
        if ending:    # the batches were over: none of the arms is to blame for certain
            raise WorkerFailure(f"{ending}, after it had answered", last_words=words)
        return answer
    benchmark, arm = None, None
    with suppress(OSError, ValueError):
        benchmark, arm = progress.read_text(encoding="utf-8").rstrip().split("\t")    # padded, so that one write replaces it
    nonsense = f"answered nonsense: {content[:60]!r}" if content else "ended without an answer"
    raise WorkerFailure(ending or nonsense, benchmark or None, arm or None, words)


def _last_words(log: Path, first: int = 5, last: int = 20, characters: int = 3000) -> str:
    """What a process wrote to stdout and stderr: the first lines, which say what happened, and the last, which say where."""
    with open(log, "rb") as file:
        head = file.read(4 * characters)
        file.seek(max(len(head), file.seek(0, os.SEEK_END) - 4 * characters))
        tail = file.read()
    lines = (head + tail).decode("utf-8", errors="replace").splitlines()
    if len(lines) > first + last:
        lines = [*lines[:first], "…", *lines[-last:]]
    text = "\n".join(lines)
    return text if len(text) <= characters else text[:characters // 3] + "\n…\n" + text[-characters // 3 * 2:]


def run_crosscheck(commands: Mapping[str, Sequence[str]], store: RunStore, interpreter: str, scenario: str, deadline: float, *,
                   environment: Mapping[str, str] | None = None, clock: Callable[[], float] = time.monotonic) -> list[str]:
    """Runs an ordinary pyperf.Runner for each arm, one after another; answers the arms of which the store has the results.

    [commands]: arm id -> argv, to which ``--output FILE`` is added. [deadline]: in the time of [clock]. An arm may take twice
    its share of what is left; one that takes longer, or fails, is recorded as a failure of [scenario] and costs only itself.
    """
    done = []
    for number, (arm, argv) in enumerate(commands.items()):
        left_s = deadline - clock()
        timeout_s = min(left_s, 2 * left_s / (len(commands) - number))
        with tempfile.TemporaryDirectory(prefix="lab-") as folder:
            output, log = Path(folder, "pyperf.json"), Path(folder, "log")
            try:
                if left_s <= 0:
                    raise WorkerFailure("plain pyperf: no time was left")
                _, status = _supervise([*argv, "--output", str(output)], environment, timeout_s, os.devnull, log)
                ending = _ending(status, timeout_s)
                if ending or not output.is_file():
                    raise WorkerFailure(f"plain pyperf: {ending or 'wrote no file'}", last_words=_last_words(log))
                store.add_crosscheck(interpreter, arm, output.read_text(encoding="utf-8"))
                done.append(arm)
            except (WorkerError, OSError) as error:
                store.fail({"interpreter": interpreter, "scenario": scenario, "benchmark": None, "arm": arm, "what": str(error),
                            "last_words": getattr(error, "last_words", "")})
    return done
