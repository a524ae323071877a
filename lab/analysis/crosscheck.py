"""What plain pyperf says of the same arms, beside the paired protocol: for those who trust nothing else.

Plain pyperf measures one arm after the other and compares means by a t-test over pooled values, as ``pyperf compare_to`` does.
On a shared machine it has called identical code different in 16 of 29 comparisons, so a disagreement speaks against it first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.analysis import paired
from lab.analysis.cells import parameter_sets
from lab.stats import Estimate
from lab.units import NS_PER_S

if TYPE_CHECKING:
    import pyperf

    from lab.results import Run

SAID_ALIKE = {"better": ("better",), "worse": ("worse",), "not significant": ("equivalent", "unresolved")}


@dataclass(frozen=True)
class Row:
    """One arm in one cell, measured in both ways. Times are per call."""

    interpreter: str
    scenario: str
    benchmark: str
    arm: str
    reference: str
    mean_ns: float                   # plain pyperf: mean and standard deviation of all values of all processes
    stdev_ns: float                  # NaN for a single value
    values: int
    processes: int
    difference_ns: float | None      # of the means, arm - reference; None where plain pyperf has not measured the reference
    plain_verdict: str | None        # "better", "worse", "not significant", as compare_to judges; "reference"; None as above
    added_ns: Estimate | None        # the paired protocol; None where it has no data for the arm
    paired_verdict: str | None
    agrees: bool | None              # whether both say the same; None for the reference, and where either says nothing


def analyse(run: Run, findings: list[paired.Finding] | None = None) -> list[Row]:
    """A row for each interpreter, benchmark and arm that plain pyperf measured; [findings]: of paired, where at hand."""
    findings = {(each.interpreter, each.benchmark, each.arm): each
                for each in (paired.analyse(run) if findings is None else findings)
                if each.reference == run.header["reference"][each.scenario]}
    scenarios = {benchmark: each["name"] for each in run.header["scenarios"] for benchmark in parameter_sets([each])}
    measured = {(interpreter, benchmark.get_name(), arm): benchmark
                for (interpreter, arm), suite in run.crosscheck.items() for benchmark in suite}
    rows = []
    for (interpreter, name, arm), benchmark in sorted(measured.items(), key=lambda item: item[0]):
        scenario = scenarios.get(name, name.partition("[")[0])
        reference = run.header["reference"][scenario]
        rows.append(_row((interpreter, scenario, name, arm, reference), benchmark, measured.get((interpreter, name, reference)),
                         findings.get((interpreter, name, arm))))
    return rows


def _row(place: tuple[str, str, str, str, str], plain: pyperf.Benchmark, reference: pyperf.Benchmark | None,
         finding: paired.Finding | None) -> Row:
    is_reference = place[3] == place[4]
    said = "reference" if is_reference else compare_means(plain, reference) if reference else None
    return Row(
        *place, mean_ns=plain.mean() * NS_PER_S, stdev_ns=plain.stdev() * NS_PER_S if plain.get_nvalue() > 1 else float("nan"),
        values=plain.get_nvalue(), processes=sum(bool(run.values) for run in plain.get_runs()),
        difference_ns=(plain.mean() - reference.mean()) * NS_PER_S if reference else None, plain_verdict=said,
        added_ns=finding.added_ns if finding else None, paired_verdict=finding.verdict if finding else None,
        agrees=finding.verdict in SAID_ALIKE[said] if finding and said in SAID_ALIKE else None)


def compare_means(arm: pyperf.Benchmark, reference: pyperf.Benchmark) -> str:
    """What ``pyperf compare_to`` would say: "better" (less time), "worse" or "not significant"."""
    from pyperf._compare import is_significant_benchs    # what compare_to calls; pyperf has no public name for it

    significant, _ = is_significant_benchs(arm, reference)
    if not significant:
        return "not significant"
    return "better" if arm.mean() < reference.mean() else "worse"
