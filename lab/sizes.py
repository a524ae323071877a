"""What each arm takes that is not time: bytes of code, symbols and relocations of its extension half, and memory for what it keeps.

The first is read from the binaries with binutils. The second is measured: a process for each arm binds 1, 1,000 and 100,000
callbacks and gives them back in a random order. What a callback takes is all of it, the arm's own structure included, which
control/cached_ctx has alone; beside it stand closures of libffi, another way to make a function that carries data.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import targets
from lab.builder import Libraries
from lab.catalogue import Arm
from lab.errors import LabError, MissingTool
from lab.executor import ProcessExecutor, WorkerFailure
from lab.interpreters import Interpreter

WORKER = Path(__file__).resolve().parent / "worker" / "store.py"
TOOLS = ("nm", "objdump", "readelf")
CALL_SITE = "call"              # what native code calls, in every stub.c; what else that uses there belongs to it
LIBFFI = "libffi"
COUNTS = ({"count": 1, "repeats": 51}, {"count": 1_000, "repeats": 11}, {"count": 100_000, "repeats": 3})
LIMIT_S = 60.0                  # for one process, which takes a second
UNITS = {
    "call_site": "bytes of code that acquires, calls the body and releases: what each callback of an extension has",
    "stub": "bytes of code of stub.c in all, with making and freeing",
    "relocations": "dynamic relocations of the extension half",
    "undefined": "symbols, beside libc's, that the process must have when the extension half is loaded",
    "tls_calls": "calls of __tls_get_addr in the code at the call site",
    "make_ns": "nanoseconds to make one, the median of the repeats",
    "give_back_ns": "nanoseconds to give one back, in a random order, the median of the repeats",
    "heap_bytes": "bytes of malloc for each",
    "resident_bytes": "bytes by which resident memory grew for each"}
_SYMBOL = re.compile(r"^[0-9a-f]+ (?P<size>[0-9a-f]+) [tTwW] (?P<name>\S+)(?:\t(?P<file>.*):\d+)?$")
_FUNCTION = re.compile(r"^[0-9a-f]+ <(?P<name>[^>]+)>:$")
_REFERENCE = re.compile(r"<(?P<name>[^>+]+)>")
_RELOCATION = re.compile(r"^[0-9a-f]{12,} ")


def absence() -> str:
    """Why no binary can be looked into on this machine; empty where it can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"{missing[0]} is not on PATH (apt-get install binutils)" if missing else ""


def measure(interpreter: Interpreter, libraries: Libraries, arms: Sequence[Arm]) -> dict:
    """What each of [arms] takes on [interpreter]: an interpreter's entry of sizes.json.

    "code" has a row for each arm, "kept" one for each arm and libffi with a row for each number of objects; an arm that has none
    says why ("absent").
    """
    able = [arm for arm in arms if (interpreter.tag, arm.id) not in libraries.unavailable]
    absent = absence()
    return {"units": UNITS, "absent": absent,
            "code": [] if absent else [{"arm": arm.id, **code(arm, libraries.arm(interpreter.tag, arm.id))} for arm in able],
            "kept": [{"arm": arm.id if arm else LIBFFI, **_kept(interpreter, libraries, arm)} for arm in [*able, None]]}


def code(arm: Arm, library: Path) -> dict:
    """Bytes, relocations, symbols and TLS calls of an arm's extension half. Raises MissingTool, LabError."""
    sizes = _functions(library, arm)
    uses = _uses(library)
    reached = _reached(CALL_SITE, uses, sizes)
    tls_calls = sum(name.startswith("__tls_get_addr") for function in reached for name in uses.get(function, ()))
    relocations = sum(bool(_RELOCATION.match(line)) for line in _said("readelf", "-rW", library))
    return {"call_site": sum(sizes[name] for name in reached), "stub": sum(sizes.values()), "relocations": relocations,
            "undefined": sorted(targets.undefined_symbols(library)), "tls_calls": tls_calls}


def _said(*words: str | Path) -> list[str]:
    if shutil.which(str(words[0])) is None:
        raise MissingTool(f"{words[0]} is missing", "apt-get install binutils")
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise LabError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout.splitlines()


def _functions(library: Path, arm: Arm) -> dict[str, int]:
    """The functions of [arm]'s stub.c, and of the headers beside csrc/arm/module.c that it includes: name -> bytes."""
    found = {}
    for line in _said("nm", "-S", "-l", "--defined-only", library):
        match = _SYMBOL.match(line)
        if match and match["file"]:
            path = Path(match["file"])
            if path.name == "stub.c" or path.suffix == ".h" and path.parent.name == "arm":
                found[match["name"]] = int(match["size"], 16)
    if CALL_SITE not in found:
        raise LabError(f"{library.name} has no function {CALL_SITE}() from a stub.c", f"{arm.folder.name}/stub.c: see docs/adding.md")
    return found


def _uses(library: Path) -> dict[str, list[str]]:
    """The names that each function's instructions refer to, as often as they do."""
    uses: dict[str, list[str]] = {}
    current: list[str] = []
    for line in _said("objdump", "-d", "--no-show-raw-insn", library):
        match = _FUNCTION.match(line)
        if match:
            current = uses.setdefault(match["name"], [])
        else:
            current += [name.partition("@")[0] for name in _REFERENCE.findall(line)]
    return uses


def _reached(start: str, uses: Mapping[str, Sequence[str]], known: Mapping[str, int]) -> list[str]:
    """The [known] functions that [start] uses, itself first, and what those use."""
    reached = [start]
    for function in reached:
        reached += dict.fromkeys(name for name in uses.get(function, ()) if name in known and name not in reached)
    return reached


def _kept(interpreter: Interpreter, libraries: Libraries, arm: Arm | None) -> dict:
    """{"rows", "absent"} of what is kept for each callback of [arm]; None: of closures of libffi."""
    described = arm and {"id": arm.id, "path": str(libraries.arm(interpreter.tag, arm.id)), "abi": arm.abi, "policy": arm.policies[0]}
    job = {"libraries": libraries.for_worker(interpreter.tag), "arm": described, "counts": COUNTS, "seed": 1}
    try:
        answer = ProcessExecutor(interpreter.path, WORKER).execute(job, LIMIT_S)
    except WorkerFailure as failure:
        return {"rows": [], "absent": str(failure)}
    if "error" in answer and "rows" not in answer:
        return {"rows": [], "absent": answer["error"]["message"]}
    return {"rows": answer["rows"], "absent": answer.get("absent", "")}
