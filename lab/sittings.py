"""A sitting of `lab validate` on disk, results/<name>/validation.json.gz: written by SittingStore, read by load(). Raw times alone.

The header says what was measured, where and with what; each record is one part of a slice: a run of the paired protocol, a
chain of pyperf.Runners, a process with Google Benchmark, some processes of the long runs. Times are whole nanoseconds of
a batch, as the clock gave them, and the number of its calls.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import ResultsError, UnknownName
from lab.journal import replace_file

SCHEMA = 1
FILE = "validation.json.gz"
KINDS = ("paired", "pyperf", "google", "planted", "two")
ANEW = "restore the file from where it came from, or measure anew with: lab validate --name NAME"


@dataclass(frozen=True, eq=False)
class Sitting:
    """What was measured in one sitting."""

    name: str
    header: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]

    def of_kind(self, kind: str) -> list[Mapping[str, Any]]:
        """The records of one of KINDS, in the order they were measured."""
        return [record for record in self.records if record["kind"] == kind]


class SittingStore:
    """A sitting being written: whatever record it was given is on the disk when add() returns."""

    def __init__(self, folder: Path, header: Mapping[str, Any]):
        """A new sitting in [folder]. Raises ResultsError where that exists."""
        if folder.exists():
            raise ResultsError(f"run {folder.name!r} exists already, and results are never overwritten",
                               "choose another --name, or move that folder away")
        self.path, self.records = folder / FILE, []
        self.header = {"schema": SCHEMA, "name": folder.name, "status": "running", "elapsed_s": 0.0, "failures": [],
                       **header}

    def add(self, record: Mapping[str, Any]) -> None:
        self.records.append(record)
        self._write()

    def failed(self, what: str) -> None:
        """Takes note of an attempt that failed; it is written with the next record, or at the end."""
        self.header["failures"] = [*self.header["failures"], what]

    def finish(self, status: str, elapsed_s: float) -> None:
        """Says how it ended, "complete", "interrupted" or "failed"; nothing is left where nothing was measured."""
        self.header = {**self.header, "status": status, "elapsed_s": round(elapsed_s, 1)}
        if self.records:
            self._write()

    def _write(self) -> None:
        document = {**self.header, "records": self.records}
        text = _text({**document, "sha256": _digest(document)})
        replace_file(self.path, gzip.compress(text.encode(), mtime=0))


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(document).encode()).hexdigest()


def find(results: Path, name: str) -> Path:
    """The folder of the sitting [name] in the folder [results]. Raises UnknownName."""
    known = {path.parent.name: path.parent for path in results.glob(f"*/{FILE}")}
    if name not in known:
        raise UnknownName("sitting", name, known, f"ls {results}/*/{FILE}")
    return known[name]


def load(folder: Path) -> Sitting:
    """The sitting in [folder]. Raises ResultsError where it is missing, cut short, edited, or of a newer schema."""
    path = folder / FILE
    try:
        document = json.loads(gzip.decompress(path.read_bytes()))
        is_whole = _digest({name: value for name, value in document.items() if name != "sha256"}) == document.pop("sha256", "")
        records, schema = document.pop("records"), document["schema"]
        strange = [record["kind"] for record in records if record["kind"] not in KINDS]
    except FileNotFoundError:
        raise ResultsError(f"run {folder.name!r}: {FILE} is missing", ANEW) from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"run {folder.name!r}: {FILE} is cut short or was edited ({type(error).__name__})", ANEW) from None
    if schema != SCHEMA or strange:
        raise ResultsError(f"run {folder.name!r}: {FILE} was made by another lab (schema {schema}, this one reads {SCHEMA})",
                           "open it with the version that made it")
    if not is_whole:
        raise ResultsError(f"run {folder.name!r}: {FILE} was edited after it was written", ANEW)
    return Sitting(document["name"], document, records)
