"""lab.counting: what valgrind counted is read as it was written, is the same every time, and nonsense is refused by name."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from lab import catalogue, counting
from lab.executor import WorkerFailure

TOP = Path(__file__).resolve().parent.parent
EVENTS = "events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw Bc Bcm Bi Bim"


def dump(folder, number, trigger, totals):
    """One of callgrind's files."""
    path = folder / f"counts.{number}"
    path.write_text(f"version: 1\ncreator: callgrind\n\ndesc: I1 cache: 32768 B\ndesc: Trigger: --dump-after={trigger}\n\n"
                    f"{EVENTS}\nsummary: 1 2 3\n\nfn=(1) f\n16 4\n\ntotals: {totals}\n")
    return path


def chosen(*names):
    """(arms, scenarios): those arms, and attached_call alone."""
    arms = catalogue.arms(TOP)
    return [arms[name] for name in names], [catalogue.scenarios(TOP)["attached_call"]]


@pytest.fixture
def countable(interpreter):
    """The interpreter, where valgrind can count what it runs."""
    if counting.absence():
        pytest.skip(counting.absence())
    return interpreter


def test_totals_are_read(tmp_path):
    """The counts are those of the totals; branches are conditional and indirect ones together."""
    path = dump(tmp_path, 1, "hpylab_drive", "1000 300 200 9 9 9 9 9 9 40 9 7 9")
    assert counting.read_totals(path) == ("hpylab_drive", {"instructions": 1000, "branches": 47, "reads": 300, "writes": 200,
                                                          "tls_calls": 0})


def test_zeros_at_the_end_are_left_out(tmp_path):
    """Callgrind writes no zeros at the end of a line of costs."""
    assert counting.read_totals(dump(tmp_path, 1, "f", "5 2"))[1] == {"instructions": 5, "branches": 0, "reads": 2, "writes": 0,
                                                                        "tls_calls": 0}


def test_lookups_of_the_thread_are_counted(tmp_path):
    """Calls of what looks up something of the thread's are counted by whoever makes them; a name may stand as its number."""
    path = dump(tmp_path, 1, "f", "5 2")
    calls = ("cfn=(7) pthread_getspecific@@GLIBC_2.34\ncalls=200 29 \n0 6800\n\nfn=(9) g\ncfn=(7)\ncalls=3 29 \n0 9\n"
             "cfn=(8) __tls_get_addr\ncalls=4 1 \n0 1\ncfn=(9)\ncalls=50 1 \n0 1\n")
    path.write_text(path.read_text().replace("\ntotals:", f"\n{calls}\ntotals:"))
    assert counting.read_totals(path)[1]["tls_calls"] == 200 + 3 + 4


@pytest.mark.parametrize("old, new", [("totals:", "fn:"), (" Bi ", " Xx "), (EVENTS, "")])
def test_totals_that_are_not_there(tmp_path, old, new):
    """A file without totals, or without one of the events, is refused by its name."""
    path = dump(tmp_path, 3, "f", "5 2")
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(WorkerFailure, match=r"callgrind's counts\.3 counts"):
        counting.read_totals(path)


def test_the_last_loop_of_a_batch_counts(tmp_path):
    """A driver that runs the loop once before it times it is counted for what it times."""
    for number, (trigger, instructions) in enumerate(
            [(counting.LOOP, 7), (counting.BATCH, 0), (counting.LOOP, 3), (counting.LOOP, 11), (counting.BATCH, 0)], 1):
        dump(tmp_path, number, trigger, instructions)
    assert [totals["instructions"] for totals in counting._totals(tmp_path)] == [7, 11]


def batches(*instructions):
    """Batches of N and 2N calls in turn that executed so many instructions."""
    return [{"benchmark": "attached_call[mode=throughput]", "arm": "hpyvm/pointer", "calls": counting.CALLS[index % 2],
             "instructions": each, "branches": 1, "reads": 1, "writes": 1, "tls_calls": 0} for index, each in enumerate(instructions)]


JOB = {"cells": [{"benchmark": "attached_call[mode=throughput]", "reference": "control/pass_ctx",
                  "scenario": {"scenario": "attached_call"}}]}


