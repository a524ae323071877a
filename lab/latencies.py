"""Latencies as a worker answers them and as a run keeps them: histograms of the native library, checked before they are believed.

A batch of latencies is a mapping: threads, processors, arrivals (of each thread), gap_ns, seed, and the histograms wait and
service, each with count, sum_ns, smallest_ns, largest_ns and buckets, the (bucket, count) that are not empty.
latency/<interpreter>/<arm>.json.gz holds those of an arm, by benchmark and process.
"""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.catalogue import file_stem
from lab.units import NS_PER_S

BUCKETS = 1056              # as csrc/native/native.h has it; tests/test_histogram.py compares
STEPS = 32                  # buckets of each doubling, and below it one for each nanosecond
KINDS = ("wait", "service")
NUMBERS = ("threads", "processors", "arrivals", "gap_ns", "seed")
SCHEMA = 1

Kept = dict[str, dict[str, dict[int, list[dict]]]]     # file -> benchmark -> process -> batches


def start(bucket: int) -> int:
    """The smallest value in ns that a bucket holds."""
    return bucket if bucket < STEPS else (STEPS + bucket % STEPS) << (bucket // STEPS - 1)


@dataclass(frozen=True)
class Histogram:
    """Durations in ns, each known to within its bucket, a 32nd of it; smallest and largest exactly."""

    buckets: tuple[tuple[int, int], ...]    # (bucket, how many), none of them empty, ascending
    sum_ns: int
    smallest_ns: int
    largest_ns: int

    @property
    def count(self) -> int:
        return sum(count for _, count in self.buckets)

    def bucket(self, rank: int) -> int:
        """The bucket that holds the value of that [rank], from 1."""
        for bucket, count in self.buckets:
            rank -= count
            if rank <= 0:
                break
        return bucket

    def bounds_ns(self, rank: int) -> tuple[float, float]:
        """Between what the value of that [rank], from 1, lies."""
        bucket = self.bucket(rank)
        high = self.largest_ns if bucket == BUCKETS - 1 else min(start(bucket + 1) - 1, self.largest_ns)
        return float(max(start(bucket), self.smallest_ns)), float(high)

    def value_ns(self, rank: int) -> float:
        """The value of that [rank], from 1: the middle of where it lies."""
        return sum(self.bounds_ns(rank)) / 2

    def quantile_ns(self, share: float) -> float:
        """The smallest value that at least a [share] of all do not exceed."""
        return self.value_ns(max(1, math.ceil(share * self.count - 1e-9)))


def histogram(record: Mapping) -> Histogram:
    """The histogram of a [record]. Raises ValueError where it is not one: what does not add up, or cannot be."""
    try:
        pairs = [(bucket, count) for bucket, count in record["buckets"]]
        numbers = [record[name] for name in ("count", "sum_ns", "smallest_ns", "largest_ns")]
    except (KeyError, TypeError, ValueError):
        raise ValueError("a histogram without count, sum_ns, smallest_ns, largest_ns or buckets") from None
    if any(type(number) is not int or number < 0 for number in (*numbers, *(each for pair in pairs for each in pair))):
        raise ValueError("a histogram with a number that is no count")
    places = [bucket for bucket, _ in pairs]
    if places != sorted(set(places)) or any(bucket >= BUCKETS for bucket in places) or any(count == 0 for _, count in pairs):
        raise ValueError(f"a histogram whose buckets are not the filled ones of {BUCKETS} in their order")
    count, sum_ns, smallest_ns, largest_ns = numbers
    held = sum(number for _, number in pairs)
    if held != count:
        raise ValueError(f"a histogram of {count} durations whose buckets hold {held}")
    if count and not (_holds(places[0], smallest_ns) and _holds(places[-1], largest_ns) and smallest_ns <= largest_ns
                      and count * smallest_ns <= sum_ns <= count * largest_ns):
        raise ValueError("a histogram whose sum, smallest and largest do not fit its buckets")
    return Histogram(tuple(pairs), sum_ns, smallest_ns, largest_ns)


def _holds(bucket: int, value_ns: int) -> bool:
    return start(bucket) <= value_ns and (value_ns < start(bucket + 1) or bucket == BUCKETS - 1)


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """All of [histograms], at least one of which counts something, as one."""
    kept = [each for each in histograms if each.count]
    buckets: Counter[int] = Counter()
    for each in kept:
        buckets.update(dict(each.buckets))
    return Histogram(tuple(sorted(buckets.items())), sum(each.sum_ns for each in kept),
                     min(each.smallest_ns for each in kept), max(each.largest_ns for each in kept))


def check(batch: Mapping, value_s: float) -> None:
    """Raises ValueError where a [batch] cannot be what was asked: histograms of other counts, or of another mean than [value_s],
    the seconds that a call took from when it was due."""
    wrong = [name for name in NUMBERS if type(batch.get(name)) is not int or batch[name] < (0 if name == "seed" else 1)]
    if wrong:
        raise ValueError(f"latencies whose {wrong[0]} is {batch.get(wrong[0])!r}")
    asked, sum_ns = batch["threads"] * batch["arrivals"], 0
    for kind in KINDS:
        try:
            found = histogram(batch[kind])
        except KeyError:
            raise ValueError(f"latencies without {kind}") from None
        except ValueError as error:
            raise ValueError(f"{kind}: {error}") from None
        if found.count != asked:
            raise ValueError(f"{kind}: {found.count} durations where {batch['threads']} threads made {batch['arrivals']} calls each")
        sum_ns += found.sum_ns
    if not math.isclose(value_s, sum_ns / asked / NS_PER_S, rel_tol=1e-6):
        raise ValueError(f"latencies of {sum_ns / asked:.0f} ns a call where the batch took {value_s * NS_PER_S:.0f} ns")


def check_arm(measured: Mapping) -> None:
    """Raises ValueError where what a worker measured of one arm does not hold the latencies of each of its values."""
    batches = measured.get("latencies")
    if not isinstance(batches, list) or len(batches) != len(measured["values"]):
        raise ValueError(f"{len(batches) if isinstance(batches, list) else 'no'} latencies for {len(measured['values'])} values")
    for batch, value_s in zip(batches, measured["values"]):
        check(batch, value_s)


def kept_of_answer(answer: Mapping, sheet: Mapping, process: int) -> Kept:
    """The latencies in a worker's answer to [sheet], by file, benchmark and process. Raises ValueError where they make no sense."""
    found: Kept = {}
    for cell in answer["cells"]:
        for arm, measured in cell["arms"].items():
            if "latencies" in measured:
                check_arm(measured)
                path = path_of(sheet["interpreter"], arm)
                found.setdefault(path, {}).setdefault(cell["benchmark"], {})[process] = measured["latencies"]
    return found


def path_of(interpreter: str, arm: str) -> str:
    """The file for an arm's latencies, relative to the run's folder."""
    return f"latency/{interpreter}/{file_stem(arm)}.json.gz"


def merge(kept: Kept, more: Kept) -> None:
    """Adds [more] to [kept]; a process that is there already is not counted twice."""
    for path, benchmarks in more.items():
        for name, processes in benchmarks.items():
            kept.setdefault(path, {}).setdefault(name, {}).update(processes)


def pack(benchmarks: Mapping[str, Mapping[int, list[dict]]]) -> bytes:
    """One arm's latencies as gzipped JSON, the same bytes whenever they are written."""
    content = {name: {str(process): processes[process] for process in sorted(processes)}
               for name, processes in sorted(benchmarks.items())}
    text = json.dumps({"schema": SCHEMA, "benchmarks": content}, separators=(",", ":"))
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def unpack(content: bytes) -> dict[str, dict[int, list[dict]]]:
    """The latencies in the bytes of an arm's file. Raises ValueError, KeyError, EOFError or OSError where there are none."""
    document = json.loads(gzip.decompress(content))
    if document["schema"] != SCHEMA:
        raise ValueError(f"latencies of schema {document['schema']!r}; this version reads {SCHEMA}")
    return {name: {int(process): batches for process, batches in processes.items()}
            for name, processes in document["benchmarks"].items()}
