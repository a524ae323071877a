"""Columns side by side: each keeps its own numbers, and what several say is a list of who says it."""

from __future__ import annotations

import dataclasses

import pytest
from synthetic import ADDED_NS, INTERPRETER, TWIN, claims_of, make_run

from lab import answer, catalogue, columns, report, results
from lab.columns import Column

TAGS = (INTERPRETER, "cpython3.12", "pypy3.11")
CALL, RELEASED = "attached_call[mode=throughput]", "released_thread"
PLANTED = {"cpython3.12": {"enter_leave/ambient": 9.0, "trampoline/plain": -2.0}, "pypy3.11": {"hpyvm/pointer": 0.0}}
WHY = "PyPy has no CPython ABI"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> results.Run:
    """Three interpreters with other truths, one arm n/a and one process dead on PyPy."""
    found = results.load(make_run(tmp_path_factory.mktemp("columns") / "three", processes=8, rounds=4, interpreters=TAGS,
                                  planted_on=PLANTED))
    found.header["not_applicable"].append({"interpreter": "pypy3.11", "scenario": "native_sort", "benchmark": None,
                                           "arm": None, "why": WHY})
    return found


@pytest.fixture(scope="module")
def side_by_side(run) -> list[Column]:
    return report.run_columns(run)


def scenario_of(run: results.Run, name: str) -> dict:
    return next(scenario for scenario in run.header["scenarios"] if scenario["name"] == name)


def heat_map(run: results.Run, side_by_side: list[Column], name: str = "attached_call", benchmark: str = CALL) -> dict:
    found = columns.heat_map(side_by_side, scenario_of(run, name), benchmark, columns.arm_kinds([run]))
    return {row["arm"]: row["fields"] for row in found["rows"]}


def without_samples(column: Column, arm: str) -> Column:
    """[column] as if [arm] had never run."""
    findings = [finding for finding in column.evidence.findings if finding.arm != arm]
    return dataclasses.replace(column, evidence=dataclasses.replace(column.evidence, findings=findings))


def test_each_field_is_its_own_column(run, side_by_side):
    """The added time of a field is that of its interpreter, as it was planted there."""
    fields = heat_map(run, side_by_side)
    for arm in ("enter_leave/ambient", "trampoline/plain", "hpyvm/pointer"):
        truth = [{**ADDED_NS, **PLANTED.get(tag, {})}[arm] for tag in TAGS]
        assert [field.finding.added_ns.point for field in fields[arm]] == pytest.approx(truth, abs=0.35)
        assert [field.finding.interpreter for field in fields[arm]] == list(TAGS)


def test_rows_of_a_heat_map(run, side_by_side):
    """The reference arm comes first, then the other arms in their order; twins and arms without any number have no row."""
    fields = heat_map(run, side_by_side)
    assert list(fields)[:3] == ["control/pass_ctx", "enter_leave/get", "enter_leave/ambient"]
    assert not {TWIN, "peer/save_restore"} & set(fields)
    assert [field.role for field in fields["control/pass_ctx"]] == ["reference"] * 3


def test_only_what_is_claimed_has_heat(run, side_by_side):
    """A field inside the A/A envelope of its interpreter is marked and has no colour; of the others the largest has most."""
    fields = heat_map(run, side_by_side)
    flat = [field for row in fields.values() for field in row if field.role == "measured"]
    assert {bool(field.mark) for field in flat} == {True, False}
    assert all((field.heat > 0) == (field.mark == "") for field in flat)
    claimed = [field for field in flat if not field.mark]
    assert max(claimed, key=lambda field: abs(field.finding.added_ns.point)).heat == 1.0
    assert fields["hpyvm/pointer"][2].mark == "≈" and "A/A envelope ±" in fields["hpyvm/pointer"][2].note
    assert abs(fields["hpyvm/pointer"][2].finding.added_ns.point) <= fields["hpyvm/pointer"][2].finding.envelope_ns


