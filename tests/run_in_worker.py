"""Functions of tests/worker_scripts/, run in fresh processes with the built libraries.

Use from a test: ``from run_in_worker import Worker`` (pytest puts this folder on the path).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from lab import builder, catalogue
from lab.builder import CFLAGS, Libraries
from lab.environment import find_compiler
from lab.executor import ProcessExecutor, WorkerFailure
from lab.interpreters import Interpreter

TOP = Path(__file__).resolve().parent.parent
SCRIPTS = Path(__file__).resolve().parent / "worker_scripts"
ARMS = catalogue.arms(TOP)
FORMS = sorted(arm.id for arm in ARMS.values() if arm.kind == "form")


class Worker:
    """Calls functions of tests/worker_scripts/ in fresh processes of [interpreter], each of which has [limit_s] seconds."""

    def __init__(self, interpreter: Interpreter, libraries: Libraries, limit_s: float = 15.0, **variables: str):
        self.interpreter, self.libraries, self.limit_s = interpreter, libraries, limit_s
        self.executor = ProcessExecutor(interpreter.path, SCRIPTS / "main.py", {**os.environ, **variables})

    def __call__(self, function: str, arm: str | None = None, /, **arguments):
        """What ``module.function``, such as ``threads.nest``, returns in a fresh process.

        It is given a Subject for [arm] first, where there is one, and [arguments], which travel as JSON. Raises WorkerFailure
        for a process that crashed or hung; an exception of the function is one of its last words.
        """
        job = {"worker": str(TOP / "lab" / "worker"), "function": function, "arguments": arguments, "arm": None,
               "libraries": self.libraries.for_worker(self.interpreter.tag)}
        if arm is not None:
            job["arm"] = self.arm(arm)
        try:
            return self.executor.execute(job, self.limit_s)["answer"]
        except WorkerFailure as failure:
            raise WorkerFailure(f"{failure.message}\n{failure.last_words}", last_words=failure.last_words) from None

    def arm(self, arm_id: str) -> dict:
        """An arm as a job names it: its id, ABI, the policy it is bound under and the path of its extension half."""
        path = self.libraries.arm(self.interpreter.tag, arm_id)
        arm = ARMS[arm_id.removesuffix(catalogue.TWIN_SUFFIX)]
        return {"id": arm_id, "abi": arm.abi, "policy": arm.policies[0], "path": str(path)}


def compile_runtime(output: Path, interpreter: Interpreter, *flags: str) -> Path:
    """Compile the runtime half's real sources into the module [output] with [flags] beside the project's."""
    own, sources = builder.runtime_parts(TOP, interpreter)
    subprocess.run([find_compiler(), *CFLAGS, *own, *flags, "-shared", "-o", str(output), *map(str, sources),
                    *builder.RUNTIME_LIBRARIES], check=True)
    return output


def compile_helper(output: Path, *sources: Path) -> Path:
    """Compile [sources], C without Python, into the library [output] with the project's flags; every symbol is exported."""
    folders = [f"-I{TOP / 'csrc' / name}" for name in ("native", "runtime")]
    subprocess.run([find_compiler(), *CFLAGS, "-fvisibility=default", *folders, "-shared", "-o", str(output),
                    *map(str, sources), "-lpthread", "-ldl"], check=True)
    return output
