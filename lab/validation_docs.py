"""What a sitting of `lab validate` shows: tables for the terminal, and docs/validation.md, made from results/validation alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from lab import answer, sittings, stats, tables, validating, validation_halves
from lab.analysis import falsepositives, power
from lab.analysis.falsepositives import HARNESSES
from lab.bench import MARGINS
from lab.errors import ResultsError
from lab.sittings import Sitting
from lab.tables import Table
from lab.units import format_duration, format_ns

RUN = "validation"
DOCUMENT = "docs/validation.md"
AIM_RATE, AIM_TIME = 0.05, 0.25
HEAD = """\
<!-- DO NOT EDIT. Made by lab/validation_docs.py from results/validation; made again by the command: lab validate --write-docs -->

# Proof of the instrument

`lab validate` measures, in one sitting on one machine, what is the same and what is known to differ: how often identical code is
called different, how small a planted difference is found, and how long it takes to know as much as plain pyperf knows.
[protocol.md](protocol.md) says how the measurement works. The raw times are in `results/<name>/validation.json.gz`;
`lab validate --show NAME` computes everything below from them anew.

"""
METHOD = """
## What is measured

Identical arms are copies of one file, the extension half of `{arm}`, each under another name and loaded at another
address, in `{benchmark}`. A sitting is divided into slices; each has a part of everything that follows, in
random order, so that whatever the machine does meanwhile meets all alike (`lab/validating.py`).

- **This protocol**: runs of their own, each calibrated anew, of a block of {block} arms in {processes} processes, by the scheduler and the
  worker of `lab bench`, judged by the code that judges a report (`lab/analysis/paired.py`): interval, p, Holm's adjustment, margin,
  A/A envelope. {judged} pairs that have no arm in common get a verdict; one more is the twin and its original. Holm's adjustment is over
  these {pairs}; a report's is over more. Intervals of {processes} processes cover {coverage}: the rest of them leave out 0 by right.
- **Plain pyperf**: a `pyperf.Runner` for each copy, {plain_processes} processes of 3 values of at least 5 ms, one after the other
  (`lab/worker/plain.py`). Each is compared with the one before it, which is kinder than one that ran long ago. The verdict is that
  of `pyperf compare_to`: Student's t-test over all values.
- **Google Benchmark**: a process with {google_copies} copies, one benchmark after the other, each with {repetitions} repetitions of at least {minimum_s:g} s
  (its default is 0.5 s, for which there is no time) in a loop of its own; the first against the second, the third against the fourth.
  The verdict is that of its `tools/compare.py`: the U test of Mann and Whitney over the repetitions, at {alpha:g}.

The interval of each share is Clopper and Pearson's, exact for independent comparisons; the table says what is not. Two comparisons
of one process share its moment and its addresses, but no arm.

**Planted differences**: a block of a base, its twin, and copies of its source with {instructions} instructions more
(`csrc/validation/planted.c`). Each waits for the one before and takes one cycle; the most that are planted lie in every copy and a
jump leads past those that are not to run, so that copies differ in the distance of that jump and in nothing else
(`tests/test_validation_halves.py` reads it from the machine code). What they cost in time is for the processor to say: where calls
overlap, less than a cycle each. The processes of this one long run are drawn with replacement, as many as a budget gives at what one
took, and judged by the rules above, {draws} times. Power is the share of such draws. It is that of this run's machine and moment, and
a budget that gives more processes than the run has draws some of them more than once. A difference inside the margin for equivalence
({absolute_ns:g} ns, or {relative} of the base where that is more) is called equivalent, however well it is seen; "told apart" says how
often it would be called a difference were there no margin. `lab bench attached_call` measures three modes in a process and so has
fewer of them in the same budget.

