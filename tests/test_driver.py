"""lab.driver: budgets, passes and failures, with a mock executor and a clock that only the mock moves; no time passes."""

import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from synthetic import make_latencies

from lab import driver
from lab.driver import Outcome, run
from lab.errors import WorkerError
from lab.executor import WorkerFailure
from lab.plan import PRESETS, Plan, Sheet, order

TAG = "cpython3.11"


class Clock:
    """Seconds that pass when told."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Store:
    """Records what the scheduler hands to a RunStore."""

    def __init__(self):
        self.added, self.failures, self.flushes, self.finished, self.processes = [], [], 0, [], frozenset()
        self.calibration, self.past, self.elapsed_s, self.layouts = {}, {}, [], []

    @property
    def header(self):
        return {"failures": self.failures}

    def taken(self, sheet):
        """What a test put into past: (scenario, block) -> answers."""
        return self.past.get((sheet["scenario"], sheet["block"]), [])

    def add_calibration(self, key, loops):
        self.calibration[key] = loops

    def add(self, answer, sheet, process, seed, elapsed_s):
        self.elapsed_s.append(elapsed_s)
        self.added.append((sheet["scenario"], sheet["block"], process, answer))
        self.layouts.append((sheet["scenario"], sheet["block"], sheet["layout"]))

    def fail(self, failure):
        self.failures.append(failure)

    def flush(self):
        self.flushes += 1

    def finish(self, status, elapsed_s):
        self.finished.append((status, elapsed_s))

    def counts(self):
        """How many processes each (scenario, block) has."""
        return Counter((scenario, block) for scenario, block, _, _ in self.added)


class Mock:
    """An executor whose workers take [cost_s] of the mock's clock and answer noise of [spread]; [trouble](job) may raise."""

    def __init__(self, clock, cost_s=0.5, spread=0.01, trouble=lambda job: None):
        self.clock, self.cost_s, self.spread, self.trouble = clock, cost_s, spread, trouble
        self.random, self.jobs, self.patience_s = random.Random(5), [], []

    def execute(self, job, timeout_s):
        self.jobs.append(job)
        self.patience_s.append(timeout_s)
        of = (lambda value: value.get(job["scenario"], 0.5) if isinstance(value, dict) else value)
        self.clock.now += of(self.cost_s) * self.random.uniform(0.8, 1.2)
        answer = self.trouble(job)
        if answer is not None:
            return answer
        if job["calibrate"]:
            return {"cost_ns": {cell["benchmark"]: {arm: 10.0 for arm in arms_of(job, cell)} for cell in job["cells"]}}
        return {"metadata": {}, "cells": [self.measure(job, cell, of(self.spread)) for cell in job["cells"]]}

    def measure(self, job, cell, spread):
        tilt = {arm: self.random.gauss(0, spread) for arm in arms_of(job, cell)}
        return {"benchmark": cell["benchmark"],
                "arms": {arm: {"values": [1e-8 * math.exp(tilt[arm])] * len(cell["rows"]), "loops": cell["loops"][arm]}
                         for arm in tilt}}


def arms_of(job, cell):
    """The arms that occur in the rows of a cell."""
    return [job["arms"][index] for index in sorted({index for row in cell["rows"] for index in row})]


def make_job(sheet, layout):
    """What the plan does not know; here the arms alone."""
    return {"arms": sheet.arms, "layout": layout}


def make_plan(shape=(("call", 2), ("work", 1), ("sort", 1)), benchmarks=2, seed=3):
    """A plan with so many blocks of three arms of each scenario; ``sort`` is single."""
    sheets = []
    for scenario, blocks in shape:
        for block in range(blocks):
            arms = ("reference", f"arm{block}", f"other{block}")
            names = tuple((f"{scenario}[n={n}]", {"n": n}) for n in range(1 if scenario == "sort" else benchmarks))
            single = scenario == "sort"
            sheets.append(Sheet(TAG, scenario, block, arms, "reference", names, 1 if single else 6, single))
    return Plan(seed, tuple(sheets), (), (), "arm0@twin")


def measure(plan=None, budget_s=60.0, **options):
    """Runs a plan on the mock; answers (outcome, store, mock, clock)."""
    clock, store = Clock(), Store()
    given = {key: options.pop(key) for key in ("cost_s", "spread", "trouble") if key in options}
    mock = Mock(clock, **given)
    outcome = run(plan or make_plan(), store, {TAG: mock}, make_job, budget_s, clock=clock, **options)
    return outcome, store, mock, clock


