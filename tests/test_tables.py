"""What ``lab compare`` shows: made-up findings in every form, and the numbers of a real run."""

import csv
import dataclasses
import io
import json
import math

import pytest
from lab_tree import measured_tree

from lab import results, tables
from lab.analysis import paired
from lab.analysis.paired import Finding
from lab.analysis.regression import Shift
from lab.stats import Estimate


def estimate(point, low=None, high=None):
    return Estimate(point, point - 1 if low is None else low, point + 1 if high is None else high, 9, 0.95)


def finding(arm="hpyvm/pointer", benchmark="attached_call[mode=throughput]", interpreter="cpython3.11", **changes):
    """A finding with plain numbers and [changes] to it, and nothing that no table shows."""
    values = {"interpreter": interpreter, "scenario": "attached_call", "benchmark": benchmark, "arm": arm,
              "reference": "control/pass_ctx", "processes": 9, "absolute_ns": estimate(9.0), "floor_ns": 8.5,
              "added_ns": estimate(6.0, 5.8, 6.2), "ratio": estimate(3.0, 2.9, 3.1), "p_adjusted": 0.004, "margin_ns": 0.5,
              "verdict": "worse", "layouts_ns": Estimate(6.0, float("-inf"), float("inf"), 1, 1.0)}
    return Finding(**{**{field.name: None for field in dataclasses.fields(Finding)}, **values, "envelope_of": "x", "envelope_ns": 0.1, **changes})


@pytest.mark.parametrize("bounds, text", [
    ((5.91, 5.8, 6.02), "+5.91 ns [+5.80, +6.02]"), ((-0.25, -0.5, 0.0), "−0.25 ns [−0.50, +0.00]"),
    ((950.0, 900.0, 1200.0), "+950 ns [+900 ns, +1.20 µs]"), ((5.0, -math.inf, math.inf), "+5.00 ns [−∞, ∞]")])
def test_interval(bounds, text):
    """An interval shares the point's unit where it can, and is whole in any case."""
    assert tables.interval(Estimate(*bounds, 9, 0.95)) == text


def test_ratio_interval():
    """A ratio stands with its interval."""
    assert tables.ratio_interval(estimate(2.95, 2.91, math.inf)) == "2.950 [2.910, ∞]"


def test_tables_of_a_run():
    """One table for each interpreter and benchmark, with a row of text and a record for each arm."""
    found = tables.of_run([finding(), finding("trampoline/plain"), finding(benchmark="native_sort"),
                           finding(interpreter="pypy3.10")])
    assert [(table.title, len(table.text), len(table.records)) for table in found] == [
        ("attached_call[mode=throughput], cpython3.11, against control/pass_ctx", 2, 2),
        ("native_sort, cpython3.11, against control/pass_ctx", 1, 1),
        ("attached_call[mode=throughput], pypy3.10, against control/pass_ctx", 1, 1)]
    itself, = tables.of_run([finding("control/pass_ctx", verdict="reference")])
    assert itself.text[0][:3] + itself.text[0][-1:] == ("control/pass_ctx", "–", "–", "reference")
    assert dict(zip(found[0].columns, found[0].text[0])) == {
        "arm": "hpyvm/pointer", "added": "+6.00 ns [+5.80, +6.20]", "ratio": "3.000 [2.900, 3.100]", "absolute": "9.00 ns",
        "floor": "8.50 ns", "processes": "9", "verdict": "worse"}


def shift(arm="hpyvm/pointer", **changes):
    """A cell of two runs, 3 ns slower in the second, with [changes] to it."""
    values = {"interpreter": "cpython3.11", "benchmark": "native_sort", "arm": arm, "reference": "control/cached_ctx", "processes": (9, 9),
              "old_ns": estimate(6.0, 5.8, 6.2), "new_ns": estimate(9.0, 8.0, 10.0), "change_ns": estimate(3.0, 2.0, 4.0),
              "change_ratio": estimate(1.2, 1.1, 1.3), "clean_ns": estimate(2.9, 2.0, 4.0), "p": 0.001, "p_adjusted": 0.004,
              "margin_ns": 0.5, "envelope_ns": 0.1, "verdict": "worse", "binaries": ("build/a.so", "build/b.so")}
    return Shift(**{**values, **changes})


def test_table_of_two_runs():
    """Each cell of two runs is a row with what the arm adds in either, the change, and whether its binaries changed."""
    table, = tables.of_two_runs("old", "new", [shift(), shift("trampoline/plain", verdict="equivalent", binaries=())])
    assert (table.title, table.columns[3:5]) == ("old → new", ("added, old", "added, new"))
    assert [row[2:] for row in table.text] == [
        ("hpyvm/pointer", "+6.00 ns [+5.80, +6.20]", "+9.00 ns [+8.00, +10.0]", "+3.00 ns [+2.00, +4.00]", "1.200 [1.100, 1.300]",
         "changed", "worse"),
        ("trampoline/plain", "+6.00 ns [+5.80, +6.20]", "+9.00 ns [+8.00, +10.0]", "+3.00 ns [+2.00, +4.00]",
         "1.200 [1.100, 1.300]", "same", "equivalent")]
    record = json.loads(tables.render([table], "json"))[0]
    assert [record[key] for key in ("change_ns", "change_ns_low", "new_ns_high", "binaries", "verdict", "across")] == [
        3.0, 2.0, 10.0, "build/a.so build/b.so", "worse", ""]


