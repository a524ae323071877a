"""What a run says, in sentences computed from its findings: the answer in five lines, and a sentence for each cell.

A difference is claimed only where its verdict is better or worse and it is larger than what the A/A control saw between
two copies of the same code (PROTOCOL: points 4, 7 and 8). Everything else is equivalent or not resolved, and said to be.
Nothing here reads a file, and no number in a sentence comes from anywhere but the findings.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.analysis.warmup import STEADY
from lab.catalogue import TWIN_SUFFIX, benchmark_name
from lab.units import format_ns, format_ratio

if TYPE_CHECKING:
    from lab.analysis.crosscheck import Row
    from lab.analysis.paired import Finding
    from lab.analysis.twin import TwinFinding
    from lab.analysis.warmup import Series
    from lab.stats import Estimate

BETTER, WORSE, EQUIVALENT, UNRESOLVED = "better", "worse", "equivalent", "unresolved"
BELOW, UNCONTROLLED, UNDECLARED, BY_LAYOUT = "below resolution", "no A/A control", "undeclared", "layout-dependent"
CLAIMS = {
    WORSE: "slower than the reference arm; the difference is larger than the A/A envelope",
    BETTER: "faster than the reference arm; the difference is larger than the A/A envelope",
    EQUIVALENT: "the interval lies inside the margin that was written down before sampling",
    UNRESOLVED: "neither a difference (after Holm's correction) nor equivalence; more processes would narrow the interval",
    BELOW: "a difference, but not larger than what two copies of the same code showed; no claim is made",
    UNCONTROLLED: "no A/A twin ran on this interpreter, so no claim is made",
    BY_LAYOUT: "different in different layouts of the same code, and not alike in all of them; no claim about the design is made",
    UNDECLARED: "a comparison that was not declared before sampling; numbers are shown, no claim is made",
}
MARKS = {
    "≈": "inside the A/A envelope of its own interpreter: no difference is claimed",
    "=": "equivalent to the reference arm",
    "?": "not resolved, or not to be claimed",
}
TODAY = "peer/pygilstate"  # what extensions of the C API do now: the design to beat, named beside the forms
LISTED = 4                 # forms named one by one in a sentence; of more, the cheapest and the dearest


@dataclass(frozen=True)
class Line:
    """One line of the answer: what it is about, and what it says."""

    lead: str
    text: str

    def __str__(self) -> str:
        return f"{self.lead}: {self.text}"


@dataclass(frozen=True)
class Evidence:
    """What sentences are made from: the findings of one interpreter, its A/A control, and the run's own lists."""

    interpreter: str
    findings: Sequence[Finding]
    twin: TwinFinding | None
    arms: Sequence[Mapping]       # run.json's, each with id and kind
    scenarios: Sequence[Mapping]  # run.json's, each with name, unit, reference and parameters

    def forms(self) -> list[str]:
        """The ids of the forms, in the run's order."""
        return [arm["id"] for arm in self.arms if arm["kind"] == "form" and not arm["id"].endswith(TWIN_SUFFIX)]

    def scenario(self, name: str) -> Mapping | None:
        """The scenario of that name; None where the run has none."""
        return next((scenario for scenario in self.scenarios if scenario["name"] == name), None)

    def cell(self, benchmark: str) -> dict[str, Finding]:
        """The findings of a cell against its scenario's reference arm, by arm; the reference itself is not among them."""
        return {finding.arm: finding for finding in self.findings if finding.benchmark == benchmark
                and finding.interpreter == self.interpreter and finding.arm != finding.reference
                and finding.reference == self._reference_of(finding)}

    def pair(self, benchmark: str, one: str, other: str) -> Finding | None:
        """The finding that compares two forms directly, in the direction declared beforehand; None where none was."""
        return next((finding for finding in self.findings if finding.benchmark == benchmark and one != other
                     and {finding.arm, finding.reference} == {one, other} and finding.interpreter == self.interpreter), None)

    def _reference_of(self, finding: Finding) -> str:
        scenario = self.scenario(finding.scenario)
        return scenario["reference"] if scenario else finding.reference