**Time**: two copies alone by this protocol, drawn from in the same way, against the pairs of plain pyperf. Time includes the
start of each process and the one that calibrates; fewer than {fewest} processes have no interval. Plain pyperf's own interval takes
values of one process, and benchmarks that ran at another time, for independent: how often it leaves 0 out where it should not is in
the first table. So there is a second, over the means of processes, and what identical arms differed by, which needs no assumption.
"""


def method(header: Mapping | None = None) -> str:
    """How a sitting of this [header] was measured; of the defaults without one."""
    size = header["size"] if header else asdict(validating.size_of(200))
    given = header or {"arm": validation_halves.ARM, "benchmark": validating.BENCHMARK, "planted": validating.PLANTED,
                       "pairs": validating.PAIRS, "margins": MARGINS}
    coverage = stats.median_interval(range(size["processes"])).confidence
    judged = len(given["pairs"]) - 1
    return METHOD.format(
        **size, arm=given["arm"], benchmark=given["benchmark"], block=2 * len(given["pairs"]), pairs=len(given["pairs"]),
        judged=judged, coverage=_percent(coverage), google_copies=2 * judged * size["runs"], minimum_s=size["minimum_us"] / 1e6,
        instructions=answer.joined([str(count) for count in given["planted"]]), alpha=falsepositives.ALPHA, draws=power.DRAWS,
        fewest=power.FEWEST, absolute_ns=given["margins"]["absolute_ns"], relative=_whole(given["margins"]["relative"]))


def render(sitting: Sitting | None) -> str:
    """docs/validation.md of [sitting]; without one it says what is missing."""
    if sitting is None:
        return f"{HEAD}**No sitting is stored yet.** `lab validate`, then `lab validate --write-docs`, on a machine with nothing " \
               f"else to do.\n{method()}"
    found = "".join(f"\n{_markdown(table)}\n" for table in tables_of(sitting))
    return HEAD + "\n".join(described(sitting)) + "\n" + found + method(sitting.header)


def stored(top: Path) -> Sitting | None:
    """The sitting that the document is made from; None where there is none yet. Raises ResultsError."""
    folder = top / "results" / RUN
    return sittings.load(folder) if (folder / sittings.FILE).is_file() else None


def write(top: Path) -> Path:
    """Write the document; its path. Raises ResultsError."""
    path = top / DOCUMENT
    path.write_text(render(stored(top)), encoding="utf-8")
    return path


def _markdown(table: Table) -> str:
    return tables.render([table], "md")


def described(sitting: Sitting) -> list[str]:
    """Where the figures are from, and how the aims were met; a line each."""
    header, machine = sitting.header, sitting.header["environment"]
    where = (f"The figures are from the run `{sitting.name}` of {header['created'][:10]}, {header['status']} after "
             f"{format_duration(header['elapsed_s'])}: {machine['cpu_model']}, {machine['cpus_usable_count']} processors, "
             f"hypervisor: {machine['hypervisor']}, kernel {machine['kernel']}, load {machine['load_average_1_min']} when it began; "
             f"{header['interpreter']['tag']} ({header['interpreter']['version']}), HPy {header['versions']['hpy']}, "
             f"pyperf {header['versions']['pyperf']}, Google Benchmark {header['versions']['google_benchmark']}; seed "
             f"{header['seed']}, revision {machine['git_revision'][:12]}{', changed' if machine['git_dirty'] is True else ''}.")
    if header["failures"]:
        where += f" Parts that failed and were tried again: {'; '.join(header['failures'])}."
    return [where, *(f"\n- {line}" for line in aims(sitting))]


def aims(sitting: Sitting) -> list[str]:
    """The two aims and what came out."""
    own = next((rate for rate in falsepositives.rates(sitting) if rate.harness == "paired"), None)
    took = power.times(sitting)
    lines = []
    if own:
        met = "met" if own.share.point <= AIM_RATE else "not met"
        lines.append(f"At most {_whole(AIM_RATE)} of identical arms called different: {met}, {own.positives} of {own.share.n} "
                     f"(95 % interval up to {_percent(own.share.high)}).")
    if took:
        first = took.reached[0]
        met = "met" if first.share <= AIM_TIME else "not met"
        lines.append(f"The interval of plain pyperf in a quarter of its time: {met}, {_share_of_time(first)}. That interval is wrong as "
                     "often as the first table says.")
        if took.reached[-1] is not first:
            lines.append("One as wide as identical arms differ by in plain pyperf, which it would need to be right: "
                         f"{_share_of_time(took.reached[-1])}.")
    return lines


def tables_of(sitting: Sitting) -> list[Table]:
    """All figures of [sitting] that it has values for."""
    found = [_rates(sitting), _spreads(sitting)]
    long = power.analyse(sitting)
    if long:
        found += [_planted(long), _budgets(long)]
    took = power.times(sitting)
    if took:
        found += [_widths(took), _reached(took)]
    found = [table for table in found if table.text]
    if not found:
        raise ResultsError(f"run {sitting.name!r} holds no values yet", "measure with: lab validate")
    return found


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    return Table(title, tuple(columns), tuple(tuple(row) for row in rows), ())


def _whole(share: float) -> str:
    return f"{100 * share:.0f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _rates(sitting: Sitting) -> Table:
    rows = [(HARNESSES[rate.harness], rate.criterion, f"{rate.positives} of {rate.share.n}", _percent(rate.share.point),
             f"{_percent(rate.share.low)} to {_percent(rate.share.high)}", rate.independent)
            for rate in falsepositives.rates(sitting)]
    return _table("How often identical arms were called different",
                  ("harness", "by what", "times", "share", "95 % interval", "independent"), rows)


def _spreads(sitting: Sitting) -> Table:
    rows = [(HARNESSES[each.harness], format_ns(each.typical_ns), format_ns(each.wide_ns), str(each.comparisons))
            for each in falsepositives.spreads(sitting)]
    return _table("By how much identical arms differed", ("harness", "half of them by less than", "95 % by less than", "pairs"), rows)


def _planted(long: power.Power) -> Table:
    rows = [(str(planted), tables.interval(added)) for planted, added in long.added_ns.items()]
    return _table(f"What the planted instructions take, by all {long.processes} processes of the long run",
                  ("instructions", "added"), rows)


def _budgets(long: power.Power) -> Table:
    rows = []
    for budget_s in dict.fromkeys(each.budget_s for each in long.found):
        mine = {each.planted: each for each in long.found if each.budget_s == budget_s}
        processes = next(iter(mine.values())).processes
        for name, field in (("worse", "worse"), ("better", "better"), ("equivalent", "equivalent"),
                            ("told apart, without a margin", "told_apart")):
            smallest = _smallest(long, budget_s, field) if field in ("worse", "told_apart") else "–"
            rows.append((format_duration(budget_s), str(processes), name,
                         *(_percent(getattr(each, field)) for each in mine.values()), smallest))
    planted = [f"{each} more" for each in long.added_ns]
    return _table(f"What was said of planted instructions, as shares of draws ({format_duration(long.process_s)} for a process)",
                  ("budget", "processes", "said", *planted, f"smallest found at {_whole(power.WANTED)}"), rows)


def _smallest(long: power.Power, budget_s: float, field: str) -> str:
    planted = long.smallest(budget_s, field)
    return "none of these" if planted is None else f"{planted} ({format_ns(long.added_ns[planted].point, signed=True)})"


def _widths(took: power.Times) -> Table:
    rows = [(format_duration(each.seconds), str(each.processes), format_ns(each.half_width_ns)) for each in took.widths]
    return _table(f"Half-width of this protocol's 95 % interval of two arms, drawn from {took.processes} processes",
                  ("time", "processes", "half-width"), rows)


def _reached(took: power.Times) -> Table:
    rows = [(each.what, format_ns(each.half_width_ns), format_duration(each.plain_s), _reached_after(each),
             _percent(each.share) if each.paired else "–") for each in took.reached]
    return _table("When this protocol has an interval no wider than plain pyperf's, of the same two arms",
                  ("plain pyperf's half-width", "it is", "after", "this protocol after", "share of the time"), rows)


def _reached_after(each: power.Reached) -> str:
    if each.paired is None:
        return f"not by {power.MOST} processes"
    return f"{format_duration(each.paired.seconds)}, {each.paired.processes} processes, {format_ns(each.paired.half_width_ns)}"


def _share_of_time(each: power.Reached) -> str:
    if each.paired is None:
        return _reached_after(each)
    return f"{format_duration(each.paired.seconds)} of {format_duration(each.plain_s)}, {_percent(each.share)}"
