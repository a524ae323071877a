"""The report of several interpreters and of several runs: side by side, complete, and never pooled."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path

import pytest
from synthetic import INTERPRETER, TWIN, make_run
from test_report import HOSTILE, Page, rendered

from lab import answer, catalogue, report, results
from lab.analysis import paired
from lab.errors import LabError

TAGS = (INTERPRETER, "cpython3.12", "pypy3.11")
EVERY = tuple(f"cpython3.{minor}" for minor in range(8, 16)) + ("pypy3.11",)
SERIES = (9.0, 3.0, 1.5, 1.02)
WHY = "PyPy has no such thing"
CALL = "attached_call[mode=throughput]"
TIMED = [scenario for scenario in catalogue.scenarios().values() if scenario.measures == "time"]


def make_three(folder: Path) -> results.Run:
    """Three interpreters: enter_leave dearer on the second, trampolines faster than the reference on PyPy, which warms up."""
    run = results.load(make_run(folder, processes=8, rounds=4, interpreters=TAGS, warmups={"pypy3.11": SERIES}, planted_on={
        "cpython3.12": {"enter_leave/ambient": 9.0}, "pypy3.11": {"trampoline/plain": -2.0}}))
    run.header["not_applicable"].append({"interpreter": "pypy3.11", "scenario": None, "benchmark": None,
                                         "arm": "peer/pygilstate", "why": WHY})
    next(row for row in run.conformance["pypy3.11"] if row["outcome"] == "ok").update(outcome="crash", detail="killed by SIGSEGV")
    gone = (run.samples["interpreter"] == "pypy3.11") & (run.samples["arm"] == "peer/pygilstate")
    kept = {place: each for place, each in run.latencies.items() if place != ("pypy3.11", "peer/pygilstate")}
    return dataclasses.replace(run, samples=run.samples[~gone], latencies=kept)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> results.Run:
    return make_three(tmp_path_factory.mktemp("results") / "three")


@pytest.fixture(scope="module")
def page(run, tmp_path_factory) -> Page:
    return rendered(run, tmp_path_factory.mktemp("reports") / run.name)


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> list[results.Run]:
    """Two runs of two machines on the same interpreter, in which one form costs 4 ns here and 40 ns there."""
    folder = tmp_path_factory.mktemp("machines")
    planted = ({"hpyvm/pointer": 4.0}, {"hpyvm/pointer": 40.0, "trampoline/plain": -2.0})
    return [results.load(make_run(folder / name, processes=8, rounds=4, seed=seed, planted=each, hostname=name))
            for seed, (name, each) in enumerate(zip(("desk", "rack"), planted), start=1)]


@pytest.fixture(scope="module")
def merged(pair, tmp_path_factory) -> Page:
    path = report.render_merged(pair, tmp_path_factory.mktemp("merged") / "desk+rack")
    return Page(path.read_text(encoding="utf-8"))


def heat_fields(page: Page) -> dict[tuple, float]:
    """The added times of the heat maps, by run (None in the report of one), interpreter, benchmark, arm and reference.

    They are told from those of the tables by the row, which names an arm and no cell.
    """
    return {(number.get("data-run"), number["data-interpreter"], number["data-benchmark"], number["data-arm"],
             number["data-reference"]): float(number["data-point"]) for number in page.numbers
            if number["data-field"] == "added_ns" and "data-cell" not in number}


def expected_fields(run: results.Run, name: str | None = None) -> dict[tuple, float]:
    return {(name, each.interpreter, each.benchmark, each.arm, each.reference): each.added_ns.point
            for each in paired.analyse(run) if each.arm not in (each.reference, TWIN)}


def figures(page: Page) -> list[str]:
    return [attributes["aria-label"] for tag, attributes in page.elements
            if tag == "svg" and attributes.get("aria-label", "").startswith(("Forest plot", "Waits of"))]


def test_heat_maps_are_complete(run, page):
    """Every added time of every interpreter stands in a heat map with its exact value, and nothing else does."""
    assert heat_fields(page) == expected_fields(run)


def test_page_is_whole(page):
    """Elements nest, and each link has its target."""
    ids = [attributes["id"] for attributes in page.attributes("id")]
    assert (page.open, len(ids)) == ([], len(set(ids)))
    assert {attributes["href"][1:] for attributes in page.attributes("href") if attributes["href"].startswith("#")} <= set(ids)


def test_order_of_sections(page):
    """What changes between interpreters stands after what each arm guarantees and before the scenarios."""
    sections = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert sections == ["claims", "answer", "control", "conformance", "versions", *catalogue.scenarios(),
                        "crosscheck", "method", "environment", "words"]


def test_only_the_first_interpreter_is_plotted(page):
    """One plot for each scenario, of the first interpreter; the others' tables are folded away."""
    assert len(figures(page)) == len(catalogue.scenarios())
    assert all(f" on {INTERPRETER}:" in label for label in figures(page))
    folded = page.text.count('<details class="interpreter">')
    assert folded == (len(TAGS) - 1) * len(catalogue.scenarios())


