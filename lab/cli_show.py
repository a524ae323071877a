"""The commands that show what there is: lab report, lab compare and lab list."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from lab.cli_terminal import checkout, show
from lab.errors import LabError, UnknownName


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...")
def report(runs):
    """Render a run, or several, as one HTML file in reports/.

    RUN is its name or folder; the latest, if none is given. Several runs, of one machine or of many, have columns of their own:
    no time is pooled.
    """
    from lab import report as reporting, results
    top = checkout()
    if not runs and not any((top / "results").glob("*/run.json")):
        raise LabError("there is no run yet to report on", "make one with: lab bench")
    loaded = [results.load(results.find(top / "results", name)) for name in runs or ("latest",)]
    if len(loaded) == 1:
        path, lines = reporting.render(loaded[0], top / "reports" / loaded[0].name), reporting.summary(loaded[0])
    else:
        folder = top / "reports" / "+".join(reporting.labels(loaded))
        path, lines = reporting.render_merged(loaded, folder), reporting.merged_summary(loaded)
    for line in lines:
        click.echo(line)
    click.echo(f"report: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN [RUN]")
@click.option("--format", "form", default="table", help="table, csv, json or md.")
@click.option("--by", default="arm", help="arm: a table for each interpreter; interpreter: a column for each. csv and json "
              "have all numbers either way.")
def compare(runs, form, by):
    """The arms within a run, or the same cells of two, as tables.

    RUN is its name or folder.
    """
    from lab import results, tables
    from lab.analysis import paired
    if form not in tables.FORMATS:
        raise UnknownName("format", form, tables.FORMATS, "lab compare --help")
    if len(runs) > 2:
        raise LabError(f"{len(runs)} runs were given; one or two can be compared", "lab report puts more side by side")
    if by not in tables.VIEWS:
        raise UnknownName("view", by, tables.VIEWS, "lab compare --help")
    if by != "arm" and len(runs) == 2:
        raise LabError("--by interpreter shows one run", "lab report RUN RUN puts the interpreters of two side by side")
    loaded = [results.load(results.find(checkout() / "results", name)) for name in runs]
    findings = [paired.analyse(run) for run in loaded]
    found = (tables.VIEWS[by](findings[0]) if len(runs) == 1
             else tables.of_two_runs(loaded[0].name, findings[0], loaded[1].name, findings[1]))
    if not any(each.records for each in found):
        what = (f"run {runs[0]!r} has nothing that was measured by the paired protocol" if len(runs) == 1
                else f"the runs {runs[0]!r} and {runs[1]!r} have no cell in common")
        raise LabError(what, "lab report shows what a run has")
    if form != "table":
        click.echo(tables.render(found, form))
        return
    from rich.table import Table
    for each in found:
        table = Table(title=each.title, title_justify="left", box=None, pad_edge=False)
        for column in each.columns:
            table.add_column(column, no_wrap=True)
        for row in each.text:
            table.add_row(*row)
        show(table, whole=True)
        click.echo()


@click.command("list")
@click.argument("what", type=click.Choice(["arms", "scenarios", "probes", "interpreters", "claims"]))
@click.argument("run", required=False)
def list_(what, run):
    """What there is.

    claims: what the sentences of issue #268 come to in RUN; without one in the latest, with what `lab check all` found since.
    """
    from lab import catalogue, interpreters, probes, venvs
    if run and what != "claims":
        raise LabError(f"{what} are not listed by run", "lab list claims RUN")
    if what == "claims":
        _list_claims(run)
        return
    rows = {
        "arms": lambda: [(arm.id, arm.kind, arm.summary) for arm in catalogue.arms(checkout()).values()],
        "scenarios": lambda: [(each.name, each.thread, each.question) for each in catalogue.scenarios(checkout()).values()],
        "probes": lambda: [(each.name, " ".join(each.requires), each.question) for each in probes.read().values()],
        "interpreters": lambda: venvs.overview(checkout(), interpreters.find()),
    }[what]()
    width = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, kind, text in rows:
        click.echo(f"{name:{width[0]}}  {kind:{width[1]}}  {text}")


def _list_claims(name):
    from lab import bench, claims, report as reporting, results, verdicts
    top = checkout()
    ledger, evidence = claims.read(top), verdicts.Evidence(top, {}, ())
    if not ledger.claims:
        raise LabError(f"this checkout has no {claims.FILE}", "it comes with the lab: restore it")
    known = name or any(top.glob("results/*/run.json"))
    runs = [results.load(results.find(top / "results", name or "latest"))] if known else []
    for run in runs:
        evidence = verdicts.of_run(top, run, [column.evidence for column in reporting.run_columns(run)])
    since = {} if name else bench.kept_conformance(top)
    sources = [f"run {run.name}" for run in runs] + ([f"lab check on {', '.join(since)}"] if since else [])
    click.echo(f"From {', and the probes of '.join(sources) or 'no run: lab bench and lab check all make one'}")
    for verdict in verdicts.judge(ledger, dataclasses.replace(evidence, rows={**evidence.rows, **since})):
        claim = verdict.claim
        click.echo(f"\n{claim.name}: {verdict.word}\n  “{claim.quote}” ({claim.author}, {claim.date})")
        for line in filter(None, (claim.reading, verdict.why, *verdict.evidence)):
            click.echo(f"  {line}")
    for lost in ledger.lost:
        click.echo(f"\nlost in our copy: the list after “{lost.after}” ({lost.author}, {lost.date})")
        click.echo(f"  {lost.known or 'nothing is known of it'}")
