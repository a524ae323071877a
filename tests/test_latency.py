"""lab.latencies and lab.analysis.latency: planted waits come back with their quantiles and intervals, nonsense is refused."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
from synthetic import INTERPRETER, make_answer, make_header, make_latencies, make_run, make_sheets
from test_report import Page

from lab import latencies, latency_view, plan, report, results, stats
from lab.analysis import latency, paired, twin
from lab.errors import ResultsError, WorkerError
from lab.latencies import Histogram, histogram
from lab.results import RunStore

REFERENCE, FORM = "peer/save_restore", "hpyvm/pointer"
CELL = "contention[load=always,threads=8]"
STALL_NS = 50_000_000


def of(values_ns) -> Histogram:
    """A histogram of those values."""
    return histogram(make_latencies(values_ns, values_ns)[1]["wait"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A whole run; in contention an arm waits exponentially, by what it adds to 5 µs in the mean, and 100 ns more."""
    return make_run(tmp_path_factory.mktemp("results") / "waited", processes=16, planted={FORM: 5000.0})


@pytest.fixture(scope="module")
def run(folder):
    return results.load(folder)


def found(run, arm, benchmark=CELL):
    return next(each for each in latency_view._analysed(run) if (each.arm, each.benchmark) == (arm, benchmark))


def test_planted_waits_come_back(run):
    """Median and p90 of a known distribution lie in their intervals, and the paired difference is the planted one."""
    own, reference = found(run, FORM), found(run, REFERENCE)
    assert (own.processes, own.callbacks, own.threads, own.calls_per_s) == (16, 16 * 48, 8, 100.0)
    assert own.quantile("wait", 0.5).typical_ns.point == pytest.approx(10000 * math.log(2) + 100, rel=0.15)
    assert own.quantile("wait", 0.9).pooled_ns.point == pytest.approx(10000 * math.log(10) + 100, rel=0.15)
    assert own.quantile("wait", 0.5).added_ns.covers(5000 * math.log(2)) and not own.quantile("wait", 0.5).added_ns.covers(0.0)
    assert own.quantile("wait", 0.9).pooled_ns.covers(10000 * math.log(10) + 100)
    assert own.quantile("service", 0.5).added_ns.covers(0.0)
    assert reference.quantile("wait", 0.5).added_ns is None and reference.longest_ns["wait"] > 5000 * math.log(100)


def test_a_quantile_takes_as_many_callbacks_as_hold_it(run):
    """p99 is told of 768 callbacks and not of 96, p99.9 of neither; a process tells of its own where one lies beyond."""
    many, few = found(run, FORM), found(run, FORM, "contention[load=always,threads=1]")
    assert many.quantile("wait", 0.99).pooled_ns and not many.quantile("wait", 0.999).pooled_ns
    assert few.quantile("wait", 0.9).pooled_ns and not few.quantile("wait", 0.99).pooled_ns
    assert many.quantile("wait", 0.9).typical_ns and not few.quantile("wait", 0.9).typical_ns
    for share, least in ((0.5, 6), (0.9, 36), (0.99, 368), (0.999, 3688)):
        assert stats.quantile_ranks(least - 1, share) is None
        low, high, coverage = stats.quantile_ranks(least, share)
        assert 1 <= low < high == least and coverage >= 0.95


def test_rank_intervals_hold_the_quantile():
    """Of 400 samples of independent values 95 % or so have p90 between the two order statistics."""
    low, high, _ = stats.quantile_ranks(60, 0.9)
    values = np.sort(np.random.default_rng(3).exponential(1, (400, 60)), axis=1)
    truth = math.log(10)
    assert np.mean((values[:, low - 1] <= truth) & (truth <= values[:, high - 1])) > 0.93


