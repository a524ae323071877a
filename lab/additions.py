"""What is put into a run beside its times, after it was measured: what a callback executes, and what each arm takes.

Both are of the run's own binaries, so that a number here is of what was timed; a run that was measured with others is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lab import bench, builder, counting, results, sizes
from lab.errors import LabError


def count(top: Path, run: str | None, name: str | None, pythons: Sequence[str], say: Callable[[str], None] = lambda text: None,
          unchecked: bool = False) -> list[str]:
    """Count what a callback executes (lab.counting) into [run], or into a new run called [name]; lines that say what came.

    An old run (the latest, where neither is given) has its own arms, scenarios and interpreters counted, of which [pythons]
    chooses. With [unchecked], which wants a new run, the extension halves are those that check nothing. Raises LabError;
    ResultsError where it was measured with other binaries.
    """
    if unchecked and not name:
        raise LabError("--unchecked counts other binaries than any run was measured with", "name a new run: --name NAME")
    if name:
        folder, prepared = _begun(top, name, pythons, say, unchecked)
    else:
        folder = results.find(top / "results", run or "latest")
        header = results.load(folder).header
        prepared = bench.prepared_for(top, folder, header, "count", tuple(header["reference"]), pythons, say)
        bench.refuse_other_binaries(prepared, folder, header, "count into a run of its own: lab count --name NAME")
    lines = []
    for each in prepared.interpreters:
        say(f"counting for {each.tag}")
        entry = counting.count(each, prepared.libraries, prepared.planned_arms, prepared.scenarios)
        results.add_counts(folder, {each.tag: entry})
        counted = f"{len(entry['rows'])} cells in {entry['seconds']:.0f} s"
        lines.append(f"{each.tag}: {'not counted: ' + entry['absent'] if entry['absent'] else counted}")
        lines += [f"{each.tag}: {failure['arm'] or 'every arm'} failed: {failure['what']}" for failure in entry["failures"]]
    return [*lines, *(str(error) for error in prepared.unusable), f"lab report {folder.name} shows them"]


def _begun(top: Path, name: str, pythons: Sequence[str], say: Callable[[str], None], unchecked: bool
           ) -> tuple[Path, bench.Prepared]:
    """A new run called [name], which times nothing, to count into."""
    folder = top / "results" / bench.checked_name(name)
    command = ("lab", "count", "--unchecked") if unchecked else ("lab", "count")
    request = bench.Request(tuple(counting.COUNTED), (), tuple(pythons), "count", 0.0, "count", 0, folder.name, command)
    prepared = bench.prepare(top, request, say)
    if unchecked:
        prepared = replace(prepared, libraries=builder.build(top, prepared.interpreters, unchecked=True))
    halves = "universal-unchecked" if unchecked else "universal"
    hashes = bench.hashes_of(top, [each.tag for each in prepared.interpreters], halves)
    header = {**bench.header_of(prepared), "hashes": hashes, "sheets": [], "comparisons": []}
    results.RunStore.create(folder, header).finish("complete", 0.0)
    return folder, prepared


def size(top: Path, run: str | None, pythons: Sequence[str], say: Callable[[str], None] = lambda text: None) -> list[str]:
    """Put what each arm of [run] (None: the latest) takes (lab.sizes) into it; lines that say what came.

    For its interpreters, of which [pythons] chooses. Raises LabError; ResultsError where it was measured with other binaries.
    """
    folder = results.find(top / "results", run or "latest")
    header = results.load(folder).header
    prepared = bench.prepared_for(top, folder, header, "size", tuple(header["reference"]), pythons, say)
    bench.refuse_other_binaries(prepared, folder, header, bench.ANEW)
    lines = []
    for each in prepared.interpreters:
        say(f"looking at {each.tag}")
        entry = sizes.measure(each, prepared.libraries, prepared.planned_arms)
        results.add_sizes(folder, {each.tag: entry})
        lines.append(f"{each.tag}: {len(entry['code'])} extension halves"
                     + (f", not looked into: {entry['absent']}" if entry["absent"] else ""))
        lines += [f"{each.tag}: {row['arm']}: {row['absent']}" for row in entry["kept"] if row["absent"]]
    return [*lines, *(str(error) for error in prepared.unusable), f"lab report {folder.name} shows them"]
