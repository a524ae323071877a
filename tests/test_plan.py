"""lab.plan: who is measured beside whom, in which order, and with how many calls to a batch."""

import itertools
from collections import Counter
from pathlib import Path
from types import MappingProxyType

import pytest

from lab import catalogue, plan
from lab.catalogue import Arm, Scenario
from lab.errors import PlanError
from lab.plan import NotApplicable, Sheet, cells, make_plan, order, rounds_for, share_loops

ALL = frozenset({"attached", "body"})


def make_arms(forms=(), controls=("pass_ctx",), lacking=()):
    """Arms by id, in the catalogue's order: the forms, then controls; those in [lacking] offer nothing."""
    ids = [(form, "form") for form in forms] + [(f"control/{name}", "control") for name in controls]
    return {name: Arm(name, kind, "", "", "", Path("."), "universal", frozenset() if name in lacking else ALL,
                      {"attached": f"{name} cannot"}, {}, ("attach",)) for name, kind in ids}


def make_scenario(name="call", reference="control/pass_ctx", parameters=None, single=False):
    """A scenario that every arm with the capabilities ALL can take part in."""
    return Scenario(name, "", "", "", Path("."), "attached", ("attached",), reference, "nothing", "callback",
                    MappingProxyType(parameters or {}), single, 1, False)


def make_sheet(arms=5, rounds=None, single=False):
    """A sheet of so many arms."""
    ids = tuple(f"control/{number}" for number in range(arms))
    benchmarks = (("call[a=1]", {"a": 1}), ("call[a=2]", {"a": 2}))
    return Sheet("py", "call", 0, ids, ids[0], benchmarks, rounds or rounds_for(arms), single)


def blocks(arms, **options):
    """The arms of each block of the plan for one scenario."""
    return [sheet.arms for sheet in make_plan(arms, [make_scenario()], ["py"], 1, **options).sheets]


def test_everything_in_one_block_where_it_fits():
    """Eight arms with the reference first and the twin last are one block."""
    arms = make_arms(["a/x", "hpyvm/pointer", "c/x"], ["pass_ctx", "one", "two", "three"])
    assert blocks(arms) == [("control/pass_ctx", "a/x", "hpyvm/pointer", "c/x", "control/one", "control/two", "control/three",
                             "hpyvm/pointer@twin")]


def test_forms_and_twin_come_first_and_controls_in_even_blocks():
    """What does not fit goes into later blocks that hold the reference and are alike in size."""
    arms = make_arms(["a/x", "hpyvm/pointer"], ["pass_ctx"] + [f"c{number}" for number in range(8)])
    assert blocks(arms) == [("control/pass_ctx", "a/x", "hpyvm/pointer", "hpyvm/pointer@twin"),
                            ("control/pass_ctx", "control/c0", "control/c1", "control/c2", "control/c3"),
                            ("control/pass_ctx", "control/c4", "control/c5", "control/c6", "control/c7")]


def test_more_forms_than_fit_make_several_blocks_with_the_twin_beside_its_original():
    """Eight forms are two blocks; the preferred original stays in the twin's block although it is the last."""
    forms = [f"p{number}/x" for number in range(7)] + ["hpyvm/pointer"]
    first, second = blocks(make_arms(forms))
    assert (first, second) == (("control/pass_ctx", "p0/x", "p1/x", "hpyvm/pointer", "hpyvm/pointer@twin"),
                               ("control/pass_ctx", "p2/x", "p3/x", "p4/x", "p5/x", "p6/x"))


def test_the_originals_proposal_stays_beside_it():
    """Forms of the twin's proposal are in its block before any other, wherever they stand in the catalogue."""
    forms = [f"p{number}/x" for number in range(5)] + ["hpyvm/pointer", "hpyvm/value", "z/x"]
    first, second = blocks(make_arms(forms))
    assert (first, second) == (("control/pass_ctx", "p0/x", "hpyvm/pointer", "hpyvm/value", "hpyvm/pointer@twin"),
                               ("control/pass_ctx", "p1/x", "p2/x", "p3/x", "p4/x", "z/x"))


@pytest.mark.parametrize("count", range(1, 40))
def test_no_block_is_too_large_or_holds_an_arm_twice(count):
    """Every arm but the reference is in exactly one block of 2 to 8 arms, for any number of controls."""
    found = blocks(make_arms(["a/x"], ["pass_ctx"] + [f"c{number}" for number in range(count)]))
    others = Counter(arm for block in found for arm in block if arm != "control/pass_ctx")
    assert set(others.values()) == {1} and len(others) == count + 2
    assert {2 <= len(block) <= 8 and block[0] == "control/pass_ctx" for block in found} == {True}


