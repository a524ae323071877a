"""Runs as one HTML file that needs no network, and as the five lines that end a benchmark.

Rendering never measures: every number comes from the analyses of the runs' files and carries, as data attributes of itself and
of the elements around it, the cell it belongs to, so that it can be followed back to its samples. Several runs stand side by
side, a column for each interpreter of each; no number on the page comes from two of them.
"""

from __future__ import annotations

import functools
import os
import re
import math
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import answer, catalogue, changes, claims, columns, detail, latency_view, units, verdicts
from lab.catalogue import file_stem
from lab.columns import Column
from lab.errors import LabError

if TYPE_CHECKING:
    import jinja2

    from lab.analysis.paired import Finding
    from lab.analysis.twin import TwinFinding
    from lab.results import Run

TEMPLATES = Path(__file__).resolve().parent / "templates"
SYMBOLS = {"form": "●", "control": "■", "peer": "◆", "twin": "▲"}    # the shapes of plots.MARKERS, for the text
OPEN_ROWS = 12                                                       # a table or list longer than this starts closed


def summary(run: Run) -> list[str]:
    """The answer of a run in five lines of plain text, for its first interpreter with findings."""
    each = run_columns(run)
    where = f"[{_primary(each).label}] " if len(each) > 1 else ""
    return [where + str(line) for line in _lines(_primary(each), each)]


def merged_summary(runs: Sequence[Run]) -> list[str]:
    """The five lines of each of several runs, each with its column, and how far their verdicts agree."""
    told = []
    for label, run in zip(labels(runs), runs):
        each = run_columns(run, label)
        told += [f"[{_primary(each).label}] {line}" for line in _lines(_primary(each), each)]
    side_by_side = [column for label, run in zip(labels(runs), runs) for column in run_columns(run, label)]
    rows = [row for scenario in _scenarios(runs) for row in columns.verdicts(side_by_side, scenario)]
    return [*told, columns.agreement_sentence(rows, side_by_side)]


def render(run: Run, out_dir: Path) -> Path:
    """Writes the report of [run] to index.html in [out_dir], replacing what is there, and answers its path."""
    return _write("report.html.j2", [run], view(run), out_dir)


def render_merged(runs: Sequence[Run], out_dir: Path) -> Path:
    """Writes one report of several runs to index.html in [out_dir], replacing what is there, and answers its path.

    Raises LabError where two runs have the same name.
    """
    return _write("merged.html.j2", runs, merged_view(runs), out_dir)


