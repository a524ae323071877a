"""The commands that show what there is: lab report, lab compare and lab list."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from lab.cli_terminal import checkout, show
from lab.errors import LabError, ResultsError, UnknownName

REGRESSION = 3    # exit status of lab compare --fail-on


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
@click.argument("runs", nargs=-1, required=True, metavar="RUN [NEW]")
@click.option("--format", "form", default="table", help="table, csv, json or md.")
@click.option("--by", default="arm", help="arm: a table for each interpreter; interpreter: a column for each. csv and json "
              "have all numbers either way.")
@click.option("--across", is_flag=True, help="Compare two runs of unlike machines, interpreters or builds all the same.")
@click.option("--fail-on", type=click.Choice(["worse", "unresolved"]), help="Of two runs: exit with 3 where a cell is worse "
              "or was lost; unresolved: also where it was not shown to be as good.")
def compare(runs, form, by, across, fail_on):
    """The arms within a run, or how NEW differs from RUN.

    A run is its name or folder. Each cell of two is better, worse, equivalent or unresolved, by what the arm adds over its
    reference arm in either. Runs of another machine, interpreter or build are refused.
    """
    from lab import results, tables
    if form not in tables.FORMATS:
        raise UnknownName("format", form, tables.FORMATS, "lab compare --help")
    if len(runs) > 2:
        raise LabError(f"{len(runs)} runs were given; one or two can be compared", "lab report puts more side by side")
    if by not in tables.VIEWS:
        raise UnknownName("view", by, tables.VIEWS, "lab compare --help")
    if by != "arm" and len(runs) == 2:
        raise LabError("--by interpreter shows one run", "lab report RUN RUN puts the interpreters of two side by side")
    if len(runs) == 1 and (across or fail_on):
        raise LabError(f"{'--across' if across else '--fail-on'} is for two runs", "lab compare RUN NEW")
    loaded = [results.load(results.find(checkout() / "results", name)) for name in runs]
    if len(loaded) == 2:
        _compare_two(*loaded, form, across, fail_on)
        return
    from lab.analysis import cells, paired
    found = tables.VIEWS[by](paired.analyse(loaded[0]))
    latencies = [name for name in cells.latency_scenarios(loaded[0]) if loaded[0].latencies]
    if latencies:
        click.echo(f"not shown here, as latencies are not times to compare: {', '.join(latencies)}; lab report {loaded[0].name} "
                   "has their medians and tails", err=True)
    if not found and latencies:
        return
    if not any(each.records for each in found):
        raise LabError(f"run {runs[0]!r} has nothing that was measured by the paired protocol",
                       "lab report shows what a run has")
    _print_tables(found, form)


def _compare_two(old, new, form, across, fail_on):
    from lab import comparable, tables
    from lab.analysis import regression
    if old.path.resolve() == new.path.resolve():
        raise LabError(f"run {old.name!r} was given twice", "lab compare OLD NEW")
    unlike = comparable.differences(old, new)
    beside = f"or lab report {old.name} {new.name}, which puts them side by side"
    if unlike and not across:
        refused = f"{old.name} and {new.name} cannot be compared; not the same in both:"
        raise ResultsError("\n  ".join([refused, *map(str, unlike)]),
                           f"measure both alike, or see what can be said with --across, {beside}")
    comparison = regression.compare(old, new)
    if not comparison.shifts and not comparison.lost:
        raise LabError(f"the runs {old.name!r} and {new.name!r} have no cell in common", "lab report shows what a run has")
    for difference in unlike:
        click.echo(f"NOT THE SAME: {difference}", err=True)
    found = tables.of_two_runs(old.name, new.name, comparison.shifts, ", ".join(each.what for each in unlike))
    _print_tables(found, form)
    for line in (*regression.told(comparison), *comparable.remarks(old, new)):
        click.echo(line, err=form in ("csv", "json"))
    if fail_on and comparison.fails(fail_on):
        raise SystemExit(REGRESSION)


def _print_tables(found, form):
    from lab import tables
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
    if ledger.dates:
        click.echo(f"\n{ledger.dates}")
    for lost in ledger.lost:
        click.echo(f"\nlost in our copy: the list after “{lost.after}” ({lost.author}, {lost.date})")
        click.echo(f"  {lost.known or 'nothing is known of it'}")