def failing(error_of):
    """A trouble that raises error_of() when ("call[n=0]", "arm0") is to be run."""
    def trouble(job):
        for cell in job["cells"]:
            if cell["benchmark"] == "call[n=0]" and "arm0" in arms_of(job, cell):
                raise error_of(job)
    return trouble


def crash(job, benchmark="call[n=0]", arm="arm0"):
    return WorkerFailure("killed by SIGSEGV", benchmark, arm, "last words")


@pytest.mark.parametrize("cost_s", [0.4, {"call": 2.5, "work": 0.1, "sort": 1.0}, {"call": 5.0, "sort": 0.2}])
@pytest.mark.parametrize("budget_s", [PRESETS["quick"], PRESETS["default"]])
def test_budgets_hold_within_a_fifth(budget_s, cost_s):
    """The run ends close to its budget, calibration included, whatever the sheets cost."""
    outcome, _, _, clock = measure(budget_s=budget_s, cost_s=cost_s)
    assert outcome.status == "complete" and clock.now - 1000 == pytest.approx(outcome.elapsed_s)
    assert 0.8 * budget_s < outcome.elapsed_s < 1.05 * budget_s


def test_all_blocks_of_a_scenario_must_fit():
    """A scenario of many dear blocks is not begun where the budget would end in the middle of it."""
    outcome, store, *_ = measure(make_plan((("call", 7), ("work", 1))), cost_s={"call": 3.0, "work": 1.0})
    assert 55 < outcome.elapsed_s < 62 and len({store.counts()["call", block] for block in range(7)}) == 1


def test_a_reserve_is_left_to_the_caller():
    """The time kept for the cross-check is not used."""
    outcome, *_ = measure(reserve_s=20.0)
    assert 35 < outcome.elapsed_s < 42


def test_a_slow_flush_is_counted_before_the_last_one():
    """The time that writing takes is taken from the sampling, not added to it."""
    clock, store = Clock(), Store()
    store.flush = lambda: setattr(clock, "now", clock.now + 8)
    outcome = run(make_plan(), store, {TAG: Mock(clock)}, make_job, 100.0, clock=clock)
    assert 90 < outcome.elapsed_s < 102


def test_the_blocks_of_a_scenario_have_equal_counts():
    """However the budget is divided, files that compare_to may compare hold equally many runs."""
    _, store, *_ = measure(make_plan((("call", 3), ("work", 2), ("sort", 1))), 97.0, spread={"call": 0.5})
    counts = store.counts()
    assert counts["call", 0] == counts["call", 1] == counts["call", 2] > counts["work", 0] == counts["work", 1] > 6


def test_calibration_happens_once_and_is_no_sample():
    """One calibration for each sheet that is not single; its counts stay for the run, and nothing of it is stored."""
    outcome, store, mock, _ = measure()
    calibrations = [job for job in mock.jobs if job["calibrate"]]
    assert [(job["scenario"], job["cells"][0]["loops"]) for job in calibrations] == [
        ("call", None), ("call", None), ("work", None)]
    assert mock.jobs[:3] == calibrations and len(store.added) == len(mock.jobs) - 3 == outcome.processes
    samples = [cell["loops"] for job in mock.jobs[3:] for cell in job["cells"]]
    assert {count for loops in samples for count in loops.values()} == {100_000, 1}
    assert {tuple(set(job["cells"][0]["loops"].values())) for job in mock.jobs[3:] if job["single"]} == {(1,)}


def test_processes_have_ids_of_their_own_and_fresh_orders():
    """Ids are unique and rising; each process of a sheet runs in another order, the one that the plan gives."""
    plan = make_plan((("call", 1),))
    _, store, mock, _ = measure(plan)
    assert [process for _, _, process, _ in store.added] == list(range(len(store.added)))
    assert [job["cells"][1]["rows"] for job in mock.jobs[1:]] == [
        order(plan.sheets[0], turn, 3, "call[n=1]") for turn in range(len(store.added))]


def test_a_resumed_run_goes_on_with_new_ids():
    """A store that holds processes already gets none of their ids again."""
    clock, store = Clock(), Store()
    store.processes = frozenset({0, 41})
    run(make_plan(), store, {TAG: Mock(clock)}, make_job, 10.0, clock=clock)
    assert store.added[0][2] == 42