def test_changes_are_told(page):
    """What was planted on one interpreter is told as a change, and nothing is told of an arm that stayed the same."""
    said = page.plain[page.plain.index("CPython version by version"):page.plain.index("Interpreters side by side")]
    assert re.search(r"cells of enter_leave/ambient: all grow; most of all \S+, from \+\d", said)
    assert f"enter_leave/ambient, {CALL}: from cpython3.11 to cpython3.12 the added time goes from +" in said
    assert "cells of trampoline/plain: all shrink" in said
    assert "hpyvm/pointer" not in said
    assert re.search(r"ok on cpython3.12, crash on pypy3.11, for \S+\.", said)


def test_contradictions_stand_in_the_answer(run, page):
    """The line of the first interpreter says who contradicts it, in one clause; lines without a contradiction have none."""
    lines = report.summary(run)
    assert "Other interpreters contradict cpython3.11: " in lines[0]
    assert "trampoline/plain is faster than control/pass_ctx on pypy3.11" in lines[0]
    assert "contradict" not in lines[4]
    assert page.plain.count("Other interpreters contradict cpython3.11") == sum("contradict" in line for line in lines)


def test_reasons_of_one_interpreter(page):
    """A field that cannot be on one interpreter says n/a with the reason on hovering, and a note names the interpreter."""
    fields = [attributes for tag, attributes in page.elements if tag == "td" and attributes.get("title") == WHY]
    assert len(fields) == sum(len(list(scenario.cells())) for scenario in TIMED)
    assert page.plain.count(f"n/a on pypy3.11: peer/pygilstate: {WHY}") == len(catalogue.scenarios())
    noted = {attributes["data-not-applicable"] for attributes in page.attributes("data-not-applicable")
             if attributes["data-columns"] == "pypy3.11"}
    assert noted == {f"{name}/peer/pygilstate" for name in catalogue.scenarios()}


def test_warm_up_is_shown(page):
    """The series of an interpreter that warms up is in each scenario, and a sentence says that the steady part is measured."""
    shown = [number for number in page.numbers if number["data-field"] == "warmup"]
    assert {number["data-interpreter"] for number in shown} == {"pypy3.11"}
    assert {number["data-benchmark"] for number in shown} == {
        benchmark for scenario in TIMED
        for benchmark in (catalogue.benchmark_name(scenario.name, each) for each in scenario.cells())}
    ratios = [float(ratio) for ratio in shown[0]["data-ratios"].split(",")]
    assert ratios == pytest.approx(SERIES, rel=0.1)
    assert page.plain.count("what comes after them is measured") == len(TIMED)


def test_unusable_interpreters_are_named(tmp_path):
    """An interpreter that could not be used is named at the top, and the others are there."""
    run = results.load(make_run(tmp_path / "two", processes=3, rounds=2))
    run.failures.append({"interpreter": "", "scenario": "", "benchmark": None, "arm": None,
                         "what": "interpreter /opt/python: it crashes at start (SIGSEGV)", "last_words": ""})
    page = rendered(run, tmp_path / "out")
    assert page.plain.count("Left out: interpreter /opt/python: it crashes at start (SIGSEGV).") == 1
    assert page.plain.index("Left out") < page.plain.index("The answer in five lines")


