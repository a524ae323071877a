"""lab.analysis.paired and lab.analysis.cells under it: planted differences come out, and nothing else does."""

import dataclasses
import itertools
import math
from collections import Counter

import numpy
import pytest
from synthetic import ADDED_NS, INTERPRETER, REFERENCE_NS, TWIN, make_run, timed

from lab import stats, variance
from lab.analysis import cells, paired, twin
from lab.results import Run, load

THROUGHPUT = "attached_call[mode=throughput]"
FORMS = tuple(arm for arm in ADDED_NS if arm.partition("/")[0] not in ("control", "peer"))       # in the catalogue's order
AGAINST_REFERENCE, TWINS = 3 * 13 + 4 * 12 + 11 + 3 * 8, 11     # arms in the cells of the five scenarios
DECLARED = AGAINST_REFERENCE + TWINS + 8 * 28 + 3 * 21          # and pairs of eight forms, of seven where get cannot be


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """A run of 12 processes of 8 rounds with the differences of ADDED_NS."""
    return load(make_run(tmp_path_factory.mktemp("results") / "planted"))


@pytest.fixture(scope="module")
def findings(run) -> dict:
    """Its findings by benchmark and arm."""
    return {(each.benchmark, each.arm): each for each in paired.analyse(run)}


def only(run: Run, **wanted) -> Run:
    """The run with nothing but the samples whose columns have the wanted values."""
    rows = run.samples
    for column, values in wanted.items():
        rows = rows[rows[column].isin(values)]
    return dataclasses.replace(run, samples=rows.reset_index(drop=True))


def changed(run: Run, **header) -> Run:
    return dataclasses.replace(run, header={**run.header, **header})


def one(run: Run, benchmark: str, arm: str) -> paired.Finding:
    return next(each for each in paired.analyse(run) if (each.benchmark, each.arm) == (benchmark, arm))


def smallest_p(run: Run) -> float:
    return min(each.p for each in paired.analyse(run) if each.verdict not in ("reference", "undeclared"))


def smallest_adjusted(run: Run) -> float:
    return min(each.p_adjusted for each in paired.analyse(run) if each.verdict not in ("reference", "undeclared"))


def test_there_is_one_finding_for_each_arm_of_each_cell(run, findings):
    """Every arm that has samples in a cell has a finding there, against its scenario's reference."""
    assert len(paired.analyse(run)) == len(findings)
    assert findings.keys() == set(zip(timed(run)["benchmark"], timed(run)["arm"]))
    assert {(each.scenario, each.reference) for each in findings.values()} == set(
        run.header["reference"].items()) - {("contention", "peer/save_restore")}


def test_planted_differences_are_found(findings):
    """Of 133 intervals at 96 % coverage, which miss together in a cell, at least 115 hold what was planted; no point is far."""
    held = []
    for (_, arm), each in findings.items():
        if arm != each.reference:
            truth_ns = ADDED_NS.get(arm, ADDED_NS["hpyvm/pointer"])
            held.append(each.added_ns.covers(truth_ns))
            assert each.added_ns.point == pytest.approx(truth_ns, abs=0.02 * (REFERENCE_NS[each.scenario] + abs(truth_ns)))
            assert each.ratio.point == pytest.approx(1 + truth_ns / REFERENCE_NS[each.scenario], rel=0.02)
    assert (len(held), sum(held) >= 115) == (AGAINST_REFERENCE + TWINS, True)


def test_verdicts_follow_what_was_planted(findings):
    """More time is worse, less is better, none is equivalent; and 4 ns are nothing beside a comparison of 400 ns."""
    verdicts = {arm: findings[THROUGHPUT, arm].verdict for arm in ("control/pass_ctx", *ADDED_NS)}
    assert verdicts == {"control/pass_ctx": "reference", "control/empty": "better", "control/cached_ctx": "equivalent",
                        "control/hpy_universal_global": "equivalent", "control/hpy_cpython_abi": "worse",
                        "peer/pygilstate": "worse", **dict.fromkeys(FORMS, "worse")}
    assert {findings["native_sort", arm].verdict for arm in FORMS if ADDED_NS[arm] <= 4} == {"equivalent"}


