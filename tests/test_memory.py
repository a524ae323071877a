"""lab.memory: a run in memory is gone on with as one on disk is."""

from lab import driver
from lab.memory import Memory
from lab.plan import Plan, Sheet, order

ARMS = ("a", "b")
SHEET = Sheet("cpython3.11", "attached_call", 0, ARMS, "a", (("attached_call", {}),), 6, False)
PLAN = Plan(5, (SHEET,), (), (), "")


class Counting:
    """An executor whose processes are the ticks of a clock; it keeps the jobs."""

    def __init__(self):
        self.jobs = []

    def __call__(self):
        return float(len(self.jobs))

    def execute(self, job, timeout_s):
        self.jobs.append(job)
        cell = job["cells"][0]
        arms = {arm: {"values": [1e-9] * len(cell["rows"]), "loops": cell["loops"] and cell["loops"][arm]} for arm in ARMS}
        return {"cost_ns": {"attached_call": dict.fromkeys(ARMS, 5.0)}, "cells": [{"benchmark": "attached_call", "arms": arms}]}


def rows_of(store, budget):
    """The orders that the scheduler asked for in so many processes, None for those that calibrate."""
    executor = Counting()
    driver.run(PLAN, store, {SHEET.interpreter: executor}, lambda *rest: {}, budget, clock=executor)
    return [None if job["calibrate"] else job["cells"][0]["rows"] for job in executor.jobs]


def test_gone_on_with():
    """A second part calibrates nothing anew and has the orders of the processes that come next."""
    store = Memory()
    first, second = rows_of(store, 3), rows_of(store, 2)
    assert first == [None, *(order(SHEET, turn, 5, "attached_call") for turn in (0, 1))]
    assert second == [order(SHEET, turn, 5, "attached_call") for turn in (2, 3)]
    assert (len(store.answers), store.processes) == (4, frozenset(range(4)))
