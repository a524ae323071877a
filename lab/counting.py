"""Counts what one callback executes: instructions, branches, data reads and writes, with valgrind's callgrind.

Each arm makes N callbacks and then 2N, in a process that was warmed up; what the second batch executed beyond the first is
what N callbacks execute, since whatever else a batch does is in both. Callgrind counts inside native_call_loop alone and writes
its totals whenever that or a driver returns, so that one process holds every arm of every scenario. The counts are blind to
time. They are of the code that is timed elsewhere, allocator included: callgrind replaces nothing. What varies from process to
process (hashes, addresses, the environment's size) is fixed, and a count that varies all the same is shown as one that does.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from lab.builder import Libraries
from lab.catalogue import Arm, Scenario, benchmark_name
from lab.executor import PADDING, WorkerFailure, run_worker
from lab.interpreters import Interpreter

WORKER = Path(__file__).resolve().parent / "worker" / "count.py"
BATCH, LOOP = "hpylab_drive", "native_call_loop"    # a call of the one is a batch, the last of the other in it what is counted
CALLS = (100, 200)              # N and 2N
REPEATS = 3
THREADS = ("attached", "released", "foreign")       # the order in which scenarios are counted
WARMUPS = 2                     # batches before an arm is counted: symbols, thread records and caches of its own exist then
LIMIT_S = 300.0                 # for one process, which needs 15 s where it has a processor to itself
MOST_FAILURES = 4               # cells that may fail before the rest is given up
# What is counted, and the parameters that are held: a mode changes the loop, not what an arm executes.
COUNTED: Mapping[str, Mapping[str, str]] = {
    "attached_call": {"mode": "throughput"}, "attached_work": {}, "released_thread": {},
    "foreign_thread": {"acquisition": "repeated"}}
UNITS = {
    "instructions": "instructions executed in the batch (Ir)",
    "branches": "conditional branches and indirect jumps and calls executed in the batch (Bc + Bi)",
    "reads": "data reads in the batch, each of any width (Dr)",
    "writes": "data writes in the batch, each of any width (Dw)",
    "tls_calls": "calls in the batch of a function that looks up something of the thread's (__tls_get_addr, pthread_getspecific)"}
TLS_LOOKUPS = frozenset({"__tls_get_addr", "pthread_getspecific"})
EVENTS = {"instructions": ("Ir",), "branches": ("Bc", "Bi"), "reads": ("Dr",), "writes": ("Dw",)}
_FUNCTION = re.compile(r"(?P<called>c?)fn=\((?P<number>\d+)\) ?(?P<name>.*)")


def absence() -> str:
    """Why nothing can be counted on this machine; empty where it can."""
    return "" if shutil.which("valgrind") else "valgrind is not on PATH (apt-get install valgrind)"


def count(interpreter: Interpreter, libraries: Libraries, arms: Sequence[Arm], scenarios: Sequence[Scenario]) -> dict:
    """What those of [arms] that can take part execute in those of [scenarios] that are COUNTED: an interpreter's counts.

    The entry, one of counts.json, has the tool and its settings, a row for each cell with its batches in the order they ran,
    and what failed. "absent" says why there are no rows, and is empty where there are.
    """
    entry = {"tool": "", "absent": absence(), "address_space": "", "calls": list(CALLS), "warmups": WARMUPS,
             "units": UNITS, "seconds": 0.0, "rows": [], "failures": []}
    job = _job(interpreter, libraries, arms, scenarios)
    if not job["cells"]:
        entry["absent"] = "none of the scenarios chosen is one that is counted"
    if entry["absent"]:
        return entry
    started, fixed = time.monotonic(), _fixed_addresses()
    addresses = "not randomised" if fixed else "randomised: setarch was refused"
    entry.update(tool=f"{_version()}, callgrind", address_space=addresses)
    left_out: set[tuple[str, str]] = set()
    while len(left_out) < MOST_FAILURES:
        try:
            entry["rows"] = _rows(_counted(interpreter, _without(job, left_out), fixed), job)
            break
        except WorkerFailure as failure:
            culprit = (failure.benchmark or "", failure.arm or "")
            entry["failures"].append({"benchmark": failure.benchmark, "arm": failure.arm, "what": failure.message,
                                      "last_words": failure.last_words})
            if not all(culprit) or culprit in left_out:
                break
            left_out.add(culprit)
    if not entry["rows"]:
        entry["absent"] = "counting failed: " + entry["failures"][-1]["what"]
    return {**entry, "seconds": time.monotonic() - started}


def _version() -> str:
    return subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=False).stdout.strip()


def _fixed_addresses() -> bool:
    """Whether a process may be started without randomised addresses; a container may forbid it."""
    try:
        return subprocess.run(["setarch", "-R", "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _job(interpreter: Interpreter, libraries: Libraries, arms: Sequence[Arm], scenarios: Sequence[Scenario]) -> dict:
    tag = interpreter.tag
    arms = [arm for arm in arms if (tag, arm.id) not in libraries.unavailable]
    cells = []
    # threads last: once a process has started one, glibc's locks take 6 instructions more, in a released thread too
    for scenario in sorted((each for each in scenarios if each.name in COUNTED), key=lambda each: THREADS.index(each.thread)):
        able = [index for index, arm in enumerate(arms) if not arm.lacks(scenario.requires)]
        common = {"scenario": scenario.name, "body": scenario.body, "thread": scenario.thread, "size": scenario.size,
                  "requires": list(scenario.requires), "setup": str(scenario.folder / "setup.py")}
        for parameters in scenario.cells():
            if COUNTED[scenario.name].items() <= parameters.items():
                cells.append({"benchmark": benchmark_name(scenario.name, parameters), "parameters": dict(parameters),
                              "arms": able, "scenario": common, "reference": scenario.reference})
    return {"libraries": libraries.for_worker(tag), "calls": list(CALLS), "repeats": REPEATS, "warmups": WARMUPS,
            "cells": cells, "arms": [{"id": arm.id, "path": str(libraries.arm(tag, arm.id)), "abi": arm.abi,
                                      "policy": arm.policies[0]} for arm in arms]}


def _without(job: dict, left_out: Collection[tuple[str, str]]) -> dict:
    """[job] without the (benchmark, arm) that failed."""
    cells = [{**cell, "arms": [index for index in cell["arms"]
                               if (cell["benchmark"], job["arms"][index]["id"]) not in left_out]} for cell in job["cells"]]
    return {**job, "cells": cells}


def _counted(interpreter: Interpreter, job: dict, fixed: bool) -> list[dict]:
    """The batches of [job] in the order they ran: benchmark, arm, calls, and the counts. Raises WorkerFailure."""
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        argv = [*(["setarch", "-R"] if fixed else []), "valgrind", "--tool=callgrind", "--quiet", "--vgdb=no",
                "--command-line-only=yes", f"--callgrind-out-file={folder}/counts", "--collect-atstart=no",
                "--cache-sim=yes", "--branch-sim=yes", f"--toggle-collect={LOOP}", f"--dump-after={LOOP}",
                f"--dump-after={BATCH}", interpreter.path, str(WORKER)]
        answer = run_worker(argv, _environment(), job, LIMIT_S)
        if "error" in answer:
            error = answer["error"]
            raise WorkerFailure(error["message"], error["benchmark"], error["arm"], error["last_words"])
        totals = _totals(Path(folder))
    if len(totals) != len(answer["batches"]):
        raise WorkerFailure(f"callgrind wrote the totals of {len(totals)} batches; the worker ran {len(answer['batches'])}")
    return [{**batch, **found} for batch, found in zip(answer["batches"], totals)]


def _totals(folder: Path) -> list[dict[str, int]]:
    """What each batch's loop executed, in the order of the batches; a driver may run one before it that it does not time."""
    found, latest = [], None
    for number in range(1, len(list(folder.glob("counts.*"))) + 1):
        trigger, totals = read_totals(folder / f"counts.{number}")
        if trigger == LOOP:
            latest = totals
        elif latest is not None:
            found.append(latest)
            latest = None
    return found


