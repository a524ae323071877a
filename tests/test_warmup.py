"""The series before the measured batches."""

import dataclasses

import pandas
import pytest
from synthetic import INTERPRETER, make_run

from lab.analysis import warmup
from lab.results import load


def with_warmups(folder, factors):
    """A synthetic run of which each process was warmed up by batches that are [factors] times the measured median."""
    run = load(make_run(folder, processes=6))
    keys = ["interpreter", "benchmark", "arm", "process"]
    medians = run.samples.groupby(keys)["value_s"].median().reset_index()
    rows = [{**row[keys].to_dict(), "index": index, "value_s": row["value_s"] * factor}
            for _, row in medians.iterrows() for index, factor in enumerate(factors)]
    return dataclasses.replace(run, warmups=pandas.DataFrame(rows))


def test_nothing_was_warmed_up(tmp_path):
    """CPython compiles nothing while it runs: no series."""
    assert warmup.analyse(load(make_run(tmp_path / "run", processes=2))) == []


@pytest.mark.parametrize("factors, steady", [((8.0, 2.0, 1.02), True), ((8.0, 4.0, 1.5), False), ((8.0, 1.0, 1.0, 1.0, 1.7), True)])
def test_series_are_multiples_of_the_measured_median(tmp_path, factors, steady):
    """Each warm-up batch over its own process's median; steady where the last is like the measured ones."""
    found = warmup.analyse(with_warmups(tmp_path / "run", factors))
    one = next(each for each in found if each.benchmark == "released_thread" and each.arm == "hpyvm/pointer")
    assert (one.interpreter, one.processes, one.steady) == (INTERPRETER, 6, steady)
    assert one.ratios == pytest.approx(factors)
