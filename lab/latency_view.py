"""The latencies of a scenario as plain values for the templates: sentences, a plot, a table for each cell."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lab import answer, plots
from lab.columns import Column, Field, absence, concerns
from lab.detail import cell_id
from lab.units import format_ns

if TYPE_CHECKING:
    from lab.analysis.latency import Latency
    from lab.results import Run
    from lab.stats import Estimate

KINDS = ("wait", "service")
SHOWN = {"wait": (0.5, 0.9, 0.99, 0.999, 0.9999), "service": (0.5, 0.99, 0.999)}     # in the tables
FAR = 0.9     # what the plot draws beyond the median: these shares and larger ones
NAMES = {0.5: "median", 0.9: "p90", 0.99: "p99", 0.999: "p99.9", 0.9999: "p99.99"}


def measures_latency(scenario: Mapping) -> bool:
    """Whether a scenario of a header is shown here; one of before there were latencies is not."""
    return scenario.get("measures") == "latency"


@functools.lru_cache(maxsize=4)
def _analysed(run: Run) -> list[Latency]:
    from lab.analysis import latency

    return latency.analyse(run)


def _cell(column: Column, benchmark: str) -> dict[str, Latency]:
    return {each.arm: each for each in _analysed(column.run) if (each.interpreter, each.benchmark) == (column.tag, benchmark)}


def map_of(columns: Sequence[Column], scenario: Mapping, benchmark: str, kinds: Mapping[str, str]) -> dict:
    """What columns.notes needs to say why an arm is missing: a heat map without rows to show."""
    cells = [_cell(column, benchmark) for column in columns]
    rows = [{"arm": arm, "kind": kind, "fields": [
        Field("measured", "") if arm in cell else Field(*absence(column.run, column.tag, scenario["name"], benchmark, arm))
        for column, cell in zip(columns, cells)]} for arm, kind in kinds.items() if kind != "twin"]
    return {"benchmark": benchmark, "rows": [], "all_rows": rows}


def part(column: Column, scenario: Mapping, kinds: Mapping[str, str], plotted: bool) -> dict:
    """Everything the page says of one scenario of latencies on one interpreter; a plot only where [plotted]."""
    names = answer.benchmarks(scenario)
    cells = {benchmark: _cell(column, benchmark) for benchmark in names}
    measured = [cell for cell in cells.values() if cell]
    return {"tag": column.tag, "label": column.label, "sentences": [_sentence(column, scenario, benchmark, cell)
                                                                    for benchmark, cell in cells.items() if cell],
            "load": _load(measured), "figure": _figure(column, scenario, cells, kinds) if plotted and measured else None,
            "tables": [_table(column, scenario, benchmark, cell, kinds) for benchmark, cell in cells.items()]}


def _load(measured: Sequence[Mapping[str, Latency]]) -> str:
    """How often was called."""
    rates = sorted({each.calls_per_s for cell in measured for each in cell.values()})
    return " or ".join(f"{rate:g}" for rate in rates)


def title(latency: Latency, benchmark: str) -> str:
    """A cell's parameters, and whether there were more threads than processors."""
    said = answer.parameter_text(benchmark) or latency.scenario
    return f"{said}: oversubscribed, {latency.threads} threads on {latency.processors}" if latency.oversubscribed else said


def _sentence(column: Column, scenario: Mapping, benchmark: str, cell: Mapping[str, Latency]) -> answer.Line:
    """The median waits of the reference arm and the forms, and how many of the differences leave 0 out."""
    reference, told = cell.get(scenario["reference"]), []
    if reference:
        median, far = (reference.quantile("wait", share) for share in (0.5, FAR))
        told.append(f"{reference.arm} waits {_text(median.typical_ns)} in the median"
                    + (f", one call in ten at least {_text(far.pooled_ns)}" if far.pooled_ns else ""))
    forms = [cell[arm].quantile("wait", 0.5) for arm in column.evidence.forms() if arm in cell]
    medians = [each.typical_ns.point for each in forms if each.typical_ns]
    if medians:
        told.append(f"the forms between {format_ns(min(medians))} and {format_ns(max(medians))}" if len(medians) > 1 else
                    f"the form {format_ns(medians[0])}")
    bounded = [each.added_ns for each in forms if each.added_ns and math.isfinite(each.added_ns.low)]
    if bounded:
        apart = sum(not each.covers(0.0) for each in bounded)
        told.append(f"of {len(bounded)} paired differences to the reference {apart} "
                    f"{'has' if apart == 1 else 'have'} an interval without 0")
    one = next(iter(cell.values()))
    return answer.Line(title(one, benchmark), "; ".join(told) + "." if told else "no arm was measured.")