def test_callbacks_that_waited_for_one_stall_are_one_accident():
    """Where all that was late is of few processes, a far quantile's interval rests on fewer values than there are callbacks."""
    generator = np.random.default_rng(5)
    waits = [generator.exponential(1000, 20) for _ in range(60)]
    apart = latency.pooled([of(each) for each in waits], 0.9, 0.95)
    stalled = [each + (STALL_NS if place % 9 == 3 else 0) for place, each in enumerate(waits)]
    together = latency.pooled([of(each) for each in stalled], 0.9, 0.95)
    assert apart.n > 800 and together.n < 100 and together.high > STALL_NS
    assert stats.design_effect([5, 5, 5], [10, 10, 10]) == 1.0 and math.isnan(stats.design_effect([5], [10]))


def test_a_stall_is_in_the_tail_alone():
    """Fifty calls that were due during a stall of 50 ms move p99 and leave the median where it was."""
    waits = [1000] * 2950 + [STALL_NS - 1_000_000 * late for late in range(50)]
    everything = of(waits)
    assert everything.quantile_ns(0.5) == pytest.approx(1000, rel=0.02)
    assert everything.quantile_ns(0.99) == pytest.approx(20 * 1_000_000, rel=0.06) and everything.largest_ns == STALL_NS


def test_latencies_are_in_no_comparison(run):
    """No latency is declared, judged, or part of the A/A envelope."""
    assert not [each for each in run.header["comparisons"] if each[0].startswith("contention")]
    assert not [each for each in paired.analyse(run) if each.scenario == "contention"]
    assert not [cell for cell in twin.analyse(run).cells if cell.benchmark.startswith("contention")]
    assert latency.analyse(dataclasses.replace(run, header={**run.header, "scenarios": [
        {key: value for key, value in each.items() if key != "measures"} for each in run.header["scenarios"]]})) == []


def test_oversubscription_is_told(run):
    """More threads than processors are called so; as many are not."""
    cells = {each.threads: each for each in latency_view._analysed(run) if each.arm == FORM}
    assert {threads: each.oversubscribed for threads, each in cells.items()} == {1: False, 2: False, 4: True, 8: True}
    assert latency_view.title(cells[8], CELL) == "load=always, threads=8: oversubscribed, 8 threads on 2"


def test_what_the_hypervisor_took_is_flagged(run):
    """A process that was robbed while an arm ran is counted, and the median wait stands a second time without it."""
    samples = run.samples.copy()
    process = samples[(samples["arm"] == FORM) & (samples["scenario"] == "contention")]["process"].iloc[0]
    samples.loc[(samples["process"] == process) & (samples["arm"] == FORM), "steal"] = 3
    found = latency.analyse(dataclasses.replace(run, samples=samples))
    robbed = [each for each in found if each.disturbed]
    assert robbed and {(each.arm, each.disturbed, each.clean_ns.n) for each in robbed} == {(FORM, 1, robbed[0].processes - 1)}
    assert all(each.clean_ns == each.quantile("wait", 0.5).typical_ns for each in found if not each.disturbed)


def test_report_shows_them(run, tmp_path):
    """The report has the waits of each arm with exact values, a plot, who was oversubscribed, and no verdict on them."""
    text = report.render(run, tmp_path).read_text(encoding="utf-8")
    page = Page(text[:text.index('<section id="foreign_thread">')])
    shown = {(number["data-benchmark"], number["data-arm"], number["data-field"]): number for number in page.numbers
             if number.get("data-benchmark", "").startswith("contention")}
    own = found(run, FORM)
    assert float(shown[CELL, FORM, "wait_value_median_ns"]["data-point"]) == own.quantile("wait", 0.5).typical_ns.point
    assert float(shown[CELL, FORM, "wait_added_median_ns"]["data-low"]) == own.quantile("wait", 0.5).added_ns.low
    assert float(shown[CELL, FORM, "wait_value_p99_ns"]["data-high"]) == own.quantile("wait", 0.99).pooled_ns.high
    assert float(shown[CELL, FORM, "service_longest_ns"]["data-point"]) == own.longest_ns["service"]
    assert "load=always, threads=8: oversubscribed, 8 threads on 2" in page.plain and "Waits of Threads that call back" in text
    assert not [each for each in page.attributes("data-verdict") if "contention" in str(each)]