def test_unlike_runs_are_called_so():
    """What must be the same and is not stands in the title of the table and in every record."""
    table, = tables.of_two_runs("old", "new", [shift(), shift("trampoline/plain")], "cpu_model, kernel")
    assert table.title == "old → new: NOT ALIKE, cpu_model, kernel"
    assert [row["across"] for row in csv.DictReader(io.StringIO(tables.render([table], "csv")))] == ["cpu_model, kernel"] * 2


def test_table_by_interpreter():
    """A table for each benchmark has a column for each interpreter; what is not claimed is marked, references have medians."""
    claimed = {"envelope_ns": 0.2, "envelope_of": "native_sort", "below_resolution": False}
    findings = [finding("control/pass_ctx", verdict="reference"), finding(**claimed), finding("hpyvm/pointer@twin"),
                finding(interpreter="pypy3.11", added_ns=estimate(0.1), **{**claimed, "below_resolution": True}),
                finding("trampoline/plain", interpreter="pypy3.11", verdict="unresolved", **claimed),
                finding(benchmark="native_sort", interpreter="pypy3.11", verdict="equivalent", **claimed)]
    first, second = tables.by_interpreter(findings)
    assert (first.title, first.columns) == ("attached_call[mode=throughput], added over control/pass_ctx",
                                            ("arm", "cpython3.11", "pypy3.11"))
    assert first.text == (("control/pass_ctx", "(9.00 ns)", ""), ("hpyvm/pointer", "+6.00 ns", "≈ +0.10 ns"),
                          ("trampoline/plain", "", "? +6.00 ns"))
    assert second.text == (("hpyvm/pointer", "", "= +6.00 ns"),)


def test_views_have_the_same_records():
    """For programs a table by interpreter has all that one by arm has."""
    findings = [finding(interpreter=tag, benchmark=benchmark, below_resolution=False)
                for tag in ("cpython3.11", "pypy3.11") for benchmark in ("native_sort", "released_thread")]

    def records(view):
        return sorted(tables.render(tables.VIEWS[view](findings), "csv").splitlines())

    assert records("interpreter") == records("arm")
    assert len(records("arm")) == 5


def test_json_is_json():
    """What has no bound, or is no number, is null: other readers know neither NaN nor Infinity."""
    text = tables.render(tables.of_run([finding(added_ns=estimate(6.0, -math.inf, math.inf), p_adjusted=math.nan)]), "json")

    def refuse(constant):
        raise AssertionError(constant)

    record, = json.loads(text, parse_constant=refuse)
    assert [record[name] for name in ("added_ns", "added_ns_low", "added_ns_high", "p_adjusted")] == [6.0, None, None, None]


def test_csv_has_full_precision():
    """A csv has one line for each arm under the names of the columns, and loses nothing of a number."""
    third = 1 / 3
    text = tables.render(tables.of_run([finding(added_ns=estimate(third))]), "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["arm"], row["benchmark"], float(row["added_ns"])) for row in rows] == [
        ("hpyvm/pointer", "attached_call[mode=throughput]", third)]


def test_markdown():
    """Each table has its title, a head and its rows."""
    lines = tables.render(tables.of_run([finding()]), "md").splitlines()
    assert lines[0] == "**attached_call[mode=throughput], cpython3.11, against control/pass_ctx**"
    assert [line.count("|") for line in lines[2:]] == [8, 8, 8]
    assert lines[4].startswith("| hpyvm/pointer | +6.00 ns [+5.80, +6.20] | 3.000 [2.900, 3.100] |")


@pytest.fixture(scope="module")
def findings(tmp_path_factory, interpreter, libraries):
    """What the paired protocol says of a real run."""
    return paired.analyse(results.load(measured_tree(tmp_path_factory, interpreter.tag) / "results" / "twelve"))


def test_numbers_are_those_of_the_analysis(findings):
    """Every finding of a real run is in one table, and its record holds the analysis's own numbers."""
    found = tables.of_run(findings)
    records = {(each["benchmark"], each["arm"]): each for table in found for each in table.records}
    assert len(records) == len(findings) == sum(len(table.text) for table in found)
    for each in findings:
        record = records[each.benchmark, each.arm]
        for name in ("absolute_ns", "added_ns", "ratio"):
            estimated = getattr(each, name)
            assert [record[name + end] for end in ("", "_low", "_high")] == [estimated.point, estimated.low, estimated.high]
        assert (record["reference"], record["processes"], record["verdict"]) == (each.reference, each.processes, each.verdict)