@pytest.mark.parametrize("forms, expected", [
    (["hpyvm/pointer", "z/x"], "hpyvm/pointer@twin"), (["a/x", "b/x"], "b/x@twin"), ([], "control/pass_ctx@twin")])
def test_which_arm_is_the_twin(forms, expected):
    """The preferred form, else the last form, else the reference."""
    assert make_plan(make_arms(forms, ["empty", "pass_ctx"]), [make_scenario()], ["py"], 1).twin == expected


def test_the_twin_is_of_an_arm_that_takes_part_wherever_it_can():
    """The preferred form is passed over where another form is in more scenarios."""
    arms = make_arms(["a/x", "hpyvm/pointer"], lacking=["hpyvm/pointer"])
    found = make_plan(arms, [make_scenario(), make_scenario("other")], ["py"], 1)
    assert (found.twin, [sheet.arms[-1] for sheet in found.sheets]) == ("a/x@twin", ["a/x@twin"] * 2)


def test_an_arm_that_cannot_take_part_is_listed_with_the_reason():
    """Nothing vanishes: what lacks a capability, or cannot run on an interpreter, is in not_applicable."""
    found = make_plan(make_arms(["a/x"], ["pass_ctx", "one"], lacking=["control/one"]), [make_scenario()], ["p1", "p2"], 1,
                      unavailable={("p2", "a/x"): "did not build"})
    assert found.not_applicable == (NotApplicable("p1", "call", None, "control/one", "control/one cannot"),
                                    NotApplicable("p2", "call", None, "a/x", "did not build"),
                                    NotApplicable("p2", "call", None, "control/one", "control/one cannot"))


def test_a_scenario_without_its_reference_is_not_applicable_as_a_whole():
    """Where the reference cannot run nothing is measured, and each arm says so."""
    found = make_plan(make_arms(["a/x"]), [make_scenario()], ["p1", "p2"], 1, unavailable={("p2", "control/pass_ctx"): "no"})
    assert [(each.arm, each.why) for each in found.not_applicable if each.interpreter == "p2"] == [
        ("control/pass_ctx", "no"), ("a/x", "its reference arm control/pass_ctx cannot take part: no")]
    assert [sheet.interpreter for sheet in found.sheets] == ["p1"]


def test_the_reference_takes_part_unselected_but_not_alone():
    """Selecting a form brings its reference; a scenario in which only that would be left is dropped."""
    arms = make_arms(["a/x"], ["pass_ctx", "one"], lacking=["control/one"])
    assert blocks(arms, selection=["a/x"]) == [("control/pass_ctx", "a/x", "a/x@twin")]
    with pytest.raises(PlanError, match="no cell is left to measure .control/one in call: control/one cannot"):
        blocks(arms, selection=["control/one"])


def test_comparisons_are_declared_beforehand():
    """Each arm against the reference, each pair of forms, the twin against its original; once for all interpreters."""
    arms, scenario = make_arms(["a/x", "b/x"], ["pass_ctx", "one"]), make_scenario(parameters={"n": (1, 2)})
    found = make_plan(arms, [scenario], ["p1", "p2"], 1)
    expected = {("a/x", "control/pass_ctx"), ("b/x", "control/pass_ctx"), ("control/one", "control/pass_ctx"),
                ("b/x", "a/x"), ("b/x@twin", "b/x")}
    assert Counter(found.comparisons) == Counter((name, *pair) for name in ("call[n=1]", "call[n=2]") for pair in expected)


def test_forms_of_different_blocks_are_compared_too():
    """Each pair of eight forms is declared once, the later in the catalogue against the earlier, whatever their blocks."""
    forms = [f"p{number}/x" for number in range(7)] + ["hpyvm/pointer"]
    found = make_plan(make_arms(forms), [make_scenario()], ["p1", "p2"], 1)
    assert len(found.sheets) == 2 * 2
    declared = [pair for _, *pair in found.comparisons if {*pair} <= set(forms)]
    assert sorted(declared) == sorted([later, earlier] for earlier, later in itertools.combinations(forms, 2))


def test_the_catalogue_itself_can_be_planned():
    """Every selected cell of the lab's own arms and scenarios is either in a sheet or not applicable."""
    arms, scenarios = catalogue.arms(), catalogue.scenarios()
    found = make_plan(arms, scenarios.values(), ["cpython3.11"], 7)
    planned = {(sheet.scenario, arm) for sheet in found.sheets for arm in sheet.arms if not arm.endswith(catalogue.TWIN_SUFFIX)}
    left_out = {(each.scenario, each.arm) for each in found.not_applicable}
    assert planned | left_out == set(itertools.product(scenarios, arms)) and not planned & left_out
    assert {sheet.scenario for sheet in found.sheets if found.twin in sheet.arms} == set(scenarios)
    assert found == make_plan(arms, scenarios.values(), ["cpython3.11"], 7)