def benchmarks(scenario: Mapping) -> list[str]:
    """The benchmark names of a scenario of run.json, in order, whether its parameters are axes or a list of sets."""
    parameters = scenario.get("parameters") or {}
    if not isinstance(parameters, Mapping):
        return [benchmark_name(scenario["name"], values) for values in parameters] or [scenario["name"]]
    names = list(parameters)
    return [benchmark_name(scenario["name"], dict(zip(names, values)))
            for values in itertools.product(*parameters.values())]


def parameter_text(benchmark: str) -> str:
    """What a benchmark's name says of its parameters: ``mode=throughput``; empty where it has none."""
    return benchmark.partition("[")[2].rstrip("]").replace(",", ", ")


def claim(finding: Finding) -> str:
    """What may be said of a finding, one of CLAIMS: its verdict, unless the A/A envelope forbids it."""
    if finding.verdict in (BETTER, WORSE, UNRESOLVED):
        if not finding.envelope_of:
            return UNCONTROLLED
        outside = not finding.added_ns.covers(0.0)
        if finding.below_resolution or abs(finding.added_ns.point) <= finding.envelope_ns:
            return BELOW if outside else UNRESOLVED
    return finding.verdict


def mark(finding: Finding) -> str:
    """What stands beside a number for which no difference is claimed, one of MARKS; empty where one is."""
    if finding.below_resolution and math.isfinite(finding.envelope_ns):
        return "≈"
    return {BETTER: "", WORSE: "", EQUIVALENT: "="}.get(claim(finding), "?")


def signed_ns(value_ns: float) -> str:
    """A difference in nanoseconds, always with its sign: ``+4.13 ns``."""
    return format_ns(value_ns, signed=True)


def percent(ratio: float) -> str:
    """A ratio as the change in percent: 1.042 is ``+4.2 %``."""
    return f"{100 * (ratio - 1):+.1f} %".replace("-", "−").replace("+inf", "∞")


def added_text(estimate: Estimate) -> str:
    """An added time in nanoseconds with its whole interval: ``+4.13 ns [+3.90, +4.40]``."""
    return f"{signed_ns(estimate.point)} {bounds(estimate, signed_ns)}"


def ratio_text(estimate: Estimate) -> str:
    """A ratio with its whole interval: ``1.042 [1.030, 1.055]``."""
    return f"{format_ratio(estimate.point)} {bounds(estimate, format_ratio)}"


def percent_text(estimate: Estimate) -> str:
    """A ratio as the change in percent, with its whole interval: ``+4.2 % [+3.0, +5.5]``."""
    return f"{percent(estimate.point)} {bounds(estimate, percent)}"


def bounds(estimate: Estimate, text: Callable[[float], str]) -> str:
    """The interval alone, each bound written by [text]; without the unit where both have the point's: ``[+3.90, +4.40]``."""
    unit = " " + text(estimate.point).partition(" ")[2]
    found = [text(estimate.low), text(estimate.high)]
    if unit != " " and all(bound.endswith(unit) or "∞" in bound for bound in found):
        found = [bound.removesuffix(unit) for bound in found]
    return f"[{found[0]}, {found[1]}]"


def lines(evidence: Evidence, clause: Callable[[Mapping], str] = lambda scenario: "") -> list[Line]:
    """The answer of a run for one interpreter: five lines, each of which says so where the run has no data for it.

    [clause]: what is added to the line of a scenario, such as who disagrees.
    """
    told = [("Attached thread", "attached_call", _attached), ("Thread that left Python", "released_thread", _released),
            ("Foreign thread", "foreign_thread", _foreign), ("The issue's own case, qsort", "native_sort", _sort)]
    return [*(_scenario_line(evidence, *each, clause) for each in told), Line("A/A control", control_sentence(evidence.twin))]


def _scenario_line(evidence: Evidence, lead: str, name: str, tell: Callable[[Evidence, Mapping], str],
                   clause: Callable[[Mapping], str]) -> Line:
    scenario = evidence.scenario(name)
    if not scenario or not any(evidence.cell(benchmark) for benchmark in benchmarks(scenario)):
        return Line(lead, "not measured in this run.")
    return Line(lead, " ".join(filter(None, [tell(evidence, scenario), clause(scenario)])))


def _attached(evidence: Evidence, scenario: Mapping) -> str:
    return " ".join(filter(None, [cell_sentence(evidence, scenario, benchmarks(scenario)[0]),
                                  conflict_sentence(evidence, scenario)]))


