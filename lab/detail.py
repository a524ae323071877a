"""One interpreter of a run in detail, as plain values for the templates: plots, tables, pairs, warm-ups, cross-check."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lab import answer, plots
from lab.columns import Column, absence, concerns

if TYPE_CHECKING:
    from lab.analysis.counts import Count
    from lab.analysis.crosscheck import Row
    from lab.analysis.paired import Finding
    from lab.analysis.warmup import Series
    from lab.results import Run
    from lab.stats import Estimate


def cell_id(interpreter: str, benchmark: str, arm: str) -> str:
    """The name of a row: interpreter, benchmark and arm, from which the file of its samples follows."""
    return f"{interpreter}/{benchmark}/{arm}"


def part(column: Column, scenario: Mapping, kinds: Mapping[str, str], warmups: Sequence[Series], plotted: bool) -> dict:
    """Everything the page says of one scenario on one interpreter; a forest plot only where [plotted]."""
    evidence = column.evidence
    names = answer.benchmarks(scenario)
    measured = [benchmark for benchmark in names if evidence.cell(benchmark)]
    panels = [_panel(evidence, scenario, benchmark, kinds) for benchmark in measured] if plotted else []
    return {
        "tag": column.tag,
        "sentences": answer.cell_sentences(evidence, scenario),
        "conflict": answer.conflict_sentence(evidence, scenario),
        "figure": _figure(scenario, column.tag, panels),
        "tables": [_table(column, scenario, benchmark, kinds) for benchmark in names],
        "envelope_of": _borrowed_envelope(evidence, measured),
        "pairs": _pairs(evidence, scenario),
        "warmup": warmup(column.tag, scenario, kinds, warmups),
        "counts": counted(column.run, column.tag, scenario, kinds),
        "counters": kernel_counted(column.run, column.tag, scenario, kinds),
    }


def layout_sentence(run: Run, findings: Sequence[Finding]) -> str:
    """Whether the run's claims are about one build of the code or about layouts of it, and how many depend on the layout."""
    count = run.header.get("layouts", 1)
    if count == 1:
        return ("Everything was built once, and ran in the layout that compiler and linker chose. A small difference may be that "
                "build’s and not the design’s; --layouts 8 of lab bench samples others.")
    claimed = [finding for finding in findings if finding.verdict in (answer.BETTER, answer.WORSE, answer.EQUIVALENT)]
    dependent = sum(finding.verdict == answer.BY_LAYOUT for finding in findings)
    return (f"Each process ran one of {count} layouts of the same code (order of linking, gaps, alignment). {len(claimed)} "
            f"comparisons came out alike in the interval over layouts and are claimed; {dependent} are called layout-dependent: the "
            "layouts differ by more than their processes. Of the others some may be resolved in processes and not over layouts. The "
            "smallest effect above is that within layouts.")


def _panel(evidence: answer.Evidence, scenario: Mapping, benchmark: str, kinds: Mapping[str, str]) -> plots.Panel:
    cell = evidence.cell(benchmark)
    rows = []
    for arm in [arm for arm in kinds if arm in cell]:
        finding = cell[arm]
        note = (f"{arm}: {answer.added_text(finding.added_ns)}, ratio {answer.ratio_text(finding.ratio)}, "
                f"{answer.claim(finding)}")
        rows.append(plots.Row(arm, kinds[arm], finding.added_ns, finding.ratio,
                              cell_id(evidence.interpreter, benchmark, arm), note))
    first = min(cell.values(), key=lambda finding: finding.block)
    return plots.Panel(answer.parameter_text(benchmark) or scenario["name"], rows, scenario["reference"], first.reference_ns,
                       first.envelope_ns if math.isfinite(first.envelope_ns) else None, scenario["unit"])


def _borrowed_envelope(evidence: answer.Evidence, benchmarks: Sequence[str]) -> str:
    """The benchmark whose A/A envelope stands in where a scenario has no twin of its own; empty where it has."""
    sources = {finding.envelope_of for benchmark in benchmarks for finding in evidence.cell(benchmark).values()}
    return min(sources - {*benchmarks, ""}, default="")


def _figure(scenario: Mapping, tag: str, panels: Sequence[plots.Panel]):
    import markupsafe

    if not panels:
        return None
    label = (f"Forest plot of {scenario['title']} on {tag}: added time and ratio of each arm over {scenario['reference']}, "
             "with intervals; the table below holds the numbers")
    return markupsafe.Markup(plots.forest(panels, label))