def test_the_same_seed_gives_the_same_run():
    """Jobs, orders and passes follow from the seed alone; another seed gives other passes."""
    first, again, other = (measure(make_plan(seed=seed))[2].jobs for seed in (3, 3, 4))
    assert first == again
    assert [job["scenario"] for job in first] != [job["scenario"] for job in other]


def test_each_pass_has_an_order_of_its_own():
    """Within a pass each sheet comes once, and the passes differ."""
    _, store, *_ = measure(minimum_processes=12)
    visits = [(scenario, block) for scenario, block, _, _ in store.added]
    passes = [tuple(visits[start:start + 4]) for start in range(0, 48, 4)]
    assert {len(set(each)) for each in passes} == {4} and len(set(passes)) > 3


def test_wide_sheets_get_more_processes():
    """Beyond the minimum, the scenario whose intervals are wide is visited more often; the others go on being visited."""
    spread = {"call": 0.3, "work": 0.001, "sort": 0.001}
    _, store, *_ = measure(make_plan((("call", 1), ("work", 1), ("sort", 1))), spread=spread)
    counts = store.counts()
    assert counts["call", 0] > 2 * counts["work", 0] > 2 * 6
    assert counts["sort", 0] > 6


def test_everyone_gets_the_minimum_first():
    """No sheet has a seventh process before each has six."""
    _, store, *_ = measure(spread={"call": 0.5, "work": 0.0, "sort": 0.0})
    assert set(Counter(added[:2] for added in store.added[:24]).values()) == {6}


@pytest.mark.parametrize("budget_s", [0.1, 1.0, 5.0, 20.0])
def test_a_small_budget_leaves_no_cell_out(budget_s):
    """Each sheet runs at least once, and an event says so where that takes longer than the budget."""
    events = []
    _, store, *_ = measure(budget_s=budget_s, progress=events.append)
    assert set(store.counts()) == {("call", 0), ("call", 1), ("work", 0), ("sort", 0)}
    assert [event.kind for event in events if event.kind == "short"] == (["short"] if budget_s < 4 else [])


def test_more_budget_never_means_fewer_cells_or_processes():
    """Every sheet has at least as many processes with a larger budget."""
    runs = [measure(budget_s=budget_s)[1].counts() for budget_s in (1, 10, 20, 40, 80)]
    for less, more in zip(runs, runs[1:]):
        assert all(more[key] >= less[key] for key in less)


def test_a_crash_costs_its_cell_only():
    """The arm is taken out of that benchmark, with its last words; all else is measured, in equal numbers."""
    outcome, store, *_ = measure(trouble=failing(crash))
    assert store.failures == [{"interpreter": TAG, "scenario": "call", "benchmark": "call[n=0]", "arm": "arm0",
                               "what": "killed by SIGSEGV", "last_words": "last words"}]
    assert outcome.failures == 1 and store.counts()["call", 0] == store.counts()["call", 1] > 6
    cells = [{cell["benchmark"]: sorted(cell["arms"]) for cell in answer["cells"]}
             for scenario, block, _, answer in store.added if (scenario, block) == ("call", 0)]
    assert cells == [{"call[n=0]": ["other0", "reference"], "call[n=1]": ["arm0", "other0", "reference"]}] * len(cells)


def test_a_crash_in_the_middle_keeps_what_was_measured():
    """An arm that crashes at its fifth process has four; the process is run again without it."""
    def trouble(job):
        if job["calibrate"] or sum(1 for each in mock_jobs() if each["scenario"] == "call") < 6:
            return
        failing(crash)(job)
    clock, store = Clock(), Store()
    mock = Mock(clock, trouble=trouble)
    mock_jobs = (lambda: mock.jobs)
    run(make_plan((("call", 1),)), store, {TAG: mock}, make_job, 10.0, clock=clock)
    having = ["arm0" in answer["cells"][0]["arms"] for _, _, _, answer in store.added]
    assert having == [True] * 4 + [False] * (len(having) - 4) and len(having) > 8


