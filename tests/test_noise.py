"""What the doctor foretells: the processes a budget gives and what they make visible, against the real scheduler."""

import math

import numpy as np
import pytest
from lab_tree import ROOT, copy_tree, lab
from synthetic import make_latencies

from lab import bench, catalogue, driver, noise, plan, results, stats
from lab.memory import Memory
from lab.noise import Noise

MODES = ("throughput", "dependent", "serialised")
TAG = "cpython3.11"
START_S, BATCH_S = 0.3, 0.0012


def known(spread_ns=1.0, processes=15, disturbed=0.0, seed=1):
    """A noise of known spread: normal differences between the copies."""
    random = np.random.default_rng(seed)
    return Noise("hpyvm/pointer", {f"attached_call[mode={mode}]": random.normal(0, spread_ns, processes) for mode in MODES},
                 processes, 5.0, START_S, BATCH_S, {"involuntary": disturbed, "migrations": 0.0, "steal": 0.0})


def planned(*scenarios, selection=None):
    """A real plan of those scenarios (all, if none are named)."""
    every = catalogue.scenarios(ROOT)
    return plan.make_plan(catalogue.arms(ROOT), [every[name] for name in scenarios or every], [TAG], 1, selection)


class Clock:
    """A clock that workers of known cost advance."""

    def __init__(self):
        self.now, self.seed = 0.0, np.random.default_rng(5)

    def __call__(self):
        return self.now

    def execute(self, job, timeout_s):
        cells = [(cell, sorted({index for row in cell["rows"] for index in row})) for cell in job["cells"]]
        batch_s = noise.LATENCY_BATCH_S if job["scenario"] == "contention" else BATCH_S
        self.now += START_S + sum(batch_s * len(cell["rows"]) * len(arms) for cell, arms in cells)
        wide = 10 if "thread" in job["scenario"] else 1        # other scenarios have the wider intervals
        if job["scenario"] == "contention":
            value, batch = make_latencies([5000] * 6, [300] * 6)
            return {"cells": [{"benchmark": cell["benchmark"], "arms": {
                job["names"][arm]: {"values": [value], "latencies": [batch], "loops": 1} for arm in arms}} for cell, arms in cells]}
        return {"cost_ns": {cell["benchmark"]: {job["names"][arm]: 5.0 for arm in arms} for cell, arms in cells},
                "cells": [{"benchmark": cell["benchmark"], "arms": {
                    job["names"][arm]: {"values": list(1e-9 * np.exp(self.seed.normal(0, 0.01 * wide, len(cell["rows"])))),
                                        "loops": cell["loops"] and cell["loops"][job["names"][arm]]}
                    for arm in arms}} for cell, arms in cells]}


@pytest.mark.parametrize("scenarios, selection", [(("attached_call",), {"hpyvm/pointer"}), ((), None)], ids=["one", "all"])
@pytest.mark.parametrize("budget_s", noise.BUDGETS_S)
def test_processes_are_the_schedulers(scenarios, selection, budget_s):
    """So many processes as are foretold, the scheduler starts for attached_call in that budget, within a fifth or one."""
    clock, chosen, store = Clock(), planned(*scenarios, selection=selection), Memory()
    reserve_s = bench.CROSSCHECK_SHARE * budget_s if budget_s >= bench.CROSSCHECK_FROM_S else 0.0
    started = []
    store.add = lambda answer, sheet, *rest: started.append((sheet["scenario"], sheet["block"]))
    driver.run(chosen, store, {TAG: clock}, lambda sheet, *rest: {"names": sheet.arms}, budget_s, clock=clock,
               reserve_s=reserve_s)
    actual, expected = started.count(("attached_call", 0)), noise.processes(known(), chosen, budget_s)
    assert abs(actual - expected) <= max(1.5, 0.2 * actual), (actual, expected)


@pytest.mark.parametrize("count", [6, 20, 200])
def test_envelope_is_that_of_such_a_run(count):
    """Of normal differences the envelope foretold is the middle of those that runs of so many processes have."""
    differences = np.random.default_rng(2).normal(0, 0.3, 4000)        # many: the spread is known
    expected = noise.envelope(differences, count)
    random = np.random.default_rng(3)
    seen = [stats.smallest_detectable(random.normal(0, 0.3, count)) for _ in range(200)]
    assert 0.4 < np.mean(np.array(seen) > expected) < 0.6