def labels(runs: Sequence[Run]) -> list[str]:
    """What each run is called beside the others: the name of its folder. Raises LabError where two have the same."""
    names = [run.path.resolve().name for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise LabError(f"run {name!r} was given twice, or two runs have that name",
                           "give each once; a run of another machine may lie in a folder of any name")
    return names


def _write(template: str, runs: Sequence[Run], values: Mapping, out_dir: Path) -> Path:
    page = _environment(runs).get_template(template).render(values)
    out_dir.mkdir(parents=True, exist_ok=True)
    target = out_dir / "index.html"
    with tempfile.NamedTemporaryFile("w", dir=out_dir, suffix=".html", delete=False, encoding="utf-8") as file:
        file.write(page)
    os.chmod(file.name, 0o644)
    os.replace(file.name, target)
    return target


def _environment(runs: Sequence[Run]) -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(
        ns=units.format_ns, signed_ns=answer.signed_ns, ratio=units.format_ratio, duration=units.format_duration,
        bounds_ns=lambda estimate: answer.bounds(estimate, units.format_ns),
        percent_share=lambda share: "–" if math.isnan(share) else f"{100 * share:.0f}",
        bounds_signed_ns=lambda estimate: answer.bounds(estimate, answer.signed_ns),
        bounds_ratio=lambda estimate: answer.bounds(estimate, units.format_ratio),
        added=answer.added_text, claim=answer.claim, short=columns.short_ns, median=columns.median_ns)
    ids = [arm["id"] for run in runs for arm in run.header["arms"]]
    environment.filters["sentence"] = lambda text: _typeset(str(text), ids)
    return environment


def _typeset(text: str, arms: Sequence[str]):
    """A sentence as HTML: ids of arms in the type of code, a number with its unit and interval never broken over two lines."""
    import markupsafe

    ids = "|".join(re.escape(arm) for arm in sorted(set(arms), key=len, reverse=True)) or "(?!)"
    quantity = r"[+−±]?[\d∞][\d.,]*(?: (?:ns|µs|ms|s|%)(?!\w))(?: \[[^\]]*\])?"
    parts, end = [], 0
    for match in re.finditer(rf"(?P<arm>(?:{ids})(?![\w/@]))|(?P<quantity>{quantity})", text):
        parts += [markupsafe.escape(text[end:match.start()]),
                  markupsafe.Markup('<span class="{}">{}</span>').format("arm" if match["arm"] else "quantity", match[0])]
        end = match.end()
    return markupsafe.Markup("").join([*parts, markupsafe.escape(text[end:])])


@functools.lru_cache(maxsize=16)
def _analyses(run: Run) -> tuple[list[Finding], TwinFinding]:
    """The findings against the reference arms and between forms, and what the A/A control says."""
    from lab.analysis import paired, twin

    return paired.analyse(run) + paired.analyse_pairs(run), twin.analyse(run)


def run_columns(run: Run, group: str = "") -> list[Column]:
    """The interpreters of a run in its own order; [group]: what the run is called beside others."""
    findings, control = _analyses(run)
    tags = [each["tag"] for each in run.header["interpreters"]] or [""]
    evidence = [answer.Evidence(tag, [finding for finding in findings if finding.interpreter == tag], control,
                                run.header["arms"], run.header["scenarios"]) for tag in tags]
    return [Column(run, each, f"{group}:{each.interpreter}" if group else each.interpreter, group, each is evidence[0])
            for each in evidence]


def _primary(side_by_side: Sequence[Column]) -> Column:
    """The interpreter that the page speaks of first, of those with findings: the one that ran the lab, else the first."""
    with_findings = [column for column in side_by_side if column.evidence.findings] or list(side_by_side)
    return next((column for column in with_findings if column.tag == column.run.header.get("primary")), with_findings[0])


def _lines(column: Column, side_by_side: Sequence[Column]) -> list[answer.Line]:
    """The five lines for one interpreter, with a clause where others of the same run contradict it."""
    others = [each.evidence for each in side_by_side if each is not column]
    return answer.lines(column.evidence, lambda scenario: changes.dissent(column.evidence, others, scenario))


def _common(runs: Sequence[Run], side_by_side: Sequence[Column], scenarios: Sequence[Mapping]) -> dict[str, Any]:
    """What both kinds of page have: the columns side by side, scenario by scenario."""
    import markupsafe

    kinds = columns.arm_kinds(runs)
    comparisons = {scenario["name"]: columns.verdicts(side_by_side, scenario) for scenario in scenarios}
    mapped = {scenario["name"]: latency_view.map_of if latency_view.measures_latency(scenario) else columns.heat_map
              for scenario in scenarios}
    maps = {scenario["name"]: [mapped[scenario["name"]](side_by_side, scenario, benchmark, kinds)
                               for benchmark in answer.benchmarks(scenario)] for scenario in scenarios}
    return {
        "css": markupsafe.Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "symbols": SYMBOLS, "marks": answer.MARKS, "claims": answer.CLAIMS, "open_rows": OPEN_ROWS,
        "kinds": kinds, "columns": side_by_side, "primary": _primary(side_by_side).label,
        "heads": columns.heads(side_by_side),
        "confidence": f"{100 * runs[0].header['confidence']:g}\N{NO-BREAK SPACE}%", "units": answer.joined(
            list(dict.fromkeys(scenario["unit"] for scenario in scenarios)) or ["call"]).replace(" and ", " or "),
        "guarantees": columns.guarantees(side_by_side, kinds),
        "agreement": columns.agreement_sentence([row for rows in comparisons.values() for row in rows], side_by_side),
        "side_by_side": {name: {"maps": maps[name], "verdicts": comparisons[name],
                                "notes": columns.notes(maps[name], side_by_side)} for name in maps},
    }


def _ledger(names: Sequence[str], runs: Sequence[Run], by_run: Sequence[Sequence[Column]]) -> dict[str, Any]:
    """The claims of issue #268, each with a verdict for each run: those that lead, and all of them."""
    top = catalogue.root()
    ledger = claims.read(top)
    judged = [verdicts.judge(ledger, verdicts.of_run(top, run, [column.evidence for column in side_by_side]))
              for run, side_by_side in zip(runs, by_run)]
    rows = [{"claim": each[0].claim, "verdicts": each} for each in zip(*judged)]
    return {"leading": [row for row in rows if row["claim"].leads], "rows": rows, "labels": names, "lost": ledger.lost,
            "dates": ledger.dates, "sentences": [verdicts.count_sentence(each) for each in judged], "words": verdicts.WORDS}


def _cautions(run: Run) -> list[str]:
    """What nobody has shown about an interpreter, whether the GIL was on while it was measured, a frequency that changed."""
    from lab.analysis import cells

    state = {tag: metadata.get("lab_gil") for tag, metadata in run.metadata.items()}
    told = {"on": " While this run measured, the GIL was on: a module that was loaded took it back.",
            "off": " While this run measured, the GIL was off."}
    found = [f"{each['tag']} is a build {each['unknown']}.{told.get(state.get(each['tag']), '')}"
             for each in run.header["interpreters"] if each.get("unknown")]
    moved, seen = cells.other_frequency(run), [mhz for each in run.mhz.values() for mhz in each]
    if moved:
        found.append(f"The processor's frequency changed while the run measured: {min(seen):.0f} to {max(seen):.0f} MHz. All "
                     f"batches of {len(moved)} of {len(run.mhz)} processes are flagged for it.")
    return found


def view(run: Run) -> dict[str, Any]:
    """What the template shows of one run: plain values, in the order of the page."""
    from lab.analysis import crosscheck, warmup

    findings, control = _analyses(run)
    rows, warmups = crosscheck.analyse(run, findings), warmup.analyse(run)
    header, side_by_side = run.header, run_columns(run)
    common = _common([run], side_by_side, header["scenarios"])
    tags = [column.tag for column in side_by_side]
    order = [benchmark for scenario in header["scenarios"] for benchmark in answer.benchmarks(scenario)]
    primary = _primary(side_by_side)
    return {
        **common, "ledger": _ledger(["verdict"], [run], [side_by_side]),
        "run": header, "cautions": _cautions(run),
        "command": shlex.join([Path(word).name if place == 0 else word for place, word in enumerate(header["command"])]),
        "arm_counts": {kind: sum(each == kind for each in common["kinds"].values()) for kind in columns.KINDS},
        "unusable": [failure for failure in run.failures if not failure["interpreter"] and not failure["scenario"]],
        "answers": [{"tag": column.label, "lines": _lines(column, side_by_side if column is primary else [])}
                    for column in sorted(side_by_side, key=lambda column: column is not primary)],
        "twin": control,
        "twin_cells": sorted(control.cells, key=lambda cell: (tags.index(cell.interpreter), order.index(cell.benchmark))),
        "control_sentence": answer.capital(answer.control_sentence(control)),
        "layout_sentence": detail.layout_sentence(run, findings),
        "versions": _versions(run, findings),
        "scenarios": [_scenario(run, scenario, side_by_side, common, warmups) for scenario in header["scenarios"]],
        "stray_failures": _stray(run),
        "crosscheck": detail.crosscheck(rows, tags, order, common["kinds"]),
        "crosscheck_sentence": answer.crosscheck_sentence(rows),
        "example": _example(run),
        "sizes": _sizes(run, common["kinds"]),
        "counts": _counts(run), "through": any(finding.through for finding in findings),
    }


def merged_view(runs: Sequence[Run]) -> dict[str, Any]:
    """What the template shows of several runs: a column for each interpreter of each."""
    names = labels(runs)
    by_run = {label: run_columns(run, label) for label, run in zip(names, runs)}
    side_by_side = [column for each in by_run.values() for column in each]
    scenarios = _scenarios(runs)
    environments = [run.header["environment"] for run in runs]
    common = _common(runs, side_by_side, scenarios)
    return {
        **common, "ledger": _ledger(names, runs, list(by_run.values())),
        "scenarios": scenarios, "latencies": {
            scenario["name"]: [latency_view.part(column, scenario, common["kinds"], False) for column in side_by_side]
            for scenario in scenarios if latency_view.measures_latency(scenario)},
        "runs": [{"label": label, "run": run.header, "machine": columns.machine(run), "counts": _counts(run),
                  "tags": [column.tag for column in by_run[label]],
                  "control_sentence": answer.control_sentence(_analyses(run)[1]),
                  "primary": _primary(by_run[label]).label, "lines": _lines(_primary(by_run[label]), by_run[label]),
                  "versions": _versions(run, _analyses(run)[0]), "failures": run.failures, "warmups": _warmups(run)}
                 for label, run in zip(names, runs)],
        "machines": list(dict.fromkeys(columns.machine(run) for run in runs)),
        "sources": columns.sources_sentence(runs, names),
        "environment": [(name, [each.get(name, "") for each in environments])
                        for name in dict.fromkeys(name for each in environments for name in each)],
    }


def _scenarios(runs: Sequence[Run]) -> list[Mapping]:
    """The scenarios of all [runs], each once; of one that has other parameters in another run, all of its benchmarks."""
    found: dict[str, dict] = {}
    for run in runs:
        for scenario in run.header["scenarios"]:
            known = found.setdefault(scenario["name"], {"measures": "time", **scenario})
            known["parameters"] = {axis: list(dict.fromkeys([*known["parameters"].get(axis, ()), *values]))
                                   for axis, values in scenario["parameters"].items()} or known["parameters"]
    return list(found.values())


def _warmups(run: Run) -> list[tuple[str, str]]:
    """The interpreters of a run that were warmed up, each with what is to be said of it."""
    from lab.analysis import warmup

    series = warmup.analyse(run)
    tags = dict.fromkeys(each.interpreter for each in series)
    return [(tag, answer.warmup_sentence([each for each in series if each.interpreter == tag])) for tag in tags]


def _versions(run: Run, findings: Sequence[Finding]) -> dict | None:
    """What changes between the interpreters of a run; None where it has one."""
    tags = [each["tag"] for each in run.header["interpreters"]]
    references = run.header["reference"]
    benchmarks = [benchmark for scenario in run.header["scenarios"] for benchmark in answer.benchmarks(scenario)]
    arms = list(columns.arm_kinds([run]))
    against = [finding for finding in findings if finding.reference == references.get(finding.scenario)]
    found = changes.steps(tags, sorted(against, key=lambda each: (arms.index(each.arm), benchmarks.index(each.benchmark))),
                          run.conformance)
    if not found:
        return None
    return {"steps": [step for step in found if step.changes or step.outcomes], "quiet": changes.quiet_sentence(found),
            "blind": [step for step in found if not step.compared]}


def _scenario(run: Run, scenario: Mapping, side_by_side: Sequence[Column], common: Mapping, warmups: Sequence) -> dict:
    """Everything the page says of one scenario: the columns side by side, then each interpreter by itself."""
    parts = []
    for column in sorted(side_by_side, key=lambda column: column.label != common["primary"]):
        plotted = column.label == common["primary"]
        parts.append(latency_view.part(column, scenario, common["kinds"], plotted) if latency_view.measures_latency(scenario)
                     else detail.part(column, scenario, common["kinds"], warmups, plotted))
    failures = [failure for failure in run.failures if failure["scenario"] == scenario["name"]]
    return {"measures": "time", **scenario, **common["side_by_side"][scenario["name"]], "parts": parts, "failures": failures}


def _stray(run: Run) -> list[dict]:
    """The failures that belong to no scenario of the run, interpreters that could not be used apart."""
    names = {scenario["name"] for scenario in run.header["scenarios"]}
    return [failure for failure in run.failures
            if failure["scenario"] not in names and (failure["interpreter"] or failure["scenario"])]


def _example(run: Run) -> str:
    """The file of one arm's raw values, as an example of where they lie."""
    tag = next((each["tag"] for each in run.header["interpreters"]), "TAG")
    arm = next((arm["id"] for arm in run.header["arms"] if arm["kind"] == "form"), "ARM")
    return f"results/{run.name}/pyperf/{tag}/{file_stem(arm)}.json.gz"


def _sizes(run: Run, kinds: Mapping[str, str]) -> list[dict]:
    """What each arm takes, interpreter by interpreter, arms in the order of the other tables."""
    from lab.analysis import sizes

    found, order = sizes.analyse(run), list(kinds)
    parts = []
    for tag, entry in run.sizes.items():
        mine = sorted((size for size in found if size.interpreter == tag),
                      key=lambda size: order.index(size.arm) if size.arm in order else len(order))
        parts.append({"tag": tag, "units": entry["units"], "absent": entry["absent"],
                      "counts": list(dict.fromkeys(kept.count for size in mine for kept in size.kept)),
                      "rows": [{"size": size, "kind": kinds.get(size.arm, "")} for size in mine]})
    return parts


def _counts(run: Run) -> dict[str, Any]:
    """How much was measured, from the samples themselves."""
    samples, sheets = run.samples, run.header["sheets"]
    rounds = sorted({int(sheet["rounds"]) for sheet in sheets if "rounds" in sheet})
    return {"processes": int(samples["process"].nunique()), "batches": len(samples),
            "arms_in_block": max((len(sheet["arms"]) for sheet in sheets), default=0),
            "rounds": rounds, "comparisons": len(run.header["comparisons"])}
