"""What the commands have in common: what they print with, and what stands where in every one of them."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

WIDEST = 10_000     # columns: wider than any table
PYTHON_HELP = ("An interpreter: a version (3.12), a tag of `lab list interpreters`, a path or a command; all: every one that "
               "was found. May be given more than once.")


def exit_if_unusable(unusable):
    """What could not be used is named at the end, where it is read; the others went on."""
    for error in unusable:
        click.echo(f"lab: {error}", err=True)
    if unusable:
        raise SystemExit(1)


def checkout() -> Path:
    """The checkout that the command works on. Raises LabError."""
    from lab import catalogue
    return catalogue.root()


def show(table, whole=False):
    """Print a table; off a terminal, and where [whole] says so, no column is cut to fit: a line may be too long for one."""
    console = _console()
    if whole or not console.is_terminal:
        console.width = max(console.width, _width(table))
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def show_in_blocks(table_of, columns):
    """Print [table_of](some of [columns]) as often as it takes: on a terminal with as many at a time as it is wide enough for.

    Off a terminal all are in one table. A column that is too wide by itself is folded.
    """
    console = _console()
    while columns:
        count = len(columns)
        while console.is_terminal and count > 1 and _width(table_of(columns[:count])) > console.width:
            count -= 1
        show(table_of(columns[:count]))
        columns = columns[count:]
        if columns:
            click.echo()


def _console(**options):
    from rich.console import Console
    return Console(highlight=False, markup=False, **options)    # scenario[mode=…] is no markup


def _width(table):
    """The columns of the terminal that [table] takes when nothing is folded."""
    return _console(width=WIDEST).measure(table).maximum


def styled(words, style):
    from rich.text import Text
    return Text(words, style)


class Bar:
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
