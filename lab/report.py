"""A run as one HTML file that needs no network, and as the five lines that end a benchmark.

Rendering never measures: every number comes from the analyses of the run's files and carries, as data attributes, the cell
it belongs to, so that it can be followed back to its samples.
"""

from __future__ import annotations

import functools
import math
import os
import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import answer, plots, units
from lab.catalogue import TWIN_SUFFIX, file_stem

if TYPE_CHECKING:
    from lab.analysis.crosscheck import Row
    from lab.analysis.paired import Finding
    from lab.analysis.twin import TwinFinding
    from lab.results import Run

TEMPLATES = Path(__file__).resolve().parent / "templates"
KINDS = ("form", "twin", "control", "peer")                          # the order of arms in plots and tables
SYMBOLS = {"form": "●", "control": "■", "peer": "◆", "twin": "▲"}    # the shapes of plots.MARKERS, for the text
OPEN_ROWS = 12                                                       # a table of pairs longer than this starts closed


def summary(run: Run) -> list[str]:
    """The answer of a run in five lines of plain text, for its first interpreter with findings."""
    findings, control = _analyses(run)
    tags = list(dict.fromkeys(finding.interpreter for finding in findings)) or [""]
    where = f"[{tags[0]}] " if len(tags) > 1 else ""
    return [where + str(line) for line in answer.lines(_evidence(run, findings, control, tags[0]))]


def render(run: Run, out_dir: Path) -> Path:
    """Writes the report of [run] to index.html in [out_dir], replacing what is there, and answers its path."""
    import jinja2

    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(
        ns=units.format_ns, signed_ns=answer.signed_ns, ratio=units.format_ratio, duration=units.format_duration,
        bounds_ns=lambda estimate: answer.bounds(estimate, units.format_ns),
        bounds_signed_ns=lambda estimate: answer.bounds(estimate, answer.signed_ns),
        bounds_ratio=lambda estimate: answer.bounds(estimate, units.format_ratio))
    ids = [arm["id"] for arm in run.header["arms"]]
    environment.filters["sentence"] = lambda text: _typeset(text, ids)
    page = environment.get_template("report.html.j2").render(view(run))
    out_dir.mkdir(parents=True, exist_ok=True)
    target = out_dir / "index.html"
    with tempfile.NamedTemporaryFile("w", dir=out_dir, suffix=".html", delete=False, encoding="utf-8") as file:
        file.write(page)
    os.chmod(file.name, 0o644)
    os.replace(file.name, target)
    return target


def _typeset(text: str, arms: Sequence[str]):
    """A sentence as HTML: ids of arms in the type of code, a number with its unit and interval never broken over two lines."""
    import markupsafe

    ids = "|".join(re.escape(arm) for arm in sorted(arms, key=len, reverse=True)) or "(?!)"
    quantity = r"[+−±]?[\d∞][\d.,]*(?: (?:ns|µs|ms|s|%)(?!\w))(?: \[[^\]]*\])?"
    parts, end = [], 0
    for match in re.finditer(rf"(?P<arm>(?:{ids})(?![\w/@]))|(?P<quantity>{quantity})", text):
        parts += [markupsafe.escape(text[end:match.start()]),
                  markupsafe.Markup('<span class="{}">{}</span>').format("arm" if match["arm"] else "quantity", match[0])]
        end = match.end()
    return markupsafe.Markup("").join([*parts, markupsafe.escape(text[end:])])


def view(run: Run) -> dict[str, Any]:
    """What the template shows: plain values, in the order of the page."""
    import markupsafe

    from lab.analysis import crosscheck

    (findings, control), rows = _analyses(run), crosscheck.analyse(run)
    tags = [each["tag"] for each in run.header["interpreters"]]
    evidence = [_evidence(run, findings, control, tag) for tag in tags]
    header = run.header
    order = [benchmark for scenario in header["scenarios"] for benchmark in answer.benchmarks(scenario)]
    return {
        "run": header,
        "css": markupsafe.Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "command": shlex.join([Path(word).name if place == 0 else word for place, word in enumerate(header["command"])]),
        "kinds": {kind: sum(_kind(run, arm["id"]) == kind for arm in header["arms"]) for kind in KINDS},
        "symbols": SYMBOLS,
        "answers": [{"tag": each.interpreter, "lines": answer.lines(each)} for each in evidence],
        "twin": control,
        "twin_cells": sorted(control.cells, key=lambda cell: (tags.index(cell.interpreter), order.index(cell.benchmark))),
        "control_sentence": answer.capital(answer.control_sentence(control)),
        "matrices": [_matrix(run, tag) for tag in tags if run.conformance.get(tag)],
        "scenarios": [_scenario(run, scenario, evidence) for scenario in header["scenarios"]],
        "stray_failures": [failure for failure in run.failures
                           if failure["scenario"] not in {scenario["name"] for scenario in header["scenarios"]}],
        "crosscheck": _crosscheck(run, rows, order),
        "crosscheck_sentence": answer.crosscheck_sentence(rows),
        "example": _example(run),
        "counts": _counts(run),
        "claims": answer.CLAIMS,
    }


