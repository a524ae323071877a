"""What a run will measure, decided before the first sample: sheets, orders of arms, comparisons and counts of calls.

A sheet is what one worker process runs: one block of at most 8 arms of one scenario, with all its parameter sets. Every block
holds the scenario's reference arm, so that all arms can be compared through it (PROTOCOL: points 1, 3, 4 and 8). Pure: the same
arguments give the same plan and the same orders.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from lab.catalogue import TWIN_SUFFIX, Arm, Scenario, benchmark_name
from lab.errors import PlanError

PRESETS = {"quick": 60.0, "default": 300.0, "rigorous": 3600.0}    # budgets of time, in seconds
LARGEST_BLOCK = 8          # arms in one process: a round of 8 batches of 1 ms stays short against the machine's drift
FEWEST_ROUNDS = 6          # the squares of 2, 3 and 4 arms are repeated, so that a process's median is of 6 values or more
TARGET_BATCH_NS = 1_000_000
PREFERRED_TWIN = "hpyvm/pointer"


@dataclass(frozen=True)
class Sheet:
    """One block of one scenario with all its parameter sets: what one process runs.

    [arms] holds ids, the reference first and the twin included; [benchmarks] holds (name, parameters); [rounds] is how many
    batches of each arm and benchmark a process runs; [single] says that a batch is one long call, with nothing to calibrate;
    [measures] is the scenario's: latencies are shown, and compared with nothing.
    Raises ValueError where the reference is not among the arms, an arm is there twice, or nothing is to be run.
    """

    interpreter: str
    scenario: str
    block: int
    arms: tuple[str, ...]
    reference: str
    benchmarks: tuple[tuple[str, Mapping], ...]
    rounds: int
    single: bool
    measures: str = "time"

    def __post_init__(self) -> None:
        if self.reference not in self.arms or len(set(self.arms)) != len(self.arms):
            raise ValueError(f"arms {self.arms}; expected different ones with the reference {self.reference!r} among them")
        if len(self.arms) > LARGEST_BLOCK or self.rounds < 1 or not self.benchmarks:
            raise ValueError(f"{len(self.arms)} arms, {self.rounds} rounds, {len(self.benchmarks)} benchmarks; "
                             f"expected at most {LARGEST_BLOCK} arms and at least one of the others")

    @property
    def key(self) -> str:
        """The sheet's name, unique in a plan: ``cpython3.11 attached_call block 0``."""
        return f"{self.interpreter} {self.scenario} block {self.block}"

    def as_dict(self) -> dict:
        """The sheet as it stands in run.json."""
        return {**asdict(self), "arms": list(self.arms),
                "benchmarks": [[name, dict(parameters)] for name, parameters in self.benchmarks]}


@dataclass(frozen=True)
class NotApplicable:
    """A cell that cannot run, and why; [benchmark] is None where it is the whole scenario."""

    interpreter: str
    scenario: str
    benchmark: str | None
    arm: str
    why: str


@dataclass(frozen=True)
class Plan:
    """All that a run will measure and compare; [comparisons] holds (benchmark, arm, baseline arm)."""

    seed: int
    sheets: tuple[Sheet, ...]
    comparisons: tuple[tuple[str, str, str], ...]
    not_applicable: tuple[NotApplicable, ...]
    twin: str
    layouts: int = 1        # builds of the same code, of which each process runs one (lab.layouts)


def make_plan(arms: Mapping[str, Arm], scenarios: Iterable[Scenario], interpreters: Sequence[str], seed: int,
              selection: Collection[str] | None = None, unavailable: Mapping[tuple[str, str], str] | None = None,
              layouts: int = 1) -> Plan:
    """The plan for the arms whose ids are in [selection] (None: all of [arms]), in [scenarios], on [interpreters] (tags).

    A scenario's reference arm takes part whether it was selected or not. [unavailable] says why an arm cannot run on an
    interpreter: (tag, arm id) -> why. Raises PlanError where no cell is left.
    """
    scenarios, able, left_out = list(scenarios), {}, []
    for tag, scenario in itertools.product(interpreters, scenarios):
        able[tag, scenario.name], missing = _participants(arms, scenario, tag, selection, unavailable or {})
        left_out += missing
    original = _original_of_twin(arms, able)
    sheets = []
    for tag, scenario in itertools.product(interpreters, scenarios):
        ids = able[tag, scenario.name]
        if ids:
            sheets += _sheets(arms, scenario, tag, ids, original if original in ids else None)
    if not sheets:
        reasons = "; ".join(dict.fromkeys(f"{each.arm} in {each.scenario}: {each.why}" for each in left_out))
        raise PlanError("no cell is left to measure" + (f" ({reasons})" if reasons else ""),
                        "select other arms or scenarios; lab list arms and lab list scenarios show what there is")
    return Plan(seed, tuple(sheets), _comparisons(arms, sheets), tuple(left_out), original + TWIN_SUFFIX, layouts)


