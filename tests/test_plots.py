"""Forest plots: well-formed SVG that needs no network, holds its text, and shows what it was given."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from lab import plots
from lab.stats import Estimate

SVG = "{http://www.w3.org/2000/svg}"


def make_row(arm: str = "hpyvm/pointer", added_ns: float = 4.0, kind: str = "form", half: float = 0.3,
             reference_ns: float = 4.0) -> plots.Row:
    bounds = (added_ns, added_ns - half, added_ns + half)
    ratio = [max(0.0, (reference_ns + value) / reference_ns) for value in bounds]
    return plots.Row(arm, kind, Estimate(*bounds, 12, 0.95), Estimate(*ratio, 12, 0.95), f"cpython3.11/bench/{arm}",
                     f"note of {arm}")


def make_panel(*rows: plots.Row, title: str = "mode=throughput", envelope_ns: float | None = 0.2) -> plots.Panel:
    return plots.Panel(title, rows or (make_row(),), "control/pass_ctx", 4.0, envelope_ns, "callback")


def draw(*panels: plots.Panel) -> tuple[str, ElementTree.Element]:
    svg = plots.forest(panels or (make_panel(),), "A <plot> & its label")
    return svg, ElementTree.fromstring(svg)


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def colour(name: str) -> str:
    return f"var(--{name}, {plots.COLOURS[name]})"


def test_text_stays_text():
    """Arms, titles, units and references can be selected and read."""
    _, root = draw(make_panel(make_row(), make_row("peer/pygilstate", 20.0, "peer")))
    assert {"hpyvm/pointer", "peer/pygilstate", "mode=throughput", "added over control/pass_ctx, ns per callback",
            "time as a multiple of control/pass_ctx"} <= set(texts(root))


def test_each_row_is_marked_in_both_panels():
    """Every arm has a marker for its added time and one for its ratio, each with its cell and its note."""
    _, root = draw(make_panel(make_row(), make_row("peer/pygilstate", 20.0, "peer")))
    marked = [group for group in root.iter(f"{SVG}g") if group.get("data-cell")]
    assert sorted((group.get("data-cell"), group.find(f"{SVG}title").text) for group in marked) == sorted(
        2 * [("cpython3.11/bench/hpyvm/pointer", "note of hpyvm/pointer"),
             ("cpython3.11/bench/peer/pygilstate", "note of peer/pygilstate")])


def test_needs_no_network():
    """Nothing but the namespaces is an address, and every reference is to the figure itself."""
    svg, root = draw()
    assert set(re.findall(r"https?://[^\s\"']+", svg)) == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    links = [value for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")]
    assert links and all(link.startswith("#") for link in links)


def test_kinds_differ_without_colour():
    """Each kind has a marker and a colour of its own."""
    assert len(set(plots.MARKERS.values())) == len(plots.MARKERS) == len(plots.KINDS)
    assert len({plots.COLOURS[kind] for kind in plots.KINDS}) == len(plots.KINDS)


@pytest.mark.parametrize("kind", sorted(plots.KINDS))
def test_colours_follow_the_page(kind):
    """A colour is a variable of the page with a fallback, so that a dark page can choose its own."""
    svg, _ = draw(make_panel(make_row(kind=kind)))
    assert colour(kind) in svg
    assert not re.search(r"(fill|stroke): #", svg)


def test_font_is_the_pages():
    """Text has a size but takes its font from around it, and the title of a panel is bold."""
    svg, root = draw()
    styles = {"".join(element.itertext()): element.get("style") for element in root.iter(f"{SVG}text")}
    assert svg.count("font-family") == 1
    assert "font-size: 8px" in styles["hpyvm/pointer"] and "font-weight" not in styles["hpyvm/pointer"]
    assert "font-weight: 700" in styles["mode=throughput"]


def test_label_and_text_are_escaped():
    """What a run brings along cannot become markup or mathematics."""
    svg, root = draw(make_panel(make_row("<b>/$x_1$")))
    assert root.get("aria-label") == "A <plot> & its label"
    assert "<b>/$x_1$" in texts(root)
    assert "<b>" not in svg


def test_envelope_is_drawn_where_there_is_one():
    """The A/A band is drawn on both sides, and not at all without a twin."""
    assert draw(make_panel(envelope_ns=0.2))[0].count(colour("envelope")) == 2
    assert draw(make_panel(envelope_ns=None))[0].count(colour("envelope")) == 0


def test_an_interval_without_bounds_is_dotted():
    """Too few processes for an interval: a dotted line across the panel, not a point that looks certain."""
    unbounded = Estimate(4.0, -math.inf, math.inf, 3, 1.0), Estimate(2.0, 0.0, math.inf, 3, 1.0)
    assert draw(make_panel(plots.Row("a/b", "form", *unbounded, "cell", "note")))[0].count("stroke-dasharray") == 2
    assert draw(make_panel(make_row()))[0].count("stroke-dasharray") == 0


def test_an_arm_far_from_the_forms_is_cut_off_and_labelled():
    """One arm a hundred times further out does not squeeze the forms; its value stands at the edge."""
    _, root = draw(make_panel(make_row(), make_row("trampoline/plain", 5.0), make_row("peer/pygilstate", 700.0, "peer")))
    assert "+700 ns" in texts(root)
    assert "added over control/pass_ctx, ns per callback" in texts(root)


def test_forms_of_several_magnitudes_are_on_a_logarithm():
    """Forms that span decades above zero get a logarithmic axis, whose ticks are round; one bound below zero forbids it."""
    rows = [make_row("a/near", 3.0), make_row("a/far", 1500.0, half=100.0)]
    _, root = draw(make_panel(*rows))
    assert "added over control/pass_ctx, ns per callback (logarithmic)" in texts(root)
    assert {"3", "10", "30", "100", "300", "1000"} <= set(texts(root))
    _, root = draw(make_panel(*rows, make_row("control/empty", -1.0, "control")))
    assert "added over control/pass_ctx, ns per callback" in texts(root)


@pytest.mark.parametrize("largest_ns, expected", [(12.0, (1.0, "ns")), (1500.0, (1.0, "ns")), (2500.0, (1e3, "µs")),
                                                  (-4e6, (1e6, "ms"))])
def test_unit_of_an_axis(largest_ns, expected):
    """An axis has one unit, which suits its largest point."""
    assert plots._unit([make_row(added_ns=largest_ns).added]) == expected


def test_drawing_is_reproducible_and_small():
    """The same findings give the same bytes; a figure of three panels and eleven arms stays below 100 kB."""
    rows = [make_row(f"arm/number{place}", 1.0 + place) for place in range(11)]
    panels = [make_panel(*rows, title=title) for title in ("mode=throughput", "mode=dependent", "mode=serialised")]
    first, second = draw(*panels)[0], draw(*panels)[0]
    assert first == second
    assert len(first) < 100_000


def test_nothing_but_equal_points():
    """Arms that all equal the reference still give an axis with a width."""
    row = plots.Row("a/b", "form", Estimate(0.0, 0.0, 0.0, 12, 0.95), Estimate(1.0, 1.0, 1.0, 12, 0.95), "cell", "note")
    _, root = draw(make_panel(row, envelope_ns=None))
    assert "a/b" in texts(root)


def test_spark():
    """A small line falls as its values do, on the axis that all of its table share, and says them in words too."""
    svg = plots.spark((8.0, 2.0, 1.0), 8.0, "steady")
    root = ElementTree.fromstring(svg)
    line = root.find("polyline")
    heights = [float(point.split(",")[1]) for point in line.get("points").split()]
    assert heights == sorted(heights) and heights[0] == 1.0
    assert (line.get("class"), root.find("title").text) == ("steady", "8.00, 2.00, 1.00")
    low = ElementTree.fromstring(plots.spark((2.0, 1.0), 64.0, "restless")).find("polyline")
    assert float(low.get("points").split()[0].split(",")[1]) > heights[1]