def _table(column: Column, scenario: Mapping, benchmark: str, kinds: Mapping[str, str]) -> dict:
    """The rows of one cell: every arm of the run that is not listed as not applicable."""
    run, tag, cell = column.run, column.tag, column.evidence.cell(benchmark)
    own = next((finding for finding in column.evidence.findings if finding.benchmark == benchmark
                and finding.arm == scenario["reference"] == finding.reference), None)
    rows = []
    for arm, kind in kinds.items():
        failed = sum(failure["arm"] in (None, arm) and concerns(failure, tag, scenario["name"], benchmark)
                     for failure in run.failures)
        row = {"arm": arm, "kind": kind, "id": cell_id(tag, benchmark, arm), "failures": failed}
        if arm == scenario["reference"] and (own or cell):
            times = own or min(cell.values(), key=lambda finding: finding.block)
            rows.insert(0, {**row, "role": "reference", "finding": own, "reference_ns": times.reference_ns})
        elif arm in cell:
            claim = "A/A twin" if kind == "twin" else answer.claim(cell[arm])
            rows.append({**row, "role": "measured", "finding": cell[arm], "claim": claim})
        else:
            role, why = absence(run, tag, scenario["name"], benchmark, arm)
            if role != "n/a":
                rows.append({**row, "role": "absent", "why": f"failed: {why}" if role == "failed" else why})
    return {"benchmark": benchmark, "rows": rows, "tag": tag}


def _pairs(evidence: answer.Evidence, scenario: Mapping) -> list[dict]:
    """The forms compared with each other, as declared beforehand: for each cell a table, form down and the other across."""
    forms, tables = evidence.forms(), []
    for benchmark in answer.benchmarks(scenario):
        known = {(each.arm, each.reference): each for each in evidence.findings if each.benchmark == benchmark
                 and each.arm in forms and each.reference in forms and each.arm != each.reference}
        across = [form for form in forms if any(form == other for _, other in known)]
        rows = [{"arm": form, "id": cell_id(evidence.interpreter, benchmark, form),
                 "fields": [_pair_field(known.get((form, other))) for other in across]}
                for form in forms if any(form == arm for arm, _ in known)]
        if rows:
            tables.append({"benchmark": benchmark, "across": across, "rows": rows, "count": len(known),
                           "through": any(each.through for each in known.values())})
    return tables


def _pair_field(finding: Finding | None) -> dict | None:
    """One form over another; [note] is what stands there on hovering."""
    if finding is None:
        return None
    claim = answer.claim(finding)
    through = f", through {finding.through}" if finding.through else ""
    return {"finding": finding, "claim": claim, "note": f"{finding.arm} over {finding.reference}{through}: ratio "
            f"{answer.ratio_text(finding.ratio)}, {claim}, {finding.processes} processes"}


def warmup(tag: str, scenario: Mapping, kinds: Mapping[str, str], series: Sequence[Series]) -> dict | None:
    """The batches before the steady part in one scenario on one interpreter, arms down and benchmarks across; None without."""
    import markupsafe

    names = answer.benchmarks(scenario)
    found = {(each.benchmark, each.arm): each for each in series if each.interpreter == tag and each.benchmark in names}
    if not found:
        return None
    rows = [{"arm": arm, "kind": kind, "cells": [found.get((benchmark, arm)) for benchmark in names]}
            for arm, kind in kinds.items() if any((benchmark, arm) in found for benchmark in names)]
    top = max(max(each.ratios) for each in found.values())
    return {"sentence": answer.warmup_sentence(list(found.values())), "benchmarks": names, "rows": rows,
            "spark": lambda each: markupsafe.Markup(plots.spark(each.ratios, top, "steady" if each.steady else "restless"))}


def counted(run: Run, tag: str, scenario: Mapping, kinds: Mapping[str, str]) -> dict | None:
    """What valgrind counted in one scenario on one interpreter, arms in the order of the other tables; None without."""
    from lab.analysis import counts

    entry = run.counts.get(tag)
    found = [each for each in counts.analyse(run) if (each.interpreter, each.scenario) == (tag, scenario["name"])]
    names = answer.benchmarks(scenario)
    failures = [failure for failure in entry["failures"] if failure["benchmark"] in names] if entry else []
    if not entry or not (found or failures or entry["absent"]):
        return None
    channels = list(entry["units"])
    order = {arm: place for place, arm in enumerate(kinds)}
    found.sort(key=lambda each: (names.index(each.benchmark), each.arm != each.reference, order.get(each.arm, len(order))))
    rows = [{"benchmark": each.benchmark, "arm": each.arm, "kind": kinds.get(each.arm, "control"),
             "id": cell_id(tag, each.benchmark, each.arm),
             "cells": [_counted_cell(each, channel) for channel in channels]} for each in found]
    return {"absent": entry["absent"], "channels": [{"name": name, "unit": unit} for name, unit in entry["units"].items()],
            "rows": rows, "failures": failures, "sentence": _counts_sentence(entry, found)}


