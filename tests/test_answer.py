"""The sentences of a report: what they claim, what they refuse to claim, and that they follow the findings."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import pytest

from lab import answer
from lab.analysis.crosscheck import Row
from lab.analysis.paired import Finding
from lab.analysis.twin import TwinCell, TwinFinding
from lab.analysis.warmup import Series
from lab.catalogue import benchmark_name
from lab.stats import Estimate

TAG, REFERENCE = "cpython3.11", "control/pass_ctx"
FORMS = ("enter_leave/ambient", "hpyvm/pointer", "trampoline/plain")
SCENARIOS = (
    {"name": "attached_call", "unit": "callback", "reference": REFERENCE, "parameters": {"mode": ["throughput", "dependent"]}},
    {"name": "released_thread", "unit": "callback", "reference": "peer/save_restore", "parameters": {}},
    {"name": "foreign_thread", "unit": "callback", "reference": "peer/save_restore",
     "parameters": {"acquisition": ["first", "repeated"]}},
    {"name": "native_sort", "unit": "comparison", "reference": "control/cached_ctx", "parameters": {}},
)
THROUGHPUT, DEPENDENT = "attached_call[mode=throughput]", "attached_call[mode=dependent]"


def make_estimate(point: float, half: float = 0.1) -> Estimate:
    return Estimate(point, point - half, point + half, 12, 0.95)


def make_finding(arm: str, added_ns: float, verdict: str = "worse", benchmark: str = THROUGHPUT, reference: str = REFERENCE,
                 half: float = 0.1, reference_ns: float = 4.0, envelope_ns: float = 0.2,
                 envelope_of: str | None = None) -> Finding:
    added = make_estimate(added_ns, half)
    ratio = Estimate(*((reference_ns + value) / reference_ns for value in (added.point, added.low, added.high)), 12, 0.95)
    return Finding(
        interpreter=TAG, scenario=benchmark.partition("[")[0], benchmark=benchmark, parameters={}, arm=arm, reference=reference,
        through="", block=0, processes=12, absolute_ns=make_estimate(reference_ns + added_ns), floor_ns=reference_ns,
        reference_ns=reference_ns, added_ns=added, ratio=ratio, p=0.001, p_adjusted=0.01, margin_ns=0.5,
        envelope_ns=envelope_ns, envelope_of=benchmark if envelope_of is None else envelope_of, verdict=verdict,
        below_resolution=abs(added_ns) <= envelope_ns, contaminated=0.0, added_clean_ns=added, mean_added_ns=added,
        shares={}, layouts_ns=Estimate(added_ns, -math.inf, math.inf, 1, 1.0), layouts_p=math.nan, drift=False)


def make_twin(false_positives: int = 1, typical_ratio: float = 1.02, worst_ratio: float = 1.15) -> TwinFinding:
    cell = TwinCell(TAG, THROUGHPUT, make_estimate(0.0), make_estimate(1.0, 0.01), True)
    return TwinFinding("hpyvm/pointer@twin", "hpyvm/pointer", (cell,), false_positives, 11, {(TAG, THROUGHPUT): 0.3},
                       typical_ratio, worst_ratio)


def make_evidence(*findings: Finding, forms=FORMS, twin: TwinFinding | None = None) -> answer.Evidence:
    arms = [{"id": form, "kind": "form"} for form in forms]
    arms += [{"id": "hpyvm/pointer@twin", "kind": "form"}, {"id": "peer/pygilstate", "kind": "peer"}]
    return answer.Evidence(TAG, findings, twin or make_twin(), arms, SCENARIOS)


def make_cell(added_ns: dict[str, float], benchmark: str = THROUGHPUT, **fields) -> list[Finding]:
    return [make_finding(arm, value, benchmark=benchmark, **fields) for arm, value in added_ns.items()]


@pytest.mark.parametrize("estimate, expected", [
    (Estimate(4.134, 3.9, 4.4, 12, 0.95), "+4.13 ns [+3.90, +4.40]"),
    (Estimate(0.2, -1.0, 0.6, 12, 0.95), "+0.20 ns [−1.00, +0.60]"),
    (Estimate(-3.0, -math.inf, math.inf, 4, 1.0), "−3.00 ns [−∞, ∞]"),
    (Estimate(1500.0, 900.0, 2000.0, 12, 0.95), "+1.50 µs [+900 ns, +2.00 µs]"),
])
def test_added_text(estimate, expected):
    """An interval is printed whole: negative bounds with a true minus, no bound as infinity, units where they differ."""
    assert answer.added_text(estimate) == expected


def test_ratio_and_percent_text():
    """A ratio is written as a multiple or as a change in percent."""
    ratio = Estimate(1.042, 0.99, 1.1, 12, 0.95)
    assert answer.ratio_text(ratio) == "1.042 [0.990, 1.100]"
    assert answer.percent_text(ratio) == "+4.2 % [−1.0, +10.0]"
    assert answer.percent_text(Estimate(1.0, 0.0, math.inf, 3, 1.0)) == "+0.0 % [−100.0, ∞]"


@pytest.mark.parametrize("fields, expected", [
    ({"added_ns": 4.0}, answer.WORSE),
    ({"added_ns": -4.0, "verdict": "better"}, answer.BETTER),
    ({"added_ns": 0.15, "verdict": "worse"}, answer.BELOW),
    ({"added_ns": 0.15, "verdict": "unresolved"}, answer.BELOW),
    ({"added_ns": 0.05, "verdict": "unresolved"}, answer.UNRESOLVED),
    ({"added_ns": 0.05, "verdict": "equivalent"}, answer.EQUIVALENT),
    ({"added_ns": 4.0, "envelope_ns": math.inf, "envelope_of": ""}, answer.UNCONTROLLED),
    ({"added_ns": 0.0, "verdict": "undeclared"}, answer.UNDECLARED),
    ({"added_ns": 4.0, "verdict": "layout-dependent"}, answer.BY_LAYOUT),
])
def test_claim(fields, expected):
    """A verdict is passed on, but no difference is claimed inside the A/A envelope or without an A/A control."""
    claimed = answer.claim(make_finding("hpyvm/pointer", **fields))
    assert claimed == expected
    assert claimed in answer.CLAIMS


@pytest.mark.parametrize("fields, expected", [
    ({"added_ns": 4.0}, ""), ({"added_ns": -4.0, "verdict": "better"}, ""), ({"added_ns": 0.15}, "≈"),
    ({"added_ns": 0.05, "verdict": "equivalent"}, "≈"), ({"added_ns": 0.4, "verdict": "equivalent"}, "="),
    ({"added_ns": 4.0, "verdict": "unresolved"}, "?"), ({"added_ns": 4.0, "verdict": "layout-dependent"}, "?"), ({"added_ns": 4.0, "verdict": "undeclared"}, "?"),
    ({"added_ns": 4.0, "envelope_ns": math.inf, "envelope_of": ""}, "?"),
])
def test_mark(fields, expected):
    """A number for which no difference is claimed has a mark that says why; what lies inside the A/A envelope has its own."""
    found = answer.mark(make_finding("hpyvm/pointer", **fields))
    assert found == expected
    assert found in {"", *answer.MARKS}


def test_clause_after_a_line():
    """What is to be added to a scenario's line stands at its end, and not where the scenario was not measured."""
    cell = make_cell({"hpyvm/pointer": 9.0}, "released_thread", reference="peer/save_restore")
    lines = answer.lines(make_evidence(*cell), lambda scenario: f"Elsewhere {scenario['name']}.")
    assert lines[1].text.endswith("+9.00 ns [+8.90, +9.10]. Elsewhere released_thread.")
    assert (lines[0].text, "Elsewhere" in lines[4].text) == ("not measured in this run.", False)