def test_envelope_of_a_few_processes():
    """From 15 processes the envelope of 100 is foretold within the factor that is told, in nine of ten sittings and more."""
    truth, right = noise.envelope(np.random.default_rng(4).normal(0, 1.0, 9000), 100), 0
    for seed in range(60):
        few = known(seed=seed)
        factor = noise.uncertainty(few)
        right += all(truth / factor <= noise.envelope(values, 100) <= truth * factor for values in few.differences_ns.values())
    assert right >= 48


def test_more_time_shows_more_and_too_little_nothing():
    """The envelope shrinks with the budget; where it gives fewer than 6 processes, nothing is visible."""
    one = planned("attached_call", selection={"hpyvm/pointer"})
    forecasts = [noise.forecast(known(), one, budget_s) for budget_s in (1.0, 30.0, 60.0, 300.0)]
    assert [each.processes for each in forecasts] == sorted(each.processes for each in forecasts)
    for name in forecasts[0].visible_ns:
        first, *rest = (each.visible_ns[name] for each in forecasts)
        assert first == math.inf and rest == sorted(rest, reverse=True) and rest[0] < 1.0


def test_copies_that_differ_always_stay_visible():
    """What the copies differ by in every process does not shrink with the number of processes."""
    differences = np.random.default_rng(6).normal(2.0, 0.1, 30)
    assert 1.8 < noise.envelope(differences, 10_000) < 2.2


def test_disturbances_are_named():
    """What disturbs more batches than a few is named with what would help; a quiet machine gets no advice."""
    assert noise._disturbances(known(disturbed=0.01), "x").status == "ok"
    check = noise._disturbances(known(disturbed=0.3), "found")
    assert (check.status, check.found) == ("warn", "30 % of the batches were preempted; found")
    assert "end what else runs" in check.remedy


@pytest.mark.parametrize("processes, status", [(4, "warn"), (200, "ok")])
def test_a_forecast_of_too_few_is_not_to_be_relied_on(monkeypatch, processes, status):
    """What rests on four processes is a warning that says how little is known; of many it is a finding like others."""
    measured = (known(processes=processes), planned("attached_call", selection={"hpyvm/pointer"}), planned())
    monkeypatch.setattr(noise, "measure", lambda top, seconds: measured)
    first, *budgets = noise.examine(ROOT)
    assert (first.status, len(budgets)) == (status, len(noise.BUDGETS_S))
    assert ("of which little is known" in first.found or " known within a factor of " in first.found)


def test_nothing_built(tmp_path):
    """In a checkout where nothing is built the doctor says so, builds nothing, and has looked at all else."""
    top = copy_tree(tmp_path)
    check, = noise.examine(top)
    assert (check.status, check.remedy) == ("warn", "lab build, then lab doctor again")
    assert check.found.startswith("not measured: nothing is built yet for ") and not (top / "build").exists()


def test_doctor_on_this_machine(tmp_path, interpreter, libraries):
    """The doctor measures about 5 s with real processes, changes nothing, and a real run has about as many as it foretold."""
    top = copy_tree(tmp_path, built_for=interpreter.tag)
    before = sorted(path for path in top.rglob("*"))
    done = lab(top, "doctor")
    names = [line[4:].strip().split("  ")[0] for line in done.stdout.splitlines() if line[:4] in ("ok  ", "warn")]
    assert (done.returncode, sorted(path for path in top.rglob("*"))) == (0, before)
    assert "two copies of hpyvm/pointer in attached_call, " in done.stdout
    assert names[-4:] == ["noise", "in 30 s", "in 1 min 00 s", "in 5 min 00 s"]
    measured, one, _ = noise.measure(top, 8.0)
    assert 6.0 < measured.seconds < 30.0 and all(len(each) == measured.processes for each in measured.differences_ns.values())
    lab(top, "bench", "attached_call", "--arm", "hpyvm/pointer", "--budget", "6s", "--name", "short")
    actual = results.load(top / "results" / "short").samples["process"].nunique()
    assert actual / 4 <= noise.processes(measured, one, 6.0) <= actual * 4      # what else runs may come and go meanwhile
