"""Units in one place: how durations are read from the command line and written for people."""

from __future__ import annotations

import math
import re

NS_PER_S = 1_000_000_000
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?\s*$")
_SECONDS = {"ms": 1e-3, "s": 1.0, None: 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds in a text such as ``90``, ``90s``, ``5m`` or ``1h``. Raises ValueError."""
    match = _DURATION.match(text)
    if not match or float(match.group(1)) <= 0:
        raise ValueError(f"{text!r} is not a duration; write 90s, 5m or 1h")
    return float(match.group(1)) * _SECONDS[match.group(2)]


def format_duration(seconds: float) -> str:
    """``4 min 05 s`` for a duration in seconds."""
    if seconds < 59.5:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def format_ns(nanoseconds: float, signed: bool = False) -> str:
    """A time in nanoseconds with the unit that suits its size and three figures: ``4.13 ns``, ``1.92 µs``."""
    if not math.isfinite(nanoseconds):
        return "−∞" if nanoseconds < 0 else "∞" if nanoseconds > 0 else "n/a"
    value, unit = nanoseconds, "ns"
    for unit in ("ns", "µs", "ms", "s"):
        if abs(value) < 999.5 or unit == "s":
            break
        value /= 1000
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return text.replace("-", "−") + " " + unit


def format_ratio(ratio: float) -> str:
    """A ratio with three decimals, ``1.042``; ``∞`` where there is no bound."""
    if not math.isfinite(ratio):
        return "∞" if ratio > 0 else "n/a"
    return f"{ratio:.3f}" if ratio < 9.9995 else f"{ratio:.1f}"