def test_the_reference_stands_beside_itself(findings):
    """Its own finding adds nothing, claims nothing, and has the absolute time."""
    each = findings[THROUGHPUT, "control/pass_ctx"]
    assert (each.added_ns.point, each.ratio.point, each.verdict, each.block, each.processes) == (0.0, 1.0, "reference", 0, 12)
    assert math.isnan(each.p) and math.isnan(each.p_adjusted) and not each.below_resolution
    assert each.absolute_ns.point == each.reference_ns == pytest.approx(4.0, rel=0.05)
    assert each.floor_ns < each.absolute_ns.low


def test_a_finding_rests_on_the_statistics_of_the_paired_protocol(run, findings):
    """Added time, ratio, p and absolute time are those of lab.stats on the raw values of the block, worked out by hand."""
    rows = run.samples[(run.samples["benchmark"] == THROUGHPUT) & (run.samples["block"] == 2)]
    arm, reference = (rows[rows["arm"] == name].pivot(index="process", columns="round", values="value_s").to_numpy() * 1e9
                      for name in ("peer/pygilstate", "control/pass_ctx"))
    each = findings[THROUGHPUT, "peer/pygilstate"]
    assert each.added_ns == stats.paired_added(arm, reference)
    assert each.ratio == stats.paired_ratio(arm, reference)
    assert each.p == stats.paired_p(numpy.median(arm - reference, axis=1))
    assert each.absolute_ns == stats.median_interval(numpy.median(arm, axis=1))
    assert each.reference_ns == numpy.median(numpy.median(reference, axis=1))
    assert each.floor_ns == arm.min()
    assert each.shares == pytest.approx(variance.shares(arm - reference), nan_ok=True) and each.layouts_ns.n == 1


def test_blocks_do_not_mix(run, findings):
    """An arm is compared with the reference of its block: making the other blocks ten times slower changes nothing for it."""
    rows = run.samples
    values = rows["value_s"].where(rows["block"] == 2, rows["value_s"] * 10)
    slower = dataclasses.replace(run, samples=rows.assign(value_s=values))
    for arm in ("peer/pygilstate", "control/empty"):
        before, after = findings[THROUGHPUT, arm], one(slower, THROUGHPUT, arm)
        assert after.block == 2
        assert (after.added_ns, after.ratio, after.reference_ns) == (before.added_ns, before.ratio, before.reference_ns)


def test_holm_counts_every_declared_comparison_that_has_data(run):
    """The smallest p is multiplied by how many there are: arms against references, twins, pairs of forms."""
    assert len(run.header["comparisons"]) == DECLARED == 420
    assert smallest_adjusted(run) == pytest.approx(smallest_p(run) * DECLARED)
    without_data = changed(run, comparisons=run.header["comparisons"] + [[THROUGHPUT, "peer/jni", "control/pass_ctx"]])
    assert smallest_adjusted(without_data) == smallest_adjusted(run)


def test_what_was_not_declared_gets_no_verdict(run):
    """A comparison that was not declared beforehand is shown, without a verdict."""
    others = [entry for entry in run.header["comparisons"] if entry[:2] != [THROUGHPUT, "peer/pygilstate"]]
    each = one(changed(run, comparisons=others), THROUGHPUT, "peer/pygilstate")
    assert (each.verdict, math.isnan(each.p_adjusted)) == ("undeclared", True)
    assert each.added_ns.point == pytest.approx(20, abs=0.5)
    assert one(run, THROUGHPUT, TWIN).verdict == "undeclared"    # the twin is declared against its original alone