def store_of(tmp_path):
    """A run that has just begun, and the sheet of its first block of contention."""
    sheets = make_sheets()
    sheet = next(each for each in sheets if each["scenario"] == "contention")
    return RunStore.create(tmp_path / "begun", make_header("begun", sheets, seed=1)), sheet


def answer_to(sheet):
    from synthetic import ADDED_NS, TWIN
    return make_answer(np.random.default_rng(1), sheet, {**ADDED_NS, TWIN: 0.0, REFERENCE: 0.0})


def batch_of(answer):
    return answer["cells"][-1]["arms"][FORM]["latencies"][0]


def test_latencies_are_kept(tmp_path):
    """What a worker answered is read back the same, from the journal and from the run's files, and counted once."""
    store, sheet = store_of(tmp_path)
    answer = answer_to(sheet)
    store.add(answer, sheet, 0, 1)
    journalled = results.load(store.folder).latencies[INTERPRETER, FORM]
    store.flush()
    assert results.load(store.folder).latencies[INTERPRETER, FORM] == journalled
    assert journalled[CELL] == {0: answer["cells"][-1]["arms"][FORM]["latencies"]}
    again = RunStore.open(tmp_path / "begun") if store.finish("interrupted", 1.0) is None else None
    again.add(answer_to(sheet), sheet, 1, 1)
    again.finish("complete", 2.0)
    assert list(results.load(store.folder).latencies[INTERPRETER, FORM][CELL]) == [0, 1]
    assert sorted(path.name for path in (store.folder / "latency" / INTERPRETER).iterdir())[0].endswith(".json.gz")


@pytest.mark.parametrize("spoil, why", [
    (lambda batch: batch["wait"].update(count=49), "of 49 durations whose buckets hold 48"),
    (lambda batch: batch["wait"]["buckets"][0].__setitem__(1, -1), "no count"),
    (lambda batch: batch.update(arrivals=7), "48 durations where 8 threads made 7 calls each"),
    (lambda batch: batch.pop("service"), "without service"), (lambda batch: batch.update(threads=0), "threads is 0"),
    (lambda batch: batch.update(wait=batch["service"]), "where the batch took")])
def test_nonsense_is_refused_by_name(tmp_path, spoil, why):
    """Counts that do not add up or are negative, fewer than asked, a part that lacks: nothing of that process is recorded."""
    store, sheet = store_of(tmp_path)
    answer = answer_to(sheet)
    spoil(batch_of(answer))
    with pytest.raises(WorkerError, match=why):
        store.add(answer, sheet, 0, 1)
    assert not store.processes
    answer = answer_to(sheet)
    answer["cells"][0]["arms"][FORM]["latencies"] = []
    with pytest.raises(WorkerError, match="0 latencies for"):
        store.add(answer, sheet, 0, 1)


def test_an_edited_file_is_refused(folder, tmp_path):
    """A file of latencies that was changed after it was written is refused by name, and one that is none too."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    name = latencies.path_of(INTERPRETER, FORM)
    (copy / name).write_bytes(latencies.pack({}))
    with pytest.raises(ResultsError, match=f"{name} is not what was measured"):
        results.load(copy)
    with pytest.raises(ValueError, match="schema 2"):
        import gzip
        latencies.unpack(gzip.compress(json.dumps({"schema": 2, "benchmarks": {}}).encode()))


def test_a_sheet_says_what_it_measures():
    """Sheets of latencies are of one batch, and a header of before there were any has times alone."""
    sheet = next(each for each in make_sheets() if each["scenario"] == "contention")
    assert (sheet["measures"], sheet["single"]) == ("latency", True)
    before = {key: value for key, value in sheet.items() if key != "measures"}
    assert plan.Sheet(**{**before, "arms": tuple(before["arms"])}).measures == "time"