def test_five_lines_without_data():
    """The answer has five lines even where nothing was measured, and each says so."""
    lines = answer.lines(make_evidence())
    assert [line.text for line in lines[:4]] == ["not measured in this run."] * 4
    assert len(lines) == 5


def test_attached_line():
    """The first line lists each form over the passed context, cheapest first, and PyGILState beside them."""
    evidence = make_evidence(*make_cell(dict(zip(FORMS, (5.0, 4.0, 6.0))) | {"peer/pygilstate": 20.0}))
    assert str(answer.lines(evidence)[0]) == (
        "Attached thread: added over control/pass_ctx (4.00 ns a callback): hpyvm/pointer +4.00 ns [+3.90, +4.10]; "
        "enter_leave/ambient +5.00 ns [+4.90, +5.10]; trampoline/plain +6.00 ns [+5.90, +6.10]; "
        "beside them peer/pygilstate +20.0 ns [+19.9, +20.1]. Between the forms: hpyvm/pointer and enter_leave/ambient were "
        "not compared directly; hpyvm/pointer and trampoline/plain were not compared directly; enter_leave/ambient and "
        "trampoline/plain were not compared directly.")


def test_lines_of_threads_that_attach():
    """Released threads are told beside the floor, foreign ones for the first and for repeated acquisitions."""
    cells = [make_cell({"hpyvm/pointer": 9.0}, name, reference="peer/save_restore", reference_ns=60.0) for name in (
        "released_thread", "foreign_thread[acquisition=first]", "foreign_thread[acquisition=repeated]")]
    _, released, foreign, _, _ = answer.lines(make_evidence(*itertools.chain(*cells)))
    assert released.text == (
        "added over peer/save_restore (the floor, 60.0 ns a callback): hpyvm/pointer +9.00 ns [+8.90, +9.10].")
    each = "added over peer/save_restore (60.0 ns a callback): hpyvm/pointer +9.00 ns [+8.90, +9.10]."
    assert foreign.text == f"acquisition=first, {each} acquisition=repeated, {each}"