def test_the_margin_is_the_larger_of_two_and_noise_has_no_part_in_it(run, findings):
    """0.5 ns for a call of 4 ns, 2 % of a comparison of 400 ns; nothing where neither is asked for, whatever the envelope."""
    assert findings[THROUGHPUT, "hpyvm/pointer"].margin_ns == 0.5
    each = findings["native_sort", "hpyvm/pointer"]
    assert each.margin_ns == 0.02 * each.reference_ns == pytest.approx(8, rel=0.05)
    strict = changed(run, margins={"absolute_ns": 0.0, "relative": 0.0})
    assert {each.margin_ns for each in paired.analyse(strict)} == {0.0}
    assert "equivalent" not in {each.verdict for each in paired.analyse(strict)}


def test_nothing_below_the_envelope_is_called_a_difference(tmp_path):
    """A twin 2 ns off its original takes the verdict from every difference of less than 2 ns, and from none of more."""
    run = load(make_run(tmp_path / "loud", planted={TWIN: ADDED_NS["hpyvm/pointer"] + 2}))
    empty, ambient = one(run, THROUGHPUT, "control/empty"), one(run, THROUGHPUT, "enter_leave/ambient")
    assert empty.envelope_ns > 1.9
    assert (empty.verdict, empty.below_resolution) == ("unresolved", True)
    assert (ambient.verdict, ambient.below_resolution) == ("worse", False)


def test_a_cell_without_a_twin_borrows_the_worst_envelope(run):
    """Where the twin did not run, the largest envelope of the interpreter stands in, and the finding says whose it is."""
    rows = run.samples
    lacking = dataclasses.replace(run, samples=rows[(rows["arm"] != TWIN) | (rows["benchmark"] != THROUGHPUT)])
    worst = max((value, benchmark) for (_, benchmark), value in twin.analyse(lacking).envelope_ns.items())
    each = one(lacking, THROUGHPUT, "hpyvm/pointer")
    assert (each.envelope_ns, each.envelope_of) == worst
    assert one(run, THROUGHPUT, "hpyvm/pointer").envelope_of == THROUGHPUT


def test_a_run_without_a_twin_claims_no_difference(run):
    """No envelope is no licence: differences stay unresolved, and the margin is that of the rule without it."""
    rows = run.samples
    each = one(dataclasses.replace(run, samples=rows[rows["arm"] != TWIN]), THROUGHPUT, "peer/pygilstate")
    assert (each.envelope_ns, each.envelope_of, each.margin_ns, each.verdict) == (math.inf, "", 0.5, "unresolved")


def test_too_few_processes_resolve_nothing(run):
    """Five processes give no interval at 95 %, so neither a difference nor equivalence."""
    early = only(run, process=sorted(run.samples["process"].unique())[:5 * len(run.header["sheets"])])
    found = paired.analyse(early) + paired.analyse_pairs(early)
    assert {each.processes for each in found if each.scenario == "attached_call"} == {5}
    assert {each.verdict for each in found if each.scenario == "attached_call"} == {"unresolved", "reference", "undeclared"}


def test_missing_rounds_and_processes_are_left_out(run):
    """A process that lost half its rounds, and one that lost an arm, count for what they have."""
    rows = run.samples
    first, second = sorted(rows[(rows["benchmark"] == THROUGHPUT) & (rows["block"] == 0)]["process"].unique())[:2]
    lost = ((rows["process"] == first) & (rows["round"] > 3)) | ((rows["process"] == second) & (rows["arm"] == "hpyvm/pointer"))
    each = one(dataclasses.replace(run, samples=rows[~lost]), THROUGHPUT, "hpyvm/pointer")
    assert (each.processes, each.added_ns.n) == (11, 11)
    assert each.added_ns.point == pytest.approx(4, abs=0.2)
    assert one(run, "foreign_thread[acquisition=first]", "peer/pygilstate").processes == 11


def disturb(run: Run, counter: str, amount: int, **where) -> Run:
    """The run with one counter set in the batches whose columns have the given values."""
    rows = run.samples.copy()
    chosen = numpy.logical_and.reduce([rows[column] == value for column, value in where.items()])
    rows.loc[chosen, counter] = amount
    return dataclasses.replace(run, samples=rows)