def _text(estimate: Estimate | None, signed: bool = False) -> str:
    """A time with its interval, or why there is none."""
    if estimate is None:
        return "too few calls"
    show = answer.signed_ns if signed else format_ns
    return f"{show(estimate.point)} {answer.bounds(estimate, show)}"


def _table(column: Column, scenario: Mapping, benchmark: str, cell: Mapping[str, Latency], kinds: Mapping[str, str]) -> dict:
    """The rows of one cell, the reference arm first, and the columns that any of them has something in."""
    chosen = [(kind, share, what) for kind in KINDS for share in SHOWN[kind] for what in ("value", "added")
              if any(_estimate(each, kind, share, what) for each in cell.values())]
    rows = []
    for arm, kind in sorted(kinds.items(), key=lambda item: item[0] != scenario["reference"]):
        row = {"arm": arm, "kind": kind, "id": cell_id(column.tag, benchmark, arm), "latency": cell.get(arm)}
        if arm in cell:
            cells = [{"field": f"{which}_{what}_{NAMES[share]}_ns", "signed": what == "added",
                      "estimate": _estimate(cell[arm], which, share, what)} for which, share, what in chosen]
            rows.append({**row, "fields": cells, "failures": sum(
                failure["arm"] in (None, arm) and concerns(failure, column.tag, scenario["name"], benchmark)
                for failure in column.run.failures)})
        else:
            role, why = absence(column.run, column.tag, scenario["name"], benchmark, arm)
            if role != "n/a":
                rows.append({**row, "why": f"failed: {why}" if role == "failed" else why})
    heads = [{"kind": kind, "text": NAMES[share] if what == "value" else "added"} for kind, share, what in chosen]
    spans = [{"kind": kind, "count": sum(head["kind"] == kind for head in heads) + 1} for kind in KINDS]
    caption = title(next(iter(cell.values())), benchmark) if cell else answer.parameter_text(benchmark)
    return {"benchmark": benchmark, "caption": caption, "heads": heads, "spans": spans, "rows": rows, "tag": column.tag}


def _estimate(latency: Latency, kind: str, share: float, what: str) -> Estimate | None:
    """What a field of the table shows: of the median that over processes and the difference to the reference arm's; further out
    that of all callbacks."""
    quantile = latency.quantile(kind, share)
    if what == "added":
        return quantile.added_ns if share == 0.5 else None
    return quantile.typical_ns if quantile.share == 0.5 else quantile.pooled_ns


def _figure(column: Column, scenario: Mapping, cells: Mapping[str, Mapping[str, Latency]], kinds: Mapping[str, str]):
    """The waits of all cells side by side: a row of panels for each value of all parameters but the last."""
    import markupsafe

    across = len(list(scenario["parameters"].values())[-1]) if scenario["parameters"] else 1
    panels = []
    for benchmark, cell in cells.items():
        rows = [_drawn(column, benchmark, cell[arm], kind) for arm, kind in kinds.items() if arm in cell]
        said = answer.parameter_text(benchmark).replace(", ", "\n")
        crowded = any(each.oversubscribed for each in cell.values())
        panels.append(plots.WaitPanel(said + (" (oversubscribed)" if crowded else ""), rows))
    label = (f"Waits of {scenario['title']} on {column.tag}: median, p90 and what is told beyond of each arm; the tables below "
             "hold the numbers")
    return markupsafe.Markup(plots.waits(panels, across, label))


def _drawn(column: Column, benchmark: str, latency: Latency, kind: str) -> plots.WaitRow:
    median = latency.quantile("wait", 0.5).typical_ns
    far = [each.pooled_ns.point for each in latency.wait if each.share >= FAR and each.pooled_ns]
    told = [f"{NAMES[each.share]} {_text(each.pooled_ns)}" for each in latency.wait if each.share >= FAR and each.pooled_ns]
    note = f"{latency.arm}: waits {', '.join([f'median {_text(median)}', *told])}"
    return plots.WaitRow(latency.arm, kind, median, far, cell_id(column.tag, benchmark, latency.arm), note)