def test_sort_line_in_percent():
    """The issue's own case is told in percent of a comparison."""
    cell = make_cell({"hpyvm/pointer": 40.0}, "native_sort", reference="control/cached_ctx", reference_ns=400.0, half=4.0)
    assert answer.lines(make_evidence(*cell))[3].text == (
        "added over control/cached_ctx (400 ns a comparison): hpyvm/pointer +10.0 % [+9.0, +11.0].")


def test_nothing_claimed_inside_the_envelope():
    """A difference that the A/A control also saw is called not resolved, whatever its verdict."""
    text = answer.lines(make_evidence(make_finding("hpyvm/pointer", 0.15, "worse")))[0].text
    assert "hpyvm/pointer not resolved (+0.15 ns [+0.05, +0.25])" in text


def test_many_forms_are_cut():
    """Of more than four forms a sentence names the two cheapest and the two dearest."""
    forms = [f"proposal/form{number}" for number in range(7)]
    cell = make_cell({form: 1.0 + place for place, form in enumerate(forms)})
    text = answer.cell_list(make_evidence(*cell, forms=forms), THROUGHPUT)
    assert [item.partition(" +")[0] for item in text.split("; ")] == [
        "proposal/form0", "proposal/form1", "3 forms between", "proposal/form5", "proposal/form6"]


PAIRS = list(itertools.combinations(FORMS, 2))


@pytest.mark.parametrize("verdicts, expected", [
    (("equivalent",) * 3, "Between the forms: all are equivalent (within ±0.50 ns)."),
    (("unresolved",) * 3, "Between the forms: no order is resolved."),
    (("equivalent", "worse", "worse"),
     "Between the forms: enter_leave/ambient and hpyvm/pointer are equivalent (within ±0.50 ns); "
     "enter_leave/ambient is faster than trampoline/plain by 1.00 ns; "
     "hpyvm/pointer is faster than trampoline/plain by 1.00 ns."),
    (("unresolved", "worse", "unresolved"),
     "Between the forms: enter_leave/ambient is faster than trampoline/plain by 1.00 ns; no other order is resolved."),
    (("worse", "worse", "worse"),
     "Between the forms: enter_leave/ambient is faster than hpyvm/pointer by 1.00 ns; "
     "hpyvm/pointer is faster than trampoline/plain by 1.00 ns."),
])
def test_order_sentence(verdicts, expected):
    """Forms are ranked by the comparisons declared between them, never by the places of their points."""
    pairs = [make_finding(slower, 1.0, verdict, reference=faster) for (faster, slower), verdict in zip(PAIRS, verdicts)]
    cell = make_cell(dict(zip(FORMS, (4.0, 4.1, 5.1))))
    assert answer.order_sentence(make_evidence(*cell, *pairs), THROUGHPUT) == expected