def _counts_sentence(entry: Mapping, found: Sequence[Count]) -> str:
    """How the counts were made, and whether they were the same in every repeat."""
    fewer, more = entry["calls"]
    varying = ", ".join(f"{each.arm} in {each.benchmark}" for each in found if not each.steady)
    return (f"Counted by {entry['tool']} (addresses {entry['address_space']}): what {more} callbacks execute beyond {fewer}, "
            f"for one of them. “Added” is over the reference arm; the call and the loop are in all alike. Exact, and blind to "
            f"time. {f'Not the same in every repeat: {varying}.' if varying else 'Every repeat counted the same.'}")


def _counted_cell(count: Count, channel: str) -> dict:
    """The texts of one arm in one channel, and its exact addition over the reference; a count that varies shows its range."""
    if not count.steady:
        return {"exact": None, "added": "varies", "total": f"{count.low[channel]:g} … {count.high[channel]:g}"}
    added = count.added[channel] if count.added else None
    text = "" if added is None else f"{added:+g}".replace("-", "−") if added else "0"
    return {"exact": added, "added": text, "total": f"{count.low[channel]:g}"}


def kernel_counted(run: Run, tag: str, scenario: Mapping, kinds: Mapping[str, str]) -> dict | None:
    """What the kernel counted in one scenario on one interpreter, and why some is absent; None where nothing was asked."""
    from lab.analysis import counters

    names, order = answer.benchmarks(scenario), {arm: place for place, arm in enumerate(kinds)}
    found = [each for each in _all_counters(run) if (each.interpreter, each.scenario) == (tag, scenario["name"])]
    if not found:
        return None
    found.sort(key=lambda each: (names.index(each.benchmark), each.arm != each.reference, order.get(each.arm, len(order))))
    channels = [name for name in counters.NAMES if any(name in each.total for each in found)]
    heads = [{"name": name, "per": "" if calls == 1 else f" in {calls:,} calls"}
             for name, calls in map(counters.NAMES.__getitem__, channels)]
    rows = [{"benchmark": each.benchmark, "arm": each.arm, "kind": kinds.get(each.arm, "control"),
             "cells": [(_counter_text(each.added.get(name), True), _counter_text(each.total.get(name), False))
                       for name in channels]} for each in found]
    absent = [f"{answer.capital(answer.joined(which))}: absent, {why}." for why, which in counters.absent(run, tag).items()]
    return {"channels": heads, "rows": rows, "absent": absent, "processes": min(each.processes for each in found)}


@functools.lru_cache(maxsize=4)
def _all_counters(run: Run) -> list:
    from lab.analysis import counters

    return counters.analyse(run)


def _counter_text(estimate: Estimate | None, signed: bool) -> str:
    """A count for a call with its interval, four figures each."""
    if estimate is None:
        return ""
    point, low, high = (f"{each:{'+' if signed else ''}.4g}" for each in (estimate.point, estimate.low, estimate.high))
    told = f"{point} [{low}, {high}]" if math.isfinite(estimate.low) else point
    return told.replace("-", "−")


def crosscheck(rows: Sequence[Row], tags: Sequence[str], order: Sequence[str], kinds: Mapping[str, str]) -> list[dict]:
    """The rows of plain pyperf, a group for each interpreter and benchmark, arms in the order of the other tables."""
    arms, where = list(kinds), {benchmark: place for place, benchmark in enumerate(order)}
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.arm != row.reference, arms.index(row.arm) if row.arm in arms else len(arms))):
        groups.setdefault((row.interpreter, row.benchmark), []).append(row)
    found = sorted(groups.items(), key=lambda item: (tags.index(item[0][0]), where.get(item[0][1], len(where))))
    return [{"interpreter": interpreter, "benchmark": benchmark,
             "rows": [{"row": row, "kind": kinds.get(row.arm, "control"), "id": cell_id(interpreter, benchmark, row.arm)}
                      for row in group]}
            for (interpreter, benchmark), group in found]
