"""docs/conformance.md, made from what the probes say of themselves: the question, why it matters, its source."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from lab import catalogue, probes
from lab.catalogue import Arm
from lab.probes import Probe

WIDTH = 128
HEAD = """\
<!-- DO NOT EDIT. Made by lab/conformance_docs.py from lab/worker/probes/*.py; made again by the command: lab generate -->

# What the probes ask

`lab check all` puts each of these questions to every form, and to controls and peers where they can be asked, in a process of
its own. What comes of it is shown as a matrix and kept for the next run's report. The exit status is 1 where something else
happens than the probe expects, or than the arm's `variant.toml` or `arm.toml` claims instead; then the probe, what its process
wrote and the command that runs it alone are told. `lab check PROBE --form FORM --gdb` starts that process under gdb.

A question is asked along up to three axes: the policy that the arm is bound under (`attach`, `attached_only`), the mode that
HPy loads its extension half in (universal, debug, trace), and the lab's debug mode (off, on; forms alone). What a probe expects is
what happens where the rules of [semantics.md](semantics.md) are kept. An arm that is known not to keep them claims so.

| outcome | meaning |
|---|---|
"""


def render(top: Path) -> str:
    """The document for the probes and arms of [top], the checkout. Raises SpecError."""
    known, arms = probes.read(top / "lab" / "worker" / "probes"), catalogue.arms(top)
    probes.check_claims(arms.values(), known)
    outcomes = {**probes.OUTCOMES, "n/a": "it cannot be asked of that arm, or on that interpreter; the reason is told"}
    text = HEAD + "".join(f"| {outcome} | {meaning} |\n" for outcome, meaning in outcomes.items())
    return text + "".join(_section(probe, arms) for probe in known.values())


def generate(top: Path) -> list[Path]:
    """Write the document; its path, if it changed. Raises as render."""
    stale = check(top)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(top), encoding="utf-8")
    return stale


def check(top: Path) -> list[Path]:
    """The document's path where it is missing or not what would be written. Raises as render."""
    path = top / "docs" / "conformance.md"
    return [] if path.is_file() and path.read_bytes() == render(top).encode() else [path]


def _section(probe: Probe, arms: Mapping[str, Arm]) -> str:
    asked = [(f"of arms that offer {', '.join(probe.requires)}" if probe.requires else "of every arm")
             + f" and whose API has functions of the role {' and '.join(probe.roles)}" * bool(probe.roles),
             "under every policy that it serves" if not probe.policies else f"under {' and '.join(probe.policies)}",
             f"in HPy's mode{'s' * (len(probe.modes) > 1)} {', '.join(probe.modes)}",
             f"with the lab's debug mode {' and '.join(probe.debug)}"]
    lines = [f"\n## `{probe.name}`\n", f"**{probe.question}**\n", *([f"{probe.why}\n"] if probe.why else []),
             _filled(f"Source: {probe.source}") + "\n", _filled(f"Asked {'; '.join(asked)}. Expected: {_expected(probe)}."
                                                            + " Slow: only with `--all`, or by its name." * probe.slow)]
    other = [f"`{arm.id}` ({_claim(arm.claims[probe.name])})" for arm in arms.values() if _claims_otherwise(arm, probe)]
    return "\n".join([*lines, *(["\n" + _filled(f"Claimed otherwise: {', '.join(other)}.")] if other else [])]) + "\n"


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False)


def _expected(probe: Probe) -> str:
    otherwise = [f"{outcome} where {condition}" for condition, outcome in probe.expects.items() if condition != "all"]
    return ", ".join([probe.expects["all"], *otherwise]) + (f'; the report says "{probe.detects}"' if probe.detects else "")


def _claim(claim: str | Mapping[str, str]) -> str:
    return claim if isinstance(claim, str) else ", ".join(f"{condition}: {outcome}" for condition, outcome in claim.items())


def _claims_otherwise(arm: Arm, probe: Probe) -> bool:
    """Whether an arm claims anything of the probe beside what it expects on all axes."""
    claim = arm.claims.get(probe.name)
    return claim is not None and (not isinstance(claim, str) or set(probe.expects.values()) != {claim})
