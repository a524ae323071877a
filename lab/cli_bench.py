"""The commands that measure: lab bench, lab count and lab size."""

from __future__ import annotations

import signal
import sys
import time

import click

from lab.cli_terminal import PYTHON_HELP, Bar, checkout
from lab.errors import LabError, UnknownName


@click.command()
@click.argument("scenarios", nargs=-1)
@click.option("--arm", "arms", multiple=True, help="An arm or a proposal. May be given more than once.")
@click.option("--python", "pythons", multiple=True, help=PYTHON_HELP)
@click.option("--preset", default="default", show_default=True,
              help="A budget of time: quick (60 s), default (5 min), rigorous (1 h).")
@click.option("--budget", help="Another budget of time: 90s, 10m, 2h.")
@click.option("--protocol", type=click.Choice(["paired", "pyperf"]), default="paired", show_default=True,
              help="pyperf: an ordinary pyperf.Runner, one benchmark after the other.")
@click.option("--name", help="The run's name; the time, if none is given.")
@click.option("--layouts", type=int, help="Builds of the same code that differ in where it lies, the plain one among them; 8 with "
              "--preset rigorous, else 1. A claim then has to hold over them.")
@click.option("--seed", type=int, help="The seed of every order; a random one, if none is given.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted or killed: the latest, or --name.")
def bench(scenarios, arms, pythons, preset, budget, protocol, name, layouts, seed, resume):
    """Measure what each arm costs, into results/.

    SCENARIOS are names of `lab list scenarios`, or all. Exits with 1 where a worker failed, with 130 after Ctrl-C; what was
    measured is kept in both cases.
    """
    import secrets

    from lab import bench as benching, layouts as placing, plan, units
    if resume:
        _refuse_beside_resume()
        _measure(lambda progress: benching.resume(checkout(), name or "latest", progress.event, progress.say), 0.0, protocol)
        return
    if preset not in plan.PRESETS:
        raise UnknownName("preset", preset, plan.PRESETS, "lab bench --help")
    try:
        budget_s = units.parse_duration(budget) if budget else plan.PRESETS[preset]
    except ValueError as error:
        raise LabError(str(error), "for instance: lab bench all --budget 10m") from None
    if layouts is not None and not 1 <= layouts <= placing.MOST:
        raise LabError(f"{layouts} layouts", f"give 1 to {placing.MOST}; fewer than 6 have no interval")
    if layouts is None:
        layouts = placing.RIGOROUS if preset == "rigorous" and not budget and protocol == "paired" else 1
    if layouts > 1 and protocol == "pyperf":
        raise LabError("a pyperf.Runner measures one layout", "leave out --layouts or --protocol pyperf")
    name = benching.checked_name(name or benching.new_name())
    request = benching.Request(scenarios, arms, pythons, preset if not budget else "budget", budget_s, protocol,
                               secrets.randbits(32) if seed is None else seed, name, ("lab", *sys.argv[1:]), layouts)
    _measure(lambda progress: benching.bench(checkout(), request, progress.event, progress.say), budget_s, protocol)


def _refuse_beside_resume():
    """A run that is gone on with has all but its name from its header."""
    context = click.get_current_context()
    given = [f"--{name.rstrip('s')}" if name != "scenarios" else "SCENARIOS" for name in context.params
             if name not in ("resume", "name") and context.get_parameter_source(name).name == "COMMANDLINE"]
    if given:
        raise LabError(f"{given[0]} beside --resume: a run is gone on with as it was begun", "lab bench --resume --name RUN")


def _measure(work, budget_s, protocol):
    """Do work(progress), which answers (folder, outcome), and say how it ended."""
    from lab import units
    signal.signal(signal.SIGTERM, signal.default_int_handler)    # timeout(1) and kill(1) stop a run as Ctrl-C does
    with _Progress(budget_s) as progress:
        folder, outcome = work(progress)
    processes = f"{outcome.processes} processes in " if protocol == "paired" else "plain pyperf, "
    failures = "1 failure" if outcome.failures == 1 else f"{outcome.failures} failures"
    click.echo(f"{outcome.status}: {processes}{units.format_duration(outcome.elapsed_s)}, {failures}; lab report {folder.name}")
    if outcome.failures:
        click.echo(f"{failures}: see results/{folder.name}/run.json, or the report", err=True)
    if outcome.status == "interrupted":
        raise SystemExit(130)
    if outcome.failures:
        raise SystemExit(1)


@click.command()
@click.argument("run", required=False)
@click.option("--name", help="Count into a new run of this name, which times nothing.")
@click.option("--python", "pythons", multiple=True, help=PYTHON_HELP)
@click.option("--unchecked", is_flag=True, help="With extension halves that check no argument (HPYLAB_UNCHECKED), for --name.")
def count(run, name, pythons, unchecked):
    """Count what a callback executes, into RUN or the latest."""
    from lab import additions
    for line in additions.count(checkout(), run, name, pythons, lambda text: click.echo(text, err=True), unchecked):
        click.echo(line)


@click.command()
@click.argument("run", required=False)
@click.option("--python", "pythons", multiple=True, help=PYTHON_HELP)
def size(run, pythons):
    """Look at what each arm takes, into RUN or the latest."""
    from lab import additions
    for line in additions.size(checkout(), run, pythons, lambda text: click.echo(text, err=True)):
        click.echo(line)


class _Progress(Bar):
    """Progress of a benchmark: the bar on a terminal, a line every tenth of the budget elsewhere."""

    def __init__(self, budget_s):
        super().__init__(budget_s or 1.0, lambda elapsed_s, share: self.total - elapsed_s)
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
