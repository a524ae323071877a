"""The probes' answers side by side: probes down, arms across, and within a field what differs by interpreter or by axis."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from lab import probes

_SIGNAL = re.compile(r"killed by (SIG\w+)")
GOOD = ("ok", "refused", "detected")        # what a design may well answer
Fields = Mapping[tuple[str, str], Sequence[tuple[str, Mapping]]]     # (probe, arm) -> (column, row of conformance.json)


def unexpected(row: Mapping) -> bool:
    """Whether something else happened than the arm claims, or than the probe expects where it claims nothing."""
    return bool(row["expected"]) and not probes.meets(row["outcome"], row["expected"])


def answers(rows: Sequence[tuple[str, Mapping]], key: Callable[[Mapping], tuple]) -> list[dict]:
    """The answers to one probe of one arm, the most frequent first: those with the same [key] on the same axes together.

    rows: (column, row); of a column that has an answer, what is "n/a" is left out. Each answer has one of its rows ("result"),
    its columns ("labels") and "axes", which of its column's rows it is, "" for all.
    """
    columns: dict[str, list[Mapping]] = {}
    for label, row in rows:
        columns.setdefault(label, []).append(row)
    groups: dict[tuple, dict] = {}
    for label, every in columns.items():
        every = [row for row in every if row["outcome"] != "n/a"] or every[:1]
        alike: dict[tuple, list[Mapping]] = {}
        for row in every:
            alike.setdefault(key(row), []).append(row)
        for value, some in alike.items():
            axes = probes.describe(some, every)
            groups.setdefault((value, axes), {"result": some[0], "labels": [], "axes": axes})["labels"].append(label)
    return sorted(groups.values(), key=lambda group: -len(group["labels"]))


def by_outcome(row: Mapping) -> tuple:
    return row["outcome"], row["expected"], row["claimed"]


def with_detail(row: Mapping) -> tuple:
    return *by_outcome(row), row["detail"]


def differing(fields: Fields) -> list[dict]:
    """The answers that are not what was expected, as answers()."""
    return [answer for rows in fields.values() for answer in answers(rows, with_detail) if unexpected(answer["result"])]


def matrix(rows: Sequence[Mapping]) -> dict:
    """One interpreter's rows for a terminal: {"arms": their ids, "rows": probe -> (one for each arm) {"text", "kind"}}.

    kind: "n/a", "unexpected", "good" or "bad", the last where what happened is expected and not as it should be.
    """
    fields: dict[tuple[str, str], list[tuple[str, Mapping]]] = {}
    for row in rows:
        fields.setdefault((row["probe"], row["arm"]), []).append(("", row))
    arms = list(dict.fromkeys(arm for _, arm in fields))
    return {"arms": arms, "rows": {probe: [_field(fields.get((probe, arm), [])) for arm in arms]
                                   for probe in dict.fromkeys(probe for probe, _ in fields)}}


def _field(rows: Sequence[tuple[str, Mapping]]) -> dict:
    found = answers(rows, by_outcome)
    lines = []
    for answer in found:
        row = answer["result"]
        signal = _SIGNAL.search(row["detail"]) if row["outcome"] == "crash" else None
        lines.append(row["outcome"] + (f" {signal[1]}" if signal else "") + (f" ({answer['axes']})" if answer["axes"] else "")
                     + (f", expected {row['expected']}" if unexpected(row) else ""))
    outcomes = {answer["result"]["outcome"] for answer in found}
    kind = ("n/a" if outcomes <= {"n/a"} else "unexpected" if any(unexpected(answer["result"]) for answer in found)
            else "good" if outcomes <= set(GOOD) else "bad")
    return {"text": "\n".join(lines), "kind": kind}
