"""Raw values in their three shapes: a worker's answer, pyperf's runs, and a table with one row for each batch.

A pyperf.Run is one process's values of one cell and arm. What pyperf has no word for travels in its metadata as lab_*; series
by round are texts such as "0,3,1". pyperf insists that the runs of a Benchmark agree on some metadata (platform, version …), so
an answer that disagrees with earlier ones is refused when it comes, while it can still be refused.
"""

from __future__ import annotations

import gzip
import io
import json
import math
from typing import TYPE_CHECKING, Iterable

from lab.catalogue import file_stem
from lab.errors import WorkerError

if TYPE_CHECKING:
    import pandas
    import pyperf

COUNTERS = ("voluntary", "involuntary", "faults", "migrations", "steal")
COLUMNS = ("interpreter", "scenario", "benchmark", "arm", "block", "layout", "process", "round", "position", "value_s", "loops",
           *COUNTERS)
# What pyperf's Benchmark.add_run() compares, less what the lab sets itself.
AGREED = ("aslr", "cpu_count", "cpu_model_name", "hostname", "inner_loops", "platform", "python_executable",
          "python_implementation", "python_unicode", "python_version")

Suites = dict[str, dict[str, dict[int, "pyperf.Run"]]]   # file -> benchmark -> process -> run


def runs_of_answer(answer: dict, sheet: dict, process: int, seed: int, references: dict[str, str]) -> Suites:
    """The pyperf runs in a worker's answer to [sheet], by file, benchmark and process.

    [references]: scenario -> id of its reference arm. Raises WorkerError where the answer is nonsense: a value that is not
    above zero, a series of the wrong length, metadata that pyperf refuses.
    """
    suites: Suites = {}
    try:
        if not any(cell["arms"] for cell in answer["cells"]):
            raise ValueError("it measured nothing")
        for cell in answer["cells"]:
            for arm, measured in cell["arms"].items():
                path = suite_path(sheet["interpreter"], arm, sheet["block"], arm == references[cell["scenario"]])
                run = _run(answer["metadata"], cell, arm, measured, {**sheet, "process": process, "seed": seed})
                suites.setdefault(path, {}).setdefault(cell["benchmark"], {})[process] = run
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        where = f"{sheet['scenario']} on {sheet['interpreter']}"
        raise WorkerError(f"process {process} ({where}) answered nonsense: {reason}") from None
    return suites


def _run(metadata: dict, cell: dict, arm: str, measured: dict, origin: dict) -> pyperf.Run:
    import pyperf
    values = measured["values"]
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError(f"{arm} has no values, or some that are not numbers")
    own = {"name": cell["benchmark"], "unit": "second", "loops": measured["loops"], "lab_arm": arm,
           "lab_scenario": cell["scenario"], "lab_process": origin["process"], "lab_block": origin["block"],
           "lab_layout": origin.get("layout", 0), "lab_seed": origin["seed"]}
    for name in ("positions", *COUNTERS):
        if len(measured[name]) != len(values):
            raise ValueError(f"{arm} has {len(values)} values but {len(measured[name])} {name}")
        own["lab_" + name] = ",".join(str(int(each)) for each in measured[name])
    if "counters" in measured:
        own["lab_counters"] = json.dumps(_sound_counters(arm, measured["counters"]), sort_keys=True)
    # pyperf keeps warm-ups apart from values: what a just-in-time compiler needed before it was steady
    warmups = [(measured["loops"], value) for value in measured.get("warmups", ())]
    return pyperf.Run(values, warmups=warmups, metadata={**metadata, **own}, collect_metadata=False)


def _sound_counters(arm: str, counters: dict) -> dict:
    """What the kernel counted in one batch of [arm], as the worker answers it. Raises ValueError where it makes no sense."""
    counts = counters["values"].values()
    if not counters["calls"] > 0 or not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError(f"{arm} has counters that make no sense: {counters}")
    return {"calls": counters["calls"], "values": counters["values"], "absent": counters["absent"]}


def counter_rows(suites: Suites) -> list[dict]:
    """What the kernel counted, a row for each cell, arm and process that has it: interpreter, scenario, benchmark, arm,
    process, calls, values (counter -> count in all those calls), absent (counter -> why)."""
    return [{"interpreter": path.split("/")[1], "scenario": metadata["lab_scenario"], "benchmark": benchmark,
             "arm": metadata["lab_arm"], "process": process, **json.loads(metadata["lab_counters"])}
            for path in sorted(suites) for benchmark, runs in suites[path].items() for process, run in sorted(runs.items())
            if "lab_counters" in (metadata := run.get_metadata())]


def frequencies(suites: Suites) -> dict[int, tuple[float, ...]]:
    """process -> the MHz of the processor when it began and ended; without those of which the machine did not tell."""
    found = {}
    for benchmarks in suites.values():
        for runs in benchmarks.values():
            for process, run in runs.items():
                if process not in found and "lab_mhz" in (metadata := run.get_metadata()):
                    found[process] = tuple(float(mhz) for mhz in str(metadata["lab_mhz"]).split(","))
    return found


