"""The command line: it alone prints or exits, here and in the cli_* modules. What a command does is done elsewhere."""

from __future__ import annotations

import sys
import traceback

import click

from lab import cli_bench, cli_check, cli_show, cli_validate
from lab.cli_terminal import PYTHON_HELP, checkout, exit_if_unusable, show, styled
from lab.errors import LabError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli():
    """How should native code that was not handed an HPyContext get one?

    HPy Context Lab builds the proposals of HPy issue #268, proves by running what each guarantees, and measures what each
    costs. With --debug, an error shows its traceback.
    """


@cli.command()
def doctor():
    """What this machine can measure, and what is in the way.

    Measures for 5 seconds how much two copies of one form differ, and says what a budget of time will make visible. Changes
    nothing. Exits with 1 where something is missing without which the lab cannot work.
    """
    from rich.table import Table

    from lab import doctor as examination
    from lab import noise
    checks = examination.examine(checkout())
    checks += noise.examine(checkout())
    table = Table(box=None, pad_edge=False, show_header=False)
    colours = {"ok": "green", "warn": "yellow", "missing": "red"}
    for check in checks:
        table.add_row(styled(check.status, colours[check.status]), check.name, check.found)
        if check.remedy:
            table.add_row("", "", styled(f"→ {check.remedy}", "dim"))
    show(table)
    if any(check.status == "missing" for check in checks):
        raise SystemExit(1)


@cli.command()
@click.option("--check", is_flag=True, help="Change nothing; fail if a generated file is not what the specs say.")
def generate(check):
    """Make the header and the other generated files from the specs."""
    from lab import autogen, conformance_docs
    top = checkout()
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

    found, _, unusable = venvs.ready(checkout(), pythons, progress)
    click.echo(f"{len(made)} built, for {', '.join(each.tag for each in found)}" if made else "nothing to build")
    exit_if_unusable(unusable)


for command in (cli_check.check, cli_bench.bench, cli_bench.count, cli_bench.size, cli_show.report, cli_show.compare,
                cli_show.list_, cli_validate.validate):
    cli.add_command(command)


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