def _released(evidence: Evidence, scenario: Mapping) -> str:
    return cell_sentence(evidence, scenario, benchmarks(scenario)[0], note="the floor, ")


def _foreign(evidence: Evidence, scenario: Mapping) -> str:
    measured = [benchmark for benchmark in benchmarks(scenario) if evidence.cell(benchmark)]
    return " ".join(f"{parameter_text(benchmark)}, {cell_sentence(evidence, scenario, benchmark)}" for benchmark in measured)


def _sort(evidence: Evidence, scenario: Mapping) -> str:
    return cell_sentence(evidence, scenario, benchmarks(scenario)[0], lambda finding: percent_text(finding.ratio))


def cell_sentence(evidence: Evidence, scenario: Mapping, benchmark: str, number: Callable[[Finding], str] | None = None,
                  note: str = "") -> str:
    """What each form adds in a cell over the reference arm and its time, and how the forms compare with each other."""
    findings = sorted(evidence.cell(benchmark).values(), key=lambda finding: finding.block)
    if not findings:
        return "not measured in this run."
    time = f"{note}{format_ns(findings[0].reference_ns)} a {scenario['unit']}"
    return " ".join(filter(None, [f"added over {scenario['reference']} ({time}): {cell_list(evidence, benchmark, number)}.",
                                  order_sentence(evidence, benchmark)]))


