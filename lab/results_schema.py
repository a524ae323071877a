"""The version of what lies in results/: older ones are brought up to this one in memory, newer ones refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.errors import ResultsError
from lab.journal import RESTORE, parse_json

SCHEMA = 1
# schema -> what makes a header of that schema into one of the next; filled when SCHEMA grows.
UPGRADES: dict[int, Callable[[dict], dict]] = {}
HEADER = "run.json"


def read_header(folder: Path) -> dict:
    """The header of the run in [folder], brought up to this version's schema; the file stays as it is.

    Raises ResultsError where it is missing, cut short, not JSON, without a schema, or of one that cannot be read.
    """
    try:
        content = (folder / HEADER).read_bytes()
    except FileNotFoundError:
        raise ResultsError(f"run {folder.name!r}: {HEADER} is missing", RESTORE) from None
    except OSError as error:
        raise ResultsError(f"run {folder.name!r}: {HEADER} cannot be read: {error.strerror}", RESTORE) from None
    header = check_schema(folder, HEADER, parse_json(folder, HEADER, content))
    while header["schema"] < SCHEMA:
        upgrade = UPGRADES.get(header["schema"])
        if not upgrade:
            raise ResultsError(f"run {folder.name!r} was made by an older lab (schema {header['schema']}) that this version "
                               "cannot read any more", "open it with the version that made it")
        header = {**upgrade(header), "schema": header["schema"] + 1}
    return header


def check_schema(folder: Path, name: str, document: dict) -> dict:
    """[document], the contents of one file of a run, if its schema is not newer than this version's. Raises ResultsError."""
    schema = document.get("schema")
    if type(schema) is not int:
        raise ResultsError(f"run {folder.name!r}: {name} does not say which schema it has (found {schema!r})", RESTORE)
    if schema > SCHEMA:
        raise ResultsError(f"run {folder.name!r}: {name} was made by a newer lab (schema {schema}, this one reads up to "
                           f"{SCHEMA})",
                           "upgrade the lab, or open the run with the version that made it")
    return document


# what rows of conformance.json lack that were written before the probes were asked along axes
_ROW_BEFORE_AXES = {"policy": "", "mode": "universal", "debug": "off", "output": ""}


def complete_row(row: dict) -> dict:
    """A row of conformance.json with every key of conformance.Outcome; what it expected then was what the arm claimed."""
    return {**_ROW_BEFORE_AXES, "claimed": bool(row["expected"]), **row}
