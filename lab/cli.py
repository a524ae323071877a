"""The command line: the only place that prints or exits. What each command does is done elsewhere."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from pathlib import Path

import click

from lab.errors import LabError, UnknownName

WIDEST = 10_000     # columns: wider than any table
PYTHON_HELP = ("An interpreter: a version (3.12), a tag of `lab list interpreters`, a path or a command; all: every one that "
               "was found. May be given more than once.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli():
    """How should native code that was not handed an HPyContext get one?

    HPy Context Lab builds the proposals of HPy issue #268, proves by running what each guarantees, and measures what each
    costs. With --debug, an error shows its traceback.
    """


def _exit_if_unusable(unusable):
    """What could not be used is named at the end, where it is read; the others went on."""
    for error in unusable:
        click.echo(f"lab: {error}", err=True)
    if unusable:
        raise SystemExit(1)


def _top() -> Path:
    from lab import catalogue
    return catalogue.root()


def _show(table, whole=False):
    """Print a table; off a terminal, and where [whole] says so, no column is cut to fit: a line may be too long for one."""
    from rich.console import Console
    plain = {"highlight": False, "markup": False}    # scenario[mode=…] is no markup
    console = Console(**plain)
    if whole or not console.is_terminal:
        console.width = max(console.width, Console(width=WIDEST, **plain).measure(table).maximum)
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _text(words, style):
    from rich.text import Text
    return Text(words, style)


@cli.command()
def doctor():
    """What this machine can measure, and what is in the way.

    Exits with 1 where something is missing without which the lab cannot work.
    """
    from rich.table import Table

    from lab import doctor as examination
    checks = examination.examine(_top())
    table = Table(box=None, pad_edge=False, show_header=False)
    colours = {"ok": "green", "warn": "yellow", "missing": "red"}
    for check in checks:
        table.add_row(_text(check.status, colours[check.status]), check.name, check.found)
        if check.remedy:
            table.add_row("", "", _text(f"→ {check.remedy}", "dim"))
    _show(table)
    if any(check.status == "missing" for check in checks):
        raise SystemExit(1)


@cli.command()
@click.option("--check", is_flag=True, help="Change nothing; fail if a generated file is not what the specs say.")
def generate(check):
    """Make the header and the other generated files from the specs."""
    from lab import autogen, conformance_docs
    top = _top()
    if check:
        stale = [*autogen.check(top), *conformance_docs.check(top)]
        for path in stale:
            click.echo(f"{path.relative_to(top)} is not what the specifications say", err=True)
        if stale:
            raise LabError("generated files are stale", "run: lab generate")
        click.echo(f"{len(autogen.render(top)) + 1} generated files are what the specifications say")
        return
    changed = [*autogen.generate(top), *conformance_docs.generate(top)]
    for path in changed:
        click.echo(f"wrote {path.relative_to(top)}")
    if not changed:
        click.echo("nothing to change")


@cli.command()
@click.option("--python", "pythons", multiple=True, help=PYTHON_HELP)
def build(pythons):
    """Build everything that is written in C, and only what changed."""
    from lab import venvs
    made = []

    def progress(output):
        made.extend([output] if output.startswith("built") else [])
        click.echo(output)

    found, _, unusable = venvs.ready(_top(), pythons, progress)
    click.echo(f"{len(made)} built, for {', '.join(each.tag for each in found)}" if made else "nothing to build")
    _exit_if_unusable(unusable)


@cli.command()
@click.argument("probes", nargs=-1)
@click.option("--arm", "--form", "arms", multiple=True, help="An arm or a proposal. May be given more than once.")
@click.option("--python", "pythons", multiple=True, help=PYTHON_HELP)
@click.option("--policy", multiple=True, help="Only under this policy: attach, attached_only.")
@click.option("--mode", multiple=True, help="Only in this mode of HPy: universal, debug, trace.")
@click.option("--lab-debug", "debug", multiple=True, help="Only with the lab's debug mode: off, on.")
@click.option("--all", "slow", is_flag=True, help="The slow probes too, which are otherwise asked by name alone.")
@click.option("--gdb", is_flag=True, help="Start the process of one probe and one arm under gdb.")
def check(probes, arms, pythons, policy, mode, debug, slow, gdb):
    """Prove by running what each arm guarantees.

    PROBES are names of `lab list probes`, or all. Exits with 1 where an arm does not do what its .toml claims.
    """
    from lab import bench as benching, catalogue, conformance, probes as reading, venvs
    top, only = _top(), reading.wanted(policy=policy, mode=mode, debug=debug)
    every_probe, every_arm = reading.read(), catalogue.arms(top)
    reading.check_claims(every_arm.values(), every_probe)
    chosen = reading.select(probes, every_probe, slow)
    taking_part = {arm.id: arm for arm in catalogue.select("arm", arms, every_arm)}
    cases = reading.cases(chosen, taking_part.values(), only)
    found, libraries, unusable = venvs.ready(top, pythons, lambda text: click.echo(text, err=True))
    with_debug = conformance.build_debug(top, found, cases, lambda text: click.echo(text, err=True))
    if gdb:
        _exit_if_unusable(unusable)
        os.execvp("gdb", ["gdb", "--args", *conformance.alone(cases, found, libraries, with_debug, top)])
    broken = []
    for interpreter in found:
        with _Bar(len(cases) or 1, lambda elapsed_s, done: elapsed_s * (1 / done - 1) if done else None) as bar:
            def progress(outcome):
                said = f"{interpreter.tag} {reading.name_of(outcome.as_dict())} {outcome.arm}"
                bar.update(bar.done + 1, said)
                if not sys.stdout.isatty() and outcome.outcome != "n/a":
                    click.echo(f"{said}: {outcome.outcome} ({outcome.seconds:.1f} s)")

            outcomes = conformance.check(chosen, taking_part, interpreter, libraries, None, progress, debug=with_debug, only=only)
        _print_matrix(interpreter.tag, outcomes)
        broken += [(interpreter, outcome) for outcome in outcomes if outcome.breaks_claim]
        if reading.is_whole(outcomes, reading.cases(reading.select((), every_probe), every_arm.values())):
            benching.keep_conformance(top, interpreter, outcomes)
    for interpreter, outcome in broken:
        click.echo(f"\n{conformance.told(outcome, interpreter)}", err=True)
    _exit_if_unusable(unusable)
    if broken:
        raise SystemExit(1)


def _print_matrix(tag, outcomes):
    from lab import guarantees
    from rich.table import Table
    found = guarantees.matrix([outcome.as_dict() for outcome in outcomes])
    colours = {"n/a": "dim", "good": "green", "bad": "yellow", "unexpected": "red"}
    heads = ("probe", *(arm.replace("/", "/\n") for arm in found["arms"]))
    table = Table(*heads, title=f"conformance, {tag}", title_justify="left", box=None, pad_edge=False)
    for probe, cells in found["rows"].items():
        table.add_row(probe, *(_text(cell["text"], colours[cell["kind"]]) for cell in cells))
    _show(table, whole=True)


@cli.command()
@click.argument("scenarios", nargs=-1)
@click.option("--arm", "arms", multiple=True, help="An arm or a proposal. May be given more than once.")
@click.option("--python", "pythons", multiple=True, help=PYTHON_HELP)
@click.option("--preset", default="default", show_default=True,
              help="A budget of time: quick (60 s), default (5 min), rigorous (1 h).")
@click.option("--budget", help="Another budget of time: 90s, 10m, 2h.")
@click.option("--protocol", type=click.Choice(["paired", "pyperf"]), default="paired", show_default=True,
              help="pyperf: an ordinary pyperf.Runner, one benchmark after the other.")
@click.option("--name", help="The run's name; the time, if none is given.")
@click.option("--seed", type=int, help="The seed of every order; a random one, if none is given.")
def bench(scenarios, arms, pythons, preset, budget, protocol, name, seed):
    """Measure what each arm costs, into results/.

    SCENARIOS are names of `lab list scenarios`, or all. Exits with 1 where a worker failed, with 130 after Ctrl-C; what was
    measured is kept in both cases.
    """
    import secrets

    from lab import bench as benching, plan, units
    if preset not in plan.PRESETS:
        raise UnknownName("preset", preset, plan.PRESETS, "lab bench --help")
    try:
        budget_s = units.parse_duration(budget) if budget else plan.PRESETS[preset]
    except ValueError as error:
        raise LabError(str(error), "for instance: lab bench all --budget 10m") from None
    name = benching.checked_name(name or benching.new_name())
    request = benching.Request(scenarios, arms, pythons, preset if not budget else "budget", budget_s, protocol,
                               secrets.randbits(32) if seed is None else seed, name, ("lab", *sys.argv[1:]))
    signal.signal(signal.SIGTERM, signal.default_int_handler)    # timeout(1) and kill(1) stop a run as Ctrl-C does
    with _Progress(budget_s) as progress:
        folder, outcome = benching.bench(_top(), request, progress.event, progress.say)
    processes = f"{outcome.processes} processes in " if protocol == "paired" else "plain pyperf, "
    failures = "1 failure" if outcome.failures == 1 else f"{outcome.failures} failures"
    click.echo(f"{outcome.status}: {processes}{units.format_duration(outcome.elapsed_s)}, {failures}; lab report {folder.name}")
    if outcome.failures:
        click.echo(f"{failures}: see results/{folder.name}/run.json, or the report", err=True)
    if outcome.status == "interrupted":
        raise SystemExit(130)
    if outcome.failures:
        raise SystemExit(1)


@cli.command()
@click.argument("run", required=False)
@click.option("--name", help="Count into a new run of this name, which times nothing.")
@click.option("--python", "pythons", multiple=True, help=PYTHON_HELP)
def count(run, name, pythons):
    """Count what a callback executes, into RUN or the latest."""
    from lab import bench as benching
    for line in benching.count(_top(), run, name, pythons, lambda text: click.echo(text, err=True)):
        click.echo(line)


class _Bar:
    """A bar with the time left on a terminal, and nothing elsewhere."""

    def __init__(self, total, left_s):
        """[total]: what is to be done; [left_s](elapsed_s, share done): the time left."""
        self.total, self.left_s, self.done, self.started, self.bar = total, left_s, 0.0, time.monotonic(), None

    def __enter__(self):
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn
            # once a second: what draws takes time from what is measured
            self.bar = Progress(BarColumn(24), TextColumn("{task.percentage:3.0f} %"), TextColumn("{task.fields[left]}"),
                                TextColumn("{task.description}", markup=False), console=Console(stderr=True), transient=True,
                                refresh_per_second=1)
            self.task = self.bar.add_task("", total=self.total, left=self)
            self.bar.start()
        return self

    def __exit__(self, *exception):
        if self.bar:
            self.bar.stop()

    def __str__(self):
        """The time left when this is drawn."""
        from lab import units
        left_s = self.left_s(time.monotonic() - self.started, min(1.0, self.done / self.total))
        return "" if left_s is None else f"{units.format_duration(max(0.0, left_s))} left"

    def update(self, done, text):
        self.done = done
        if self.bar:
            self.bar.update(self.task, completed=done, total=self.total, description=text)

    def say(self, text):
        if self.bar:
            self.bar.console.print(text, highlight=False, markup=False)
        else:
            click.echo(text, err=True)


class _Progress(_Bar):
    """Progress of a benchmark: the bar on a terminal, a line every tenth of the budget elsewhere."""

    def __init__(self, budget_s):
        super().__init__(budget_s, lambda elapsed_s, share: self.total - elapsed_s)
        self.said = 0

    def event(self, event):
        from lab import units
        if event.kind in ("failure", "short"):
            self.say(f"{event.kind}: {event.text}")
            return
        # the scheduler's clock, which began when all was built, and its budget, which is that of all interpreters
        self.started, self.total = time.monotonic() - event.elapsed_s, event.budget_s
        self.update(event.elapsed_s, event.text)
        if not self.bar and event.elapsed_s * 10 // event.budget_s > self.said:
            self.said = event.elapsed_s * 10 // event.budget_s
            left = units.format_duration(max(0.0, event.budget_s - event.elapsed_s))
            click.echo(f"{event.processes} processes, {left} left ({event.text})", err=True)


@cli.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...")
def report(runs):
    """Render a run, or several, as one HTML file in reports/.

    RUN is its name or folder; the latest, if none is given. Several runs, of one machine or of many, have columns of their own:
    no time is pooled.
    """
    from lab import report as reporting, results
    top = _top()
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


@cli.command()
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
    loaded = [results.load(results.find(_top() / "results", name)) for name in runs]
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
        _show(table, whole=True)
        click.echo()


@cli.command("list")
@click.argument("what", type=click.Choice(["arms", "scenarios", "probes", "interpreters"]))
def list_(what):
    """What there is."""
    from lab import catalogue, interpreters, probes, venvs
    rows = {
        "arms": lambda: [(arm.id, arm.kind, arm.summary) for arm in catalogue.arms(_top()).values()],
        "scenarios": lambda: [(each.name, each.thread, each.question) for each in catalogue.scenarios(_top()).values()],
        "probes": lambda: [(each.name, " ".join(each.requires), each.question) for each in probes.read().values()],
        "interpreters": lambda: venvs.overview(_top(), interpreters.find()),
    }[what]()
    width = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, kind, text in rows:
        click.echo(f"{name:{width[0]}}  {kind:{width[1]}}  {text}")


def main(arguments=None):
    """Run the command line; every failure ends in a message, and in a traceback only with --debug."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")    # a terminal without − and µ shows something else in their place
    try:
        status = cli.main([word for word in arguments if word != "--debug"], prog_name="lab", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except Exception as error:
        if debug:
            traceback.print_exc()
        elif isinstance(error, LabError):
            click.echo(f"lab: {error}", err=True)
        else:
            click.echo(f"lab: {type(error).__name__}: {error}\nthis should not happen; --debug shows where it did", err=True)
        sys.exit(error.exit_status if isinstance(error, LabError) else 70)


if __name__ == "__main__":
    main()