@functools.lru_cache(maxsize=1)
def _analyses(run: Run) -> tuple[list[Finding], TwinFinding]:
    """The findings against the reference arms and between forms, and what the A/A control says."""
    from lab.analysis import paired, twin

    return paired.analyse(run) + paired.analyse_pairs(run), twin.analyse(run)


def _evidence(run: Run, findings: Sequence[Finding], control: TwinFinding, tag: str) -> answer.Evidence:
    return answer.Evidence(tag, [finding for finding in findings if finding.interpreter == tag], control,
                           run.header["arms"], run.header["scenarios"])


def _kind(run: Run, arm: str) -> str:
    """The kind an arm is shown as: that of the catalogue, or ``twin``."""
    if arm.endswith(TWIN_SUFFIX):
        return "twin"
    return next((each["kind"] for each in run.header["arms"] if each["id"] == arm), "control")


def _arm_order(run: Run) -> list[str]:
    """The ids of the run's arms as plots and tables list them: forms, their twin, controls, peers."""
    ids = list(dict.fromkeys([arm["id"] for arm in run.header["arms"]] + [run.header["twin"]]))
    return sorted(filter(None, ids), key=lambda arm: KINDS.index(_kind(run, arm)))


def cell_id(interpreter: str, benchmark: str, arm: str) -> str:
    """The name of a row: interpreter, benchmark and arm, from which the file of its samples follows."""
    return f"{interpreter}/{benchmark}/{arm}"


def _scenario(run: Run, scenario: Mapping, evidence: Sequence[answer.Evidence]) -> dict:
    """Everything the page says of one scenario, interpreter by interpreter."""
    parts = []
    for each in evidence:
        measured = [benchmark for benchmark in answer.benchmarks(scenario) if each.cell(benchmark)]
        panels = [_panel(run, scenario, each, benchmark) for benchmark in measured]
        parts.append({
            "tag": each.interpreter,
            "sentences": answer.cell_sentences(each, scenario),
            "conflict": answer.conflict_sentence(each, scenario),
            "figure": _figure(scenario, each.interpreter, panels),
            "tables": [_table(run, scenario, each, benchmark) for benchmark in answer.benchmarks(scenario)],
            "envelope_of": _borrowed_envelope(each, measured),
            "pairs": _pairs(scenario, each),
            "not_applicable": _not_applicable(run, scenario, each.interpreter),
        })
    failures = [failure for failure in run.failures if failure["scenario"] == scenario["name"]]
    return {**scenario, "parts": parts, "failures": failures, "open_rows": OPEN_ROWS}


