"""What keeps a run whole while it is written: a write-ahead log of what came in, and a ledger of what was put where.

A record is in the log, and on the disk, before the run is told that it is safe. From time to time all of them are folded into
the run's files, which are replaced one by one, and then the log is emptied. A crash at any point in between leaves either the
log or the files (or both) with every record. Records carry rising numbers, so that what is in both counts once. The ledger,
files.json, holds the SHA-256 of each file; while files are being replaced it holds the new one as well, as pending, so that a
crash is not taken for a forgery.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path

from lab.errors import ResultsError

LEDGER = "files.json"
RESTORE = "restore the file from where the run came from, or measure anew with: lab bench"


class Journal:
    """The log: one JSON object to a line, flushed to the disk one by one. One process at a time has it open.

    Raises ResultsError where another has.
    """

    def __init__(self, folder: Path):
        self.path = folder / "journal.jsonl"
        self._file = open(self.path, "a", encoding="utf-8")
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise ResultsError(f"run {folder.name!r} is being measured by another process", "wait for its end") from None

    def append(self, record: dict):
        """Writes one record; it is on the disk when this returns."""
        self._file.write(json.dumps(record, separators=(",", ":")) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def empty(self):
        """Forgets every record."""
        self._file.truncate(0)
        os.fsync(self._file.fileno())

    def close(self):
        self._file.close()


def read_journal(folder: Path) -> list[dict]:
    """The records of the log in [folder], oldest first; a half-written last line, cut off by a crash, is left out.

    Raises ResultsError for any other line that is not JSON.
    """
    path = folder / "journal.jsonl"
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    while lines and not lines[-1]:
        lines.pop()
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line))
        except ValueError:
            if number < len(lines):
                raise ResultsError(f"run {folder.name!r}: line {number} of journal.jsonl is not JSON", RESTORE) from None
    return records


class Ledger:
    """The files of a run, written atomically and read back only if they are what was written."""

    def __init__(self, folder: Path, hashes: dict[str, str] | None = None, pending: dict[str, str] | None = None):
        self.folder, self.hashes, self.pending = folder, hashes or {}, pending or {}

    @classmethod
    def load(cls, folder: Path) -> Ledger:
        """The ledger of the run in [folder]. Raises ResultsError where it is missing or not one."""
        try:
            document = parse_json(folder, LEDGER, (folder / LEDGER).read_bytes())
            return cls(folder, dict(document["files"]), dict(document["pending"]))
        except FileNotFoundError:
            raise ResultsError(f"run {folder.name!r}: {LEDGER} is missing: nothing in it can be checked", RESTORE) from None
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ResultsError):
                raise
            raise ResultsError(f"run {folder.name!r}: {LEDGER} was edited", RESTORE) from None

    def names(self, under: str) -> list[str]:
        """The files whose names begin with [under], sorted; those that a crash kept from being written are not among them."""
        known = {name for name in {**self.hashes, **self.pending} if name.startswith(under)}
        return sorted(name for name in known if name in self.hashes or (self.folder / name).is_file())

    def read(self, name: str) -> bytes:
        """The bytes of one file. Raises ResultsError where it is missing, or not what the lab wrote."""
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError:
            raise ResultsError(f"run {self.folder.name!r}: {name} is missing", RESTORE) from None
        if _sha256(content) not in (self.hashes.get(name), self.pending.get(name)):
            raise ResultsError(f"run {self.folder.name!r}: {name} is not what was measured: it was cut short or edited "
                               "after it was written", RESTORE)
        return content

    def write(self, contents: dict[str, bytes]):
        """Replaces files, in the order given; a reader finds each whole, old or new, whenever this is interrupted."""
        # What an interrupted write left may be old or new; the new hash of a file that was replaced is the one to keep.
        for name, digest in self.pending.items():
            path = self.folder / name
            if path.is_file() and _sha256(path.read_bytes()) == digest:
                self.hashes[name] = digest
        self.pending = {name: _sha256(content) for name, content in contents.items()}
        self._save()
        for name, content in contents.items():
            replace_file(self.folder / name, content)
        self.hashes, self.pending = {**self.hashes, **self.pending}, {}
        self._save()

    def _save(self):
        document = {"schema": 1, "files": dict(sorted(self.hashes.items())), "pending": dict(sorted(self.pending.items()))}
        replace_file(self.folder / LEDGER, dump_json(document))


def replace_file(path: Path, content: bytes):
    """Writes a file so that whoever reads it, even after a crash, sees either all of the old content or all of the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".tmp")
    with open(draft, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def dump_json(document: dict) -> bytes:
    """A document as the lab writes it: UTF-8, indented."""
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def parse_json(folder: Path, name: str, content: bytes) -> dict:
    """The JSON object in a file of the run in [folder]. Raises ResultsError where there is none."""
    try:
        document = json.loads(content)
    except ValueError:
        raise ResultsError(f"run {folder.name!r}: {name} is truncated or not JSON", RESTORE) from None
    if not isinstance(document, dict):
        raise ResultsError(f"run {folder.name!r}: {name} is not a JSON object", RESTORE)
    return document


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
