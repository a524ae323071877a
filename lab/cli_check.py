"""The command that asks the probes: lab check."""

from __future__ import annotations

import os
import sys

import click

from lab.cli_terminal import PYTHON_HELP, Bar, checkout, exit_if_unusable, show_in_blocks, styled
from lab.errors import LabError


@click.command()
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

    PROBES are names of `lab list probes`, or all. Exits with 1 where an arm does not do what its .toml claims, or what the
    probe expects where that claims nothing.
    """
    from lab import bench as benching, catalogue, conformance, probes as reading, venvs
    top, only = checkout(), reading.wanted(policy=policy, mode=mode, debug=debug)
    every_probe, every_arm = reading.read(), catalogue.arms(top)
    reading.check_claims(every_arm.values(), every_probe)
    chosen = reading.select(probes, every_probe, slow)
    taking_part = {arm.id: arm for arm in catalogue.select("arm", arms, every_arm)}
    cases = reading.cases(chosen, taking_part.values(), only)
    if not cases:
        raise _no_case(chosen, reading.cases(chosen, taking_part.values()), only)
    found, libraries, unusable = venvs.ready(top, pythons, lambda text: click.echo(text, err=True))
    with_debug = conformance.build_debug(top, found, cases, lambda text: click.echo(text, err=True))
    if gdb:
        exit_if_unusable(unusable)
        able = [case for case in cases if not case.why_not] or cases
        os.execvp("gdb", ["gdb", "--args", *conformance.alone(able, found, libraries, with_debug, top)])
    broken = []
    for interpreter in found:
        with Bar(len(cases) or 1, lambda elapsed_s, done: elapsed_s * (1 / done - 1) if done else None) as bar:
            def progress(outcome):
                said = f"{interpreter.tag} {reading.name_of(outcome.as_dict())} {outcome.arm}"
                bar.update(bar.done + 1, said)
                if not sys.stdout.isatty() and outcome.outcome != "n/a":
                    click.echo(f"{said}: {outcome.outcome} ({outcome.seconds:.1f} s)")

            outcomes = conformance.check(chosen, taking_part, interpreter, libraries, None, progress, debug=with_debug,
                                         only=only)
        _print_matrix(interpreter.tag, outcomes)
        broken += [(interpreter, outcome) for outcome in outcomes if outcome.unexpected]
        if reading.is_whole(outcomes, reading.cases(reading.select((), every_probe), every_arm.values())):
            benching.keep_conformance(top, interpreter, outcomes)
    for interpreter, outcome in broken:
        click.echo(f"\n{conformance.told(outcome, interpreter)}", err=True)
    exit_if_unusable(unusable)
    if broken:
        raise SystemExit(1)


def _no_case(chosen, every, only):
    """That the options leave none of [every] case, and what they could say instead."""
    from lab import probes as reading
    if not every:
        return LabError("no probe that was chosen is ever asked of the arms that were", "lab list probes; lab list arms")
    options = {"policy": "--policy", "mode": "--mode", "debug": "--lab-debug"}
    given = " ".join(f"{options[axis]} {value}" for axis, values in only.items() for value in values)
    values = {axis: [value for value in reading.AXES[axis] if value in {case.axes[axis] for case in every}] for axis in options}
    possible = "; ".join(f"{options[axis]} {' or '.join(found)}" for axis, found in values.items())
    arms = list(dict.fromkeys(case.arm.id for case in every))
    of = arms[0] if len(arms) == 1 else f"{len(arms)} arms"
    probe = f"{chosen[0].name} is not" if len(chosen) == 1 else f"none of {len(chosen)} probes is"
    return LabError(f"{probe} asked of {of} with {given}",
                    f"possible are {possible}; docs/conformance.md says how each probe is asked")


def _print_matrix(tag, outcomes):
    """The outcomes as one table, or on a terminal as one below the other, each with as many arms as there is room for."""
    from lab import guarantees
    from rich.table import Table
    found = guarantees.matrix([outcome.as_dict() for outcome in outcomes])
    colours = {"n/a": "dim", "good": "green", "bad": "yellow", "unexpected": "red"}

    def table(arms):
        made = Table(title=f"conformance, {tag}", title_justify="left", box=None, pad_edge=False)
        made.add_column("probe", no_wrap=True)
        for arm in arms:
            made.add_column(arm.replace("/", "/\n"))
        for probe, cells in found["rows"].items():
            made.add_row(probe, *(styled(cell["text"], colours[cell["kind"]])
                                  for arm, cell in zip(found["arms"], cells) if arm in arms))
        return made

    show_in_blocks(table, found["arms"])