def _environment() -> dict[str, str]:
    """Variables of one size whatever this process has; libraries are found where it finds them."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    variables = {**kept, "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "LD_BIND_NOW": "1"}
    size = sum(len(os.fsencode(name)) + len(os.fsencode(value)) for name, value in variables.items())
    return {**variables, "LAB_PADDING": "x" * (-size % PADDING)}


def read_totals(path: Path) -> tuple[str, dict[str, int]]:
    """The function after which callgrind wrote a file, and its counts by the names of UNITS.

    Raises WorkerFailure where they are not there.
    """
    told, names, callee, lookups = {}, {}, "", 0
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            key, _, rest = line.partition(": ")
            if key in ("events", "totals") or rest.startswith("Trigger: "):
                told[key] = rest.split()
            found = _FUNCTION.match(line)
            if found:                   # a name stands where its number comes first
                names.setdefault(found["number"], found["name"].partition("@")[0])
                callee = names[found["number"]] if found["called"] else callee
            elif line.startswith("calls=") and callee in TLS_LOOKUPS:
                lookups += int(line[len("calls="):].split()[0])
    events, totals = told.get("events", []), [int(word) for word in told.get("totals", [])]
    found = dict(zip(events, totals + [0] * (len(events) - len(totals))))    # zeros at the end are left out
    if not totals or not {name for names in EVENTS.values() for name in names} <= found.keys():
        raise WorkerFailure(f"callgrind's {path.name} counts {events}, {totals}")
    counts = {name: sum(found[event] for event in events) for name, events in EVENTS.items()}
    return told.get("desc", [""])[-1].rpartition("=")[2], {**counts, "tls_calls": lookups}


def _rows(batches: Sequence[dict], job: dict) -> list[dict]:
    """A row for each cell: the batches that count, in the order they ran."""
    of_cell = {cell["benchmark"]: cell for cell in job["cells"]}
    rows: dict[tuple[str, str], dict] = {}
    for batch in batches:
        benchmark, arm = batch["benchmark"], batch["arm"]
        cell = of_cell[benchmark]
        row = rows.setdefault((benchmark, arm), {"scenario": cell["scenario"]["scenario"], "benchmark": benchmark, "arm": arm,
                                                 "reference": cell["reference"], "batches": []})
        row["batches"].append({name: batch[name] for name in ("calls", *UNITS)})
    for row in rows.values():
        del row["batches"][:WARMUPS]
        _refuse_nonsense(row)
    return list(rows.values())


def _refuse_nonsense(row: dict):
    """A batch of 2N callbacks that executed no more than one of N, or other batches than were asked for."""
    calls = [batch["calls"] for batch in row["batches"]]
    if calls != [*CALLS] * REPEATS:
        raise WorkerFailure(f"batches of {calls} calls came back; asked for were {[*CALLS] * REPEATS}", row["benchmark"],
                            row["arm"])
    for fewer, more in zip(row["batches"][::2], row["batches"][1::2]):
        if more["instructions"] <= fewer["instructions"]:
            raise WorkerFailure(f"{more['calls']} calls executed {more['instructions']} instructions and {fewer['calls']} "
                                f"calls {fewer['instructions']}", row["benchmark"], row["arm"])
