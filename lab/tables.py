"""What `lab compare` shows, as rows of text: a run's arms, its interpreters side by side, the same cells of two runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab import answer
from lab.answer import claim
from lab.catalogue import TWIN_SUFFIX
from lab.units import format_ns, format_ratio

if TYPE_CHECKING:
    from lab.analysis.paired import Finding
    from lab.analysis.regression import Shift
    from lab.stats import Estimate

FORMATS = ("table", "csv", "json", "md")


@dataclass(frozen=True)
class Table:
    """Rows for people ([text]) and for programs ([records]: full precision, times in ns, one for each finding)."""

    title: str
    columns: tuple[str, ...]
    text: tuple[tuple[str, ...], ...]
    records: tuple[dict, ...]


def interval(estimate: Estimate, signed: bool = True) -> str:
    """``+5.91 ns [+5.80, +6.02]``; each bound has its unit where they are not all the same."""
    point, low, high = (format_ns(time, signed) for time in (estimate.point, estimate.low, estimate.high))
    unit = " " + point.partition(" ")[2]
    if low.endswith(unit) and high.endswith(unit):
        low, high = low.removesuffix(unit), high.removesuffix(unit)
    return f"{point} [{low}, {high}]"


def ratio_interval(estimate: Estimate) -> str:
    """``2.95 [2.91, 3.00]``."""
    return f"{format_ratio(estimate.point)} [{format_ratio(estimate.low)}, {format_ratio(estimate.high)}]"


def _record(finding: Finding) -> dict:
    numbers = {}
    for name in ("absolute_ns", "added_ns", "ratio", "layouts_ns"):
        estimate = getattr(finding, name)
        numbers.update({name: estimate.point, f"{name}_low": estimate.low, f"{name}_high": estimate.high})
    return {"interpreter": finding.interpreter, "benchmark": finding.benchmark, "arm": finding.arm,
            "reference": finding.reference, "processes": finding.processes, "layouts": finding.layouts_ns.n, **numbers,
            "p_adjusted": finding.p_adjusted, "margin_ns": finding.margin_ns, "verdict": finding.verdict}


def of_run(findings: Sequence[Finding]) -> list[Table]:
    """One table for each interpreter and benchmark: every arm against its reference."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.interpreter, finding.benchmark), []).append(finding)
    columns = ("arm", "added", "ratio", "absolute", "floor", "processes", "verdict")
    return [Table(f"{benchmark}, {tag}, against {group[0].reference}", columns, tuple(map(_row, group)),
                  tuple(map(_record, group))) for (tag, benchmark), group in groups.items()]


def _row(finding: Finding) -> tuple[str, ...]:
    itself = finding.arm == finding.reference
    return (finding.arm, "–" if itself else interval(finding.added_ns), "–" if itself else ratio_interval(finding.ratio),
            format_ns(finding.absolute_ns.point), format_ns(finding.floor_ns), str(finding.processes),
            "A/A twin" if finding.arm.endswith(TWIN_SUFFIX) else claim(finding))


def by_interpreter(findings: Sequence[Finding]) -> list[Table]:
    """One table for each benchmark: arms down, interpreters across, what each arm adds over the reference arm of its column.

    A mark of answer.MARKS stands before what is not claimed; the reference arm has its median. Twins are in the records alone.
    """
    tags = list(dict.fromkeys(finding.interpreter for finding in findings))
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.benchmark, []).append(finding)
    found = []
    for benchmark, group in groups.items():
        known = {(each.arm, each.interpreter): each for each in group}
        arms = dict.fromkeys(each.arm for each in group if not each.arm.endswith(TWIN_SUFFIX))
        rows = [(arm, *(_field(known.get((arm, tag))) for tag in tags)) for arm in arms]
        found.append(Table(f"{benchmark}, added over {group[0].reference}", ("arm", *tags), tuple(rows),
                           tuple(map(_record, group))))
    return found


def _field(finding: Finding | None) -> str:
    if finding is None:
        return ""
    if finding.arm == finding.reference:
        return f"({format_ns(finding.absolute_ns.point)})"
    return f"{answer.mark(finding)} {format_ns(finding.added_ns.point, signed=True)}".strip()


VIEWS = {"arm": of_run, "interpreter": by_interpreter}


def of_two_runs(old: str, new: str, shifts: Sequence[Shift], across: str = "") -> list[Table]:
    """One table of the cells that both runs have: what each arm adds in either, the change, and the verdict on it.

    [across]: what must be the same in two runs and is not; it stands in the title and in every record.
    """
    text = tuple((shift.interpreter, shift.benchmark, shift.arm, interval(shift.old_ns), interval(shift.new_ns),
                  interval(shift.change_ns), ratio_interval(shift.change_ratio), "changed" if shift.binaries else "same",
                  shift.verdict) for shift in shifts)
    columns = ("interpreter", "benchmark", "arm", f"added, {old}", f"added, {new}", "change", "of the ratio", "binaries",
               "verdict")
    title = f"{old} → {new}" + (f": NOT ALIKE, {across}" if across else "")
    return [Table(title, columns, text, tuple({**_shift_record(shift), "across": across} for shift in shifts))]


def _shift_record(shift: Shift) -> dict:
    numbers = {}
    for name in ("old_ns", "new_ns", "change_ns", "change_ratio", "clean_ns"):
        estimate = getattr(shift, name)
        numbers.update({name: estimate.point, f"{name}_low": estimate.low, f"{name}_high": estimate.high})
    return {"interpreter": shift.interpreter, "benchmark": shift.benchmark, "arm": shift.arm, "reference": shift.reference,
            "processes_old": shift.processes[0], "processes_new": shift.processes[1], **numbers,
            "p_adjusted": shift.p_adjusted, "margin_ns": shift.margin_ns, "envelope_ns": shift.envelope_ns,
            "binaries": " ".join(shift.binaries), "verdict": shift.verdict}


def render(tables: Sequence[Table], form: str) -> str:
    """All tables as csv, json or md."""
    records = [record for table in tables for record in table.records]
    if form == "json":
        return json.dumps([{key: _finite(value) for key, value in record.items()} for record in records], indent=1)
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, fieldnames=list(records[0]) if records else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
        return out.getvalue().rstrip("\n")
    return "\n\n".join(_markdown(table) for table in tables)


def _finite(value):
    """JSON has no infinity and no NaN."""
    return None if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))) else value


def _markdown(table: Table) -> str:
    lines = [f"**{table.title}**", "", "| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in table.text])
