"""Interpreters and runs side by side, a column for each: heat maps, verdicts, probes, machines.

A time is compared inside its own column alone, with another arm on the same interpreter in the same run. Nothing here adds up,
averages or tests over columns: a colour shows how large a difference is that its own column claims, and a verdict of several
columns is a list of where each holds.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lab import answer
from lab import guarantees as answered
from lab.catalogue import TWIN_SUFFIX
from lab.units import format_ns

if TYPE_CHECKING:
    from lab.analysis.paired import Finding
    from lab.results import Run

KINDS = ("form", "twin", "control", "peer")    # the order of arms in plots and tables
ALL_NAMED = 3                                  # columns that are named one by one even where a verdict holds on all
FAINTEST = 0.25                                # the share of the full colour that the smallest difference claimed gets


@dataclass(frozen=True, eq=False)
class Column:
    """One interpreter of one run."""

    run: Run
    evidence: answer.Evidence
    label: str          # the interpreter's tag; of several runs "run:tag"
    group: str = ""     # the run's label where there are several runs
    edge: bool = False  # the first of its run

    @property
    def tag(self) -> str:
        return self.evidence.interpreter


@dataclass(frozen=True)
class Field:
    """What one column says of one arm in one cell."""

    role: str                      # "measured", "reference", "n/a", "failed", "absent"
    note: str                      # the whole of it in words; why there is no number
    finding: Finding | None = None
    mark: str = ""                 # answer.MARKS
    reference_ns: float = math.nan    # of the reference arm, where its own finding is missing
    heat: float = 0.0              # 0: no colour, 1: the largest difference of the table
    shade: float = 0.0             # the same for the median, 1: the longest


def arm_kinds(runs: Iterable[Run]) -> dict[str, str]:
    """The kind of every arm of [runs] by id, in the order of plots and tables: forms, their twin, controls, peers."""
    kinds: dict[str, str] = {}
    for run in runs:
        kinds.update({arm["id"]: arm["kind"] for arm in run.header["arms"] if arm["id"] not in kinds})
        if run.header["twin"]:
            kinds[run.header["twin"]] = "twin"
    kinds = {arm: "twin" if arm.endswith(TWIN_SUFFIX) else kind for arm, kind in kinds.items()}
    return dict(sorted(kinds.items(), key=lambda item: KINDS.index(item[1])))


def concerns(entry: Mapping, tag: str, scenario: str, benchmark: str) -> bool:
    """Whether a not_applicable or failures entry, whose empty fields stand for all, speaks of a cell."""
    wanted = {"interpreter": tag, "scenario": scenario, "benchmark": benchmark}
    return all(entry.get(key) in (None, value) for key, value in wanted.items())


def absence(run: Run, tag: str, scenario: str, benchmark: str, arm: str) -> tuple[str, str]:
    """Why an arm has no number in a cell: "n/a", "failed" or "absent", and the reason."""
    for entry in run.not_applicable:
        if entry["arm"] in (None, arm) and concerns(entry, tag, scenario, benchmark):
            return "n/a", entry["why"]
    for failure in run.failures:
        if failure["arm"] in (None, arm) and concerns(failure, tag, scenario, benchmark):
            return "failed", failure["what"]
    planned = any(sheet["interpreter"] == tag and sheet["scenario"] == scenario and arm in sheet["arms"]
                  for sheet in run.header["sheets"])
    return "absent", "no samples: the run ended before its turn" if planned else "not in the plan of this run"


def heat_map(columns: Sequence[Column], scenario: Mapping, benchmark: str, kinds: Mapping[str, str]) -> dict:
    """Arm × column of one cell: added time over the column's own reference arm, and the median; no row for arms without any."""
    rows = []
    for arm, kind in kinds.items():
        if kind != "twin":
            fields = [_field(column, scenario, benchmark, arm) for column in columns]
            rows.append({"arm": arm, "kind": kind, "fields": fields})
    shown = [row for row in rows if any(field.role in ("measured", "reference") for field in row["fields"])]
    shown.sort(key=lambda row: not any(field.role == "reference" for field in row["fields"]))
    _colour(shown)
    return {"benchmark": benchmark, "rows": shown, "all_rows": rows}


def _field(column: Column, scenario: Mapping, benchmark: str, arm: str) -> Field:
    cell = column.evidence.cell(benchmark)
    own = column.evidence.scenario(scenario["name"])
    if own and own["reference"] == arm:
        finding = next((each for each in column.evidence.findings
                        if each.benchmark == benchmark and each.arm == arm == each.reference), None)
        if finding or cell:
            times = finding or min(cell.values(), key=lambda each: each.block)
            return Field("reference", f"{arm} on {column.label}: the reference arm, {format_ns(times.reference_ns)}", finding,
                         reference_ns=times.reference_ns)
    if arm in cell:
        finding = cell[arm]
        note = (f"{arm} on {column.label}: {answer.added_text(finding.added_ns)} over {finding.reference}, "
                f"{answer.claim(finding)}; A/A envelope ±{format_ns(finding.envelope_ns)}; median "
                f"{format_ns(finding.absolute_ns.point)}, {finding.processes} processes")
        return Field("measured", note, finding, answer.mark(finding), finding.reference_ns)
    return Field(*absence(column.run, column.tag, scenario["name"], benchmark, arm))