def test_an_arm_that_cannot_be_loaded_is_taken_out_of_its_sheet():
    """With no benchmark named, the arm fails in each benchmark of the sheet, and in no other sheet."""
    _, store, *_ = measure(trouble=failing(lambda job: crash(job, benchmark=None)))
    assert [(each["benchmark"], each["arm"]) for each in store.failures] == [("call[n=0]", "arm0"), ("call[n=1]", "arm0")]
    assert "arm0" in next(answer for scenario, *_, answer in store.added if scenario == "work")["cells"][0]["arms"]


def test_a_failed_check_names_its_cell():
    """An answer that reports an error, such as a wrong result, counts as a failure of the arm it names."""
    def trouble(job):
        try:
            failing(crash)(job)
        except WorkerFailure:
            return {"error": {"benchmark": "call[n=0]", "arm": "arm0", "message": "sorted wrongly"}}
    _, store, *_ = measure(trouble=trouble)
    assert [(each["benchmark"], each["arm"], each["what"]) for each in store.failures] == [
        ("call[n=0]", "arm0", "sorted wrongly")]


@pytest.mark.parametrize("values", [[0.0] * 6, [-1e-9] * 6, [float("nan")] * 6, [1e-9] * 5, None, ["x"] * 6])
def test_impossible_times_cost_their_cell(values):
    """Times that are not above 0, or too few, are a failure of the arm that has them."""
    def trouble(job):
        if not job["calibrate"] and job["scenario"] == "call" and "arm0" in arms_of(job, job["cells"][0]):
            answer = {"metadata": {}, "cells": [Mock(Clock()).measure(job, cell, 0.01) for cell in job["cells"]]}
            answer["cells"][0]["arms"]["arm0"]["values"] = values
            return answer
    _, store, *_ = measure(trouble=trouble)
    assert [(each["benchmark"], each["arm"]) for each in store.failures] == [("call[n=0]", "arm0")]
    assert store.failures[0]["what"].startswith("answered nonsense")


def test_a_reference_that_fails_once_is_tried_again():
    """One kill from outside while the reference runs costs a process, not the cells of all arms beside it."""
    accidents = []

    def trouble(job):
        if any(cell["benchmark"] == "call[n=1]" for cell in job["cells"]) and not accidents:
            accidents.append(job)
            raise crash(job, "call[n=1]", "reference")
    _, store, *_ = measure(trouble=trouble)
    assert [(each["benchmark"], each["arm"], each["what"]) for each in store.failures] == [
        ("call[n=1]", None, "killed by SIGSEGV while reference ran; tried again")]


def test_without_its_reference_a_cell_is_given_up():
    """The arms beside a reference that crashed twice are recorded as failed, in that benchmark alone."""
    def trouble(job):
        for cell in job["cells"]:
            if cell["benchmark"] == "call[n=1]" and "arm0" in arms_of(job, cell):
                raise crash(job, "call[n=1]", "reference")
    _, store, *_ = measure(trouble=trouble)
    assert [(each["benchmark"], each["arm"], each["what"]) for each in store.failures] == [
        ("call[n=1]", None, "killed by SIGSEGV while reference ran; tried again"),
        ("call[n=1]", "reference", "killed by SIGSEGV"),
        ("call[n=1]", "arm0", "the reference failed (reference: killed by SIGSEGV)"),
        ("call[n=1]", "other0", "the reference failed (reference: killed by SIGSEGV)")]
    assert store.counts()["call", 0] > 6


@pytest.mark.parametrize("error", [WorkerError("died", "words"), WorkerFailure("died", "no such", "arm0", "words"),
                                   WorkerFailure("died", "call[n=0]", None, "words")])
def test_three_failures_without_a_culprit_give_the_sheet_up(error):
    """Each is recorded, then every cell of the sheet; the other sheets, and the budget, are not touched."""
    def trouble(job):
        if "arm0" in job["arms"] and job["scenario"] == "call":
            raise error
    outcome, store, *_ = measure(trouble=trouble)
    assert [(each["benchmark"], each["arm"], each["what"]) for each in store.failures[:3]] == [(None, None, "died")] * 3
    assert [(each["benchmark"], each["arm"]) for each in store.failures[3:]] == [
        (f"call[n={n}]", arm) for n in (0, 1) for arm in ("reference", "arm0", "other0")]
    assert {each["last_words"] for each in store.failures} == {"words"}
    assert ("call", 0) not in store.counts() and store.counts()["call", 1] > 6 and outcome.elapsed_s > 50


