"""Where the differences between measurements of the same thing come from: layout, process, round; and what holds over layouts.

Arrays in, numbers out. A process runs one layout (lab.layouts), so rounds are nested in processes and processes in layouts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lab.stats import Estimate, median_interval, paired_p

LEVELS = ("layout", "process", "round")


def shares(x: Sequence, layouts: Sequence[int] = ()) -> dict[str, float]:
    """Which share of the variance lies between layouts, between processes of a layout, and between rounds of a process.

    x: [process][round], any unit, NaN for missing; paired differences or log-ratios, for times share effects that pairing
    removes. layouts: that of each process; () where all ran the same. The shares of LEVELS add up to 1. A level of which there
    are not two in any level above has no share (NaN), and with fewer than 2 processes or no process of 2 rounds none has; all
    that are known are 0 where nothing varies. Moments, not ranks: outlying batches count as variance of rounds.
    Source: Searle, Casella and McCulloch, Variance Components, 1992, sections 3.6 and 5.2 (analysis of variance of unbalanced
    nested data; a negative component set to 0).
    """
    rows = [np.asarray(values, dtype=float).ravel() for values in x]
    places = list(layouts) if len(layouts) else [0] * len(rows)
    groups = [(place, values[~np.isnan(values)]) for place, values in zip(places, rows, strict=True)]
    groups = [(place, values) for place, values in groups if len(values)]
    sizes = np.array([len(values) for _, values in groups], dtype=float)
    nested: dict[int, list[int]] = {}
    for index, (place, _) in enumerate(groups):
        nested.setdefault(place, []).append(index)
    total, processes = sizes.sum(), len(groups)
    if processes <= len(nested) or total <= processes:
        return dict.fromkeys(LEVELS, math.nan)
    means = np.array([values.mean() for _, values in groups])
    members = [np.array(indices) for indices in nested.values()]
    of_layout = np.array([sizes[each].sum() for each in members])
    centre = np.array([sizes[each] @ means[each] / sizes[each].sum() for each in members])
    # mean squares, and how often the components are in what is expected of each
    within = sum(float(((values - mean) ** 2).sum()) for (_, values), mean in zip(groups, means)) / (total - processes)
    spread = sum(float(sizes[each] @ (means[each] - middle) ** 2) for each, middle in zip(members, centre))
    crowding = sum(float(sizes[each] @ sizes[each]) / sizes[each].sum() for each in members)
    process = max(0.0, (spread / (processes - len(members)) - within) * (processes - len(members)) / (total - crowding))
    layout = 0.0
    if len(members) > 1:
        freedom = len(members) - 1
        between = float(of_layout @ (centre - of_layout @ centre / total) ** 2) / freedom
        processes_in = (crowding - float(sizes @ sizes) / total) / freedom
        layouts_in = (total - float(of_layout @ of_layout) / total) / freedom
        layout = max(0.0, (between - within - processes_in * process) / layouts_in)
    whole = layout + process + within
    found = {"layout": layout if len(members) > 1 else math.nan, "process": process, "round": within}
    return {level: float(component / whole) if whole else component * 0.0 for level, component in found.items()}


def over_layouts(medians: Sequence[float], layouts: Sequence[int], confidence: float = 0.95) -> Estimate:
    """The median over layouts of the medians of their processes, with the exact interval of the sign test: [n] counts layouts.

    medians, layouts: one for each process (lab.stats.process_medians). With 6 to 8 layouts the interval reaches from the lowest
    layout to the highest; with fewer it has no bounds at 95 %.
    """
    return median_interval(medians_of_layouts(medians, layouts), confidence)


def over_layouts_p(medians: Sequence[float], layouts: Sequence[int]) -> float:
    """p that the centre over layouts is 0, to be adjusted by Holm: paired_p with the layout as the unit; 1.0 for one layout.

    Processes of one layout share what that build differs by, so that their number makes a claim about the design no surer. The
    exact interval alone is no guard for many comparisons: of 8 layouts all lie on one side by chance in 1 of 128.
    """
    return paired_p(medians_of_layouts(medians, layouts))


def medians_of_layouts(medians: Sequence[float], layouts: Sequence[int]) -> np.ndarray:
    """The median of each layout's processes, by its number."""
    return np.array(_by_layout(medians, layouts, np.median))


def layouts_differ_p(medians: Sequence[float], layouts: Sequence[int]) -> float:
    """p of the hypothesis that layout does not matter: the F test on one number for each process; NaN for one layout.

    Moments, not ranks: one layout in eight that is far off must show, and in ranks of 16 processes it cannot. NaN too where no
    layout has two processes, or nothing varies.
    Source: Searle, Casella and McCulloch, Variance Components, 1992, section 3.6.
    """
    from scipy.special import fdtrc

    samples = _by_layout(medians, layouts, np.asarray)
    n, groups = len(medians), len(samples)
    if groups < 2 or n <= groups:
        return math.nan
    grand = float(np.mean(medians))
    between = sum(len(values) * (values.mean() - grand) ** 2 for values in samples) / (groups - 1)
    within = sum(float(((values - values.mean()) ** 2).sum()) for values in samples) / (n - groups)
    if within == 0:
        return 0.0 if between else math.nan
    return float(fdtrc(groups - 1, n - groups, between / within))


def _by_layout(medians: Sequence[float], layouts: Sequence[int], combine) -> list:
    values, places = np.asarray(medians, dtype=float), np.asarray(layouts)
    if values.shape != places.shape:
        raise ValueError(f"{len(values)} processes, of which {len(places)} have a layout")
    return [combine(values[places == place]) for place in np.unique(places)]


def verdict_over_layouts(said: str, over: Estimate, differ_p: float, margin: float, alpha: float = 0.05,
                         over_p: float = 0.0) -> str:
    """What is left of [said], a verdict on processes (lab.stats.verdict), where they ran different layouts.

    over: over_layouts, in the unit of the margin; over_p: over_layouts_p after Holm. A difference must have the same sign in the
    interval over layouts, and an over_p below [alpha]; an equivalence must hold for the whole of it. Else it is
    "layout-dependent" where the layouts differ (differ_p below [alpha]), and "unresolved" where they are too few for an interval
    or their medians too rough. What was unresolved stays so.
    """
    if over.n < 2 or said not in ("better", "worse", "equivalent"):
        return said
    if math.isinf(over.low):        # too few layouts for an interval: they may all agree
        return "unresolved"
    if said == "equivalent":
        holds = -margin <= over.low and over.high <= margin
    else:
        holds = over_p < alpha and not over.covers(0.0) and (over.point < 0) == (said == "better")
    if holds:
        return said
    return "layout-dependent" if differ_p < alpha else "unresolved"