def test_batches_that_warm_up_do_not_count():
    """A row holds the batches after the warm-ups, in their order."""
    warm = batches(900, 0, 5, 9, 5, 9, 5, 9)
    warm[1]["calls"] = counting.CALLS[0]
    (row,) = counting._rows(warm, JOB)
    assert (row["scenario"], row["arm"], row["reference"]) == ("attached_call", "hpyvm/pointer", "control/pass_ctx")
    assert [batch["instructions"] for batch in row["batches"]] == [5, 9, 5, 9, 5, 9]


@pytest.mark.parametrize("instructions, says", [
    ((1, 1, 5, 9, 5, 9), "batches of .* calls came back; asked for were"),
    ((1, 1, 5, 9, 5, 9, 9, 9), "200 calls executed 9 instructions and 100 calls 9")])
def test_nonsense_names_the_arm(instructions, says):
    """Fewer batches than were asked for, or 2N calls that executed no more than N, are a failure of that arm and benchmark."""
    with pytest.raises(WorkerFailure, match=says) as caught:
        counting._rows(batches(*instructions), JOB)
    assert (caught.value.benchmark, caught.value.arm) == ("attached_call[mode=throughput]", "hpyvm/pointer")


def test_without_valgrind_it_is_absent(interpreter, libraries, monkeypatch, tmp_path):
    """Where valgrind is missing the entry says so, with what brings it, and has no rows."""
    monkeypatch.setenv("PATH", str(tmp_path))
    entry = counting.count(interpreter, libraries, *chosen("hpyvm/pointer"))
    assert ("apt-get install valgrind" in entry["absent"], entry["rows"], entry["failures"]) == (True, [], [])


def test_a_scenario_that_is_not_counted_is_said(interpreter, libraries):
    """A run that has none of the scenarios that are counted says that."""
    arms, _ = chosen("hpyvm/pointer")
    entry = counting.count(interpreter, libraries, arms, [catalogue.scenarios(TOP)["native_sort"]])
    assert entry["absent"] == "none of the scenarios chosen is one that is counted"


def test_every_counted_scenario_is_there():
    """What is counted are scenarios of the catalogue, with values that their parameters have."""
    scenarios = catalogue.scenarios(TOP)
    for name, held in counting.COUNTED.items():
        assert all(value in scenarios[name].parameters[parameter] for parameter, value in held.items())


@pytest.mark.slow
def test_counts_are_the_same_twice(countable, libraries):
    """Two processes, three repeats in each, count the same; finding a context executes more, PyGILState looks up by calls."""
    names = ("control/pass_ctx", "hpyvm/pointer", "peer/pygilstate")
    first, second = (counting.count(countable, libraries, *chosen(*names)) for _ in range(2))
    assert (first["absent"], first["failures"]) == ("", [])
    assert first["rows"] == second["rows"]
    assert [row["arm"] for row in first["rows"]] == list(names)
    per_call = []
    for row in first["rows"]:
        pairs = zip(row["batches"][::2], row["batches"][1::2])
        differences = {tuple(more[name] - fewer[name] for name in counting.UNITS) for fewer, more in pairs}
        assert len(differences) == 1, row
        per_call.append({name: each / counting.CALLS[0] for name, each in zip(counting.UNITS, differences.pop())})
    passed, found, peer = per_call
    assert all(0 < passed[name] < found[name] for name in counting.EVENTS)
    assert (passed["tls_calls"], peer["tls_calls"] > 1) == (0, True)
    assert all(each == int(each) for counted in per_call for each in counted.values())


@pytest.mark.slow
def test_an_arm_that_fails_costs_itself_alone(countable, libraries, tmp_path):
    """An extension half that cannot be loaded is a failure that names it, and the other arm is counted."""
    broken = tmp_path / "broken.so"
    shutil.copy(libraries.native, broken)
    spoiled = dataclasses.replace(libraries, arms={**libraries.arms, ("", "hpyvm/pointer"): broken})
    entry = counting.count(countable, spoiled, *chosen("control/pass_ctx", "hpyvm/pointer"))
    assert [row["arm"] for row in entry["rows"]] == ["control/pass_ctx"]
    assert [(each["arm"], each["benchmark"]) for each in entry["failures"]] == [
        ("hpyvm/pointer", "attached_call[mode=throughput]")]
