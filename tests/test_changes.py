"""What changes between interpreters: which are read beside each other, what counts as a change, and what is said of it."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import pytest
from test_answer import DEPENDENT, FORMS, REFERENCE, SCENARIOS, THROUGHPUT, make_cell, make_evidence, make_finding

from lab import answer, changes
from lab.analysis.paired import Finding
from lab.results_schema import complete_row

OLD, NEW, PYPY = "cpython3.11", "cpython3.12", "pypy3.11"


def on(tag: str, *findings: Finding) -> list[Finding]:
    """[findings] as if another interpreter had made them."""
    return [dataclasses.replace(finding, interpreter=tag) for finding in findings]


def evidence_on(tag: str, *findings: Finding) -> answer.Evidence:
    return dataclasses.replace(make_evidence(*on(tag, *findings)), interpreter=tag)


def step(older: list[Finding], newer: list[Finding], conformance: dict | None = None) -> changes.Step:
    found, = changes.steps([OLD, NEW], on(OLD, *older) + on(NEW, *newer), conformance or {})
    return found


def probe(name: str, arm: str, outcome: str) -> dict:
    return complete_row({"probe": name, "arm": arm, "outcome": outcome, "expected": "ok", "detail": "", "seconds": 0.1})


@pytest.mark.parametrize("tags, expected", [
    ([OLD], []),
    ([PYPY], []),
    (["cpython3.9", "cpython3.10", "cpython3.8"], [("cpython3.8", "cpython3.9"), ("cpython3.9", "cpython3.10")]),
    ([OLD, PYPY, NEW], [(OLD, NEW), (NEW, PYPY)]),
    (["cpython3.13", "cpython3.13t", "cpython3.14"], [("cpython3.13", "cpython3.14"), ("cpython3.13", "cpython3.13t")]),
    (["cpython3.13", "cpython3.14t"], [("cpython3.13", "cpython3.14t")]),
])
def test_neighbours(tags, expected):
    """CPython version by version as numbers, others beside the newest CPython, one without the GIL beside its own version."""
    assert changes.neighbours(tags) == expected


@pytest.mark.parametrize("other, fields, expected", [
    (9.0, {}, True),
    (4.6, {"half": 0.2}, True),
    (4.45, {"half": 0.2}, False),                           # further apart than the intervals, not than the margin of 0.5 ns
    (9.0, {"half": 6.0}, False),                            # the intervals have values in common
    (9.0, {"envelope_ns": 5.5}, False),                     # the envelope of one of the two is wider
    (9.0, {"envelope_ns": math.inf, "envelope_of": ""}, False),    # no A/A control
])
def test_changed(other, fields, expected):
    """A change is larger than both intervals, both envelopes and both margins, in either direction."""
    one = make_finding("hpyvm/pointer", 4.0, half=0.1)
    two = make_finding("hpyvm/pointer", other, **fields)
    assert (changes.changed(one, two), changes.changed(two, one)) == (expected, expected)


def test_change_in_words():
    """The sentence names arm, cell, both interpreters and both added times with their intervals."""
    found = step(make_cell({"enter_leave/ambient": 6.0}), make_cell({"enter_leave/ambient": 9.1}))
    assert found.by_arm() == (
        "enter_leave/ambient, attached_call[mode=throughput]: from cpython3.11 to cpython3.12 the added time goes "
        "from +6.00 ns [+5.90, +6.10] to +9.10 ns [+9.00, +9.20].",)
    assert str(found) == "From cpython3.11 to cpython3.12, 1 of 1 added times change: 1 grow, 0 shrink."


def test_an_arm_that_changes_in_several_cells():
    """Of several cells of one arm the sentence says how many, in which direction, and the largest."""
    cells = [make_cell({"hpyvm/pointer": time}, name) for time, name in ((4.0, THROUGHPUT), (4.0, DEPENDENT))]
    later = [make_cell({"hpyvm/pointer": time}, name) for time, name in ((5.0, THROUGHPUT), (9.0, DEPENDENT))]
    assert step(sum(cells, []), sum(later, [])).by_arm() == (
        "2 cells of hpyvm/pointer: all grow; most of all attached_call[mode=dependent], "
        "from +4.00 ns [+3.90, +4.10] to +9.00 ns [+8.90, +9.10].",)


def test_steps_leave_out_what_cannot_be_compared():
    """The reference arm, the twin, and a cell that one of the two lacks are no changes; an arm is compared with itself."""
    older = make_cell({REFERENCE: 0.0, "hpyvm/pointer@twin": 4.0, "hpyvm/pointer": 4.0, "trampoline/plain": 9.0})
    newer = make_cell({REFERENCE: 5.0, "hpyvm/pointer@twin": 9.0, "hpyvm/pointer": 4.0, "enter_leave/ambient": 1.0})
    found = step(older, newer)
    assert (found.compared, found.changes) == (1, ())


def test_probes_that_answer_differently():
    """Arms and probes that change in the same way are named together; what one of the two did not run is not."""
    before = [probe("nesting", "a/x", "ok"), probe("nesting", "b/x", "ok"), probe("fork", "a/x", "ok"),
              probe("fork", "b/x", "ok"),
              probe("late", "a/x", "refused"), probe("late", "b/x", "ok"), probe("gone", "a/x", "ok")]
    after = [probe("nesting", "a/x", "n/a"), probe("nesting", "b/x", "n/a"), probe("fork", "a/x", "n/a"),
             probe("fork", "b/x", "n/a"), probe("late", "a/x", "crash"), probe("late", "b/x", "ok")]
    found = step([], [], {OLD: before, NEW: after})
    assert found.outcomes == ("nesting and fork: ok on cpython3.11, n/a on cpython3.12, for a/x and b/x.",
                              "late: refused on cpython3.11, crash on cpython3.12, for a/x.")
    assert (found.probed, str(found)) == (6, "From cpython3.11 to cpython3.12 no added time can be compared.")


def test_quiet_steps_in_one_sentence():
    """Steps without a change are told together, with how much was looked at."""
    cell, louder = make_cell({"hpyvm/pointer": 4.0, "trampoline/plain": 5.0}), make_cell({"hpyvm/pointer": 9.0})
    tags = ["cpython3.10", OLD, NEW, "cpython3.13"]
    findings = on("cpython3.10", *cell) + on(OLD, *cell) + on(NEW, *cell) + on("cpython3.13", *louder)
    found = changes.steps(tags, findings, {"cpython3.10": [probe("fork", "a/x", "ok")], OLD: [probe("fork", "a/x", "ok")]})
    assert [len(each.changes) for each in found] == [0, 0, 1]
    assert changes.quiet_sentence(found) == (
        "From cpython3.10 to cpython3.11 and from cpython3.11 to cpython3.12: no change that this run can see, "
        "in 4 added times and 1 answer of probes.")
    assert changes.quiet_sentence(found[2:]) == ""


def test_dissent_on_a_sign():
    """An arm that is slower here and faster there is named, with those who say so; cells only where not all agree."""
    first = evidence_on(OLD, *make_cell({"hpyvm/pointer": 4.0}), *make_cell({"hpyvm/pointer": 4.0}, DEPENDENT))
    opposite = make_cell({"hpyvm/pointer": -4.0}, verdict="better")
    everywhere = opposite + make_cell({"hpyvm/pointer": -4.0}, DEPENDENT, verdict="better")
    others = [evidence_on(NEW, *opposite), evidence_on("cpython3.13", *opposite), evidence_on(PYPY, *everywhere)]
    assert changes.dissent(first, others, SCENARIOS[0]) == (
        "Other interpreters contradict cpython3.11: "
        "hpyvm/pointer is faster than control/pass_ctx on cpython3.12 and cpython3.13 (mode=throughput); "
        "hpyvm/pointer is faster than control/pass_ctx on pypy3.11.")


def test_dissent_on_an_order():
    """Two forms that are ranked the other way round are named, whichever way the pair was declared."""
    cell = make_cell(dict(zip(FORMS, (4.0, 5.0, 6.0))), "released_thread", reference="peer/save_restore")
    pair = make_finding("hpyvm/pointer", 1.0, "worse", "released_thread", "enter_leave/ambient")
    opposite = make_finding("hpyvm/pointer", -1.0, "better", "released_thread", "enter_leave/ambient")
    reversed_pair = make_finding("enter_leave/ambient", 1.0, "worse", "released_thread", "hpyvm/pointer")
    first = evidence_on(OLD, *cell, pair)
    others = [evidence_on(NEW, *cell, opposite), evidence_on(PYPY, *cell, reversed_pair),
              evidence_on("cpython3.13", *cell, pair)]
    assert changes.dissent(first, others, SCENARIOS[1]) == (
        "Other interpreters contradict cpython3.11: "
        "hpyvm/pointer is faster than enter_leave/ambient on cpython3.12 and pypy3.11.")


@pytest.mark.parametrize("fields", [{"added_ns": 5.0}, {"added_ns": -0.1, "verdict": "unresolved"},
                                    {"added_ns": -0.15, "verdict": "better", "envelope_ns": 0.2}])
def test_no_dissent_where_nothing_opposite_is_claimed(fields):
    """Another size, an unresolved sign, or one inside the A/A envelope contradicts nothing."""
    first = evidence_on(OLD, make_finding("hpyvm/pointer", 4.0))
    assert changes.dissent(first, [evidence_on(NEW, make_finding("hpyvm/pointer", **fields))], SCENARIOS[0]) == ""


def test_many_contradictions_are_counted():
    """A line names three contradictions and says how many more there are."""
    forms = [f"proposal/form{number}" for number in range(5)]
    first = dataclasses.replace(make_evidence(*make_cell({form: 4.0 for form in forms}), forms=forms), interpreter=OLD)
    other = dataclasses.replace(make_evidence(
        *on(NEW, *make_cell({form: -4.0 for form in forms}, verdict="better")), forms=forms), interpreter=NEW)
    told = changes.dissent(first, [other], SCENARIOS[0]).split("; ")
    assert (len(told), told[-1]) == (4, "2 more.")


def test_imports_nothing_heavy():
    """Sentences need no numpy: the module is pure."""
    code = "import sys, lab.changes; print([each for each in ('numpy', 'scipy', 'pandas') if each in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