def cell_list(evidence: Evidence, benchmark: str, number: Callable[[Finding], str] | None = None) -> str:
    """What each form adds in a cell, cheapest first, and PyGILState after them: a list for a sentence."""
    number = number or (lambda finding: added_text(finding.added_ns))
    cell = evidence.cell(benchmark)
    forms = sorted((cell[arm] for arm in evidence.forms() if arm in cell), key=lambda finding: finding.added_ns.point)
    items = [_item(finding, number) for finding in forms]
    if len(items) > LISTED:
        items = items[:LISTED // 2] + [f"{len(items) - LISTED} forms between"] + items[-(LISTED // 2):]
    if TODAY in cell:
        items.append("beside them " + _item(cell[TODAY], number))
    return "; ".join(items) if items else "no form was measured"


def _item(finding: Finding, number: Callable[[Finding], str]) -> str:
    allowed = claim(finding)
    if allowed in (BETTER, WORSE):
        return f"{finding.arm} {number(finding)}"
    return f"{finding.arm} {'equivalent' if allowed == EQUIVALENT else 'not resolved'} ({number(finding)})"


def order_sentence(evidence: Evidence, benchmark: str) -> str:
    """How the forms of a cell compare with each other; empty with fewer than two forms.

    Every pair of up to LISTED forms is accounted for, but for an order that follows from two others; of more forms, neighbours
    and the two ends.
    """
    cell = evidence.cell(benchmark)
    forms = sorted((arm for arm in evidence.forms() if arm in cell), key=lambda arm: cell[arm].added_ns.point)
    many = len(forms) > LISTED
    chosen = [*zip(forms, forms[1:]), (forms[0], forms[-1])] if many else list(itertools.combinations(forms, 2))
    pairs = {pair: evidence.pair(benchmark, *pair) for pair in chosen}
    claims = {pair: claim(finding) if finding else None for pair, finding in pairs.items()}
    if pairs and set(claims.values()) == {EQUIVALENT}:
        margin = max(finding.margin_ns for finding in pairs.values())
        return f"Between the forms: all are equivalent (within ±{format_ns(margin)})."
    told = []
    for (allowed, _), group in itertools.groupby(pairs, key=lambda pair: (claims[pair], pair == (forms[0], forms[-1]))):
        told += _relations([(pair, pairs[pair]) for pair in group if not _follows(pair, forms, claims)], allowed, many)
    missing = sum(allowed is None for allowed in claims.values())
    if many and missing:
        told.append(f"{missing} of {len(claims)} pairs (neighbours, and the two ends) were not compared")
    if set(claims.values()) - {BETTER, WORSE, EQUIVALENT, None}:
        told.append(f"no {'other ' if told else ''}order {'of neighbours ' if many else ''}is resolved")
    return "Between the forms: " + "; ".join(told) + "." if told else ""


def _relations(pairs: Sequence[tuple[tuple[str, str], Finding | None]], allowed: str | None, many: bool) -> list[str]:
    """What may be said of pairs of forms with the same claim [allowed], a clause each; of [many] forms, those that are
    equivalent one after the other in one clause, and nothing of those that were not compared."""
    if many and allowed == EQUIVALENT and len(pairs) > 1:
        names = joined([pairs[0][0][0], *(pair[1] for pair, _ in pairs)])
        margin = max(finding.margin_ns for _, finding in pairs)
        return [f"{names} are each equivalent to the next (within ±{format_ns(margin)})"]
    if allowed in (BETTER, WORSE, EQUIVALENT) or (allowed is None and not many):
        return [_relation(*pair, finding) for pair, finding in pairs]
    return []


def _follows(pair: tuple[str, str], forms: Sequence[str], claims: Mapping[tuple[str, str], str | None]) -> bool:
    """Whether the order of two forms follows from their orders with one that lies between them."""
    between = forms[forms.index(pair[0]) + 1:forms.index(pair[1])]
    return claims[pair] in (BETTER, WORSE) and any(
        claims.get((pair[0], form)) in (BETTER, WORSE) and claims.get((form, pair[1])) in (BETTER, WORSE) for form in between)


def _relation(first: str, second: str, finding: Finding | None) -> str:
    """What may be said of two forms that are equivalent, differ, or were not compared."""
    if finding is None:
        return f"{first} and {second} were not compared directly"
    if claim(finding) == EQUIVALENT:
        return f"{first} and {second} are equivalent (within ±{format_ns(finding.margin_ns)})"
    faster, slower = (finding.arm, finding.reference) if claim(finding) == BETTER else (finding.reference, finding.arm)
    return f"{faster} is faster than {slower} by {format_ns(abs(finding.added_ns.point))}"


def conflict_sentence(evidence: Evidence, scenario: Mapping) -> str:
    """Which pairs of arms the scenario's parameter sets rank in opposite order, both resolved; empty with one set."""
    cells = [(benchmark, evidence.cell(benchmark)) for benchmark in benchmarks(scenario)]
    cells = [(benchmark, cell) for benchmark, cell in cells if cell]
    if len(cells) < 2:
        return ""
    for index, (benchmark, cell) in enumerate(cells):
        for other, other_cell in cells[index + 1:]:
            for arm, finding in cell.items():
                claims = {claim(finding), claim(other_cell[arm])} if arm in other_cell else set()
                if claims == {BETTER, WORSE}:
                    return (f"{parameter_text(benchmark)} and {parameter_text(other)} disagree on {arm}: "
                            f"{added_text(finding.added_ns)} and {added_text(other_cell[arm].added_ns)}.")
            pair = _opposite_pair(evidence, benchmark, other)
            if pair:
                return (f"{parameter_text(benchmark)} and {parameter_text(other)} rank {joined(pair)} "
                        "in opposite order.")
    if not any(claim(finding) in (BETTER, WORSE) for _, cell in cells for finding in cell.values()):
        return ""
    names = joined([parameter_text(benchmark) for benchmark, _ in cells[1:]])
    return f"{names} {'reverse' if len(cells) > 2 else 'reverses'} no resolved order."


def _opposite_pair(evidence: Evidence, benchmark: str, other: str) -> tuple[str, str] | None:
    """Two forms whose order is resolved in both cells, and not the same."""
    for pair in itertools.combinations(evidence.forms(), 2):
        findings = evidence.pair(benchmark, *pair), evidence.pair(other, *pair)
        if all(findings) and {claim(finding) for finding in findings} == {BETTER, WORSE}:
            return pair
    return None


def cell_sentences(evidence: Evidence, scenario: Mapping) -> list[Line]:
    """One line for each cell of a scenario that has findings, led by its parameters: the span of the forms, and their order."""
    return [Line(parameter_text(benchmark) or scenario["name"], " ".join(filter(None, [
        span_sentence(evidence, scenario, benchmark), order_sentence(evidence, benchmark)])))
        for benchmark in benchmarks(scenario) if evidence.cell(benchmark)]


def span_sentence(evidence: Evidence, scenario: Mapping, benchmark: str) -> str:
    """The span of the forms that differ from the reference arm, and which forms do not or cannot be said to."""
    cell = evidence.cell(benchmark)
    forms = sorted((cell[arm] for arm in evidence.forms() if arm in cell), key=lambda finding: finding.added_ns.point)
    if not forms:
        return "no form was measured."
    told = [finding for finding in forms if claim(finding) in (BETTER, WORSE)]
    parts = []
    if told:
        least, most = told[0], told[-1]
        span = (f"{signed_ns(least.added_ns.point)} to {signed_ns(most.added_ns.point)} "
                f"({percent(least.ratio.point)} to {percent(most.ratio.point)})") if len(told) > 1 else (
                f"{signed_ns(least.added_ns.point)} ({percent(least.ratio.point)})")
        who = "the forms add" if told == forms and len(told) > 1 else _names(told) + (" add" if len(told) > 1 else " adds")
        parts.append(f"{who} {span} to the {format_ns(least.reference_ns)} of a {scenario['unit']} "
                     f"with {scenario['reference']}")
    equivalent = [finding for finding in forms if claim(finding) == EQUIVALENT]
    if equivalent:
        parts.append(f"{_names(equivalent)} {'are' if len(equivalent) > 1 else 'is'} equivalent to {scenario['reference']} "
                     f"(within ±{format_ns(max(finding.margin_ns for finding in equivalent))})")
    rest = [finding for finding in forms if finding not in told and finding not in equivalent]
    if rest:
        parts.append(f"{_names(rest)} {'are' if len(rest) > 1 else 'is'} not resolved against {scenario['reference']}")
    return "; ".join(parts) + "."


def _names(findings: Sequence[Finding]) -> str:
    return joined([finding.arm for finding in findings])


def joined(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def control_sentence(twin: TwinFinding | None) -> str:
    """What the A/A control says of the run: how often it was fooled, and the smallest effect it could have seen."""
    if twin is None or not twin.comparisons:
        return "no A/A twin was timed, so this run cannot tell a difference from an accident; nothing is claimed."
    fooled = (f"two copies of {twin.original} were called different in {twin.false_positives} of {twin.comparisons} "
              f"{'comparison' if twin.comparisons == 1 else 'comparisons'}; ")
    if not math.isfinite(twin.typical_ratio):
        return fooled + "there were too few processes for an interval, so this run could have seen no effect of any size."
    worst = f"{100 * (twin.worst_ratio - 1):.1f} %" if math.isfinite(twin.worst_ratio) else "without bound"
    return fooled + (f"the smallest effect that could have been seen is {100 * (twin.typical_ratio - 1):.1f} % in the median "
                     f"cell, {worst} in the worst. Nothing below the envelope of its own cell is claimed.")


def crosscheck_sentence(rows: Sequence[Row]) -> str:
    """How far plain pyperf and the paired protocol agree on the arms that both measured."""
    judged = [row for row in rows if row.agrees is not None]
    if not judged:
        return "No arm has a verdict from both plain pyperf and the paired protocol."
    against = [row for row in judged if not row.agrees]
    text = f"Plain pyperf and the paired protocol agree in {len(judged) - len(against)} of {len(judged)} comparisons"
    arms = list(dict.fromkeys(row.arm for row in against))
    return text + (f"; they differ on {joined(arms)}." if arms else ".")


def warmup_sentence(series: Sequence[Series]) -> str:
    """What was left out until code had been compiled, and which arms were not steady by then; empty where nothing was."""
    if not series:
        return ""
    counts = sorted({len(each.ratios) for each in series})
    text = (f"The interpreter compiles while it runs: the first {' or '.join(map(str, counts))} batches of each arm in each "
            "process are kept as warm-ups, and what comes after them is measured. ")
    restless = sorted((each for each in series if not each.steady), key=lambda each: -each.ratios[-1])
    if not restless:
        return text + (f"All were steady by then: one of the last two took every arm at most {STEADY:g} times its measured "
                       "median.")
    named = joined([f"{each.arm} in {each.benchmark} ({each.ratios[-1]:.2f} times)" for each in restless[:LISTED]])
    return text + (f"Steady by then: {len(series) - len(restless)} of {len(series)} series; of the others both of the last two "
                   f"took more than {STEADY:g} times the measured median: "
                   f"{'the furthest ' if len(restless) > LISTED else ''}{named}.")


def capital(text: str) -> str:
    """[text] with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]