def _colour(rows: Sequence[dict]) -> None:
    """Gives each field its heat and shade, both on the logarithmic scale of this table; only what is claimed has heat."""
    fields = [field for row in rows for field in row["fields"]]
    claimed = [abs(field.finding.added_ns.point) for field in fields if field.role == "measured" and not field.mark]
    medians = [median_ns(field) for field in fields if field.role in ("measured", "reference")]
    for row in rows:
        row["fields"] = [replace(
            field,
            heat=_share(abs(field.finding.added_ns.point), claimed, FAINTEST)
            if field.role == "measured" and not field.mark else 0.0,
            shade=_share(median_ns(field), medians, 0.0) if field.role in ("measured", "reference") else 0.0)
            for field in row["fields"]]


def _share(value: float, values: Sequence[float], least: float) -> float:
    """Where [value] > 0 lies between the smallest and the largest of [values], as a logarithm, from [least] to 1."""
    low, high = min(values), max(values)
    if not 0 < low < high:
        return (1 + least) / 2
    return least + (1 - least) * math.log(value / low) / math.log(high / low)


def median_ns(field: Field) -> float:
    """The median time of a measured field or of a reference, in ns."""
    return field.finding.absolute_ns.point if field.finding else field.reference_ns


def short_ns(value_ns: float, signed: bool = False) -> str:
    """Nanoseconds in three figures without the unit, for a column whose head has it: ``+4.02``, ``12.3``, ``1520``."""
    digits = 2 if abs(value_ns) < 9.995 else 1 if abs(value_ns) < 99.95 else 0
    return (f"{value_ns:+.{digits}f}" if signed else f"{value_ns:.{digits}f}").replace("-", "−")


def notes(maps: Sequence[Mapping], columns: Sequence[Column]) -> list[dict]:
    """Every field of a scenario's heat maps without a number: role and reason, with the arms, columns and benchmarks."""
    benchmarks = [each["benchmark"] for each in maps]
    found: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for each in maps:
        for row in each["all_rows"]:
            for column, field in zip(columns, row["fields"]):
                if field.role not in ("measured", "reference"):
                    places = found.setdefault((field.role, field.note, row["arm"]), {})
                    places.setdefault(each["benchmark"], []).append(column.label)
    groups: dict[tuple, list[str]] = {}
    for (role, why, arm), places in found.items():
        alike: dict[tuple[str, ...], list[str]] = {}
        for benchmark, labels in places.items():
            alike.setdefault(tuple(labels), []).append(benchmark)
        for labels, where in alike.items():
            groups.setdefault((role, why, labels, () if where == benchmarks else tuple(where)), []).append(arm)
    return [{"role": role, "why": why, "labels": labels, "everywhere": len(labels) == len(columns), "benchmarks": where,
             "arms": arms} for (role, why, labels, where), arms in groups.items()]


def verdicts(columns: Sequence[Column], scenario: Mapping) -> list[dict]:
    """Each comparison that a run declared in a scenario, twins apart, and on which columns each verdict holds."""
    names = set(answer.benchmarks(scenario))
    declared = dict.fromkeys(tuple(each) for column in columns for each in column.run.header["comparisons"]
                             if each[0] in names and not each[1].endswith(TWIN_SUFFIX))
    labels = [column.label for column in columns]
    known = [{(each.benchmark, each.arm, each.reference): each for each in column.evidence.findings} for column in columns]
    rows = []
    for key in sorted(declared, key=lambda key: answer.benchmarks(scenario).index(key[0])):
        said = [_said(column, findings.get(key), scenario["name"], key) for column, findings in zip(columns, known)]
        holds: dict[str, list[str]] = {}
        for label, each in zip(labels, said):
            holds.setdefault(each, []).append(label)
        rows.append({"benchmark": key[0], "arm": key[1], "reference": key[2], "holds": holds,
                     "text": "; ".join(f"{verdict} on {where(chosen, labels)}" for verdict, chosen in holds.items()),
                     "opposed": {answer.BETTER, answer.WORSE} <= holds.keys(), "same": len(holds) == 1})
    return rows


def _said(column: Column, finding: Finding | None, scenario: str, key: tuple[str, str, str]) -> str:
    """A column's verdict on a comparison, or why it has none."""
    if finding:
        return answer.claim(finding)
    benchmark, *arms = key
    roles = {absence(column.run, column.tag, scenario, benchmark, arm)[0] for arm in arms}
    return next(word for word in ("n/a", "failed", "absent") if word in roles).replace("absent", "not measured")


def where(chosen: Sequence[str], labels: Sequence[str]) -> str:
    """Columns in words: each by name, or ``all 9``, or ``all 9 but x``."""
    rest = [label for label in labels if label not in chosen]
    if len(labels) > ALL_NAMED and not rest:
        return f"all {len(labels)}"
    if len(labels) > 2 * ALL_NAMED and len(rest) == 1:
        return f"all {len(labels)} but {rest[0]}"
    return answer.joined(list(chosen))


