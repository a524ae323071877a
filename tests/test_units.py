"""Durations as they are typed, and times and ratios as they are shown."""

import math

import pytest

from lab.units import format_duration, format_ns, format_ratio, parse_duration


@pytest.mark.parametrize("text, seconds", [
    ("90", 90.0), ("90s", 90.0), ("1.5s", 1.5), ("250ms", 0.25), ("5m", 300.0), ("5min", 300.0), ("1h", 3600.0),
    (" 2 m ", 120.0)])
def test_parse_duration(text, seconds):
    """A number and a unit; seconds without one."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-5s", "0", "0.0m", "5 days", "1h30m", "1e3", "nan", "5 s s"])
def test_parse_duration_refuses(text):
    """Anything else is refused, nothing and less than nothing too."""
    with pytest.raises(ValueError, match="is not a duration; write 90s, 5m or 1h"):
        parse_duration(text)


@pytest.mark.parametrize("seconds, text", [
    (0.0, "0.0 s"), (1.44, "1.4 s"), (12.4, "12 s"), (59.4, "59 s"), (60, "1 min 00 s"), (245, "4 min 05 s"),
    (119.6, "2 min 00 s"), (3600, "1 h 00 min"), (3840, "1 h 04 min")])
def test_format_duration(seconds, text):
    """Seconds, then minutes with seconds, then hours with minutes."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize("nanoseconds, text", [
    (0.0, "0.00 ns"), (4.126, "4.13 ns"), (41.26, "41.3 ns"), (412.6, "413 ns"), (1921.0, "1.92 µs"), (5_200_000.0, "5.20 ms"),
    (2.5e9, "2.50 s"), (2.5e12, "2500 s"), (-4.126, "−4.13 ns"), (-1921.0, "−1.92 µs")])
def test_format_ns(nanoseconds, text):
    """Three figures, and the unit that suits the size."""
    assert format_ns(nanoseconds) == text


@pytest.mark.parametrize("nanoseconds, text", [(4.126, "+4.13 ns"), (-4.126, "−4.13 ns"), (1921.0, "+1.92 µs")])
def test_format_ns_signed(nanoseconds, text):
    """A difference shows its sign, plus too."""
    assert format_ns(nanoseconds, signed=True) == text


@pytest.mark.parametrize("nanoseconds, text", [(math.inf, "∞"), (-math.inf, "−∞"), (math.nan, "n/a")])
def test_format_ns_without_bound(nanoseconds, text):
    """A missing bound and a missing value have their own signs."""
    assert format_ns(nanoseconds) == text


@pytest.mark.parametrize("ratio, text", [
    (1.0, "1.000"), (1.0424, "1.042"), (0.5, "0.500"), (9.9996, "10.0"), (12.34, "12.3"), (math.inf, "∞"), (math.nan, "n/a")])
def test_format_ratio(ratio, text):
    """Three decimals below ten, one above, and a sign where there is no bound."""
    assert format_ratio(ratio) == text


@pytest.mark.parametrize("nanoseconds", [9.996, 99.96, 999.6, 999_600.0])
def test_format_ns_keeps_three_figures_when_rounding_up(nanoseconds):
    """A time that rounds up to the next power of ten still has three figures."""
    number = format_ns(nanoseconds).split()[0]
    assert len(number.replace(".", "")) == 3


def test_format_duration_rounds_up_into_the_next_form():
    """Just below ten seconds and just below a minute are shown as those."""
    assert (format_duration(9.97), format_duration(59.7)) == ("10 s", "1 min 00 s")