def test_reasons_stand_in_fields_and_notes(run, side_by_side):
    """A field without a number has its role and reason, and the notes gather them over arms, columns and benchmarks."""
    sort = scenario_of(run, "native_sort")
    found = columns.heat_map([without_samples(column, "hpyvm/pointer") for column in side_by_side], sort, "native_sort",
                             columns.arm_kinds([run]))
    fields = {row["arm"]: row["fields"] for row in found["all_rows"]}
    assert [(field.role, field.note) for field in fields["hpyvm/pointer"]] == [
        ("absent", "no samples: the run ended before its turn")] * 2 + [("n/a", WHY)]
    notes = {(note["role"], note["why"]): note for note in columns.notes([found], side_by_side)}
    note = notes["n/a", WHY]
    assert (note["labels"], note["everywhere"], note["benchmarks"]) == (("pypy3.11",), False, ())
    assert "hpyvm/pointer" in note["arms"]
    everywhere = next(note for note in notes.values() if "control/empty" in note["arms"] and note["why"] != WHY)
    assert (everywhere["labels"], everywhere["everywhere"]) == (TAGS, True)


def test_notes_name_the_benchmarks_where_not_all(run, side_by_side):
    """A reason that holds in one cell of a scenario says in which."""
    call = scenario_of(run, "attached_call")
    maps = [columns.heat_map(side_by_side, call, benchmark, columns.arm_kinds([run])) for benchmark in answer.benchmarks(call)]
    maps[1]["all_rows"][0]["fields"][2] = columns.Field("failed", "the worker died")
    note = next(note for note in columns.notes(maps, side_by_side) if note["role"] == "failed")
    assert note == {"role": "failed", "why": "the worker died", "labels": ("pypy3.11",), "everywhere": False,
                    "benchmarks": ("attached_call[mode=dependent]",), "arms": ["enter_leave/get"]}


def test_verdicts_say_where_they_hold(run, side_by_side):
    """Each declared comparison lists its verdicts with the columns; opposite ones are seen, and no twin is among them."""
    rows = {(row["benchmark"], row["arm"], row["reference"]): row
            for row in columns.verdicts(side_by_side, scenario_of(run, "attached_call"))}
    opposed = rows[CALL, "trampoline/plain", "control/pass_ctx"]
    assert opposed["text"] == "worse on cpython3.11 and pypy3.11; better on cpython3.12"
    assert (opposed["opposed"], opposed["same"]) == (True, False)
    assert rows[CALL, "enter_leave/ambient", "control/pass_ctx"]["text"] == "worse on cpython3.11, cpython3.12 and pypy3.11"
    declared = {tuple(each) for each in run.header["comparisons"] if each[0] == CALL and each[1] != TWIN}
    assert {key for key in rows if key[0] == CALL} == declared


def test_verdicts_where_there_is_none(run, side_by_side):
    """A column without a finding says why it has no verdict."""
    cut = [without_samples(column, "trampoline/plain") for column in side_by_side]
    rows = {(row["arm"], row["reference"]): row["text"] for row in columns.verdicts(cut, scenario_of(run, "native_sort"))}
    assert rows["trampoline/plain", "control/cached_ctx"] == "not measured on cpython3.11 and cpython3.12; n/a on pypy3.11"


def test_agreement_sentence():
    """Comparisons that are the same everywhere are counted, contradictions named."""
    def row(arm, opposed=False, same=False):
        return {"benchmark": "b", "arm": arm, "reference": "r", "opposed": opposed, "same": same}

    two = [None, None]
    assert columns.agreement_sentence([row("x", same=True), row("y")], two) == (
        "Of 2 comparisons that were declared beforehand, 1 has the same verdict in both columns, "
        "and none is better in one and worse in another.")
    assert columns.agreement_sentence([row(f"x{place}", opposed=True) for place in range(5)], two).endswith(
        "5 are better in one and worse in another: x0 over r in b, x1 over r in b, x2 over r in b and 2 more.")


@pytest.mark.parametrize("chosen, total, expected", [
    (["a"], 2, "a"), (["a", "b"], 2, "a and b"), (["a", "b", "c", "d"], 4, "all 4"), (["a", "b", "c"], 4, "a, b and c"),
    (list("abcdefgh"), 9, "all 9 but i")])
def test_where(chosen, total, expected):
    """Columns are named one by one where there are few, and summed up where they are all or all but one."""
    assert columns.where(chosen, list("abcdefghi")[:total]) == expected