def metadata_of(suites: Suites) -> dict:
    """The metadata of the first run."""
    return next(run.get_metadata() for benchmarks in suites.values() for runs in benchmarks.values() for run in runs.values())


def disagreement(metadata: dict, earlier: dict | None) -> str | None:
    """Why runs with these two sets of metadata cannot share a pyperf Benchmark; None if they can, or nothing came earlier."""
    for key in AGREED if earlier else ():
        if metadata.get(key) != earlier.get(key):
            return f"its {key} is {metadata.get(key)!r}, that of the run {earlier.get(key)!r}"
    return None


def suite_path(interpreter: str, arm: str, block: int, is_reference: bool) -> str:
    """The file for an arm's runs, relative to the run's folder.

    The reference arm runs in every block; its runs outside block 0 have files of their own, so that no file has more values of
    a benchmark than another only because its arm ran more often (compare_to calls unequal counts significant).
    """
    suffix = f".block{block}" if is_reference and block > 0 else ""
    return f"pyperf/{interpreter}/{file_stem(arm)}{suffix}.json.gz"


def merge(suites: Suites, more: Suites):
    """Adds [more] to [suites]; a process that is there already is not counted twice."""
    for path, benchmarks in more.items():
        for name, runs in benchmarks.items():
            suites.setdefault(path, {}).setdefault(name, {}).update(runs)


def dump_suite(benchmarks: dict[str, dict[int, pyperf.Run]]) -> bytes:
    """One arm's benchmarks as pyperf stores them: gzipped JSON, benchmarks by name, runs by process."""
    import pyperf
    suite = pyperf.BenchmarkSuite([pyperf.Benchmark([runs[process] for process in sorted(runs)])
                                   for name, runs in sorted(benchmarks.items())])
    return pack_suite(suite)


def pack_suite(suite: pyperf.BenchmarkSuite) -> bytes:
    """A pyperf suite as gzipped JSON, the same bytes whenever it is written."""
    text = io.StringIO()
    suite.dump(text)
    return gzip.compress(text.getvalue().encode(), compresslevel=6, mtime=0)


def unpack_suite(content: bytes) -> pyperf.BenchmarkSuite:
    """The pyperf suite in the bytes of a file. Raises ValueError, EOFError or OSError where there is none."""
    import pyperf
    return pyperf.BenchmarkSuite.loads(gzip.decompress(content).decode())


def load_suite(content: bytes) -> dict[str, dict[int, pyperf.Run]]:
    """The runs in the bytes of an arm's file, by benchmark and process."""
    return {benchmark.get_name(): {run.get_metadata()["lab_process"]: run for run in benchmark.get_runs()}
            for benchmark in unpack_suite(content)}


def frame(suites: Suites) -> pandas.DataFrame:
    """A table with one row for each batch and the columns COLUMNS; times in seconds per call, [round] counted from 0."""
    import numpy
    import pandas
    rows = list(_rows(suites))
    lengths = [len(values) for _, values, _ in rows]
    table = {name: numpy.repeat(numpy.array([keys[name] for keys, _, _ in rows], dtype=kind), lengths)
             for name, kind in (("interpreter", object), ("scenario", object), ("benchmark", object), ("arm", object),
                                ("block", int), ("layout", int), ("process", int), ("loops", int))}
    table["round"] = numpy.concatenate([numpy.arange(n) for n in lengths] or [numpy.zeros(0, int)])
    table["value_s"] = numpy.array([value for _, values, _ in rows for value in values], dtype=float)
    for name in ("position", *COUNTERS):
        table[name] = numpy.array(",".join(series[name] for _, _, series in rows).split(",") if rows else [], dtype=int)
    return pandas.DataFrame({name: table[name] for name in COLUMNS})


def warmup_frame(suites: Suites) -> pandas.DataFrame:
    """A table with one row for each warm-up batch: interpreter, benchmark, arm, process, index (from 0), value_s."""
    import pandas
    rows = [(path.split("/")[1], benchmark, run.get_metadata()["lab_arm"], process, index, value)
            for path in sorted(suites) for benchmark, runs in suites[path].items() for process, run in sorted(runs.items())
            for index, (_, value) in enumerate(run.warmups)]
    return pandas.DataFrame(rows, columns=["interpreter", "benchmark", "arm", "process", "index", "value_s"])


def _rows(suites: Suites) -> Iterable[tuple[dict, tuple, dict]]:
    """What is the same for all values of a run, its values, and its series as texts."""
    for path in sorted(suites):
        interpreter = path.split("/")[1]
        for benchmark, runs in suites[path].items():
            for process in sorted(runs):
                metadata = runs[process].get_metadata()
                keys = {"interpreter": interpreter, "scenario": metadata["lab_scenario"], "benchmark": benchmark,
                        "arm": metadata["lab_arm"], "block": metadata["lab_block"], "process": process,
                        "layout": metadata.get("lab_layout", 0), "loops": metadata["loops"]}
                series = {name: metadata["lab_" + name] for name in COUNTERS}
                yield keys, runs[process].values, {**series, "position": metadata["lab_positions"]}
