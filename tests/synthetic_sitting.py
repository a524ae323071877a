"""Sittings with a known answer, made of seeded random times; read by the tests of what is judged from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy

from lab import bench, validating
from lab.catalogue import TWIN_SUFFIX
from lab.sittings import Sitting

BASE_NS, LOOPS = 5.0, 200_000
COPIES = [*validating.COPIES, validating.TWIN]
LONG = [validating.BASE, *(f"planted/{count}" for count in validating.PLANTED), validating.BASE + TWIN_SUFFIX]
ENVIRONMENT = {"cpu_model": "synthetic", "cpus_usable_count": 2, "hypervisor": "none seen", "kernel": "6.1",
               "load_average_1_min": 0.0, "git_revision": "0123456789abcdef", "git_dirty": False}


def header(seed: int = 1, **fields) -> dict:
    """What a sitting says of itself."""
    return {"schema": 1, "name": "synthetic", "status": "complete", "elapsed_s": 60.0, "failures": [], "created": "2026-11-30T12:00:00+00:00",
            "seed": seed, "size": vars(validating.Size(2)), "arm": "hpyvm/pointer", "benchmark": validating.BENCHMARK,
            "confidence": bench.CONFIDENCE, "margins": bench.MARGINS, "planted": list(validating.PLANTED), "estimate_s": 60.0,
            "pairs": [list(pair) for pair in validating.PAIRS], "base": validating.BASE, "two": list(validating.COPIES[:2]),
            "interpreter": {"tag": "cpython3.11", "version": "3.11.7"}, "environment": ENVIRONMENT, "hashes": {},
            "versions": {"hpy": "0.9.0", "pyperf": "2.11.0", "google_benchmark": "1.7.1"}, **fields}


def sitting(records: Sequence[Mapping], **fields) -> Sitting:
    """A sitting of these [records]."""
    return Sitting("synthetic", header(**fields), records)


def run(random, kind: str, arms: Sequence[str], processes: int, added_ns: Mapping[str, float] | None = None,
        noise: float = 0.02, rounds: int = 8, seconds: float = 0.25) -> dict:
    """A record of the paired protocol: effects of process, of arm within process and of batch, and what some arms add."""
    truth = numpy.array([BASE_NS + (added_ns or {}).get(arm, 0.0) for arm in arms])
    times = []
    for _ in range(processes):
        level = truth * numpy.exp(random.normal(0, 0.05) + random.normal(0, noise, len(arms)))
        batches = level[:, None] * numpy.exp(random.normal(0, noise, (len(arms), rounds)))
        times.append({"seconds": seconds, "disturbed": {}, "elapsed_ns": numpy.rint(batches * LOOPS).astype(int).tolist()})
    return {"kind": kind, "slice": 0, "seed": 1, "arms": list(arms), "loops": [LOOPS] * len(arms), "processes": times}


def chain(random, count: int, drift: float = 0.0, noise: float = 0.02, processes: int = 20, seconds: float = 4.0,
          step_ns: float = 0.0) -> dict:
    """A record of plain pyperf whose values are independent, but for what the machine drifts from one benchmark to the next;
    each takes [step_ns] more than the one before."""
    found = []
    for number in range(count):
        level = (BASE_NS + number * step_ns) * numpy.exp(random.normal(0, drift))
        values = level * numpy.exp(random.normal(0, noise, (processes, 3)))
        found.append({"arm": f"copy/{number}", "seconds": seconds, "loops": LOOPS,
                      "elapsed_ns": numpy.rint(values * LOOPS).astype(int).tolist()})
    return {"kind": "pyperf", "slice": 0, "benchmarks": found}


def google(random, arms: int, drift: float = 0.0, noise: float = 0.02, step_ns: float = 0.0) -> dict:
    """A record of Google Benchmark, as chain() has it for pyperf."""
    ns = [(BASE_NS + number * step_ns) * numpy.exp(random.normal(0, drift) + random.normal(0, noise, 10))
          for number in range(arms)]
    return {"kind": "google", "slice": 0, "arms": [f"copy/{number}" for number in range(arms)], "ns": [list(each) for each in ns]}