def plan_of(header: Mapping) -> Plan:
    """The plan that a run's header declares."""
    sheets = [Sheet(**{**sheet, "arms": tuple(sheet["arms"]),
                       "benchmarks": tuple((name, parameters) for name, parameters in sheet["benchmarks"])})
              for sheet in header["sheets"]]
    return Plan(header["seed"], tuple(sheets), tuple(tuple(each) for each in header["comparisons"]),
                tuple(NotApplicable(**each) for each in header["not_applicable"]), header["twin"], header.get("layouts", 1))


def _participants(arms: Mapping[str, Arm], scenario: Scenario, tag: str, selection: Collection[str] | None,
                  unavailable: Mapping[tuple[str, str], str]) -> tuple[list[str], list[NotApplicable]]:
    """The ids of the arms that take part, the reference first; none without it, or where it would be alone unasked."""
    wanted = [arm for arm in arms if selection is None or arm in selection]
    chosen = list(dict.fromkeys([scenario.reference, *wanted]))
    why = {arm: unavailable.get((tag, arm)) or arms[arm].lacks(scenario.requires) for arm in chosen}
    if why[scenario.reference]:
        because = f"its reference arm {scenario.reference} cannot take part: {why[scenario.reference]}"
        why = {arm: reason or because for arm, reason in why.items()}
    able = [arm for arm in chosen if not why[arm]]
    if able == [scenario.reference] and selection is not None and scenario.reference not in selection:
        able = []
    return able, [NotApplicable(tag, scenario.name, None, arm, reason) for arm, reason in why.items() if reason]


def _original_of_twin(arms: Mapping[str, Arm], able: Mapping[object, list[str]]) -> str:
    """The arm that is measured twice: a form if there is one, else any arm; the one that the most scenarios can have.

    Among equals hpyvm/pointer, else the last form; among controls and peers a reference, else the first.
    """
    counts = {arm: sum(arm in ids for ids in able.values()) for arm in arms}
    references = {ids[0] for ids in able.values() if ids}
    places = list(arms)
    forms = [arm for arm in arms if counts[arm] and arms[arm].kind == "form"]
    if forms:
        return max(forms, key=lambda arm: (counts[arm], arm == PREFERRED_TWIN, places.index(arm)))
    return max(places, key=lambda arm: (counts[arm], arm in references, -places.index(arm)), default="")


def _sheets(arms: Mapping[str, Arm], scenario: Scenario, tag: str, ids: list[str], original: str | None) -> list[Sheet]:
    benchmarks = tuple((benchmark_name(scenario.name, cell), cell) for cell in scenario.cells())
    blocks = _blocks(ids, {arm for arm in ids if arms[arm].kind == "form"}, original)
    return [Sheet(tag, scenario.name, number, tuple(block), scenario.reference, benchmarks,
                  1 if scenario.single else rounds_for(len(block)), scenario.single, scenario.measures) for number, block in enumerate(blocks)]


def _blocks(ids: list[str], forms: Collection[str], original: str | None) -> list[list[str]]:
    """[ids], of which the first is the reference, in blocks that each hold it; the first holds the twin and its original."""
    reference, *rest = ids
    twin = [original + TWIN_SUFFIX] if original else []
    if 1 + len(rest) + len(twin) <= LARGEST_BLOCK:
        return [[reference, *rest, *twin]]
    first = [arm for arm in rest if arm in forms] or rest
    # stable: the original moves to where its twin is, and the forms of its proposal after it
    first.sort(key=lambda arm: (arm != original, original is None or arm.split("/")[0] != original.split("/")[0]))
    second = [arm for arm in rest if arm not in first]
    head, *more = _deal(first, len(twin))
    blocks = [[reference, *sorted(block, key=ids.index)] for block in (head, *more, *_deal(second, 0))]
    blocks[0] += twin
    return blocks


def _deal(items: list[str], taken: int) -> list[list[str]]:
    """[items] in as few parts as the seats beside the reference allow, alike in size; [taken] seats of the first are taken."""
    count = len(items) + taken
    parts = math.ceil(count / (LARGEST_BLOCK - 1))
    ends = [round(count * (part + 1) / parts) - taken for part in range(parts)]
    return [items[start:end] for start, end in zip([0, *ends], ends)]