@pytest.mark.parametrize("neighbours, ends, expected", [
    ("?????", "<", "F0 is faster than F5 by 5.00 ns; no other order of neighbours is resolved"),
    ("=<=?<", "<", "F0 and F1 are equivalent (within ±0.50 ns); F1 is faster than F2 by 1.00 ns; F2 and F3 are equivalent "
                   "(within ±0.50 ns); F4 is faster than F5 by 1.00 ns; F0 is faster than F5 by 5.00 ns; "
                   "no other order of neighbours is resolved"),
    ("<===<", "?", "F0 is faster than F1 by 1.00 ns; F1, F2, F3 and F4 are each equivalent to the next (within ±0.50 ns); "
                   "F4 is faster than F5 by 1.00 ns; no other order of neighbours is resolved"),
    ("?====", "=", "F1, F2, F3, F4 and F5 are each equivalent to the next (within ±0.50 ns); F0 and F5 are equivalent "
                   "(within ±0.50 ns); no other order of neighbours is resolved"),
    ("<-<-<", "-", "F0 is faster than F1 by 1.00 ns; F2 is faster than F3 by 1.00 ns; F4 is faster than F5 by 1.00 ns; "
                   "3 of 6 pairs (neighbours, and the two ends) were not compared"),
    ("=====", "=", "all are equivalent (within ±0.50 ns)"),
])
def test_order_of_many_forms(neighbours, ends, expected):
    """Of more than four forms the neighbours and the two ends are told, those that are equivalent in a row together."""
    forms = [f"proposal/F{number}" for number in range(6)]
    cell = make_cell({form: 1.0 + place for place, form in enumerate(forms)})
    verdicts = {**dict(zip(itertools.pairwise(forms), neighbours)), (forms[0], forms[5]): ends}
    words = {"<": "worse", "=": "equivalent", "?": "unresolved"}
    pairs = [make_finding(slower, float(forms.index(slower) - forms.index(faster)), words[verdict], reference=faster)
             for (faster, slower), verdict in verdicts.items() if verdict in words]
    told = answer.order_sentence(make_evidence(*cell, *pairs, forms=forms), THROUGHPUT)
    assert told.replace("proposal/", "") == f"Between the forms: {expected}."


def test_order_follows_the_direction_declared():
    """A pair declared the other way round says the same."""
    pair = make_finding("enter_leave/ambient", -1.0, "better", reference="hpyvm/pointer")
    cell = make_cell({"enter_leave/ambient": 4.0, "hpyvm/pointer": 5.0})
    assert answer.order_sentence(make_evidence(*cell, pair), THROUGHPUT) == (
        "Between the forms: enter_leave/ambient is faster than hpyvm/pointer by 1.00 ns.")


def test_conflict_between_parameter_sets():
    """Modes that rank two forms in opposite order, both resolved, are named; agreement is said too."""
    both = make_cell(dict(zip(FORMS, (4.0, 5.0, 6.0)))) + make_cell(dict(zip(FORMS, (4.0, 5.0, 6.0))), DEPENDENT)
    agreeing = [make_finding("hpyvm/pointer", 1.0, benchmark=name, reference="enter_leave/ambient")
                for name in (THROUGHPUT, DEPENDENT)]
    sentence = answer.conflict_sentence(make_evidence(*both, *agreeing), SCENARIOS[0])
    assert sentence == "mode=dependent reverses no resolved order."
    opposed = [agreeing[0], make_finding("hpyvm/pointer", -1.0, "better", DEPENDENT, "enter_leave/ambient")]
    assert answer.conflict_sentence(make_evidence(*both, *opposed), SCENARIOS[0]) == (
        "mode=throughput and mode=dependent rank enter_leave/ambient and hpyvm/pointer in opposite order.")


def test_no_conflict_sentence_where_nothing_is_resolved():
    """Two cells without a single difference cannot be said to agree."""
    cells = [make_finding("hpyvm/pointer", 0.05, "unresolved", benchmark=name) for name in (THROUGHPUT, DEPENDENT)]
    assert answer.conflict_sentence(make_evidence(*cells), SCENARIOS[0]) == ""