def test_guarantees_differ_by_column(run, side_by_side):
    """A probe that answers alike everywhere has one answer; one that does not has each with its columns."""
    conformance = {tag: [dict(row) for row in rows] for tag, rows in run.conformance.items()}
    good = next(place for place, row in enumerate(conformance["pypy3.11"]) if row["outcome"] == "ok")
    conformance["pypy3.11"][good].update(outcome="crash", detail="SIGSEGV")
    changed = dataclasses.replace(run, conformance=conformance)
    found = columns.guarantees([dataclasses.replace(column, run=changed) for column in side_by_side], columns.arm_kinds([run]))
    probe, arm = (conformance["pypy3.11"][good][key] for key in ("probe", "arm"))
    cells = {(row["probe"], name): cell for row in found["rows"] for name, cell in zip(found["arms"], row["cells"])}
    assert [(each["result"]["outcome"], each["where"], each["unexpected"]) for each in cells.pop((probe, arm))] == [
        ("ok", "cpython3.11 and cpython3.12", False), ("crash", "pypy3.11", True)]
    assert {(len(cell), cell[0]["where"]) for cell in cells.values() if cell} == {(1, "")}
    assert {key for key, cell in cells.items() if not cell} == {
        (probe, name) for probe, name in cells if probe not in claims_of(catalogue.arms()[name])}
    assert [(each["result"]["detail"], each["where"]) for each in found["differing"]] == [("SIGSEGV", "pypy3.11")]


def test_guarantees_where_a_column_has_none(run, side_by_side):
    """A column whose interpreter was not probed is named; without any answer there is no matrix."""
    one = dataclasses.replace(run, conformance={INTERPRETER: run.conformance[INTERPRETER]})
    none = dataclasses.replace(run, conformance={})
    kinds = columns.arm_kinds([run])
    found = columns.guarantees([dataclasses.replace(column, run=one) for column in side_by_side], kinds)
    assert (found["labels"], found["without"]) == ([INTERPRETER], ["cpython3.12", "pypy3.11"])
    assert columns.guarantees([dataclasses.replace(column, run=none) for column in side_by_side], kinds) is None


def test_heads(side_by_side):
    """Neighbours of the same implementation share a head; runs, where there are several, stand above."""
    def texts(each):
        return [[(head["text"], head["count"]) for head in row] for row in columns.heads(each)]

    assert texts(side_by_side) == [[("cpython", 2), ("pypy", 1)], [("3.11", 1), ("3.12", 1), ("3.11", 1)]]
    both = [dataclasses.replace(column, group=group) for group in "ab" for column in side_by_side[:2]]
    assert texts(both)[:2] == [[("a", 2), ("b", 2)], [("cpython", 2), ("cpython", 2)]]


def test_machine(run):
    """A machine is its name, which pyperf recorded, and its processor; neither is guessed."""
    assert columns.machine(run) == "synthetic, synthetic"
    bare = dataclasses.replace(run, metadata={}, header={**run.header, "environment": {}})
    assert columns.machine(bare) == "name not known, processor not known"


def test_sources_sentence(run):
    """Runs from other sources say in how many files; binaries, which differ by machine, do not count."""
    def built(hashes):
        return dataclasses.replace(run, header={**run.header, "hashes": hashes})

    one = built({"csrc/a.c": "1", "csrc/b.c": "2", "build/x.so": "3"})
    assert columns.sources_sentence([one, built({"csrc/a.c": "1", "csrc/b.c": "2", "build/x.so": "9"})], ["a", "b"]) == (
        "All runs were built from the same specifications and sources.")
    assert columns.sources_sentence([one, built({"csrc/a.c": "8", "csrc/c.c": "2"})], ["a", "b"]) == (
        "The runs were not built from the same sources: compared with a, b differs in 3 of 3 source files.")


@pytest.mark.parametrize("value, signed, text", [(4.016, True, "+4.02"), (-0.004, True, "−0.00"), (31.06, True, "+31.1"),
                                                 (1520.4, False, "1520")])
def test_short_ns(value, signed, text):
    """Three figures, no unit, a true minus."""
    assert columns.short_ns(value, signed) == text