def _comparisons(arms: Mapping[str, Arm], sheets: Iterable[Sheet]) -> tuple[tuple[str, str, str], ...]:
    """Each arm against its reference, the twin against its original, and each pair of forms, whether their blocks are the same
    or not; none of latencies, which would only make the adjustment for the others harsher."""
    found: dict[tuple[str, str, str], None] = {}
    timed = (sheet for sheet in sheets if sheet.measures == "time")
    for _, blocks in itertools.groupby(timed, lambda sheet: (sheet.interpreter, sheet.scenario)):
        first, *more = blocks
        others = [arm for sheet in (first, *more) for arm in sheet.arms if arm != first.reference]
        forms = [arm for arm in arms if arm in others and arms[arm].kind == "form"]
        pairs = [(arm, arm.removesuffix(TWIN_SUFFIX) if arm.endswith(TWIN_SUFFIX) else first.reference) for arm in others]
        pairs += [(arm, other) for other, arm in itertools.combinations(forms, 2)]
        found.update({(name, *pair): None for name, _ in first.benchmarks for pair in pairs})
    return tuple(found)


def rounds_for(arms: int) -> int:
    """Rounds in a process for a block of so many arms: whole Williams squares, as few as give FEWEST_ROUNDS."""
    rows = arms * (1 + arms % 2)
    return rows * math.ceil(FEWEST_ROUNDS / rows)


def order(sheet: Sheet, turn: int, seed: int, benchmark: str = "") -> list[list[int]]:
    """In which order the arms run: sheet.rounds rows of indices into sheet.arms. [turn] counts the sheet's processes.

    Rows of Williams squares, drawn anew for each turn and benchmark. Where the rounds are whole squares (as rounds_for gives),
    each arm stands in each place, and follows each other arm within a row, equally often in every process; where the last
    square is cut, places differ by at most 2 in a process, and no more than chance over processes. A single sheet has one
    square for the run and takes its rows in turn, so that both balances hold over as many processes as the square has rows.
    """
    from lab.stats import williams_square    # numpy takes 0.1 s to import

    name = f"{seed}/{sheet.key}/{benchmark}"
    if sheet.single:
        square = williams_square(len(sheet.arms), random.Random(name))
        return [square[(turn * sheet.rounds + index) % len(square)] for index in range(sheet.rounds)]
    generator, rows = random.Random(f"{name}/{turn}"), []
    while len(rows) < sheet.rounds:
        rows += williams_square(len(sheet.arms), generator)
    return rows[:sheet.rounds]


def cells(sheet: Sheet, turn: int, seed: int, loops: Mapping[str, Mapping[str, int]] | None,
          left_out: Collection[tuple[str, str]] = ()) -> list[dict]:
    """The "cells" of a worker's job: [loops] is benchmark -> arm -> calls in a batch, None where they are to be calibrated.

    [left_out] holds the (benchmark, arm) that failed: they are in no row, and a benchmark whose reference failed, or of which
    no other arm is left, is not there at all.
    """
    found = []
    for name, parameters in sheet.benchmarks:
        kept = [arm for arm in sheet.arms if (name, arm) not in left_out]
        if sheet.reference in kept and (len(kept) > 1 or len(sheet.arms) == 1):
            rows = [[index for index in row if sheet.arms[index] in kept] for row in order(sheet, turn, seed, name)]
            found.append({"benchmark": name, "parameters": dict(parameters),
                          "loops": {arm: loops[name][arm] for arm in kept} if loops else None, "rows": rows})
    return found


def share_loops(cost_ns: Mapping[str, float], target_ns: float = TARGET_BATCH_NS) -> dict[str, int]:
    """Calls in a batch for each arm, from its nanoseconds per call: the least that makes a batch of [target_ns] long.

    Arms within a factor of two of the fastest of them share its count, so that their loops are the same loop. Raises ValueError
    for a cost that is not a finite number above 0.
    """
    wrong = [arm for arm, cost in cost_ns.items() if not (math.isfinite(cost) and cost > 0)]
    if wrong:
        raise ValueError(f"{wrong[0]} costs {cost_ns[wrong[0]]} ns per call; expected a finite number above 0")
    loops, fastest = {}, 0.0
    for arm, cost in sorted(cost_ns.items(), key=lambda item: item[1]):
        if cost > 2 * fastest:
            fastest = cost
        loops[arm] = max(1, math.ceil(target_ns / fastest))
    return {arm: loops[arm] for arm in cost_ns}
