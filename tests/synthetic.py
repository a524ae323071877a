"""Runs with a known answer: written by the real RunStore from seeded random times, read by the tests of analyses and reports.

Use from a test: ``from synthetic import make_run`` (pytest puts this folder on the path).
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy
import pyperf

from lab import catalogue, latencies, probes
from lab.plan import Plan, make_plan
from lab.results import RunStore

INTERPRETER = "cpython3.11"
TWIN = "hpyvm/pointer" + catalogue.TWIN_SUFFIX
REFERENCE_NS = {"attached_call": 4.0, "attached_work": 20.0, "released_thread": 60.0, "foreign_thread": 90.0,
                "native_sort": 400.0, "contention": 5000.0}
ADDED_NS = {"enter_leave/get": 3.0, "enter_leave/ambient": 4.0, "enter_leave/token": 4.5, "hpyvm/pointer": 4.0,
            "hpyvm/value": 4.2, "trampoline/plain": 5.0, "trampoline/handle": 9.0, "trampoline/checked": 5.2,
            "control/empty": -1.5, "control/cached_ctx": 0.0, "control/hpy_universal_global": 0.0,
            "control/hpy_cpython_abi": 1.5, "peer/pygilstate": 20.0}
CROSSCHECKED = "attached_call[mode=throughput]"
STARTS_NS = [latencies.start(bucket) for bucket in range(latencies.BUCKETS)]
LAST_WORDS = "Fatal Python error: PyEval_RestoreThread: the thread state is NULL"


def make_run(folder: Path, processes: int = 12, rounds: int = 8, seed: int = 1, planted: dict[str, float] | None = None,
             status: str = "complete", interpreters: tuple[str, ...] = (INTERPRETER,),
             planted_on: dict[str, dict[str, float]] | None = None, warmups: dict[str, tuple[float, ...]] | None = None,
             hostname: str = "synthetic", layouts: Sequence[Mapping[str, float]] = ({},)) -> Path:
    """Writes a whole run into [folder] and answers it.

    [planted]: arm id -> true added time over the scenario's reference in ns, the same in every scenario; what it does not
    name is in ADDED_NS; the twin's is its original's. Each block of each scenario gets [processes] processes but that of
    foreign_thread with peer/pygilstate, whose last one crashed and is a failure. [planted_on]: interpreter -> what is planted
    there besides.
    [layouts]: what is planted besides in each layout, of which a process runs the one that is its turn.
    [warmups]: interpreter -> the batches before the measured ones, as multiples of the truth.
    """
    random = numpy.random.default_rng(seed)
    added_ns = {tag: {**ADDED_NS, **(planted or {}), **(planted_on or {}).get(tag, {})} for tag in interpreters}
    for each in added_ns.values():
        each.setdefault(TWIN, each[TWIN.removesuffix(catalogue.TWIN_SUFFIX)])
    sheets = make_sheets(interpreters, rounds)
    store = RunStore.create(folder, {**make_header(folder.name, sheets, seed, interpreters), "layouts": len(layouts)})
    process_ids = itertools.count()
    for turn, sheet in itertools.product(range(processes), sheets):
        process = next(process_ids)
        if sheet["scenario"] == "foreign_thread" and "peer/pygilstate" in sheet["arms"] and turn == processes - 1:
            store.fail({"interpreter": sheet["interpreter"], "scenario": "foreign_thread",
                        "benchmark": "foreign_thread[acquisition=first]", "arm": "peer/pygilstate",
                        "what": "the worker was killed by SIGABRT", "last_words": LAST_WORDS})
            continue
        layout = turn % len(layouts)
        answer = make_answer(random, sheet, {**added_ns[sheet["interpreter"]], **layouts[layout]},
                             (warmups or {}).get(sheet["interpreter"], ()))
        answer["metadata"]["hostname"] = hostname
        store.add(answer, {**sheet, "layout": layout}, process, seed + process)
    for tag in interpreters:
        _fill_in(store, random, tag, added_ns[tag])
    store.finish(status, elapsed_s=61.5)
    return folder


def timed(run):
    """The samples of a run but those of scenarios that measure latencies."""
    return run.samples[run.samples["scenario"] != "contention"]


def known_arms() -> dict[str, catalogue.Arm]:
    """The arms of which it is said here what they cost, or that others are measured against."""
    references = {scenario.reference for scenario in catalogue.scenarios().values()}
    return {name: arm for name, arm in catalogue.arms().items() if name in {*ADDED_NS, *references}}


@functools.lru_cache(maxsize=None)
def known_probes() -> tuple[probes.Probe, ...]:
    """Every second probe of the checkout, which is enough for a report; read once."""
    return tuple(probes.read().values())[::2]


def claims_of(arm: catalogue.Arm) -> dict[str, str]:
    """What is expected of an arm in the one case of each probe that these runs have: probe -> outcome."""
    first = {"policy": arm.policies[:1], "mode": ["universal"], "debug": ["off"]}
    return {case.probe.name: probes.for_detail(expected := case.claimed(INTERPRETER) or case.expected,
                                               expected.partition(": ")[0], detail=expected)
            for case in probes.cases(known_probes(), [arm], first) if not case.why_not}


def planned(interpreters: tuple[str, ...] = (INTERPRETER,)) -> Plan:
    """What the lab plans for those: blocks of forms, the first with the twin, then controls and peers."""
    return make_plan(known_arms(), catalogue.scenarios().values(), interpreters, seed=1)


def make_sheets(interpreters: tuple[str, ...] = (INTERPRETER,), rounds: int = 8) -> list[dict]:
    """The sheets of that plan as they stand in run.json, of [rounds] rounds each; latencies are of one batch."""
    return [{**sheet.as_dict(), "rounds": rounds if sheet.measures == "time" else 1} for sheet in planned(interpreters).sheets]


def make_header(name: str, sheets: list[dict], seed: int, interpreters: tuple[str, ...] = (INTERPRETER,)) -> dict:
    """The header of a run as the scheduler declares it before the first sample."""
    arms, scenarios = known_arms(), catalogue.scenarios()
    keys = ("id", "kind", "title", "summary", "source", "abi")
    described = [{**{key: getattr(arm, key) for key in keys}, "policy": arm.policies[0]} for arm in arms.values()]
    described.append({**described[list(arms).index("hpyvm/pointer")], "id": TWIN})
    return {
        "name": name, "created": "2026-01-02T03:04:05+00:00", "command": ["lab", "bench", "all", "--preset", "quick"],
        "seed": seed, "preset": "quick", "budget_s": 60.0, "protocol": "paired", "confidence": 0.95,
        "margins": {"absolute_ns": 0.5, "relative": 0.02,
                    "rule": "the largest of 0.5 ns, 2 % of the reference and the A/A envelope"},
        "reference": {scenario.name: scenario.reference for scenario in scenarios.values()}, "twin": TWIN,
        "comparisons": [list(each) for each in planned(interpreters).comparisons], "arms": described,
        "scenarios": [{"name": each.name, "title": each.title, "question": each.question, "source": each.source,
                       "thread": each.thread, "unit": each.unit, "reference": each.reference, "measures": each.measures,
                       "parameters": {key: list(values) for key, values in each.parameters.items()}}
                      for each in scenarios.values()],
        "interpreters": [{"tag": tag, "version": "3.11.2", "implementation": "cpython", "path": f"/usr/bin/{tag}",
                          "hpy": "0.9.0"} for tag in interpreters],
        "hashes": {"csrc/interface.h": "0" * 64},
        "environment": {"cpu_model": "synthetic", "cpu_count": 2, "frequency_mhz": 2600, "compiler": "gcc 12.2.0"},
        "sheets": sheets,
    }


def make_answer(random: numpy.random.Generator, sheet: dict, added_ns: dict[str, float],
                warmups: tuple[float, ...] = ()) -> dict:
    """What a worker would answer for [sheet]: a machine that is 3 % faster or slower in each process, 0.4 % of layout noise
    for each arm and process, 1 % of noise that the arms of a round share, 0.5 % for each batch, one in fifty disturbed."""
    rounds, arms, reference_ns = sheet["rounds"], sheet["arms"], REFERENCE_NS[sheet["scenario"]]
    machine, cells = numpy.exp(random.normal(0, 0.03)), []
    for parameters in catalogue.scenarios()[sheet["scenario"]].cells():
        shared = machine * numpy.exp(random.normal(0, 0.01, rounds))
        positions = numpy.array([random.permutation(len(arms)) for _ in range(rounds)])
        cell = {}
        for place, arm in enumerate(arms):
            truth_ns = reference_ns + (added_ns[arm] if place else 0.0)
            noise = numpy.exp(random.normal(0, 0.004) + random.normal(0, 0.005, rounds))
            disturbed = random.random(rounds) < 0.02
            values = (truth_ns * 1e-9 * shared * noise * numpy.where(disturbed, 1.3, 1.0)).tolist()
            quiet = [0] * rounds
            measured = {}
            if sheet["measures"] == "latency":
                threads = parameters["threads"]
                batches = [make_latencies(truth_ns * random.exponential(1, 6 * threads) + 100, random.uniform(200, 400, 6 * threads),
                                          threads) for _ in range(rounds)]
                values, measured = [value for value, _ in batches], {"latencies": [batch for _, batch in batches]}
            cell[arm] = {**measured, "loops": 131072, "values": values, "positions": positions[:, place].tolist(),
                         "voluntary": quiet, "involuntary": disturbed.astype(int).tolist(), "faults": quiet,
                         "migrations": quiet, "steal": quiet, "warmups": [truth_ns * 1e-9 * factor for factor in warmups]}
        cells.append({"benchmark": catalogue.benchmark_name(sheet["scenario"], parameters), "scenario": sheet["scenario"],
                      "parameters": parameters, "arms": cell})
    return {"metadata": make_metadata(sheet["interpreter"]), "cells": cells}


def make_metadata(tag: str = INTERPRETER) -> dict:
    """The pyperf metadata that a worker's own interpreter would report."""
    return {"perf_version": "2.10.0", "date": "2026-01-02 03:04:05.000006", "hostname": "synthetic",
            "platform": "Linux-synthetic", "cpu_count": 2, "cpu_model_name": "synthetic", "aslr": "Full randomization",
            "python_implementation": "cpython", "python_version": "3.11.2 (64-bit)", "python_executable": f"/usr/bin/{tag}"}


