"""A run on disk, results/<run>/: written as it comes by RunStore, read by load(), found by find(). No other module touches it.

run.json is the header: what was declared before sampling, and what became of it. pyperf/<interpreter>/<arm>.json.gz holds the
raw values, latency/ the histograms of scenarios that measure latencies, crosscheck/ what an ordinary pyperf.Runner measured, conformance.json the probes' answers, counts.json what valgrind
counted, sizes.json what each arm takes, files.json the hashes of all of these, and journal.jsonl what has come in since they
were last written (lab/journal.py has the rules).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import latencies, samples
from lab.catalogue import file_stem
from lab.errors import ResultsError, UnknownName, WorkerError
from lab.journal import RESTORE, Journal, Ledger, dump_json, parse_json, read_journal
from lab.results_schema import HEADER, SCHEMA, check_schema, complete_row, read_header

if TYPE_CHECKING:
    import pandas
    import pyperf

CONFORMANCE = "conformance.json"
COUNTS = "counts.json"
SIZES = "sizes.json"
DECLARED = ("name", "created", "command", "seed", "preset", "budget_s", "protocol", "confidence", "margins", "reference",
            "twin", "comparisons", "arms", "scenarios", "interpreters", "hashes", "environment", "sheets")
# What a verdict rests on: fixed before the first sample.
FIXED = frozenset({"schema", "name", "seed", "protocol", "confidence", "margins", "reference", "twin", "comparisons",
                    "layouts"})
STATUSES = ("running", "complete", "interrupted")


@dataclass(frozen=True, eq=False)
class Run:
    """A run as it lies on disk; nothing in it is computed but the table."""

    path: Path
    header: Mapping[str, Any]                                            # run.json
    samples: pandas.DataFrame                                            # one row for each batch: samples.COLUMNS
    crosscheck: Mapping[tuple[str, str], pyperf.BenchmarkSuite]          # (interpreter, arm) -> what plain pyperf measured
    conformance: Mapping[str, list[dict]]                                # interpreter -> answers of the probes
    warmups: pandas.DataFrame                                            # one row for each batch before a process was steady
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # interpreter -> pyperf's, of its first process
    counts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)    # interpreter -> what lab.counting.count answers
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)     # interpreter -> what lab.sizes.measure answers
    counters: Sequence[Mapping[str, Any]] = ()                               # samples.counter_rows: what the kernel counted
    mhz: Mapping[int, tuple[float, ...]] = field(default_factory=dict)       # process -> frequency when it began and ended
    # (interpreter, arm) -> benchmark -> process -> batches of latencies (lab.latencies)
    latencies: Mapping[tuple[str, str], Mapping[str, Mapping[int, list[dict]]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.header["name"]

    @property
    def failures(self) -> list[dict]:
        """What crashed, hung or answered nonsense: interpreter, scenario, benchmark, arm, what, last_words."""
        return self.header["failures"]

    @property
    def not_applicable(self) -> list[dict]:
        """What could not run: interpreter, scenario, benchmark (None: all of them), arm, why."""
        return self.header["not_applicable"]


class RunStore:
    """A run being written. Whatever a method here was given is on the disk when it returns, and survives any crash."""

    def __init__(self, state: _State, journal: Journal):
        self._state, self._journal = state, journal
        self._written = state.header["folded"]    # the number of the last record in the journal
        self.folder = state.ledger.folder

    @classmethod
    def create(cls, folder: Path, header: dict) -> RunStore:
        """A new run in [folder], which must not exist; [header] has all of DECLARED (name: the folder's).

        Raises ResultsError where a run of that name exists, ValueError for a header that lacks something.
        """
        missing = [key for key in DECLARED if key not in header]
        if missing:
            raise ValueError(f"a run's header needs {', '.join(missing)}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            raise ResultsError(f"run {folder.name!r} exists already, and results are never overwritten",
                               "choose another name, or move that folder away") from None
        start = {"status": "running", "failures": [], "not_applicable": [], "elapsed_s": 0.0}
        header = {"schema": SCHEMA, **start, **header, "name": folder.name, "folded": 0}
        store = cls(_State(Ledger(folder), header), Journal(folder))
        store.flush()
        return store

    @classmethod
    def open(cls, folder: Path) -> RunStore:
        """An interrupted run, to go on with; it begins by putting its files in order. Raises ResultsError as load does."""
        state = _read(folder)
        _replay(state)
        store = cls(state, Journal(folder))
        store.update(status="running")
        store.flush()
        return store

    @property
    def header(self) -> Mapping[str, Any]:
        """The header as it is now; change it with update."""
        return self._state.header

    @property
    def processes(self) -> frozenset[int]:
        """The ids of the processes recorded so far."""
        return frozenset(self._state.processes)

    @property
    def calibration(self) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
        """How many calls a batch makes, fixed for the run: key of a sheet -> benchmark -> arm -> calls."""
        return self._state.header.get("calibration", {})

    def taken(self, sheet: Mapping) -> list[dict]:
        """What was recorded of [sheet], a process each, in their order: the "cells" of the answers, with values alone."""
        return self._state.taken(sheet)

    def add_calibration(self, key: str, loops: dict):
        """Records how many calls a batch of each benchmark and arm of the sheet [key] makes."""
        self._record({"kind": "calibration", "sheet": key, "loops": loops})

    def add(self, answer: dict, sheet: dict, process: int, seed: int, elapsed_s: float = 0.0):
        """Records a worker's [answer] to one sheet (interpreter, scenario, block; layout, if not the plain one), made by the
        process of that id and seed, [elapsed_s] seconds after the run began.

        Raises WorkerError, recording nothing, where the answer is nonsense or from another machine than the run's earlier ones,
        and ValueError where a process of that id is recorded already.
        """
        if process in self._state.processes:
            raise ValueError(f"process {process} is recorded already")
        sheet = {**{key: sheet[key] for key in ("interpreter", "scenario", "block")}, "layout": sheet.get("layout", 0)}
        runs = samples.runs_of_answer(answer, sheet, process, seed, self._state.header["reference"])
        try:
            latencies.kept_of_answer(answer, sheet, process)
        except ValueError as error:
            raise WorkerError(f"process {process} ({sheet['scenario']}) answered nonsense: {error}") from None
        why = samples.disagreement(samples.metadata_of(runs), self._state.metadata.get(sheet["interpreter"]))
        if why:
            raise WorkerError(f"process {process} does not fit the run: {why}", remedy="start a new run with: lab bench")
        record = {"kind": "answer", "answer": answer, "sheet": sheet, "process": process, "seed": seed,
                  "elapsed_s": elapsed_s}
        self._record(record, runs)

    def fail(self, failure: dict):
        """Records a cell that failed: interpreter, scenario, benchmark, arm, what, last_words."""
        self._record({"kind": "failures", "entry": failure})

    def not_applicable(self, entry: dict):
        """Records a cell that cannot run: interpreter, scenario, benchmark (None: all), arm, why."""
        self._record({"kind": "not_applicable", "entry": entry})

    def add_crosscheck(self, interpreter: str, arm: str, text: str):
        """Records what a plain pyperf.Runner wrote for one arm, replacing what was there. Raises WorkerError for other JSON."""
        self._record({"kind": "crosscheck", "interpreter": interpreter, "arm": arm, "text": text})

    def add_conformance(self, interpreter: str, rows: list[dict]):
        """Records an interpreter's probe results (probe, arm, outcome, expected, detail, seconds), replacing what was there."""
        self._record({"kind": "conformance", "interpreter": interpreter, "rows": rows})

    def update(self, **fields):
        """Changes fields of the header, such as sheets or environment, at the next flush; ValueError for one of FIXED."""
        if FIXED & fields.keys():
            raise ValueError(f"{', '.join(sorted(FIXED & fields.keys()))} were fixed before the first sample")
        self._state.header.update(fields)

    def flush(self):
        """Writes the journal's records into the run's files, each replaced whole, and empties the journal."""
        state = self._state
        _replay(state)    # a Ctrl-C may have come between a record and its folding
        # The header last: its "folded" says that the other files have everything up to that record.
        state.ledger.write({name: state.content(name) for name in (*sorted(state.stale), HEADER)})
        state.stale.clear()
        self._journal.empty()

    def finish(self, status: str, elapsed_s: float):
        """Ends the run as "complete" or "interrupted" after [elapsed_s] seconds; the store takes nothing more."""
        if status not in STATUSES:
            raise ValueError(f"status {status!r}; expected one of {', '.join(STATUSES)}")
        self.update(status=status, elapsed_s=elapsed_s)
        self.flush()
        self._journal.close()
        self._journal.path.unlink()

    def _record(self, record: dict, runs: samples.Suites | None = None):
        if record["kind"] == "crosscheck":
            _crosscheck(record)
        self._written += 1
        record = {"n": self._written, **record}
        self._journal.append(record)
        self._state.fold(record, runs)


@dataclass
class _State:
    """All of a run in memory, by the file it belongs to."""

    ledger: Ledger
    header: dict
    suites: samples.Suites = field(default_factory=dict)
    latencies: latencies.Kept = field(default_factory=dict)
    crosscheck: dict[str, pyperf.BenchmarkSuite] = field(default_factory=dict)    # by file
    conformance: dict[str, list[dict]] = field(default_factory=dict)
    counts: dict[str, dict] = field(default_factory=dict)
    sizes: dict[str, dict] = field(default_factory=dict)
    processes: set[int] = field(default_factory=set)
    metadata: dict[str, dict] = field(default_factory=dict)                       # interpreter -> of its first run
    stale: set[str] = field(default_factory=set)                                  # files, less the header, that lack something

    def fold(self, record: dict, runs: samples.Suites | None = None):
        """Takes in one record of the journal, unless it is in already.

        [runs]: what runs_of_answer made of the answer, where that is known.
        """
        if record["n"] <= self.header["folded"]:
            return
        kind = record["kind"]
        if kind == "answer":
            runs = runs or samples.runs_of_answer(record["answer"], record["sheet"], record["process"], record["seed"],
                                                  self.header["reference"])
            self.take_in(runs)
            kept = latencies.kept_of_answer(record["answer"], record["sheet"], record["process"])
            latencies.merge(self.latencies, kept)
            self.stale.update(runs, kept)
            self.header["elapsed_s"] = max(self.header["elapsed_s"], record.get("elapsed_s", 0.0))
        elif kind == "calibration":
            self.header.setdefault("calibration", {})[record["sheet"]] = record["loops"]
        elif kind == "crosscheck":
            name, suite = _crosscheck(record)
            self.crosscheck[name] = suite
            self.stale.add(name)
        elif kind == "conformance":
            self.conformance[record["interpreter"]] = record["rows"]
            self.stale.add(CONFORMANCE)
        else:
            self.header[kind].append(record["entry"])
        self.header["folded"] = record["n"]

    def take_in(self, runs: samples.Suites):
        """Adds the runs of one interpreter."""
        samples.merge(self.suites, runs)
        for path, benchmarks in runs.items():
            self.processes.update(*benchmarks.values())
            self.metadata.setdefault(path.split("/")[1], samples.metadata_of(runs))

    def taken(self, sheet: Mapping) -> list[dict]:
        """What RunStore.taken says."""
        found: dict[int, dict[str, dict]] = {}
        for path, benchmarks in self.suites.items():
            runs = [(name, process, run.get_metadata(), run.values) for name, runs in benchmarks.items()
                    for process, run in runs.items() if path.split("/")[1] == sheet["interpreter"]]
            for name, process, metadata, values in runs:
                if (metadata["lab_scenario"], metadata["lab_block"]) == (sheet["scenario"], sheet["block"]):
                    arms = found.setdefault(process, {}).setdefault(name, {"benchmark": name, "arms": {}})["arms"]
                    arms[metadata["lab_arm"]] = {"values": values}
        return [{"cells": list(found[process].values())} for process in sorted(found)]

    def content(self, name: str) -> bytes:
        if name == HEADER:
            return dump_json(self.header)
        if name == CONFORMANCE:
            return dump_json({"schema": SCHEMA, "interpreters": self.conformance})
        if name == COUNTS:
            return dump_json({"schema": SCHEMA, "interpreters": self.counts})
        if name == SIZES:
            return dump_json({"schema": SCHEMA, "interpreters": self.sizes})
        if name in self.latencies:
            return latencies.pack(self.latencies[name])
        return samples.pack_suite(self.crosscheck[name]) if name in self.crosscheck else samples.dump_suite(self.suites[name])


def _crosscheck(record: dict) -> tuple[str, pyperf.BenchmarkSuite]:
    """The file for a crosscheck record, and its suite with the arm's id in the metadata."""
    import pyperf
    try:
        suite = pyperf.BenchmarkSuite.loads(record["text"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorkerError(f"plain pyperf answered nonsense for {record['arm']} on {record['interpreter']}: {error}") from None
    for benchmark in suite:
        benchmark.update_metadata({"lab_arm": record["arm"]})
    return f"crosscheck/{record['interpreter']}/{file_stem(record['arm'])}.json.gz", suite


def load(folder: Path) -> Run:
    """The run in [folder], with what a crash left in its journal.

    Raises ResultsError, naming the file and changing nothing, where one is missing, cut short, edited, or of a newer schema.
    """
    state = _read(folder)
    _replay(state)
    crosscheck = {(name.split("/")[1], suite.get_metadata()["lab_arm"]): suite for name, suite in state.crosscheck.items()}
    conformance = {tag: [complete_row(row) for row in rows] for tag, rows in state.conformance.items()}
    return Run(folder, state.header, samples.frame(state.suites), crosscheck, conformance,
               samples.warmup_frame(state.suites), state.metadata, state.counts, state.sizes,
               samples.counter_rows(state.suites), samples.frequencies(state.suites), _latencies(state))


def _latencies(state: _State) -> dict[tuple[str, str], dict]:
    """What the run holds of latencies, by interpreter and by the arm whose file it is."""
    arms = {file_stem(arm): arm for sheet in state.header["sheets"] for arm in sheet["arms"]}
    places = {name: (name.split("/")[1], name.rsplit("/", 1)[1].removesuffix(".json.gz")) for name in state.latencies}
    return {(places[name][0], arms.get(places[name][1], places[name][1])): kept for name, kept in state.latencies.items()}


def add_counts(folder: Path, entries: Mapping[str, dict]):
    """Puts what lab.counting.count answered, by interpreter, into the run in [folder], replacing what it has of those.

    Raises ResultsError as load does, and for a run that is being measured or was killed before it ended.
    """
    state = _ended(folder, "count into a run of its own: lab count --name NAME")
    state.counts.update(entries)
    state.ledger.write({COUNTS: state.content(COUNTS)})


def add_sizes(folder: Path, entries: Mapping[str, dict]):
    """Puts what lab.sizes.measure answered, by interpreter, into the run in [folder]; as add_counts."""
    state = _ended(folder, "lab bench --resume goes on with it")
    state.sizes.update(entries)
    state.ledger.write({SIZES: state.content(SIZES)})


def _ended(folder: Path, remedy: str) -> _State:
    state = _read(folder)
    if state.header["status"] == "running":
        raise ResultsError(f"run {folder.name!r} is being measured, or was killed before it ended", remedy)
    return state


def _read(folder: Path) -> _State:
    header = read_header(folder)
    ledger = Ledger.load(folder)
    ledger.read(HEADER)
    state = _State(ledger, header)
    for name in ledger.names("pyperf/"):
        state.take_in({name: _unpack(ledger, name, samples.load_suite)})
    for name in ledger.names("latency/"):
        state.latencies[name] = _unpack(ledger, name, latencies.unpack)
    for name in ledger.names("crosscheck/"):
        state.crosscheck[name] = _unpack(ledger, name, samples.unpack_suite)
    for name in ledger.names(CONFORMANCE):
        document = parse_json(folder, name, ledger.read(name))
        state.conformance = check_schema(folder, name, document)["interpreters"]
    for name in ledger.names(COUNTS):
        document = parse_json(folder, name, ledger.read(name))
        state.counts = check_schema(folder, name, document)["interpreters"]
    for name in ledger.names(SIZES):
        document = parse_json(folder, name, ledger.read(name))
        state.sizes = check_schema(folder, name, document)["interpreters"]
    return state


def _replay(state: _State):
    """Folds in what is in the journal and not yet in [state]."""
    folder = state.ledger.folder
    for record in read_journal(folder):
        try:
            state.fold(record)
        except (KeyError, TypeError, ValueError, WorkerError):
            raise ResultsError(f"run {folder.name!r}: journal.jsonl was edited after it was written", RESTORE) from None


def _unpack(ledger: Ledger, name: str, unpack: Callable[[bytes], Any]) -> Any:
    content, what = ledger.read(name), "latencies" if name.startswith("latency/") else "pyperf results"
    try:
        return unpack(content)
    except (ValueError, KeyError, EOFError, OSError) as error:
        raise ResultsError(f"run {ledger.folder.name!r}: {name} does not hold {what}: {error}", RESTORE) from None


def find(results: Path, name: str) -> Path:
    """The folder of a run in the folder [results]: by its name, as a path, or ``latest`` for the one created last.

    Raises UnknownName.
    """
    if name not in ("", ".", "..") and (results / name).is_dir():
        return results / name
    if (Path(name) / HEADER).is_file():
        return Path(name)
    runs = {path.parent.name: path.parent for path in sorted(results.glob(f"*/{HEADER}"))}
    if name == "latest" and runs:
        return max(runs.values(), key=_created)
    raise UnknownName("run", name, runs, f"ls {results}/")


def _created(folder: Path) -> str:
    try:
        return str(json.loads((folder / HEADER).read_bytes()).get("created", ""))
    except (ValueError, AttributeError):
        return ""