@pytest.mark.parametrize("counter, amount, scenario, flagged", [
    ("involuntary", 1, "attached_call", True), ("migrations", 1, "attached_call", True), ("steal", 1, "attached_call", True),
    ("faults", 9, "attached_call", True), ("faults", 8, "attached_call", False), ("voluntary", 1, "attached_call", True),
    ("voluntary", 1, "foreign_thread", False), ("voluntary", 1, "released_thread", False),
    ("steal", 1, "foreign_thread", True)])
def test_contaminated_batches_are_flagged(run, counter, amount, scenario, flagged):
    """Switches, migrations, steal and faults flag a batch; a voluntary switch only on an attached thread."""
    rows = run.samples.assign(involuntary=0)
    quiet = dataclasses.replace(run, samples=rows)
    assert cells.contaminated(quiet).sum() == 0
    disturbed = disturb(quiet, counter, amount, scenario=scenario, round=3)
    expected = (rows["scenario"] == scenario) & (rows["round"] == 3) if flagged else numpy.zeros(len(rows), bool)
    assert cells.contaminated(disturbed).tolist() == list(expected)


def test_faults_are_counted_from_the_arms_own_median(run):
    """An arm whose every batch faults twenty times is not contaminated by that; one batch of thirty is."""
    rows = run.samples.assign(involuntary=0, faults=20)
    assert cells.contaminated(dataclasses.replace(run, samples=rows)).sum() == 0
    rows.loc[17, "faults"] = 30
    assert cells.contaminated(dataclasses.replace(run, samples=rows)).nonzero()[0].tolist() == [17]


def test_results_stand_with_and_without_contamination(run):
    """Five rounds of eight made 100 ns slower and flagged: the raw estimate shows them, the clean one does not."""
    rows = run.samples.assign(involuntary=0)
    chosen = (rows["arm"] == "hpyvm/pointer") & (rows["benchmark"] == THROUGHPUT) & (rows["round"] < 5)
    rows.loc[chosen, "involuntary"] = 1
    rows.loc[chosen, "value_s"] += 100e-9
    each = one(dataclasses.replace(run, samples=rows), THROUGHPUT, "hpyvm/pointer")
    assert each.contaminated == 5 / 8
    assert each.added_ns.point == pytest.approx(104, abs=1)
    assert each.added_clean_ns.point == pytest.approx(4, abs=0.2)


def test_a_disturbed_reference_taints_the_pair(run):
    """A flagged batch of the reference leaves the pair out of the clean estimate, and is not the arm's own share."""
    rows = run.samples.assign(involuntary=0)
    rows.loc[(rows["arm"] == "control/pass_ctx") & (rows["benchmark"] == THROUGHPUT), "steal"] = 1
    each = one(dataclasses.replace(run, samples=rows), THROUGHPUT, "hpyvm/pointer")
    assert (each.contaminated, each.added_clean_ns.n, each.added_ns.n) == (0.0, 0, 12)


def test_pairs_of_forms_are_compared_in_the_declared_direction(run):
    """Each pair of forms is there, the later in the catalogue against the earlier, and the way back is not."""
    pairs = paired.analyse_pairs(run)
    benchmarks = timed(run).groupby("benchmark")["arm"].unique()
    assert Counter((each.benchmark, each.arm, each.reference) for each in pairs) == Counter(
        (benchmark, later, earlier) for benchmark, arms in benchmarks.items()
        for earlier, later in itertools.combinations([form for form in FORMS if form in arms], 2))
    found = {(each.arm, each.reference): each for each in pairs if each.benchmark == THROUGHPUT}
    assert found["trampoline/handle", "trampoline/plain"].added_ns.point == pytest.approx(4, abs=0.15)
    assert found["trampoline/handle", "trampoline/plain"].verdict == "worse"
    assert found["trampoline/checked", "trampoline/plain"].verdict == "equivalent"
    assert found["trampoline/handle", "trampoline/plain"].reference_ns == pytest.approx(9, rel=0.05)


