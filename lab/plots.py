"""Plots as inline SVG: for each scenario a forest plot, added time on the left, ratio on the right, or its waits; small lines.

Colours leave here as CSS variables with a fallback (``var(--form, #2f6fb7)``), so that one drawing suits a light and a
dark page and still stands alone in a file. Kinds of arm differ in the shape of the marker too. Text stays text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

from lab.units import format_ns, format_ratio

if TYPE_CHECKING:
    from lab.stats import Estimate

# Mid-tones that can be told apart with the common colour blindnesses; drawn as sentinels, replaced by CSS variables.
COLOURS = {"ink": "#21262c", "muted": "#6b7480", "rule": "#c9ced4", "envelope": "#e4e1d8",
           "form": "#2f6fb7", "control": "#8a6d1f", "peer": "#b0413e", "twin": "#6d7f8d"}
MARKERS = {"form": "o", "control": "s", "peer": "D", "twin": "^"}
KINDS = {"form": "form", "control": "control", "peer": "peer", "twin": "A/A twin"}
WIDTH_IN, ROW_IN, HEAD_IN, FOOT_IN = 10.0, 0.19, 0.34, 0.42
LETTER_IN, GAP_IN, RIGHT_IN = 0.07, 0.3, 0.15    # a letter of an arm's id in the widest of the usual fonts
OFF_SCALE = 12   # an arm further out than this many times the spread of the forms is cut off and labelled with its value
LOG_SPAN = 50    # an axis is logarithmic where all bounds are positive and those of the forms span this much


@dataclass(frozen=True)
class Row:
    """One arm of one cell."""

    arm: str
    kind: str        # a key of KINDS
    added: Estimate  # nanoseconds
    ratio: Estimate
    cell: str        # the data-cell of its row in the table, so that the drawing can be followed back too
    note: str        # what a pointer resting on it is told


@dataclass(frozen=True)
class Panel:
    """One cell: the rows of a plot, drawn in the order given."""

    title: str
    rows: Sequence[Row]
    reference: str               # the arm that stands at 0 and at 1
    reference_ns: float
    envelope_ns: float | None    # half-width of the A/A band; None where no twin ran
    unit: str


@dataclass(frozen=True)
class WaitRow:
    """One arm of one cell of latencies."""

    arm: str
    kind: str                 # a key of KINDS
    median: Estimate | None   # nanoseconds
    far: Sequence[float]      # p90 and what is told beyond, ascending
    cell: str                 # as of Row
    note: str


@dataclass(frozen=True)
class WaitPanel:
    """One cell of latencies: the rows in the order given."""

    title: str
    rows: Sequence[WaitRow]


@dataclass(frozen=True)
class _Axis:
    """How one quantity of a panel is laid out: its limits in plotted units, its scale and its ticks."""

    low: float
    high: float
    log: bool
    ticks: list[float]
    labels: list[str]


def forest(panels: Sequence[Panel], label: str) -> str:
    """An SVG element with a line for each panel: added time with intervals on the left, ratio on the right.

    [label] says in words what is drawn, for readers who cannot see it.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    heights = [HEAD_IN + ROW_IN * len(panel.rows) + FOOT_IN for panel in panels]
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": label, "font.family": "sans-serif", "font.size": 8,
                     "text.parse_math": False}):
        figure = Figure(figsize=(WIDTH_IN, sum(heights)))
        FigureCanvasSVG(figure)
        top = 1.0
        label_in = min(0.35 * WIDTH_IN, LETTER_IN * max(len(row.arm) for panel in panels for row in panel.rows))
        for number, (panel, height) in enumerate(zip(panels, heights)):
            _draw(figure, number, panel, top, height, label_in)
            top -= height / sum(heights)
        buffer = StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), panels, label)