def make_latencies(wait_ns, service_ns, threads: int = 1, processors: int = 2) -> tuple[float, dict]:
    """The value of a batch whose calls waited and took so long, and what a worker would answer of its latencies."""
    def histogram(values_ns):
        values = [int(value) for value in values_ns]
        buckets, counts = numpy.unique(numpy.searchsorted(STARTS_NS, values, side="right") - 1, return_counts=True)
        return {"count": len(values), "sum_ns": sum(values), "smallest_ns": min(values), "largest_ns": max(values),
                "buckets": [[int(bucket), int(count)] for bucket, count in zip(buckets, counts)]}

    batch = {"threads": threads, "processors": processors, "arrivals": len(wait_ns) // threads, "gap_ns": 10_000_000, "seed": 1,
             "wait": histogram(wait_ns), "service": histogram(service_ns)}
    return (batch["wait"]["sum_ns"] + batch["service"]["sum_ns"]) / len(wait_ns) * 1e-9, batch


def make_crosscheck(random: numpy.random.Generator, arm: str, mean_ns: float, runs: int = 8) -> str:
    """The JSON text that an ordinary pyperf.Runner would write for one arm: [runs] processes of three values, 2 % apart."""
    metadata = {**make_metadata(), "name": CROSSCHECKED, "unit": "second", "loops": 1048576}
    values = mean_ns * 1e-9 * numpy.exp(random.normal(0, 0.02, (runs, 1)) + random.normal(0, 0.005, (runs, 3)))
    benchmark = pyperf.Benchmark([pyperf.Run(row.tolist(), metadata=metadata, collect_metadata=False) for row in values])
    return json.dumps(pyperf.BenchmarkSuite([benchmark])._as_json())


def _fill_in(store: RunStore, random: numpy.random.Generator, tag: str, added_ns: dict[str, float]):
    scenarios, arms = catalogue.scenarios(), known_arms()
    for scenario, arm in itertools.product(scenarios.values(), arms.values()):
        why = arm.lacks(scenario.requires)
        if why:
            store.not_applicable({"interpreter": tag, "scenario": scenario.name, "benchmark": None, "arm": arm.id, "why": why})
    for arm in ["control/pass_ctx", *added_ns]:
        store.add_crosscheck(tag, arm, make_crosscheck(random, arm, REFERENCE_NS["attached_call"] + added_ns.get(arm, 0.0)))
    store.add_conformance(tag, [
        {"probe": probe, "arm": arm.id, "outcome": expected.split(probes.ALTERNATIVE)[0], "expected": expected, "detail": "7 of 7",
         "seconds": 0.1}
        for arm in arms.values() for probe, expected in claims_of(arm).items()])