def _panel(run: Run, scenario: Mapping, evidence: answer.Evidence, benchmark: str) -> plots.Panel:
    cell = evidence.cell(benchmark)
    rows = []
    for arm in [arm for arm in _arm_order(run) if arm in cell]:
        finding = cell[arm]
        note = (f"{arm}: {answer.added_text(finding.added_ns)}, ratio {answer.ratio_text(finding.ratio)}, "
                f"{answer.claim(finding)}")
        rows.append(plots.Row(arm, _kind(run, arm), finding.added_ns, finding.ratio,
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


def _table(run: Run, scenario: Mapping, evidence: answer.Evidence, benchmark: str) -> dict:
    """The rows of one cell: every arm of the run that is not listed as not applicable."""
    cell, tag = evidence.cell(benchmark), evidence.interpreter
    own = next((finding for finding in evidence.findings if finding.benchmark == benchmark
                and finding.arm == scenario["reference"] == finding.reference), None)
    excused = {entry["arm"] for entry in run.not_applicable if _concerns(entry, tag, scenario["name"], benchmark)}
    rows = []
    for arm in _arm_order(run):
        failures = [failure for failure in run.failures if failure["arm"] in (None, arm)
                    and _concerns(failure, tag, scenario["name"], benchmark)]
        kind = _kind(run, arm)
        row = {"arm": arm, "kind": kind, "id": cell_id(tag, benchmark, arm), "failures": len(failures)}
        if arm == scenario["reference"] and (own or cell):
            times = own or min(cell.values(), key=lambda finding: finding.block)
            rows.insert(0, {**row, "role": "reference", "finding": own, "reference_ns": times.reference_ns})
        elif arm in cell:
            claim = "A/A twin" if kind == "twin" else answer.claim(cell[arm])
            rows.append({**row, "role": "measured", "finding": cell[arm], "claim": claim})
        elif not {arm, None} & excused:
            rows.append({**row, "role": "absent", "why": _why_absent(run, tag, scenario["name"], arm, failures)})
    return {"benchmark": benchmark, "rows": rows, "tag": tag}


def _why_absent(run: Run, tag: str, scenario: str, arm: str, failures: Sequence[Mapping]) -> str:
    if failures:
        return f"failed: {failures[0]['what']}"
    planned = any(sheet["interpreter"] == tag and sheet["scenario"] == scenario and arm in sheet["arms"]
                  for sheet in run.header["sheets"])
    return "no samples: the run ended before its turn" if planned else "not in the plan of this run"


def _concerns(entry: Mapping, tag: str, scenario: str, benchmark: str) -> bool:
    """Whether a not_applicable or failures entry, whose empty fields stand for all, speaks of a cell."""
    wanted = {"interpreter": tag, "scenario": scenario, "benchmark": benchmark}
    return all(entry.get(key) in (None, value) for key, value in wanted.items())


def _pairs(scenario: Mapping, evidence: answer.Evidence) -> list[dict]:
    """The forms compared with each other, as declared beforehand, cell by cell."""
    forms = set(evidence.forms())
    return [{"finding": finding, "id": cell_id(finding.interpreter, finding.benchmark, finding.arm),
             "claim": answer.claim(finding)}
            for benchmark in answer.benchmarks(scenario) for finding in evidence.findings
            if finding.benchmark == benchmark and {finding.arm, finding.reference} <= forms
            and finding.arm != finding.reference]


def _not_applicable(run: Run, scenario: Mapping, tag: str) -> list[dict]:
    """What cannot run in a scenario, arms that share a reason together."""
    found: dict[tuple, list[str]] = {}
    for entry in run.not_applicable:
        if entry["interpreter"] in (None, tag) and entry["scenario"] in (None, scenario["name"]):
            arms = found.setdefault((entry["why"], entry["benchmark"]), [])
            if entry["arm"] not in arms:
                arms.append(entry["arm"])
    return [{"why": why, "benchmark": benchmark, "arms": arms} for (why, benchmark), arms in found.items()]


def _matrix(run: Run, tag: str) -> dict:
    """The conformance results of one interpreter: probes down, arms across, None where a probe did not run."""
    results = run.conformance[tag]
    order = {arm: place for place, arm in enumerate(_arm_order(run))}
    arms = sorted({result["arm"] for result in results}, key=lambda arm: (order.get(arm, len(order)), arm))
    found = {(result["probe"], result["arm"]): result for result in results}
    probes = list(dict.fromkeys(result["probe"] for result in results))
    differing = [result for result in results if result["expected"] and result["outcome"] != result["expected"]]
    return {"tag": tag, "arms": arms, "differing": differing, "total": len(results),
            "rows": [{"probe": probe, "cells": [found.get((probe, arm)) for arm in arms]} for probe in probes]}


def _example(run: Run) -> str:
    """The file of one arm's raw values, as an example of where they lie."""
    tag = next((each["tag"] for each in run.header["interpreters"]), "TAG")
    arm = next((arm["id"] for arm in run.header["arms"] if arm["kind"] == "form"), "ARM")
    return f"results/{run.name}/pyperf/{tag}/{file_stem(arm)}.json.gz"


def _crosscheck(run: Run, rows: Sequence[Row], order: Sequence[str]) -> list[dict]:
    """The rows of plain pyperf, a group for each interpreter and benchmark, arms in the order of the other tables."""
    places = {arm: place for place, arm in enumerate(_arm_order(run))}
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.arm != row.reference, places.get(row.arm, len(places)))):
        groups.setdefault((row.interpreter, row.benchmark), []).append(row)
    where = {benchmark: place for place, benchmark in enumerate(order)}
    found = sorted(groups.items(), key=lambda item: (item[0][0], where.get(item[0][1], len(where))))
    return [{"interpreter": interpreter, "benchmark": benchmark,
             "rows": [{"row": row, "kind": _kind(run, row.arm), "id": cell_id(interpreter, benchmark, row.arm)}
                      for row in group]}
            for (interpreter, benchmark), group in found]


def _counts(run: Run) -> dict[str, Any]:
    """How much was measured, from the samples themselves."""
    samples, sheets = run.samples, run.header["sheets"]
    rounds = sorted({int(sheet["rounds"]) for sheet in sheets if "rounds" in sheet})
    return {"processes": int(samples["process"].nunique()), "batches": len(samples),
            "arms_in_block": max((len(sheet["arms"]) for sheet in sheets), default=0),
            "rounds": rounds, "comparisons": len(run.header["comparisons"])}
