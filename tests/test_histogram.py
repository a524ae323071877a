"""The native library's histogram against the values themselves, and the lab's reading of it."""

import math
import random
import sys

import pytest

from lab import latencies
from lab.latencies import BUCKETS

LONGEST_NS = 2**37


@pytest.fixture(scope="module")
def native(libraries):
    """The native library, by cffi as the worker has it: (ffi, library)."""
    import cffi

    sys.path.insert(0, str(latencies.__file__).replace("latencies.py", "worker"))
    try:
        from autogen_interface import CDEF
    finally:
        sys.path.pop(0)
    ffi = cffi.FFI()
    ffi.cdef(CDEF)
    return ffi, ffi.dlopen(str(libraries.native))


def counted(native, values):
    """A native_histogram of [values]."""
    ffi, library = native
    histogram = ffi.new("native_histogram *")
    for value in values:
        assert library.native_histogram_add(histogram, value) == 0
    return histogram


def record(histogram):
    """What the worker answers of a native_histogram."""
    return {"count": histogram.count, "sum_ns": histogram.sum_ns, "smallest_ns": histogram.smallest_ns,
            "largest_ns": histogram.largest_ns, "buckets": [[at, n] for at, n in enumerate(histogram.counts) if n]}


def test_buckets_are_the_same_in_c_and_here(native):
    """Every bucket begins where the lab says, holds its first value and its last, and is at most a 32nd of it wide."""
    _, library = native
    assert latencies.start(BUCKETS) == LONGEST_NS > 100 * 10**9
    for bucket in range(BUCKETS):
        first, following = latencies.start(bucket), latencies.start(bucket + 1)
        assert library.native_bucket_start(bucket) == first
        assert (library.native_bucket(first), library.native_bucket(following - 1)) == (bucket, bucket)
        assert following - first <= max(1, first / 32)


@pytest.mark.parametrize("value, bucket", [(0, 0), (1, 1), (31, 31), (32, 32), (63, 63), (64, 64), (65, 64), (66, 65),
                                           (LONGEST_NS - 1, BUCKETS - 1), (LONGEST_NS, BUCKETS - 1), (2**63 - 1, BUCKETS - 1)])
def test_edges(native, value, bucket):
    """From 0 to the longest that 64 bits hold each value has a bucket; beyond 137 s it is the last, and the largest is exact."""
    histogram = counted(native, [value])
    assert (native[1].native_bucket(value), histogram.counts[bucket]) == (bucket, 1)
    assert (histogram.smallest_ns, histogram.largest_ns, histogram.sum_ns) == (value, value, value)
    assert latencies.histogram(record(histogram)).quantile_ns(0.5) == pytest.approx(value, rel=1 / 64)


def test_below_zero_is_refused(native):
    """A duration below 0 is not counted."""
    histogram = counted(native, [5])
    assert native[1].native_histogram_add(histogram, -1) == -1
    assert (histogram.count, histogram.smallest_ns, histogram.sum_ns) == (1, 5, 5)


@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_quantiles_are_those_of_the_values(native, spread):
    """Every quantile is within 3 % of that of the sorted values; count, sum and extremes are exact."""
    generator = random.Random(spread)
    values = sorted(int(1000 * math.exp(generator.gauss(0, spread))) for _ in range(3001))
    found = latencies.histogram(record(counted(native, values)))
    assert (found.count, found.sum_ns, found.smallest_ns, found.largest_ns) == (3001, sum(values), values[0], values[-1])
    for share in (0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0):
        rank = max(1, math.ceil(share * len(values)))
        low, high = found.bounds_ns(rank)
        assert low <= values[rank - 1] <= high
        assert found.quantile_ns(share) == pytest.approx(values[rank - 1], rel=0.032, abs=0.5)


def test_merging_is_counting_together(native):
    """Two histograms merged, in C or here, are the histogram of all values; an empty one changes nothing."""
    ffi, library = native
    one, other = [5, 100, 7_000_000], [1, 100, 10**9, 10**9]
    together = record(counted(native, one + other))
    into = counted(native, one)
    library.native_histogram_merge(into, counted(native, other))
    library.native_histogram_merge(into, ffi.new("native_histogram *"))
    assert record(into) == together
    assert latencies.merged(latencies.histogram(record(counted(native, each))) for each in (one, [], other)) == \
        latencies.histogram(together)
    empty = counted(native, [])
    library.native_histogram_merge(empty, into)
    assert record(empty) == together
    library.native_histogram_clear(empty)
    assert record(empty) == record(counted(native, []))


GOOD = {"count": 3, "sum_ns": 110, "smallest_ns": 5, "largest_ns": 100, "buckets": [[5, 2], [latencies.STEPS + 50, 1]]}


@pytest.mark.parametrize("change, why", [
    ({"count": 4}, "of 4 durations whose buckets hold 3"), ({"count": -3}, "no count"), ({"sum_ns": 1.5}, "no count"),
    ({"buckets": [[5, 2], [5, 1]]}, "in their order"), ({"buckets": [[5, 3], [82, 0]]}, "in their order"),
    ({"buckets": [[5, 4], [82, -1]]}, "no count"), ({"buckets": [[5, 2], [BUCKETS, 1]]}, "in their order"),
    ({"buckets": [5, 2]}, "without"), ({"smallest_ns": 4}, "do not fit"), ({"largest_ns": 120}, "do not fit"),
    ({"sum_ns": 500}, "do not fit"), ({"sum_ns": None}, "no count")])
def test_a_histogram_that_does_not_add_up_is_refused(change, why):
    """Counts that do not add up, are below 0 or in no bucket, and a sum or extremes that no such values have."""
    assert latencies.histogram(GOOD).count == 3
    with pytest.raises(ValueError, match=why):
        latencies.histogram({**GOOD, **change})
