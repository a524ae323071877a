"""The report of a whole run: complete, self-contained, escaped, traceable, and saying what the samples say."""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic import INTERPRETER, TWIN, known_arms, make_header, make_run, make_sheets

from lab import catalogue, detail, report, results
from lab.analysis import paired
from lab.results import RunStore

VOID = {"meta", "link", "br"}
HOSTILE = "</pre><script>alert('last words')</script> & <img src=x>"


class Page(HTMLParser):
    """What a test needs to know of a page: its elements in order, and whether they nest.

    [numbers]: the attributes of each element with data-field, and the data attributes of those around it.
    """

    def __init__(self, text: str):
        super().__init__()
        self.text, self.open, self.elements, self.words = text, [], [], []
        self.numbers, self.around = [], [{}]
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if "data-field" in dict(attrs):
            self.numbers.append({**self.around[-1], **dict(attrs)})
        if tag not in VOID:
            self.open.append(tag)
            self.around.append({**self.around[-1], **{name: value for name, value in attrs if name.startswith("data-")}})

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes <{self.open[-1:]}> in line {self.getpos()[0]}"
        self.open.pop()
        self.around.pop()

    def handle_data(self, data):
        self.words.append(data)

    @property
    def plain(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def attributes(self, name: str) -> list[dict]:
        return [attributes for _, attributes in self.elements if name in attributes]


def comparison(attributes: dict) -> tuple[str, str, str]:
    return attributes["data-benchmark"], attributes["data-arm"], attributes["data-reference"]


def added_times(page: Page) -> dict[tuple[str, str, str], float]:
    """The added times of a page in ns, by benchmark, arm and what it is compared with."""
    return {comparison(attributes): float(attributes["data-point"]) for attributes in page.numbers
            if attributes["data-field"] == "added_ns"}


def rendered(run: results.Run, folder: Path) -> Page:
    return Page(report.render(run, folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> results.Run:
    return results.load(make_run(tmp_path_factory.mktemp("results") / "steady"))


@pytest.fixture(scope="module")
def page(run, tmp_path_factory) -> Page:
    return rendered(run, tmp_path_factory.mktemp("reports") / run.name)


def make_stopped(folder: Path) -> results.Run:
    """A run that was interrupted before its first sample."""
    RunStore.create(folder, make_header(folder.name, make_sheets(), seed=1)).finish("interrupted", elapsed_s=1.0)
    return results.load(folder)


def test_is_one_file_in_its_folder(tmp_path):
    """A report is index.html and nothing else; rendering again replaces it."""
    run = make_stopped(tmp_path / "stopped")
    paths = [report.render(run, tmp_path / "deep" / run.name) for _ in range(2)]
    assert paths == [tmp_path / "deep" / run.name / "index.html"] * 2
    assert list(paths[0].parent.iterdir()) == paths[:1]


def test_elements_nest(page):
    """Every element that is opened is closed, in order."""
    assert page.open == []


def test_loads_nothing(page):
    """No element refers to anything outside of the page, and the page forbids itself to load."""
    links = [value for _, attributes in page.elements for name, value in attributes.items()
             if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster")]
    assert links and all(link.startswith(("#", "data:,")) for link in links)
    assert not re.search(r"url\((?!#)|@import", page.text)
    assert not {"script", "iframe", "img", "object", "embed"} & {tag for tag, _ in page.elements}
    assert "default-src 'none'" in page.text


def test_links_lead_somewhere(page):
    """Each link within the page has its target, and no id stands twice."""
    ids = [attributes["id"] for attributes in page.attributes("id")]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for attributes in page.attributes("href") if attributes["href"].startswith("#")} <= set(ids)


def test_opens_with_the_answer(run, page):
    """The page's five lines are those of summary(), in front of everything else."""
    lines = report.summary(run)
    assert len(lines) == 5
    assert all(line in page.plain for line in lines)
    assert page.plain.index(lines[0]) < page.plain.index("What this run could not have seen")


def test_order_of_sections(page):
    """Answer, A/A control, conformance, the scenarios, cross-check, method, environment, words."""
    sections = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert sections == ["claims", "answer", "control", "conformance", *catalogue.scenarios(),
                        "crosscheck", "method", "environment", "words"]


def test_every_arm_of_every_cell_is_there(run, page):
    """Each arm has a row in the table of each cell, or is listed as not applicable with the reason."""
    rows = {attributes["data-cell"] for tag, attributes in page.elements if tag == "tr" and "data-cell" in attributes}
    excused = {f"{tag}/{attributes['data-not-applicable']}" for attributes in page.attributes("data-not-applicable")
               for tag in attributes["data-columns"].split()}
    for scenario in catalogue.scenarios().values():
        for parameters in scenario.cells():
            benchmark = catalogue.benchmark_name(scenario.name, parameters)
            for arm in [*known_arms(), TWIN]:
                listed = (detail.cell_id(INTERPRETER, benchmark, arm) in rows,
                          f"{INTERPRETER}/{scenario.name}/{arm}" in excused)
                assert listed in ((True, False), (False, True)), (benchmark, arm)
    assert all(entry["why"] in page.plain for entry in run.not_applicable)


def test_numbers_can_be_followed(run, page):
    """The cell of each added time names interpreter, benchmark, arm and reference, and holds the exact value."""
    found = added_times(page)
    findings = [*paired.analyse(run), *paired.analyse_pairs(run)]
    expected = {(finding.benchmark, finding.arm, finding.reference): finding.added_ns.point
                for finding in findings if finding.arm != finding.reference}
    assert {key: found.get(key) for key in expected} == expected


def test_forms_of_different_blocks_are_marked(run, page):
    """A comparison through the reference has its mark and says on hovering through what; the method explains it."""
    pairs = paired.analyse_pairs(run)
    notes = {comparison(attributes): attributes["title"] for attributes in page.numbers
             if attributes.get("title", "").count(" over ") == 1 and ": ratio " in attributes["title"]}
    assert {key: f", through {run.header['reference'][scenario]}:" in note for key, note in notes.items()
            for scenario in [key[0].partition("[")[0]]} == {
        (each.benchmark, each.arm, each.reference): bool(each.through) for each in pairs}
    assert page.plain.count(" ns ↔") == sum(bool(each.through) for each in pairs)
    assert "Forms of different blocks are compared through it" in page.plain


def test_policy_of_each_form(page):
    """The table of arms says under which policy a form was measured, and nothing of arms that have none."""
    table = page.plain[page.plain.index("Arms of this run"):]
    assert Counter(re.findall("universal(attach(?:ed_only)?)hpyproject", table)) == {"attached_only": 1, "attach": 7 + 1}
    assert re.search("enter_leave/getHPy_GetContext[^#]*universalattached_onlyhpyproject", table)
    assert "universalthe lab's own lower bound" in table


def test_nothing_is_claimed_inside_the_envelope(tmp_path):
    """Arms planted a hair away from the reference get no verdict of a difference, and are not said to add anything."""
    forms = [arm.id for arm in catalogue.arms().values() if arm.kind == "form"]
    planted = dict(zip(forms, itertools.cycle((0.01, -0.01, 0.0))))
    run = results.load(make_run(tmp_path / "hair", rounds=4, planted=planted))
    page = rendered(run, tmp_path / "out")
    envelopes = {(finding.benchmark, finding.arm, finding.reference): finding.envelope_ns
                 for finding in [*paired.analyse(run), *paired.analyse_pairs(run)]}
    added = added_times(page)
    claimed = {comparison(attributes) for attributes in page.numbers
               if {"claim-worse", "claim-better"} & set(attributes.get("class", "").split())}
    assert claimed and not {arm for _, arm, _ in claimed} & set(planted)
    assert all(abs(added[key]) > envelopes[key] for key in claimed)
    line = report.summary(run)[0]
    named = [arm for arm in planted if re.search(rf"{arm} [^;]*\(", line.partition(" Between")[0])]
    assert len(named) == 4 and all(f"{arm} equivalent (" in line or f"{arm} not resolved (" in line for arm in named)
    assert "Between the forms: all are equivalent" in line or "no order of neighbours is resolved" in line


def test_answer_follows_the_samples(run, tmp_path):
    """Another truth in the samples is another answer: the cheapest form is named first, with its time."""
    other = results.load(make_run(tmp_path / "other", planted={"trampoline/plain": 1.0, "hpyvm/pointer": 19.0}))
    dearest = r"handle \+(?:8\.[89]|9\.\d)\d* ns [^;]*; "
    for each, order in ((run, rf"\): enter_leave/get \+(?:2\.9|3\.0)\d.*{dearest}beside"),
                        (other, rf"\): trampoline/plain \+(?:0\.9|1\.0)\d.*{dearest}hpyvm/pointer \+1[89]\.\d [^;]*; beside")):
        assert re.search(order, report.summary(each)[0].partition(" Between")[0])


def test_last_words_are_escaped(tmp_path):
    """What a dying worker, a probe or a machine said is shown, and is never markup."""
    store = RunStore.create(tmp_path / "hostile", make_header("hostile", make_sheets(), seed=1))
    store.fail({"interpreter": INTERPRETER, "scenario": "native_sort", "benchmark": None, "arm": "hpyvm/pointer",
                "what": "was killed <b>", "last_words": HOSTILE})
    store.fail({"interpreter": INTERPRETER, "scenario": None, "benchmark": None, "arm": None, "what": "stray",
                "last_words": HOSTILE})
    store.add_conformance(INTERPRETER, [{"probe": "nesting", "arm": "hpyvm/pointer", "outcome": "crash", "expected": "ok",
                                         "detail": HOSTILE, "seconds": 0.1}])
    store.not_applicable({"interpreter": INTERPRETER, "scenario": "native_sort", "benchmark": None, "arm": "control/empty",
                          "why": HOSTILE})
    store.update(environment={"cpu_model": HOSTILE})
    store.finish("interrupted", elapsed_s=1.0)
    page = rendered(results.load(tmp_path / "hostile"), tmp_path / "out")
    assert page.plain.count(HOSTILE) == 5
    assert "<script" not in page.text and "<img" not in page.text
    assert "crash, expected ok" in page.plain and "failed: was killed <b>" in page.plain


def test_failed_process_is_in_the_table(page):
    """An arm that lost one process keeps its numbers, says so, and its last words are there."""
    assert "1 failed" in page.plain
    assert "Fatal Python error: PyEval_RestoreThread: the thread state is NULL" in page.plain


def test_interrupted_run_without_samples(tmp_path):
    """A run that was stopped at once is rendered: nothing is claimed, and each arm says why it has no number."""
    run = make_stopped(tmp_path / "stopped")
    page = rendered(run, tmp_path / "out")
    assert [line.partition(": ")[2] for line in report.summary(run)[:4]] == ["not measured in this run."] * 4
    assert "This run is not complete (status: interrupted)" in page.plain
    assert "no samples: the run ended before its turn" in page.plain
    assert "not in the plan of this run" in page.plain


def test_each_interpreter_has_its_answer(tmp_path):
    """With two interpreters the page answers for each, and the summary says which one it speaks of."""
    tags = (INTERPRETER, "cpython3.12")
    run = results.load(make_run(tmp_path / "two", processes=6, rounds=4, interpreters=tags))
    page = rendered(run, tmp_path / "out")
    assert f"The answer in five lines: {INTERPRETER}" in page.plain and "The same five lines for cpython3.12" in page.plain
    assert sum(attributes.get("class") == "answer" for tag, attributes in page.elements if tag == "ol") == 2
    assert all(line.startswith(f"[{INTERPRETER}] ") for line in report.summary(run))
    assert {attributes["data-interpreter"] for attributes in page.numbers} == set(tags)


def test_too_few_processes_claim_nothing(tmp_path):
    """Three processes have no interval: every line says that nothing is resolved."""
    lines = report.summary(results.load(make_run(tmp_path / "few", processes=3, rounds=4)))
    assert all("not resolved (" in line and "[−∞, ∞]" in line for line in lines[:3])
    assert "could have seen no effect of any size" in lines[4]


def test_how_to_measure_again(run, page):
    """Protocol, seed, margins, command and the place of the raw values come from the run."""
    for text in ("lab bench all --preset quick", f"from seed {run.header['seed']}", run.header["margins"]["rule"],
                 f"results/{run.name}/pyperf/{INTERPRETER}/enter_leave.get.json.gz", "python -m pyperf show",
                 f"{len(run.header['comparisons'])} comparisons"):
        assert text in page.plain


def test_size_and_time(run, tmp_path):
    """A full run renders in ten seconds and makes a file of less than two megabytes."""
    start = time.monotonic()
    path = report.render(run, tmp_path)
    assert time.monotonic() - start < 10
    assert path.stat().st_size < 2_000_000