def waits(panels: Sequence[WaitPanel], across: int, label: str) -> str:
    """An SVG element with the waits of all [panels], [across] of them side by side, on logarithmic axes; panels of a line have
    the same. A marker is the median with its interval, a tick p90, a smaller one each quantile beyond. [label]: as of forest."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    lines = [list(enumerate(panels))[place:place + across] for place in range(0, len(panels), across)]
    arms = list(dict.fromkeys(row.arm for panel in panels for row in panel.rows))
    label_in, height_in = LETTER_IN * max(map(len, arms)) + 0.1, ROW_IN * len(arms) + HEAD_IN + FOOT_IN
    width_in = (WIDTH_IN - label_in - RIGHT_IN) / across
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": label, "font.family": "sans-serif", "font.size": 8,
                     "text.parse_math": False}):
        figure = Figure(figsize=(WIDTH_IN, height_in * len(lines)))
        FigureCanvasSVG(figure)
        for down, line in enumerate(lines):
            values = [value for _, panel in line for row in panel.rows for value in _wait_values(row)] or [1.0, 10.0]
            limits = min(values) / 1.3, max(values) * 1.3
            for right, (number, panel) in enumerate(line):
                axes = figure.add_axes(((label_in + right * width_in) / WIDTH_IN, 1 - (down + 1 - FOOT_IN / height_in) / len(lines),
                                        (width_in - 0.12) / WIDTH_IN, ROW_IN * len(arms) / height_in / len(lines)))
                _waits_of(axes, number, panel, arms, limits)
                axes.set_yticks(range(len(arms)), arms if right == 0 else [""] * len(arms), color=COLOURS["ink"])
        buffer = StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), panels, label)


def _wait_values(row: WaitRow) -> list[float]:
    middle = [row.median.point, row.median.low, row.median.high] if row.median else []
    return [value for value in [*middle, *row.far] if math.isfinite(value) and value > 0]


def _waits_of(axes, number: int, panel: WaitPanel, arms: Sequence[str], limits: tuple[float, float]) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.set_ylim(len(arms) - 0.4, -0.6)
    decades = [10.0 ** power for power in range(math.ceil(math.log10(limits[0])), math.floor(math.log10(limits[1])) + 1)]
    axes.set_xticks(decades, [format_ns(tick).replace(".00", "").replace(".0", "") for tick in decades], color=COLOURS["muted"])
    axes.xaxis.set_minor_locator(NullLocator())
    _bare(axes)
    axes.set_title(panel.title, loc="left", fontsize=8, color=COLOURS["ink"], pad=3)
    for row in panel.rows:
        place, colour = arms.index(row.arm), COLOURS[row.kind]
        values = _wait_values(row)
        if not values:
            continue
        if row.far and row.median:
            axes.plot([row.median.point, row.far[-1]], [place, place], color=colour, linewidth=0.6, zorder=2)
        for far, size in zip(row.far, (7.0, 5.0, 3.5, 2.5)):
            axes.plot([far], [place], marker="|", color=colour, markersize=size, zorder=3)
        if row.median:
            low, high = max(row.median.low, limits[0]), min(row.median.high, limits[1])
            axes.plot([low, high], [place, place], color=colour, linewidth=1.6 if math.isfinite(row.median.low) else 0.9,
                      linestyle="-" if math.isfinite(row.median.low) else ":", solid_capstyle="butt", zorder=2)
            axes.plot([row.median.point], [place], marker=MARKERS[row.kind], color=colour, markersize=4.2,
                      gid=f"mark-{number}-{panel.rows.index(row)}", zorder=4)


def spark(values: Sequence[float], top: float, kind: str) -> str:
    """A line of [values] > 0, small enough for a field of a table: 1 is marked, [top] is the upper end of its logarithmic axis.

    [kind]: the class of the line.
    """
    low, high = math.log(min(*values, 0.9)), math.log(max(top, *values, 1.1))

    def height(value: float) -> str:
        return f"{17 - 16 * (math.log(value) - low) / (high - low):.1f}"

    step = 70 / max(1, len(values) - 1)
    points = " ".join(f"{1 + index * step:.1f},{height(value)}" for index, value in enumerate(values))
    words = escape(", ".join(f"{value:.2f}" for value in values))
    return (f'<svg class="spark" viewBox="0 0 72 18" role="img" aria-label="{words}"><title>{words}</title>'
            f'<path class="one" d="M0 {height(1.0)}H72"/><polyline class="{escape(kind)}" points="{points}" fill="none" '
            'stroke-width="1.6"/></svg>')


def _draw(figure, number: int, panel: Panel, top: float, height_in: float, label_in: float) -> None:
    """Both axes of panel [number], from [top] (a share of the figure) down over [height_in], with labels [label_in] wide."""
    total_in = figure.get_figheight()
    width = (WIDTH_IN - label_in - GAP_IN - RIGHT_IN) / 2
    bottom = top - (height_in - FOOT_IN) / total_in
    height = ROW_IN * len(panel.rows) / total_in
    figure.text(0.06 / WIDTH_IN, top - 0.2 / total_in, panel.title, color=COLOURS["ink"], weight="bold", va="center")
    left = figure.add_axes((label_in / WIDTH_IN, bottom, width / WIDTH_IN, height))
    right = figure.add_axes(((label_in + width + GAP_IN) / WIDTH_IN, bottom, width / WIDTH_IN, height))
    added = [row.added for row in panel.rows]
    scale, unit = _unit(added)
    kinds = [row.kind for row in panel.rows]
    envelope = panel.envelope_ns
    band = None if envelope is None else (-envelope, envelope)
    axis = _added_axis(added, kinds, band, scale)
    _panel_axis(left, number, panel.rows, added, axis, 0.0, band, lambda value: format_ns(value, signed=True))
    scale_note = " (logarithmic)" if axis.log else ""
    left.set_xlabel(f"added over {panel.reference}, {unit} per {panel.unit}{scale_note}", color=COLOURS["muted"], labelpad=2)
    ratios = [row.ratio for row in panel.rows]
    band = None if envelope is None else (1 - envelope / panel.reference_ns, 1 + envelope / panel.reference_ns)
    _panel_axis(right, number, panel.rows, ratios, _ratio_axis(ratios, kinds, band), 1.0, band, format_ratio)
    right.set_xlabel(f"time as a multiple of {panel.reference}", color=COLOURS["muted"], labelpad=2)
    left.set_yticks(range(len(panel.rows)), [row.arm for row in panel.rows], color=COLOURS["ink"])
    right.set_yticks([])


def _panel_axis(axes, number: int, rows, estimates, axis: _Axis, neutral: float, band, text) -> None:
    """One quantity: band, reference line, and for each row its interval and marker."""
    from matplotlib.ticker import NullLocator

    if axis.log:
        axes.set_xscale("log")
    axes.set_xlim(axis.low, axis.high)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xticks(axis.ticks, axis.labels, color=COLOURS["muted"])
    axes.xaxis.set_minor_locator(NullLocator())
    _bare(axes)
    if band and band[1] > axis.low and band[0] < axis.high:
        axes.axvspan(max(band[0], axis.low), min(band[1], axis.high), color=COLOURS["envelope"], linewidth=0, zorder=0.6)
    if axis.low <= neutral <= axis.high:
        axes.axvline(neutral, color=COLOURS["ink"], linewidth=0.8, zorder=1.5)
    for index, (row, estimate) in enumerate(zip(rows, estimates)):
        _mark(axes, axis, index, estimate, COLOURS[row.kind], MARKERS[row.kind], text, f"mark-{number}-{index}")


def _bare(axes) -> None:
    """A line below and a grid, and nothing else around the data."""
    axes.tick_params(length=2.5, color=COLOURS["rule"], pad=2)
    axes.tick_params(axis="y", length=0)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(COLOURS["rule"])
    axes.grid(axis="x", color=COLOURS["rule"], linewidth=0.4)
    axes.set_axisbelow(True)


def _mark(axes, axis: _Axis, index: int, estimate: Estimate, colour: str, marker: str, text, gid: str) -> None:
    """One estimate: a line for its interval, dotted where it has no bound, and a marker; an arrow where it is off scale."""
    if not math.isfinite(estimate.point):
        return
    if not axis.low <= estimate.point <= axis.high:
        edge, arrow, shift, align = (axis.high, ">", -7, "right") if estimate.point > axis.high else (axis.low, "<", 7, "left")
        axes.plot([edge], [index], marker=arrow, color=colour, markersize=4.5, clip_on=False, gid=gid, zorder=3)
        axes.annotate(text(estimate.point), (edge, index), xytext=(shift, 0), textcoords="offset points", ha=align,
                      va="center", color=COLOURS["muted"], fontsize=7)
        return
    bounded = math.isfinite(estimate.low) and math.isfinite(estimate.high)
    axes.plot([max(estimate.low, axis.low), min(estimate.high, axis.high)], [index, index], color=colour,
              linewidth=1.6 if bounded else 0.9, linestyle="-" if bounded else ":", solid_capstyle="butt", zorder=2)
    axes.plot([estimate.point], [index], marker=marker, color=colour, markersize=4.6, gid=gid, zorder=3)


def _unit(estimates: Sequence[Estimate]) -> tuple[float, str]:
    """The unit that suits an axis of added times, and how many nanoseconds it has."""
    largest = max((abs(estimate.point) for estimate in estimates if math.isfinite(estimate.point)), default=0.0)
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if largest >= 2 * scale:
            return scale, unit
    return 1.0, "ns"


def _extent(estimates: Sequence[Estimate], kinds: Sequence[str], band, neutral: float, place) -> tuple[float, float]:
    """The span an axis must show, in the units of [place] (identity, or a logarithm): arms too far from the forms to
    leave them visible do not count."""
    def spans(chosen):
        found = [place(neutral)]
        for estimate in chosen:
            found.append(place(estimate.point))
            found += [place(bound) for bound in (estimate.low, estimate.high)
                      if math.isfinite(bound) and (neutral == 0 or bound > 0)]
        return [value for value in found if math.isfinite(value)]

    core = [e for e, kind in zip(estimates, kinds) if kind in ("form", "twin") and math.isfinite(e.point)] or list(estimates)
    values = spans(core)
    if band and (neutral == 0 or band[0] > 0):
        values += [place(band[0]), place(band[1])]
    low, high = min(values), max(values)
    reach = OFF_SCALE * (high - low)
    near = [e for e in estimates if math.isfinite(e.point) and low - reach <= place(e.point) <= high + reach]
    values += [value for value in spans(near) if low - reach <= value <= high + reach]
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or abs(low) * 0.05 or 1.0
    return low - margin, high + margin


def _added_axis(estimates: Sequence[Estimate], kinds: Sequence[str], band, scale: float) -> _Axis:
    """The axis of added times: logarithmic where the forms themselves span orders of magnitude, so that none is lost."""
    bounds = [bound for e in estimates if math.isfinite(e.point) for bound in (e.low, e.point, e.high)]
    points = [e.point for e, kind in zip(estimates, kinds) if kind == "form" and math.isfinite(e.point)]
    if points and all(math.isfinite(bound) and bound > 0 for bound in bounds) and max(points) > LOG_SPAN * min(points):
        low, high = min(bounds) / 1.3, max(bounds) * 1.3
        ticks = _log_ticks(low / scale, high / scale)
        return _Axis(low, high, True, [tick * scale for tick in ticks], [_plain(tick) for tick in ticks])
    low, high = _extent(estimates, kinds, band, 0.0, lambda value: value)
    ticks = _even_ticks(low / scale, high / scale)
    return _Axis(low, high, False, [tick * scale for tick in ticks], [_plain(tick) for tick in ticks])


def _ratio_axis(estimates: Sequence[Estimate], kinds: Sequence[str], band) -> _Axis:
    """The axis of ratios: always logarithmic, since half and double are the same distance from 1."""
    low, high = (math.exp(bound) for bound in _extent(
        estimates, kinds, band, 1.0, lambda value: math.log(value) if value > 0 else -math.inf))
    ticks = _log_ticks(low, high) if high > 4 * low else _even_ticks(low, high)
    return _Axis(low, high, True, ticks, [_plain(tick) for tick in ticks])


def _even_ticks(low: float, high: float) -> list[float]:
    """At most seven round values from [low] to [high], the same distance apart."""
    from matplotlib.ticker import MaxNLocator

    return [float(tick) for tick in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= tick <= high]


def _log_ticks(low: float, high: float) -> list[float]:
    """Ticks at round multiples of powers of ten, as many kinds of them as give at most eight."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0 ** decade for decade in decades for step in steps if low <= step * 10.0 ** decade <= high]
        if len(ticks) <= 8:
            break
    return ticks


def _plain(value: float) -> str:
    return f"{value:.6g}".replace("-", "−")


def _inline(svg: str, panels: Sequence[Panel | WaitPanel], label: str) -> str:
    """The figure as an element of a page: no prologue, no metadata, colours as variables, a note on each marker."""
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>',
                 lambda match: f'<svg viewBox="{match[1]}" role="img" aria-label="{escape(label)}" font-family="sans-serif" '
                 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">', svg, count=1)
    svg = re.sub(r"<defs>\s*<style.*?</defs>", "", svg, count=1, flags=re.DOTALL)

    def noted(match: re.Match) -> str:
        row = panels[int(match[1])].rows[int(match[2])]
        return f'<g data-cell="{escape(row.cell)}"><title>{escape(row.note)}</title>'

    svg = re.sub(r'<g id="mark-(\d+)-(\d+)">', noted, svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font: (\w+ )??([\d.]+px) [^;\"]*", r"font-size: \2; font-weight: \1", svg)    # matplotlib up to 3.8
    svg = re.sub(r" font-(?:family: [^;\"]*|weight: );", "", svg)                                # the font is the page's
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name}, {colour})")
    return re.sub(r"\n\s*", "\n", svg)
