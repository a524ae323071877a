"""The command that proves the instrument: lab validate."""

from __future__ import annotations

import signal

import click

from lab.cli_terminal import Bar, checkout, show
from lab.errors import LabError


@click.command()
@click.option("--comparisons", type=int, default=200, show_default=True, help="Of identical arms, by each harness, at least.")
@click.option("--quick", is_flag=True, help="A small try of all of it, whose figures mean nothing.")
@click.option("--name", help="The sitting's name; validation, which docs/validation.md is made from, if none is given, or "
              "validation-quick with --quick.")
@click.option("--seed", type=int, help="The seed of every order; a random one, if none is given.")
@click.option("--show", "shown", metavar="NAME", help="Measure nothing; show what the sitting NAME found.")
@click.option("--write-docs", is_flag=True, help="Measure nothing; make docs/validation.md from results/validation.")
def validate(comparisons, quick, name, seed, shown, write_docs):
    """Prove the instrument on this machine, into results/NAME/.

    How often this protocol, plain pyperf and Google Benchmark call identical code different; how small a planted difference is
    found in 30, 60 and 300 s; how long it takes to know as much as plain pyperf does. About 25 minutes, on a machine with nothing
    else to do. Ctrl-C keeps what was measured.
    """
    from lab import bench, sittings, validation_docs
    top = checkout()
    if shown or write_docs:
        _refuse_beside("--show" if shown else "--write-docs", "shown" if shown else "write_docs")
        if shown:
            _show(sittings.load(sittings.find(top / "results", shown)))
        else:
            click.echo(f"wrote {validation_docs.write(top).relative_to(top)}")
        return
    if quick and click.get_current_context().get_parameter_source("comparisons").name == "COMMANDLINE":
        raise LabError("--comparisons beside --quick: a small try has its own number", "give one of them")
    name = bench.checked_name(name or (f"{validation_docs.RUN}-quick" if quick else validation_docs.RUN))
    folder = _measure(top, name, quick, comparisons, seed)
    _show(sittings.load(folder))
    if name == validation_docs.RUN:
        click.echo("docs/validation.md is made from it by: lab validate --write-docs")


def _refuse_beside(option, parameter):
    context = click.get_current_context()
    given = [name for name in context.params if name != parameter
             and context.get_parameter_source(name).name == "COMMANDLINE"]
    if given:
        raise LabError(f"--{given[0].replace('_', '-').replace('shown', 'show')} beside {option}, which measures nothing",
                       f"give {option} alone")


def _measure(top, name, quick, comparisons, seed):
    import secrets

    from lab import validating
    size = validating.QUICK if quick else validating.size_of(comparisons)
    signal.signal(signal.SIGTERM, signal.default_int_handler)    # timeout(1) and kill(1) stop a sitting as Ctrl-C does
    with _Progress() as progress:
        try:
            return validating.validate(top, name, size, secrets.randbits(32) if seed is None else seed, progress.say,
                                       progress.event)
        except KeyboardInterrupt:
            if (top / "results" / name).is_dir():
                progress.say(f"what was measured is kept: lab validate --show {name}")
            raise


def _show(sitting):
    from rich.table import Table

    from lab import validation_docs
    for line in validation_docs.described(sitting):
        click.echo(line)
    for each in validation_docs.tables_of(sitting):
        table = Table(box=None, pad_edge=False)
        for column in each.columns:
            table.add_column(column, no_wrap=True)
        for row in each.text:
            table.add_row(*row)
        click.echo(f"\n{each.title}")       # a title of the table's own would be folded to its width
        show(table, whole=True)


class _Progress(Bar):
    """Progress of a sitting: the bar on a terminal, a line every tenth of the parts elsewhere."""

    def __init__(self):
        super().__init__(1.0, lambda elapsed_s, share: elapsed_s * (1 - share) / share if share else None)
        self.said = 0

    def event(self, done, total, text):
        self.total = total
        if not done:
            import time
            self.started = time.monotonic()     # building and the estimate are over
        self.update(done, text)
        if not self.bar and done * 10 // total > self.said:
            self.said = done * 10 // total
            click.echo(f"{done} of {total} parts ({text})", err=True)