def test_interpreter_without_samples(tmp_path):
    """An interpreter that measured nothing is a column of reasons; the page speaks of the next one first."""
    run = results.load(make_run(tmp_path / "one", processes=6, rounds=4, interpreters=("cpython3.12",)))
    run.header["interpreters"].insert(0, {**run.header["interpreters"][0], "tag": "cpython3.8"})
    run.header["sheets"].append({**run.header["sheets"][0], "interpreter": "cpython3.8"})
    page = rendered(run, tmp_path / "out")
    assert report.summary(run)[0].startswith("[cpython3.12] ")
    assert "no number on cpython3.8" in page.plain
    assert "From cpython3.8 to cpython3.12 no added time can be compared." in page.plain


@pytest.mark.slow
def test_nine_interpreters(tmp_path):
    """Nine interpreters render in thirty seconds and make a file of less than eight megabytes."""
    run = results.load(make_run(tmp_path / "nine", processes=8, rounds=6, interpreters=EVERY,
                                warmups={"pypy3.11": (2.0,) * 10}))
    start = time.monotonic()
    path = report.render(run, tmp_path / "out")
    assert time.monotonic() - start < 30
    assert path.stat().st_size < 8_000_000
    assert heat_fields(Page(path.read_text(encoding="utf-8"))) == expected_fields(run)


def test_runs_are_never_pooled(pair, merged):
    """Each run's own numbers are on the page, each in its column, and no number lies between what the two runs measured."""
    found = heat_fields(merged)
    assert found == {**expected_fields(pair[0], "desk"), **expected_fields(pair[1], "rack")}
    for benchmark in (CALL, "released_thread"):
        points = [float(number["data-point"]) for number in merged.numbers if number["data-field"] == "added_ns"
                  and number["data-arm"] == "hpyvm/pointer" and number["data-benchmark"] == benchmark]
        assert len(points) == 2 and min(points) < 6 and max(points) > 36
    assert "+4." in merged.plain and not re.search(r"hpyvm/pointer[^;.]{0,12}\+2[0-4]\.\d", merged.plain)


def test_a_run_is_not_changed_by_its_neighbour(pair, merged, tmp_path):
    """What a run says is the same whatever stands beside it, and in whatever order."""
    swapped = Page(report.render_merged(pair[::-1], tmp_path / "rack+desk").read_text(encoding="utf-8"))
    assert heat_fields(swapped) == heat_fields(merged)
    alone = rendered(pair[0], tmp_path / "desk")
    mine = {number["data-cell"]: number["data-point"] for number in alone.numbers if number["data-field"] == "absolute_ns"
            and number["data-benchmark"] == CALL}
    beside = {f"{number['data-interpreter']}/{CALL}/{number['data-arm']}": number["data-point"] for number in merged.numbers
              if (number.get("data-run"), number["data-field"]) == ("desk", "absolute_ns") and number["data-benchmark"] == CALL}
    assert beside and beside == {cell: mine[cell] for cell in beside}


def test_merged_page_is_whole(merged):
    """Elements nest, links have targets, nothing is loaded, and the sections are those of several runs."""
    ids = [attributes["id"] for attributes in merged.attributes("id")]
    links = {attributes["href"] for attributes in merged.attributes("href")}
    assert (merged.open, len(ids)) == ([], len(set(ids)))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert all(link.startswith(("#", "data:,")) for link in links) and "default-src 'none'" in merged.text
    assert [attributes["id"] for tag, attributes in merged.elements if tag == "section"] == [
        "claims", "answer", "control", "conformance", "versions", *catalogue.scenarios(), "failures", "environment", "words"]


def test_machines_are_named(merged):
    """Each run stands with the machine it was made on, and the page says how many machines there are."""
    assert "2 runs from 2 machines side by side, in 2 columns" in merged.plain
    assert "desk, synthetic" in merged.plain and "rack, synthetic" in merged.plain


def test_verdicts_say_on_which_columns_they_hold(pair, merged):
    """Each declared comparison lists its verdicts with the columns they hold on, and opposite ones are counted."""
    holds = {attributes["data-holds"]: index for index, attributes in enumerate(merged.attributes("data-holds"))}
    declared = {" ".join(each) for each in pair[0].header["comparisons"] if each[1] != TWIN}
    assert set(holds) == declared
    texts = re.findall(r'data-holds="([^"]*)">([^<]*)<', merged.text)
    said = dict(texts)
    assert said[f"{CALL} hpyvm/pointer control/pass_ctx"] == f"worse on desk:{INTERPRETER} and rack:{INTERPRETER}"
    assert said[f"{CALL} trampoline/plain control/pass_ctx"] == f"worse on desk:{INTERPRETER}; better on rack:{INTERPRETER}"
    lines = report.merged_summary(pair)
    assert [line.partition("] ")[0] for line in lines[:10]] == [f"[desk:{INTERPRETER}"] * 5 + [f"[rack:{INTERPRETER}"] * 5
    opposed = sum("better" in text and "worse" in text for text in said.values())
    assert f"{opposed} are better in one and worse in another" in lines[10]