def test_one_failure_without_a_culprit_is_survived():
    """A worker that fails now and then is recorded and run again."""
    def trouble(job):
        if len(mock_jobs()) in (10, 20, 30, 40):
            raise WorkerFailure("killed by SIGKILL")
    clock, store = Clock(), Store()
    mock = Mock(clock, trouble=trouble)
    mock_jobs = (lambda: mock.jobs)
    outcome = run(make_plan((("call", 1),)), store, {TAG: mock}, make_job, 60.0, clock=clock)
    assert [each["arm"] for each in store.failures] == [None] * 4
    assert outcome.processes == len(mock.jobs) - 1 - 4 > 50


def test_a_run_is_gone_on_with():
    """What a store holds is not measured again: counts of calls, orders, failures and the time that went by are as before."""
    plan = make_plan()
    _, whole, _, _ = measure(plan, 30.0)
    clock, store = Clock(), Store()
    store.calibration = dict(whole.calibration)
    begun = whole.added[:11]
    store.processes = frozenset(range(len(begun)))
    for scenario, block, _, answer in begun:
        store.past.setdefault((scenario, block), []).append(answer)
    store.failures.append({"interpreter": TAG, "scenario": "work", "benchmark": "work[n=0]", "arm": "arm0", "what": "x"})
    mock = Mock(clock)
    outcome = run(plan, store, {TAG: mock}, make_job, 30.0, clock=clock, spent_s=12.0)
    assert not any(job["calibrate"] for job in mock.jobs)
    assert [process for _, _, process, _ in store.added] == list(range(11, 11 + len(store.added)))
    assert 24 < outcome.elapsed_s < 32 and 12 < store.elapsed_s[0] < 14 and clock.now - 1000 < 19
    assert outcome.processes == 11 + len(store.added)
    for sheet in plan.sheets:
        jobs = [job["cells"][0]["rows"] for job in mock.jobs if job["scenario"] == sheet.scenario and job["arms"] == sheet.arms]
        first = len(store.past[sheet.scenario, sheet.block])
        if sheet.scenario == "call":
            assert jobs == [order(sheet, first + turn, 3, "call[n=0]") for turn in range(len(jobs))]
    having = [set(cell["arms"]) for scenario, *_, answer in store.added if scenario == "work" for cell in answer["cells"]
              if cell["benchmark"] == "work[n=0]"]
    assert having and all(arms == {"reference", "other0"} for arms in having)


def test_a_spent_budget_is_not_exceeded():
    """A run whose budget is spent measures only the sheets of which it has nothing."""
    plan, clock, store = make_plan((("call", 2),)), Clock(), Store()
    store.past["call", 0] = [{"cells": []}]
    run(plan, store, {TAG: Mock(clock)}, make_job, 30.0, clock=clock, spent_s=31.0)
    assert [(scenario, block) for scenario, block, *_ in store.added] == [("call", 1)]


def test_a_store_that_refuses_an_answer_is_a_failure():
    """An answer from another machine than the run's earlier ones is recorded, not raised."""
    clock, store = Clock(), Store()

    def add(answer, sheet, process, seed, elapsed_s):
        raise WorkerError("does not fit the run")
    store.add = add
    outcome = run(make_plan((("call", 1),)), store, {TAG: Mock(clock)}, make_job, 10.0, clock=clock)
    assert (outcome.processes, store.failures[0]["what"], len(store.failures)) == (0, "does not fit the run", 9)


def test_a_hang_is_waited_for_within_reason():
    """Before anything is known a worker gets a sixth of the budget within 10 to 60 s, later ten times what it took."""
    patience = [measure(budget_s=budget_s, cost_s=budget_s / 40)[2].patience_s[0] for budget_s in (12, 300, 3600)]
    assert patience == [10, 50, 60]
    later = measure(cost_s=2.0)[2].patience_s[-1]
    assert 16 <= later <= 24


def test_ctrl_c_keeps_what_was_measured():
    """The run is finished as interrupted, with all that came before."""
    def trouble(job):
        if job["scenario"] == "sort":
            raise KeyboardInterrupt
    outcome, store, *_ = measure(trouble=trouble)
    assert outcome == Outcome("interrupted", len(store.added), 0, outcome.elapsed_s)
    assert store.finished == [("interrupted", outcome.elapsed_s)]