def test_span_sentence():
    """A cell's sentence gives the span of the forms that differ, and sets apart those that are equivalent or not resolved."""
    findings = [make_finding("enter_leave/ambient", 4.0), make_finding("hpyvm/pointer", 0.05, "equivalent"),
                make_finding("trampoline/plain", 0.05, "unresolved")]
    assert answer.span_sentence(make_evidence(*findings), SCENARIOS[0], THROUGHPUT) == (
        "enter_leave/ambient adds +4.00 ns (+100.0 %) to the 4.00 ns of a callback with control/pass_ctx; "
        "hpyvm/pointer is equivalent to control/pass_ctx (within ±0.50 ns); "
        "trampoline/plain is not resolved against control/pass_ctx.")


def test_control_sentence():
    """The A/A line gives the false positives and the smallest visible effect, or says that there was no control."""
    assert answer.control_sentence(make_twin()) == (
        "two copies of hpyvm/pointer were called different in 1 of 11 comparisons; the smallest effect that could have been "
        "seen is 2.0 % in the median cell, 15.0 % in the worst. Nothing below the envelope of its own cell is claimed.")
    assert "could have seen no effect of any size" in answer.control_sentence(make_twin(0, math.inf, math.inf))
    assert "nothing is claimed" in answer.control_sentence(None)
    assert "nothing is claimed" in answer.control_sentence(TwinFinding("", "", (), 0, 0, {}, math.inf, math.inf))


def test_crosscheck_sentence():
    """Agreement with plain pyperf is counted over the comparisons that both judged."""
    def row(arm: str, agrees: bool | None) -> Row:
        return Row(TAG, "attached_call", THROUGHPUT, arm, REFERENCE, 4.0, 0.1, 24, 8, 0.0, "worse", None, "worse", agrees)

    assert answer.crosscheck_sentence([row("a/a", True), row("b/b", False), row(REFERENCE, None)]) == (
        "Plain pyperf and the paired protocol agree in 1 of 2 comparisons; they differ on b/b.")
    assert answer.crosscheck_sentence([]) == "No arm has a verdict from both plain pyperf and the paired protocol."


def make_series(arm: str, *ratios: float) -> Series:
    return Series("pypy3.11", THROUGHPUT, arm, ratios, 6)


def test_warmup_sentence():
    """It says what was left out and that all was steady, or which arms were not, the furthest first."""
    begin = ("The interpreter compiles while it runs: the first 3 batches of each arm in each process are kept as warm-ups, "
             "and what comes after them is measured. ")
    steady = make_series("a/x", 9.0, 2.0, 1.05)
    assert answer.warmup_sentence([]) == ""
    assert answer.warmup_sentence([steady]) == begin + (
        "All were steady by then: one of the last two took every arm at most 1.1 times its measured median.")
    assert answer.warmup_sentence([steady, make_series("b/x", 9.0, 2.0, 1.5), make_series("c/x", 9.0, 5.0, 3.0)]) == begin + (
        "Steady by then: 1 of 3 series; of the others both of the last two took more than 1.1 times the measured median: "
        "c/x in attached_call[mode=throughput] (3.00 times) and b/x in attached_call[mode=throughput] (1.50 times).")
    many = answer.warmup_sentence([make_series(f"a/{place}", 2.0 + place) for place in range(6)])
    assert "0 of 6 series" in many and "the furthest a/5 in " in many and "a/1 in " not in many


def test_benchmarks_of_a_scenario():
    """Names of benchmarks follow from a scenario's axes in the catalogue's own way."""
    expected = [benchmark_name("attached_call", {"mode": mode}) for mode in ("throughput", "dependent")]
    assert answer.benchmarks(SCENARIOS[0]) == expected
    assert answer.benchmarks(SCENARIOS[1]) == ["released_thread"]
    assert answer.parameter_text("a[x=1,y=2]") == "x=1, y=2"


def test_imports_nothing_heavy():
    """Sentences need no numpy: the module is pure."""
    code = "import sys, lab.answer; print([name for name in ('numpy', 'scipy', 'pandas', 'matplotlib') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
