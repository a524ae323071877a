"""The probes' answers side by side: what differs by axis stands in one field, and what was expected beside what happened."""

from lab import guarantees


def row(outcome, debug="off", policy="attach", expected="ok", claimed=True, arm="a/x", probe="nesting"):
    return {"probe": probe, "arm": arm, "policy": policy, "mode": "universal", "debug": debug, "outcome": outcome,
            "expected": expected, "claimed": claimed, "detail": outcome, "output": "", "seconds": 0.1}


def test_alike_on_all_axes_is_one_answer():
    """A field whose cases all came out alike says so once, for all columns together."""
    rows = [(label, row("ok", debug, policy)) for label in ("one", "two") for policy in ("attach", "attached_only")
            for debug in ("off", "on")]
    found, = guarantees.answers(rows, guarantees.by_outcome)
    assert (found["axes"], found["labels"], found["result"]["outcome"]) == ("", ["one", "two"], "ok")


def test_axes_and_columns_are_told_apart():
    """A case that differs is named by its axes and columns; what was not asked on one axis does not count as an answer."""
    rows = [("one", row("n/a", policy="attached_only")), ("one", row("ok")), ("one", row("crash", "on")),
            ("two", row("ok")), ("two", row("ok", "on"))]
    found = guarantees.answers(rows, guarantees.by_outcome)
    assert [(each["result"]["outcome"], each["axes"], each["labels"]) for each in found] == [
        ("ok", "release", ["one"]), ("crash", "lab debug", ["one"]), ("ok", "", ["two"])]


def test_matrix():
    """A field tells what was not expected, and is good, bad (as expected, but not as it should be), unexpected or not asked."""
    rows = [row("ok"), row("detected", "on", expected="detected"), row("wrong", arm="b/x", expected="wrong"),
            row("hang", arm="c/x", claimed=False), row("n/a", arm="d/x")]
    found = guarantees.matrix(rows)
    assert found["arms"] == ["a/x", "b/x", "c/x", "d/x"]
    assert [(cell["text"], cell["kind"]) for cell in found["rows"]["nesting"]] == [
        ("ok (release)\ndetected (lab debug)", "good"), ("wrong", "bad"), ("hang, expected ok", "unexpected"), ("n/a", "n/a")]


def test_what_differs():
    """An arm answers for what the probe expects of it, claimed or not; what it cannot be asked differs from nothing."""
    fields = {("nesting", arm): [("one", row(outcome, arm=arm, claimed=claimed))] for arm, outcome, claimed in (
        ("a/x", "crash", True), ("b/x", "crash", False), ("c/x", "n/a", True), ("d/x", "ok", True))}
    assert [each["result"]["arm"] for each in guarantees.differing(fields)] == ["a/x", "b/x"]


def test_any_of_several():
    """Where what happens is undefined a claim names several outcomes: each keeps it, and what is none of them does not."""
    outcomes = ("wrong", "crash", "ok", "n/a", "broken")
    assert [guarantees.unexpected(row(outcome, expected="wrong or crash")) for outcome in outcomes] == [
        False, False, True, False, True]


def test_signal_is_named():
    """Where a process died the matrix names the signal, be that expected or not."""
    died = {**row("crash", expected="crash"), "detail": "killed by SIGSEGV"}
    found = guarantees.matrix([died, {**row("crash", arm="b/x"), "detail": "killed by SIGABRT"}])
    assert [cell["text"] for cell in found["rows"]["nesting"]] == ["crash SIGSEGV", "crash SIGABRT, expected ok"]
