"""docs/validation.md: it is what is made of the stored sitting, and its figures are those of the sitting."""

import re

import numpy
import pytest
from lab_tree import ROOT
from synthetic_sitting import COPIES, LONG, chain, google, run, sitting

from lab import validating, validation_docs
from lab.errors import ResultsError


@pytest.fixture(scope="module")
def made():
    """A sitting in which pyperf and Google Benchmark are fooled by drift and this protocol is not."""
    random = numpy.random.default_rng(2)
    added = {f"planted/{count}": 0.1 * count for count in validating.PLANTED}
    return sitting([run(random, "paired", COPIES, 12), run(random, "paired", COPIES, 12), chain(random, 7, drift=0.2),
                    google(random, 12, drift=0.2), run(random, "planted", LONG, 40, added), run(random, "two", COPIES[:2], 20)])


def test_the_document_is_made_from_what_is_stored():
    """docs/validation.md is the rendering of results/validation, or says that there is none where none is committed."""
    stored = validation_docs.stored(ROOT)
    text = (ROOT / validation_docs.DOCUMENT).read_text(encoding="utf-8")
    assert text == validation_docs.render(stored)
    assert ("No sitting is stored yet" in text) == (stored is None)


def test_figures_are_the_sittings(made):
    """The document names the run, the machine and the seed, and its figures follow from the raw values."""
    text = validation_docs.render(made)
    assert "The figures are from the run `synthetic` of 2026-11-30, complete after 1 min 00 s: synthetic, 2 processors" in text
    assert "At most 5 % of identical arms called different: met, 0 of 6 (95 % interval up to 45.9 %)." in text
    assert re.search(r"\| plain pyperf \| compare_to calls it significant \| 3 of 3 \| 100.0 % \|", text)
    assert re.search(r"\| Google Benchmark \| U test, p below 0.05 \| [56] of 6 \|", text)
    assert re.search(r"\| 30 s \| 119 \| worse \| 0.0 % .* 100.0 % \|", text)
    assert "No sitting is stored yet" not in text and "seed 1, revision 0123456789ab.\n" in text


def test_what_failed_is_told(made):
    """Parts that had to be measured again are named where the figures' origin is told."""
    failed = sitting(made.records, failures=["slice 2, pyperf: it hung"])
    assert validation_docs.described(failed)[0].endswith(" Parts that failed and were tried again: slice 2, pyperf: it hung.")


def test_every_constant_is_of_the_sitting(made):
    """How it was measured is told with the sitting's own sizes, not with today's defaults."""
    header = {**made.header, "size": {**made.header["size"], "processes": 17, "repetitions": 23}}
    told = validation_docs.method(header)
    assert "in 17 processes" in told and "cover 95.1 %" in told and "with 23 repetitions" in told
    assert "{" not in told and validation_docs.method() != told


def test_an_aim_that_is_missed_is_told():
    """Arms that are the same and called different miss the aim, and the document says so."""
    added = {one: 3.0 for one, _ in validating.PAIRS[:-1]}
    missed = sitting([run(numpy.random.default_rng(3), "paired", COPIES, 12, added)])
    assert validation_docs.aims(missed) == [
        "At most 5 % of identical arms called different: not met, 3 of 3 (95 % interval up to 100.0 %)."]


def test_what_is_absent_has_no_rows():
    """Without Google Benchmark there is no row of it, and the reason stands in its place."""
    random = numpy.random.default_rng(4)
    versions = {"hpy": "0.9.0", "pyperf": "2.11.0", "google_benchmark": "absent: no C++ compiler is on PATH"}
    text = validation_docs.render(sitting([run(random, "paired", COPIES, 12), chain(random, 7)], versions=versions))
    assert "Google Benchmark absent: no C++ compiler is on PATH" in text and "| Google Benchmark |" not in text


def test_a_sitting_without_values():
    """A sitting that was interrupted at once has nothing to show, and says how to measure."""
    with pytest.raises(ResultsError, match="holds no values yet\nmeasure with: lab validate"):
        validation_docs.tables_of(sitting([]))