def test_runs_of_one_machine_are_not_pooled_either(tmp_path):
    """Two runs of the same machine and interpreter are two columns."""
    runs = [results.load(make_run(tmp_path / name, processes=6, rounds=2, seed=seed))
            for seed, name in enumerate("ab", start=1)]
    page = Page(report.render_merged(runs, tmp_path / "out").read_text(encoding="utf-8"))
    assert "2 runs from 1 machine side by side, in 2 columns" in page.plain
    assert {key[0] for key in heat_fields(page)} == {"a", "b"}
    assert len(heat_fields(page)) == sum(len(expected_fields(run)) for run in runs)


def test_runs_of_the_same_name_are_refused(pair):
    """The same run twice, or two folders of one name, could not be told apart."""
    with pytest.raises(LabError, match="'desk' was given twice"):
        report.labels([pair[0], pair[0]])


def test_what_a_machine_says_is_escaped(pair, tmp_path):
    """Host names, failures and reasons of a foreign run are text, never markup."""
    run = results.load(make_run(tmp_path / "hostile", processes=2, rounds=2, hostname=HOSTILE))
    run.failures.append({"interpreter": INTERPRETER, "scenario": "native_sort", "benchmark": None, "arm": None,
                         "what": HOSTILE, "last_words": HOSTILE})
    run.header["environment"]["kernel"] = HOSTILE
    page = Page(report.render_merged([pair[0], run], tmp_path / "out").read_text(encoding="utf-8"))
    assert page.plain.count(HOSTILE) >= 4
    assert "<script" not in page.text and "<img" not in page.text


def test_scenarios_that_one_run_lacks(pair, tmp_path):
    """A scenario that was measured in one of two runs is there, and the other run's fields say why they are empty."""
    header = {**pair[1].header, "scenarios": pair[1].header["scenarios"][:1]}
    cut = results.Run(pair[1].path, header, pair[1].samples[pair[1].samples["scenario"] == header["scenarios"][0]["name"]],
                      {}, {}, pair[1].warmups, pair[1].metadata)
    page = Page(report.render_merged([pair[0], cut], tmp_path / "out").read_text(encoding="utf-8"))
    assert [attributes["id"] for tag, attributes in page.elements if tag == "section"][5:-3] == list(catalogue.scenarios())
    assert f"no number on rack:{INTERPRETER}" in page.plain
    assert {key[0] for key in heat_fields(page) if key[2] == "native_sort"} == {"desk"}
    assert answer.EQUIVALENT in page.plain


def test_the_interpreter_that_ran_the_lab_speaks_first(run):
    """The five lines are its own where the header names it; else those of the first interpreter."""
    assert all(line.startswith(f"[{TAGS[0]}]") for line in report.summary(run))
    named = dataclasses.replace(run, header={**run.header, "primary": TAGS[1]})
    assert all(line.startswith(f"[{TAGS[1]}]") for line in report.summary(named))


def test_what_is_unknown_of_a_build_without_the_gil_stands_in_the_page(tmp_path):
    """The header's own words, and whether the GIL was on while it was measured."""
    run = results.load(make_run(tmp_path / "run", processes=6, rounds=2))
    header = {**run.header, "interpreters": [{**run.header["interpreters"][0], "unknown": "without the GIL, so & so"}]}
    metadata = {INTERPRETER: {**run.metadata[INTERPRETER], "lab_gil": "on"}}
    text = report.render(dataclasses.replace(run, header=header, metadata=metadata), tmp_path / "page").read_text()
    assert f"{INTERPRETER} is a build without the GIL, so &amp; so. While this run measured, the GIL was on" in text
    assert "without the GIL" not in report.render(run, tmp_path / "other").read_text()