def test_forms_that_no_process_ran_both_of_are_compared_through_the_reference(run):
    """By what either takes more than the reference, process by process: worked out by hand; those of one block are paired."""
    found = {(each.arm, each.reference): each for each in paired.analyse_pairs(run) if each.benchmark == THROUGHPUT}
    blocks = {arm: block for sheet in run.header["sheets"] if sheet["scenario"] == "attached_call"
              for arm in sheet["arms"] if arm != sheet["reference"] for block in [sheet["block"]]}
    assert {pair: each.through for pair, each in found.items()} == {
        pair: "" if blocks[pair[0]] == blocks[pair[1]] else "control/pass_ctx" for pair in found}
    rows = run.samples[run.samples["benchmark"] == THROUGHPUT]

    def values(arm, block):
        chosen = rows[(rows["arm"] == arm) & (rows["block"] == block)]
        return chosen.pivot(index="process", columns="round", values="value_s").to_numpy() * 1e9

    times = [(values(arm, block), values("control/pass_ctx", block))
             for arm, block in (("trampoline/plain", 1), ("hpyvm/value", 0))]
    added = [numpy.median(arm - reference, axis=1) for arm, reference in times]
    logarithms = [numpy.median(numpy.log(arm / reference), axis=1) for arm, reference in times]
    means = [numpy.mean(arm - reference, axis=1) for arm, reference in times]
    each = found["trampoline/plain", "hpyvm/value"]
    assert each.added_ns == stats.median_interval(added[0] - added[1])
    assert each.ratio.point == pytest.approx(math.exp(numpy.median(logarithms[0] - logarithms[1])))
    assert each.mean_added_ns.point == pytest.approx(numpy.mean(means[0] - means[1]))
    assert each.p == stats.paired_p(added[0] - added[1])
    assert (each.block, each.processes, each.shares["process"] != each.shares["process"]) == (1, 12, True)
    assert each.absolute_ns == stats.median_interval(numpy.median(times[0][0], axis=1))
    assert each.reference_ns == numpy.median(numpy.median(times[1][0], axis=1))


def test_planted_differences_are_found_through_the_reference(run):
    """Nine in ten of the intervals of forms in different blocks (96 % coverage) hold what was planted; no verdict is false."""
    apart = [each for each in paired.analyse_pairs(run) if each.through]
    truths = [ADDED_NS[each.arm] - ADDED_NS[each.reference] for each in apart]
    assert len(apart) == 8 * 15 + 3 * 12
    assert sum(each.added_ns.covers(truth) for each, truth in zip(apart, truths)) >= 0.9 * len(apart)
    false = [each for each, truth in zip(apart, truths) if (each.verdict, truth > 0) in (("worse", False), ("better", True))]
    assert false == []
    assert {each.verdict for each, truth in zip(apart, truths) if truth == 0} <= {"equivalent", "unresolved"}
    assert "worse" in {each.verdict for each in apart}


def test_a_disturbed_batch_is_left_out_through_the_reference(run):
    """Five of eight rounds of one form made 100 ns slower and flagged: the clean estimate does not see them."""
    rows = run.samples.assign(involuntary=0)
    chosen = (rows["arm"] == "trampoline/plain") & (rows["benchmark"] == THROUGHPUT) & (rows["round"] < 5)
    rows.loc[chosen, "involuntary"] = 1
    rows.loc[chosen, "value_s"] += 100e-9
    each = next(each for each in paired.analyse_pairs(dataclasses.replace(run, samples=rows))
                if (each.benchmark, each.arm, each.reference) == (THROUGHPUT, "trampoline/plain", "hpyvm/value"))
    assert each.added_ns.point == pytest.approx(100.8, abs=1)
    assert each.added_clean_ns.point == pytest.approx(0.8, abs=0.2)