def agreement_sentence(rows: Sequence[Mapping], columns: Sequence[Column]) -> str:
    """How far the columns' verdicts agree, from the rows of verdicts()."""
    opposed = [row for row in rows if row["opposed"]]
    same = sum(row["same"] for row in rows)
    where_all = "both" if len(columns) == 2 else f"all {len(columns)}"
    said = (f"Of {len(rows)} comparisons that were declared beforehand, {same} {'has' if same == 1 else 'have'} the same "
            f"verdict in {where_all} columns, and ")
    if not opposed:
        return said + "none is better in one and worse in another."
    named = [f"{row['arm']} over {row['reference']} in {row['benchmark']}" for row in opposed[:ALL_NAMED]]
    more = [f"{len(opposed) - ALL_NAMED} more"] if len(opposed) > ALL_NAMED else []
    return said + f"{len(opposed)} {'is' if len(opposed) == 1 else 'are'} better in one and worse in another: " \
        f"{answer.joined(named + more)}."


def guarantees(columns: Sequence[Column], kinds: Mapping[str, str]) -> dict | None:
    """The probes' answers, probes down and arms across; where columns differ, each answer with its columns. None: no probe."""
    probed = [column for column in columns if column.run.conformance.get(column.tag)]
    if not probed:
        return None
    fields: dict[tuple[str, str], list[tuple[str, Mapping]]] = {}
    for column in probed:
        for result in column.run.conformance[column.tag]:
            fields.setdefault((result["probe"], result["arm"]), []).append((column.label, result))
    order = {arm: place for place, arm in enumerate(kinds)}
    arms = sorted({arm for _, arm in fields}, key=lambda arm: (order.get(arm, len(order)), arm))
    labels = [column.label for column in probed]
    return {"arms": arms, "total": sum(map(len, fields.values())), "labels": labels,
            "without": [column.label for column in columns if column not in probed],
            "differing": [_with_where(each, labels) for each in answered.differing(fields)],
            "rows": [{"probe": probe, "cells": [_answers(fields.get((probe, arm), []), labels) for arm in arms]}
                     for probe in dict.fromkeys(probe for probe, _ in fields)]}


def _answers(results: Sequence[tuple[str, Mapping]], labels: Sequence[str]) -> list[dict]:
    """The answers to one probe of one arm, each with the columns that gave it."""
    return [{**_with_where(each, labels), "unexpected": answered.unexpected(each["result"])}
            for each in answered.answers(results, answered.by_outcome)]


def _with_where(answers: dict, labels: Sequence[str]) -> dict:
    return {**answers, "where": "" if set(answers["labels"]) == set(labels) else where(answers["labels"], labels)}


def heads(columns: Sequence[Column]) -> list[list[dict]]:
    """The head of a table with these columns, row by row: runs where there are several, implementations, versions."""
    split = [re.fullmatch(r"([a-z]+)(\d.*)", column.tag) for column in columns]
    implementations = [match[1] if match else "" for match in split]
    versions = [{"text": match[2] if match else column.tag, "count": 1, "kind": "n", "title": column.label, "edge": column.edge}
                for match, column in zip(split, columns)]
    runs = _spans([(column.group, column.group) for column in columns], "group run", columns)
    rows = [_spans([(column.group, name) for column, name in zip(columns, implementations)], "group", columns), versions]
    return [runs, *rows] if columns[0].group else rows


def _spans(keys: Sequence[tuple[str, str]], kind: str, columns: Sequence[Column]) -> list[dict]:
    """Neighbours with the same key in one field, which shows the last part of the key."""
    found, place = [], 0
    for key, same in itertools.groupby(keys):
        count = len(list(same))
        found.append({"text": key[-1], "count": count, "kind": kind, "title": "", "edge": columns[place].edge})
        place += count
    return found


def machine(run: Run) -> str:
    """The machine that a run was made on: its name, which pyperf keeps, and its processor."""
    kept = list(run.metadata.values())
    names = sorted({str(each["hostname"]) for each in kept if each.get("hostname")})
    models = [run.header["environment"].get("cpu_model"), *(each.get("cpu_model_name") for each in kept)]
    model = next((str(model) for model in models if model), "processor not known")
    return f"{answer.joined(names) if names else 'name not known'}, {model}"


def sources_sentence(runs: Sequence[Run], labels: Sequence[str]) -> str:
    """Whether the runs were built from the same sources, by the hashes that each kept; binaries may differ."""
    kept = [{path: digest for path, digest in run.header["hashes"].items() if not path.startswith("build/")} for run in runs]
    told = []
    for label, hashes in list(zip(labels, kept))[1:]:
        differing = [path for path in hashes.keys() | kept[0].keys() if hashes.get(path) != kept[0].get(path)]
        if differing:
            told.append(f"{label} differs in {len(differing)} of {len(hashes.keys() | kept[0].keys())} source files")
    if not told:
        return "All runs were built from the same specifications and sources."
    return f"The runs were not built from the same sources: compared with {labels[0]}, {answer.joined(told)}."