def test_the_store_is_flushed_now_and_then_and_at_the_end():
    """About every 30 s, so that a power cut costs little and writing disturbs little."""
    _, store, *_ = measure(budget_s=300.0)
    assert 9 <= store.flushes <= 11 and store.finished == []


def test_events_tell_how_far_the_run_is():
    """Each process is told, with the time since the beginning and the number so far."""
    events = []
    outcome, *_ = measure(progress=events.append)
    told = [event for event in events if event.kind == "process"]
    assert [event.processes for event in told] == list(range(1, outcome.processes + 1))
    assert all(a.elapsed_s < b.elapsed_s for a, b in zip(told, told[1:])) and {event.budget_s for event in events} == {60.0}
    assert Counter(event.kind for event in events)["calibrated"] == 3


def test_a_failure_is_told_as_it_happens():
    """The event names benchmark, arm and what happened."""
    events = []
    measure(trouble=failing(crash), progress=events.append)
    assert [event.text for event in events if event.kind == "failure"] == [f"call[n=0], arm0, {TAG}: killed by SIGSEGV"]


def test_two_interpreters_each_use_their_own_executor():
    """A sheet runs on the interpreter it names."""
    sheets = [Sheet(tag, "call", 0, ("a", "b"), "a", (("call", {}),), 6, False) for tag in ("p1", "p2")]
    clock, store = Clock(), Store()
    mocks = {tag: Mock(clock) for tag in ("p1", "p2")}
    run(Plan(1, tuple(sheets), (), (), "a@twin"), store, mocks, make_job, 10.0, clock=clock)
    assert min(len(mock.jobs) for mock in mocks.values()) > 6
    assert sum(len(mock.jobs) - 1 for mock in mocks.values()) == len(store.added)


def test_the_driver_never_reads_the_real_clock(monkeypatch):
    """With a clock given, nothing else tells the time."""
    monkeypatch.setattr(driver.time, "monotonic", lambda: pytest.fail("the real clock was read"))
    assert measure()[0].status == "complete"


def test_processes_take_the_layouts_in_turn():
    """Each sheet starts with the plain one and goes on in a circle, twice round before any gets more; calibration is plain."""
    plan = replace(make_plan(), layouts=3)
    _, store, mock, _ = measure(plan, budget_s=60.0)
    for sheet in plan.sheets:
        mine = [layout for scenario, block, layout in store.layouts if (scenario, block) == (sheet.scenario, sheet.block)]
        assert len(mine) >= 6 and mine == [turn % 3 for turn in range(len(mine))]
    assert {job["layout"] for job in mock.jobs if job["calibrate"]} == {0}
    _, store, *_ = measure(replace(plan, layouts=5), budget_s=28.0, spread={"sort": 0.5})
    assert min(store.counts().values()) >= 10                  # before the widest get more


def test_a_run_that_is_gone_on_with_goes_on_with_its_layouts():
    """After four processes of a sheet the fifth runs the layout that was next."""
    plan, clock, store = replace(make_plan((("call", 1),)), layouts=3), Clock(), Store()
    mock = Mock(clock)
    run(plan, store, {TAG: mock}, make_job, 3.0, clock=clock)
    begun = Store()
    begun.past, begun.calibration = {("call", 0): [answer for *_, answer in store.added[:4]]}, store.calibration
    run(plan, begun, {TAG: mock}, make_job, 3.0, clock=clock)
    assert begun.layouts[0] == ("call", 0, 1)


def test_a_run_that_was_killed_between_two_blocks_is_evened_out_first():
    """What one block of a scenario lacks of the other's processes comes before anything else."""
    plan, clock, store = make_plan((("call", 2), ("work", 1))), Clock(), Store()
    mock = Mock(clock)
    run(plan, store, {TAG: mock}, make_job, 12.0, clock=clock)
    of = {key: [answer for scenario, block, _, answer in store.added if (scenario, block) == key] for key in store.counts()}
    begun = Store()
    begun.past = {("call", 0): of["call", 0][:4], ("call", 1): of["call", 1][:2], ("work", 0): of["work", 0][:2]}
    begun.calibration, begun.processes = store.calibration, frozenset(range(8))
    run(plan, begun, {TAG: mock}, make_job, 12.0, clock=clock, spent_s=4.0)
    assert [each[:2] for each in begun.added[:2]] == [("call", 1), ("call", 1)]
    assert begun.counts()["call", 0] == begun.counts()["call", 1] - 2