def test_processes_that_one_block_has_more_are_left_out(run):
    """With 12 processes of one block and 9 of the other there are 9 pairs of processes; with none, no comparison."""
    pair = THROUGHPUT, "trampoline/plain", "hpyvm/value"
    rows = run.samples
    late = sorted(rows[(rows["benchmark"] == THROUGHPUT) & (rows["arm"] == pair[1])]["process"].unique())
    for lost, expected in ((late[9:], [9]), (late, [])):
        kept = dataclasses.replace(run, samples=rows[~rows["process"].isin(lost)])
        found = [each.added_ns.n for each in paired.analyse_pairs(kept) if (each.benchmark, each.arm, each.reference) == pair]
        assert found == expected


def test_drift_is_said(run):
    """An arm that loses 3 ns in the second half of the run drifts; its neighbours do not."""
    rows = run.samples.copy()
    late = rows["process"] > rows["process"].max() / 2
    rows.loc[(rows["arm"] == "hpyvm/pointer") & (rows["benchmark"] == THROUGHPUT) & late, "value_s"] += 3e-9
    drifting = paired.analyse(dataclasses.replace(run, samples=rows))
    found = {each.arm: each.drift for each in drifting if each.benchmark == THROUGHPUT}
    assert found.pop("hpyvm/pointer") is True
    assert set(found.values()) == {False}


def test_parameters_are_those_of_the_header(findings):
    """A finding carries its benchmark's parameters with their types."""
    assert findings["attached_work[calls=16]", "hpyvm/pointer"].parameters == {"calls": 16}
    assert findings["native_sort", "hpyvm/pointer"].parameters == {}


def test_interpreters_stand_apart(tmp_path):
    """Two interpreters give findings of their own, each against the reference it ran itself, and one Holm family."""
    tags = (INTERPRETER, "pypy3.11")
    run = load(make_run(tmp_path / "two", processes=6, rounds=4, interpreters=tags))
    found = paired.analyse(run)
    assert Counter(each.interpreter for each in found) == dict.fromkeys(tags, AGAINST_REFERENCE + TWINS + 11)
    assert {each.processes for each in found} == {5, 6}
    assert smallest_adjusted(run) == pytest.approx(smallest_p(run) * 2 * DECLARED)


def test_the_mean_stands_beside_the_median(tmp_path):
    """A planted difference is found by the bootstrap mean too, with an interval that holds it."""
    run = load(make_run(tmp_path / "run", planted={"trampoline/plain": 4.0}))
    found = next(each for each in paired.analyse(run) if each.arm == "trampoline/plain" and each.benchmark == "released_thread")
    assert found.mean_added_ns.n == 12
    assert found.mean_added_ns.low <= 4.0 <= found.mean_added_ns.high
    assert found.mean_added_ns.high - found.mean_added_ns.low < 4.0


def test_a_difference_that_only_some_layouts_have_is_no_claim_about_the_design(tmp_path):
    """8 layouts, 16 processes: what is worse in all stays worse; what is worse in 7 by 5 ns and better in one by 2 ns depends."""
    planted = [{"hpyvm/value": 3.0, "trampoline/plain": -2.0 if layout == 3 else 5.0} for layout in range(8)]
    run = load(make_run(tmp_path / "layouts", processes=16, layouts=planted))
    value, plain = one(run, THROUGHPUT, "hpyvm/value"), one(run, THROUGHPUT, "trampoline/plain")
    assert (value.verdict, value.layouts_ns.n, value.layouts_ns.low > 2.5) == ("worse", 8, True)
    assert (plain.verdict, plain.layouts_ns.low < -1.5, plain.layouts_p < 0.05) == ("layout-dependent", True, True)
    assert plain.added_ns.low > 0 and plain.shares["layout"] > 0.9 > 0.2 > value.shares["layout"]
    pairs = {(each.benchmark, each.arm, each.reference): each for each in paired.analyse_pairs(run)}
    between = next(each for (name, *arms), each in pairs.items() if name == THROUGHPUT
                   and set(arms) == {"hpyvm/value", "trampoline/plain"})
    assert between.layouts_ns.n == 8 and between.layouts_ns.covers(0.0) and between.verdict in ("layout-dependent", "unresolved")