@pytest.mark.parametrize("arms, rounds", [(1, 6), (2, 6), (3, 6), (4, 8), (5, 10), (6, 6), (7, 14), (8, 8)])
def test_rounds_are_whole_squares(arms, rounds):
    """A process runs full Williams squares, repeated where they are too small for a median."""
    assert rounds_for(arms) == rounds


@pytest.mark.parametrize("arms", range(2, 9))
def test_places_and_successions_are_balanced_in_each_process(arms):
    """Each arm stands in each place, and follows each other arm, equally often."""
    rows = order(make_sheet(arms), 3, 1)
    assert set(Counter((arm, place) for row in rows for place, arm in enumerate(row)).values()) == {rounds_for(arms) // arms}
    assert len(set(Counter(pair for row in rows for pair in zip(row, row[1:])).values())) == 1
    assert all(sorted(row) == list(range(arms)) for row in rows)


def test_a_square_that_is_cut_is_balanced_but_for_two():
    """With rounds that are no whole square, the places of an arm differ by at most 2."""
    rows = order(make_sheet(5, rounds=13), 0, 1)
    counts = Counter((arm, place) for row in rows for place, arm in enumerate(row)).values()
    assert len(rows) == 13 and max(counts) - min(counts) <= 2


def test_orders_follow_from_seed_sheet_turn_and_benchmark():
    """The same four give the same rows, and each of seed, turn and benchmark another order."""
    sheet = make_sheet(8)
    assert order(sheet, 1, 2, "a") == order(sheet, 1, 2, "a")
    others = [order(sheet, 1, 3, "a"), order(sheet, 2, 2, "a"), order(sheet, 1, 2, "b")]
    assert [other == order(sheet, 1, 2, "a") for other in others] == [False] * 3


def test_a_single_sheet_is_balanced_over_its_processes():
    """With one round in a process, as many processes as the square has rows hold each row once."""
    sheet = make_sheet(4, rounds=1, single=True)
    rows = [row for turn in range(10, 14) for row in order(sheet, turn, 1)]
    assert set(Counter((arm, place) for row in rows for place, arm in enumerate(row)).values()) == {1}


def test_cells_hold_what_a_worker_needs():
    """One cell for each parameter set, with counts of calls and rows."""
    sheet = make_sheet(2)
    loops = {name: {"control/0": 10, "control/1": 20} for name, _ in sheet.benchmarks}
    found = cells(sheet, 0, 1, loops)
    assert [(cell["benchmark"], cell["parameters"], cell["loops"]) for cell in found] == [
        ("call[a=1]", {"a": 1}, loops["call[a=1]"]), ("call[a=2]", {"a": 2}, loops["call[a=2]"])]
    assert found[0]["rows"] == order(sheet, 0, 1, "call[a=1]")


def test_cells_leave_out_what_failed():
    """A failed arm is in no row of its benchmark; a benchmark whose reference failed is not run."""
    sheet = make_sheet(3)
    (cell,) = cells(sheet, 0, 1, None, {("call[a=1]", "control/2"), ("call[a=2]", "control/0")})
    assert cell["benchmark"] == "call[a=1]"
    assert {tuple(sorted(row)) for row in cell["rows"]} == {(0, 1)} and len(cell["rows"]) == sheet.rounds


def test_arms_within_a_factor_of_two_share_a_count():
    """The fastest of a group decides, and each batch is long enough; nothing is called less than once."""
    assert share_loops({"slow": 2e6, "b": 19.0, "a": 10.0, "c": 30.0, "d": 59.0}, 1e6) == {
        "slow": 1, "b": 100_000, "a": 100_000, "c": 33_334, "d": 33_334}


@pytest.mark.parametrize("cost", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_cost_is_refused(cost):
    """Counts cannot be made from a time that is not above 0; the arm is named."""
    with pytest.raises(ValueError, match="^bad costs"):
        share_loops({"good": 1.0, "bad": cost})


@pytest.mark.parametrize("arms, reference, rounds", [(("a", "a"), "a", 1), (("a", "b"), "c", 1), (("a", "b"), "a", 0),
                                                     (tuple("abcdefghi"), "a", 1)])
def test_an_impossible_sheet_is_refused(arms, reference, rounds):
    """A sheet holds different arms, the reference, at most 8 of them, and runs at least once."""
    with pytest.raises(ValueError):
        Sheet("py", "call", 0, arms, reference, (("call", {}),), rounds, False)


def test_presets_are_budgets_in_seconds():
    """Quick, default and rigorous, as the issue has them."""
    assert plan.PRESETS == {"quick": 60, "default": 300, "rigorous": 3600}