def test_a_run_that_is_gone_on_with_keeps_its_budget():
    """What a process takes is reckoned from those before: what does not fit is not begun."""
    plan, clock, begun = make_plan((("call", 1),)), Clock(), Store()
    mock = Mock(clock, cost_s=4.0)
    run(plan, begun, {TAG: mock}, make_job, 30.0, clock=clock)
    again = Store()
    again.past, again.calibration = {("call", 0): [answer for *_, answer in begun.added]}, begun.calibration
    again.processes = frozenset(range(len(begun.added)))
    outcome = run(plan, again, {TAG: mock}, make_job, 30.0, clock=clock, spent_s=29.0)
    assert (again.added, outcome.status) == ([], "complete")


def latency_plan():
    """Two scenarios of times and one of latencies, ``late``."""
    plan = make_plan((("call", 1), ("work", 1), ("late", 1)))
    sheets = [Sheet(**{**vars(sheet), "rounds": 1, "single": True, "measures": "latency"}) if sheet.scenario == "late" else sheet
              for sheet in plan.sheets]
    return Plan(plan.seed, tuple(sheets), (), (), plan.twin)


def waiting(spoil=lambda batch: None):
    """A trouble that answers jobs of ``late`` with latencies that differ much; those of arm0 spoilt."""
    generator = random.Random(3)

    def trouble(job):
        if job["scenario"] != "late":
            return None
        cells = []
        for cell in job["cells"]:
            arms = {}
            for arm in arms_of(job, cell):
                value, batch = make_latencies([generator.randrange(1000, 10**7) for _ in range(6)], [300] * 6)
                if arm == "arm0":
                    spoil(batch)
                arms[arm] = {"values": [value], "loops": 1, "latencies": [batch]}
            cells.append({"benchmark": cell["benchmark"], "arms": arms})
        return {"metadata": {}, "cells": cells}
    return trouble


def test_latencies_are_in_no_pass_of_the_widest():
    """However wide they are, they run when all scenarios do: six times, and then once in three passes."""
    _, store, *_ = measure(latency_plan(), trouble=waiting(), budget_s=60.0)
    late, call, work = (store.counts()[name, 0] for name in ("late", "call", "work"))
    assert 6 <= late <= min(call, work) and max(call, work) > 1.5 * late


def test_latencies_alone_have_the_whole_budget():
    """Where nothing else is measured every pass is theirs."""
    alone = Plan(1, tuple(sheet for sheet in latency_plan().sheets if sheet.scenario == "late"), (), (), "")
    outcome, store, mock, _ = measure(alone, trouble=waiting(), budget_s=20.0)
    assert outcome.elapsed_s > 18 and store.counts()["late", 0] > 30
    assert mock.patience_s[0] == 10.0 + driver.LATENCY_BATCH_S * 3 * 2


def test_jobs_have_seeds_of_their_own():
    """What a worker draws by chance follows from the run's seed and the number of the process."""
    _, _, mock, _ = measure(latency_plan(), trouble=waiting(), budget_s=10.0)
    seeds = [job["seed"] for job in mock.jobs if not job["calibrate"]]
    assert seeds == [f"3/{number}" for number in range(len(seeds))]


@pytest.mark.parametrize("spoil, why", [
    (lambda batch: batch["wait"].update(count=7), "of 7 durations whose buckets hold 6"),
    (lambda batch: batch.update(arrivals=8), "6 durations where 1 threads made 8 calls each"),
    (lambda batch: batch["service"].update(sum_ns=-1), "no count")])
def test_bad_latencies_cost_the_arm_that_has_them(spoil, why):
    """Histograms that cannot be are a failure of that arm in that benchmark; the others go on."""
    _, store, *_ = measure(latency_plan(), trouble=waiting(spoil), budget_s=20.0)
    assert {(each["benchmark"], each["arm"]) for each in store.failures} == {(f"late[n={n}]", "arm0") for n in range(2)}
    assert all("answered nonsense" in each["what"] and why in each["what"] for each in store.failures)
    last = next(answer for scenario, *_, answer in reversed(store.added) if scenario == "late")
    assert set(last["cells"][0]["arms"]) == {"reference", "other0"}
