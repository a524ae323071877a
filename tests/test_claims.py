"""The ledger of claims: read strictly, and judged by one rule from what a run has."""

import dataclasses
import html
import math
import re
from collections import Counter

import pytest
from lab_tree import ROOT, lab
from synthetic import make_run

from lab import claims, probes, report, results, verdicts
from lab.analysis.counts import Count
from lab.claims import Check, Claim, Ledger
from lab.errors import SpecError
from lab.stats import Estimate
from lab.verdicts import CONFIRMED, DEPENDS, REFUTED, UNTESTABLE, UNTESTED

ENTRY = '''
[[claim]]
name = "{name}"
quote = "it works"
author = "somebody"
date = "2021-12-02"
{rest}
'''
HELD = 'reading = "It does."\nholds = [{check}]'
OK = '{ probe = "nesting", arms = ["hpyvm"], is = "ok" }'
TAGS = ("cpython3.11", "cpython3.13")


def ledger(top, *entries):
    """The ledger with these [entries] in a checkout of the test's own, [top], whose arms are this one's."""
    for name in ("csrc", "variants"):
        if not (top / name).exists():
            (top / name).symlink_to(ROOT / name)
    (top / "docs").mkdir(exist_ok=True)
    if not (top / "docs" / "using").exists():
        (top / "docs" / "using").symlink_to(ROOT / "docs" / "using")
    (top / "docs" / "claims.toml").write_text("# a ledger\n" + "".join(entries))
    return claims.read(top)


def entry(rest, name="one"):
    return ENTRY.format(name=name, rest=rest)


def row(probe, arm, outcome, policy="attach", mode="universal", debug="off", detail="why"):
    """A row of conformance.json."""
    return {"probe": probe, "arm": arm, "policy": policy, "mode": mode, "debug": debug, "outcome": outcome, "expected": "ok",
            "claimed": True, "detail": detail, "output": "", "seconds": 0.1}


def judged(checks, rows=None, **evidence):
    """The verdict on a claim with these [checks], for [rows]: interpreter -> rows of conformance.json."""
    claim = Claim("one", "it works", "somebody", "2021-12-02", "It does.", tuple(checks), "", False)
    found = verdicts.Evidence(**{"top": ROOT, "rows": rows or {}, "times": (), **evidence})
    return verdicts.judge(Ledger((claim,), ()), found)[0]


def of_probe(*arms, agrees=("ok",), probe="nesting", says=(), **axes):
    return Check("probe", probe, arms, agrees, axes=axes, says=says)


# ---- the file

def test_ledger_is_read():
    """The ledger of this checkout has every claim that is named below, each with checks or with an argument."""
    found = claims.read(ROOT)
    names = {claim.name for claim in found.claims}
    assert {"enter_leave_needs_the_linker", "get_invites_caching", "caching_is_dangerous", "boilerplate_discourages_abuse",
            "trampolines_distinguish_interpreters", "vm_removes_the_link_dependency", "reading_the_thread_local_is_cheap",
            "by_value_solves_memory", "one_ctx_breaks_subinterpreters", "one_ctx_breaks_gil_less", "runtime_may_dispose",
            "runtime_may_unpin", "ctx_may_point_to_other_functions"} <= names
    assert all(bool(claim.checks) != bool(claim.argument) for claim in found.claims)
    assert len(found.lost) == 5 and {claim.author for claim in found.claims} == {"steve-s", "hodgestar", "thedrow"}


def test_no_entry_has_a_verdict():
    """Neither an argument nor a reading says how it came out."""
    for claim in claims.read(ROOT).claims:
        for word in (CONFIRMED, REFUTED, UNTESTED):
            assert word not in (claim.argument + claim.reading).lower(), claim.name


def test_arms_are_expanded(tmp_path):
    """A check is about the arms it names, of a proposal all, ``forms`` all; never about the one it compares them with."""
    check = '{ time = "attached_call[mode=throughput]", arms = ["forms"], is = "more", than = "hpyvm/value" }'
    found = ledger(tmp_path, entry(HELD.format(check=OK)), entry(HELD.format(check=check), "two")).claims
    assert found[0].checks == (of_probe("hpyvm/pointer", "hpyvm/value"),)
    assert len(found[1].checks[0].arms) == 7 and found[1].checks[0].than == "hpyvm/value"


def test_no_ledger(tmp_path):
    """A checkout without the file has no claims."""
    assert claims.read(tmp_path) == Ledger((), ())


@pytest.mark.parametrize("rest, found, line", [
    (HELD.format(check=OK.replace("nesting", "nestin")), "probe 'nestin'", 9),
    (HELD.format(check=OK.replace("hpyvm", "hpymv")), "the arms ['hpymv']", 9),
    (HELD.format(check=OK.replace('"ok"', '"fine"')), "is 'fine'", 9),
    (HELD.format(check=OK.replace("probe", "prob")), "{'prob': 'nesting', 'arms': ['hpyvm'], 'is': 'ok'}", 9),
    (HELD.format(check=OK.replace(', is = "ok"', "")), "probe without 'is'", 9),
    (HELD.format(check=OK.replace(" }", ', mode = "bug" }')), "mode 'bug'", 9),
    (HELD.format(check=OK.replace(" }", ', than = "hpyvm" }')), "the key 'than' beside probe", 9),
    (HELD.format(check='{ time = "attached_cal", arms = ["hpyvm"], is = "less", than = "peer/pygilstate" }'),
     "time 'attached_cal'", 9),
    (HELD.format(check='{ count = "attached_work[calls=1]", channel = "hops", arms = ["hpyvm"], is = "less", than = "hpyvm" }'),
     "channel 'hops'", 9),
    (HELD.format(check='{ symbols = "few", arms = ["hpyvm"] }'), "symbols 'few'", 9),
    (HELD.format(check='{ lines = "more", arms = ["peer/pygilstate"], than = "hpyvm/value" }'),
     "lines of peer/pygilstate", 9),
    (HELD.format(check=OK) + '\nargument = "No."', "1 checks, an argument, a reading", 4),
    ('reading = "It does."', "0 checks, no argument, a reading", 4),
    (f"holds = [{OK}]", "1 checks, no argument, no reading", 4),
    ('argument = "No."\nverdict = "confirmed"', "the key 'verdict'", 9),
    ('argument = "No."\nleads = "yes"', "'yes'", 9)])
def test_entry_that_is_none(tmp_path, rest, found, line):
    """An entry that names what is not there, or says too much or too little, is refused with its file and line."""
    with pytest.raises(SpecError) as caught:
        ledger(tmp_path, entry(rest))
    assert (caught.value.path, caught.value.found, caught.value.line) == (tmp_path / "docs" / "claims.toml", found, line)


TIME = '{ time = "attached_call[mode=throughput]", arms = ["hpyvm"], is = "less", than = "peer/pygilstate" }'


@pytest.mark.parametrize("check, found", [
    (OK.replace('["hpyvm"]', "[]"), "the arms []"), (OK.replace('["hpyvm"]', '"hpyvm"'), "the arms 'hpyvm'"),
    (OK.replace('["hpyvm"]', '[["hpyvm"]]'), "the arms [['hpyvm']]"), (OK.replace('["hpyvm"]', '[""]'), "the arms ['']"),
    (OK.replace('["hpyvm"]', "{ a = 1 }"), "the arms {'a': 1}"),
    (OK.replace('"nesting"', '["nesting"]'), "probe ['nesting']"),
    (OK.replace('"nesting"', '""'), "probe ''"), (OK.replace('"nesting"', "{}"), "probe {}"),
    (OK.replace('"ok"', "[]"), "is []"), (OK.replace('"ok"', '[["ok"]]'), "is ['ok']"), (OK.replace('"ok"', "{}"), "is {}"),
    (OK.replace('"ok"', '["ok", "ok"]'), "is 'ok' again"), (OK.replace('"ok"', '""'), "is ''"),
    (OK.replace(" }", ', mode = ["debug"] }'), "mode ['debug']"), (OK.replace(" }", ", debug = true }"), "debug True"),
    (OK.replace(" }", ', says = "words" }'), "says = 'words'"), (OK.replace(" }", ', says = [""] }'), "says = ['']"),
    (OK.replace(" }", ', mode = "trace" }'),
     "the probe nesting of hpyvm/pointer, hpyvm/value, which nothing answers: it is not asked there"),
    ('{ probe = "foreign_thread", arms = ["control/pass_ctx"], is = "ok" }',
     "the probe foreign_thread of control/pass_ctx, which nothing answers: the caller's context is not valid on another thread"),
    (OK.replace("hpyvm", "peer/pygilstate").replace(" }", ', debug = "on" }'),
     "the probe nesting of peer/pygilstate, which nothing answers: it is not asked there"),
    (TIME.replace('"less"', '["less"]'), "is ['less']"), (TIME.replace('"less"', '"fewer"'), "is 'fewer'"),
    (TIME.replace('than = "peer/pygilstate"', 'than = "forms"'), "than 'forms', which is 8 arms"),
    (TIME.replace('than = "peer/pygilstate"', 'than = ["peer/pygilstate"]'), "the arms [['peer/pygilstate']]"),
    (TIME.replace('["hpyvm"]', '["peer/pygilstate"]'), "the arms ['peer/pygilstate'] than peer/pygilstate"),
    (TIME.replace("attached_call[mode=throughput]", "native_srot"), "time 'native_srot'"),
    (TIME.replace("attached_call[mode=throughput]", "released_thread").replace('["hpyvm"]', '["control/pass_ctx"]'),
     "released_thread of control/pass_ctx, which cannot take part: the caller's context is not valid once the thread has left "
     "Python execution"),
    ("1", "1"), ('"nesting"', "'nesting'"), ("[]", "[]")])
def test_check_that_is_none(tmp_path, check, found):
    """A check of another shape, or that no run can have a result of, is refused in its line, never with a traceback."""
    with pytest.raises(SpecError) as caught:
        ledger(tmp_path, entry(HELD.format(check=check)))
    assert (caught.value.found, caught.value.line) == (found, 9) and caught.value.expected and caught.value.remedy


@pytest.mark.parametrize("old, new, line, found", [
    ('name = "one"', 'name = ""', 4, "name = ''"), ('name = "one"', 'name = "One claim"', 4, "the name 'One claim'"),
    ('name = "one"', 'name = ["one"]', 4, "['one']"), ('"it works"', '"  "', 5, "quote = '  '"),
    ('"somebody"', '""', 6, "author = ''"), ('"2021-12-02"', '"2021-13-02"', 7, "'2021-13-02'"),
    ('"2021-12-02"', '"two years ago"', 7, "'two years ago'"), ('"2021-12-02"', "2021-12-02", 7, "datetime.date(2021, 12, 2)"),
    ('argument = "No."', 'argument = ""', 8, "argument = ''"), ('argument = "No."', "holds = {}", 8, "{}"),
    ('argument = "No."', "holds = []", 4, "0 checks, no argument, no reading")])
def test_entry_with_a_value_that_is_none(tmp_path, old, new, line, found):
    """Texts with nothing in them, dates that no calendar has and values of another type are refused in their line."""
    with pytest.raises(SpecError) as caught:
        ledger(tmp_path, entry('argument = "No."').replace(old, new))
    assert (caught.value.line, caught.value.found) == (line, found)


def test_ledger_that_is_no_text(tmp_path):
    """A ledger in another encoding, one that is not TOML and a claim that is no table are refused in their line."""
    for content, line in ((b'# a\n\n[[claim]]\nname = "caf\xe9"\n', 4), (b"# a\nclaim = [\n", 2), (b"claim = [1]\n", 1)):
        ledger(tmp_path, entry('argument = "No."'))
        (tmp_path / "docs" / "claims.toml").write_bytes(content)
        with pytest.raises(SpecError) as caught:
            claims.read(tmp_path)
        assert caught.value.line == line


def test_nearest_name_is_told(tmp_path):
    """Where a name is nearly one that is known, that is what is expected."""
    for old, new, near in (("nesting", "nestng", "nesting, or another of"), ("hpyvm", "hpymv", "or forms, as hpyvm")):
        with pytest.raises(SpecError) as caught:
            ledger(tmp_path, entry(HELD.format(check=OK.replace(old, new))))
        assert near in caught.value.expected


def test_source_of_the_dates(tmp_path):
    """Where the dates are from is part of the ledger, and told by the command."""
    assert "2022-03-04" in claims.read(ROOT).dates and "no dates" in claims.read(ROOT).dates
    done = lab(ROOT, "list", "claims")
    assert done.returncode == 0 and claims.read(ROOT).dates in done.stdout
    assert ledger(tmp_path, entry('argument = "No."')).dates == ""


def test_second_entry_of_a_name(tmp_path):
    """Two claims of one name are refused at the second."""
    with pytest.raises(SpecError, match=r"claims.toml:11: found the name 'one' again"):
        ledger(tmp_path, entry('argument = "No."'), entry('argument = "No."'))


# ---- verdicts

def test_confirmed_and_refuted():
    """Confirmed where every check is true of every arm, refuted where none is of any; the evidence names what was found."""
    rows = {tag: [row("nesting", "hpyvm/pointer", "ok"), row("nesting", "hpyvm/value", "ok")] for tag in TAGS}
    verdict = judged([of_probe("hpyvm/pointer", "hpyvm/value")], rows)
    assert (verdict.word, verdict.why) == (CONFIRMED, "")
    assert verdict.evidence == ("probe nesting: ok (hpyvm/pointer and hpyvm/value on all 2 interpreters)",)
    assert judged([of_probe("hpyvm/pointer", agrees=("wrong", "crash"))], rows).word == REFUTED


@pytest.mark.parametrize("bad, why", [
    ([("hpyvm/value", tag, {}) for tag in TAGS], "true of hpyvm/pointer, not of hpyvm/value"),
    ([(arm, "cpython3.13", {}) for arm in ("hpyvm/pointer", "hpyvm/value")], "true of cpython3.11, not of cpython3.13"),
    ([("hpyvm/value", "cpython3.13", {})], "not true of hpyvm/value, nesting, cpython3.13; true otherwise")])
def test_depends(bad, why):
    """Where some are true it depends on what divides them from the others: the arm, the interpreter, or neither alone."""
    rows = {tag: [row("nesting", arm, "hang" if (arm, tag, {}) in bad else "ok") for arm in ("hpyvm/pointer", "hpyvm/value")]
            for tag in TAGS}
    verdict = judged([of_probe("hpyvm/pointer", "hpyvm/value")], rows)
    assert (verdict.word, verdict.why) == (DEPENDS, why)


def test_depends_on_an_axis_and_on_the_check():
    """The same of the axes that a probe was asked along, and of two checks."""
    rows = {"cpython3.11": [row("nesting", "hpyvm/value", "ok"), row("nesting", "hpyvm/value", "detected", debug="on")]}
    assert judged([of_probe("hpyvm/value")], rows).why == "true of release, not of lab debug"
    assert judged([of_probe("hpyvm/value", debug="on", agrees=("detected",))], rows).word == CONFIRMED
    rows = {"cpython3.11": [row("nesting", "hpyvm/value", "ok"), row("returned_ctx", "hpyvm/value", "wrong")]}
    both = [of_probe("hpyvm/value"), of_probe("hpyvm/value", probe="returned_ctx")]
    assert judged(both, rows).why == "true of nesting, not of returned_ctx"


def test_words_that_a_process_must_have_written():
    """An outcome counts only with the words that are asked for, in what its process wrote or what is told of it."""
    check = of_probe("hpyvm/value", agrees=("detected",), says=("a message", "a stack"))
    wrote = {"cpython3.11": [{**row("nesting", "hpyvm/value", "detected", detail="a message"), "output": "a stack"}]}
    assert judged([check], wrote).word == CONFIRMED
    verdict = judged([check], {"cpython3.11": [row("nesting", "hpyvm/value", "detected", detail="a message")]})
    assert (verdict.word, verdict.evidence) == (
        REFUTED, ("probe nesting: detected, without the words a stack (hpyvm/value on cpython3.11)",))


def test_not_tested_yet():
    """A check without a result is named, whatever the others say; an arm without one is told beside the verdict."""
    rows = {"cpython3.11": [row("nesting", "hpyvm/pointer", "ok")]}
    verdict = judged([of_probe("hpyvm/pointer"), of_probe("hpyvm/pointer", probe="returned_ctx", mode="debug")], rows)
    assert (verdict.word, verdict.why) == (UNTESTED, "returned_ctx, HPy debug has no result in this run")
    both = judged([of_probe("hpyvm/value"), of_probe("hpyvm/value", probe="returned_ctx")], rows)
    assert (both.why, both.evidence) == ("nesting and returned_ctx have no result in this run", ())
    verdict = judged([of_probe("hpyvm/pointer", "hpyvm/value")], rows)
    assert (verdict.word, verdict.why) == (CONFIRMED, "as far as tested; no result of hpyvm/value")


def test_untestable():
    """What cannot be asked of any arm cannot be tested here, for the reason that the probe gave; so can an argument."""
    rows = {"pypy3.11": [row("nesting", "hpyvm/pointer", "n/a", detail="PyPy has no sub-interpreters")]}
    verdict = judged([of_probe("hpyvm/pointer")], rows)
    assert (verdict.word, verdict.why) == (UNTESTABLE, "nesting: PyPy has no sub-interpreters")
    rows["cpython3.11"] = [row("nesting", "hpyvm/pointer", "ok")]
    assert judged([of_probe("hpyvm/pointer")], rows).word == CONFIRMED
    claim = Claim("one", "it is nice", "somebody", "2021-12-02", "", (), "A matter of taste.", False)
    verdict = verdicts.judge(Ledger((claim,), ()), verdicts.Evidence(ROOT, {}, ()))[0]
    assert (verdict.word, verdict.why, verdict.evidence) == (UNTESTABLE, "A matter of taste.", ())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with known times, among them hpyvm/value as fast as hpyvm/pointer and enter_leave/get as fast as the reference."""
    folder = tmp_path_factory.mktemp("results") / "known"
    return results.load(make_run(folder, planted={"hpyvm/value": 4.0, "enter_leave/get": 0.0}))


def timed(run, arms, agrees, than):
    check = Check("time", "attached_call[mode=throughput]", tuple(arms), (agrees,), than)
    return judged([check], times=[column.evidence for column in report.run_columns(run)])


def test_times(run):
    """A time is compared with the reference arm, another form or a peer, and only a difference that is claimed counts."""
    slow = ("enter_leave/ambient", "trampoline/plain")
    assert timed(run, slow, "more", "control/pass_ctx").word == CONFIRMED
    assert timed(run, slow, "less", "control/pass_ctx").word == REFUTED
    assert timed(run, ["hpyvm/value"], "not more", "hpyvm/pointer").word == CONFIRMED
    assert timed(run, [*slow, "enter_leave/get"], "more", "control/pass_ctx").word in (DEPENDS, CONFIRMED)
    verdict = timed(run, slow, "less", "peer/pygilstate")
    assert verdict.word == CONFIRMED and "ns over control/pass_ctx, peer/pygilstate +" in verdict.evidence[0]
    assert timed(run, ["peer/save_restore"], "less", "control/pass_ctx").word == UNTESTED


def over_layouts(low, high):
    """What findings of a run of 8 layouts have besides, between those bounds."""
    return {"layouts_ns": Estimate((low + high) / 2, low, high, 8, 0.99)}


@pytest.mark.parametrize("of_form, of_peer, apart", [
    ({}, {}, True), ({"margin_ns": 30.0}, {}, False), ({}, {"margin_ns": 30.0}, False), ({"envelope_ns": 30.0}, {}, False),
    (over_layouts(3.0, 5.0), over_layouts(18.0, 22.0), True), (over_layouts(3.0, 19.0), over_layouts(18.0, 22.0), False)])
def test_times_that_no_run_declares_to_be_compared(run, of_form, of_peer, apart):
    """Two arms are apart where no interval of theirs meets, over layouts neither, by more than margin and A/A envelope."""
    changes = {"hpyvm/value": of_form, "peer/pygilstate": of_peer}
    evidence = [dataclasses.replace(column.evidence, findings=[
        dataclasses.replace(each, **changes.get(each.arm, {})) for each in column.evidence.findings])
        for column in report.run_columns(run)]
    check = Check("time", "attached_call[mode=throughput]", ("hpyvm/value",), ("less",), "peer/pygilstate")
    assert (judged([check], times=evidence).word == CONFIRMED) == apart


def test_counts():
    """Counts are compared where both arms have one; without any the claim is not tested yet."""
    def count(arm, number):
        return Count("cpython3.11", "attached_call", "attached_call[mode=throughput]", arm, "control/pass_ctx",
                     {"instructions": number}, {"instructions": number}, None, 2)

    check = Check("count", "attached_call[mode=throughput]", ("hpyvm/value",), ("less",), "peer/pygilstate", "instructions")
    verdict = judged([check], counts=[count("hpyvm/value", 20.0), count("peer/pygilstate", 90.0)])
    assert (verdict.word, verdict.evidence[0].partition(": ")[2]) == (
        CONFIRMED, "20 instructions, peer/pygilstate 90 (hpyvm/value on cpython3.11)")
    assert judged([check], counts=[count("hpyvm/value", math.inf), count("peer/pygilstate", 90.0)]).word == REFUTED
    assert judged([check]).word == UNTESTED


def test_symbols(libraries):
    """What nm finds is told with the symbols, and whether the run had the same binary."""
    check = Check("symbols", "some", ("enter_leave/ambient", "hpyvm/pointer"))
    verdict = judged([check])
    assert (verdict.word, verdict.why) == (DEPENDS, "true of enter_leave/ambient, not of hpyvm/pointer")
    assert "HPy_EnterContext, HPy_EnterContextIfAttached, HPy_LeaveContext, as built here" in verdict.evidence[0]
    name = "build/universal/hpyvm-pointer.hpy0.so"
    own = judged([dataclasses.replace(check, arms=("hpyvm/pointer",))], hashes={name: verdicts._hash(ROOT / name)})
    assert own.evidence == ("link: nm -D: none undefined (hpyvm/pointer)",)


def test_symbols_of_what_is_not_built(tmp_path):
    """Without the extension halves nothing is said of symbols."""
    assert judged([Check("symbols", "none", ("hpyvm/pointer",))], top=tmp_path).word == UNTESTED


def test_api_and_examples():
    """The functions of api.h and the length of the examples are looked up where they are."""
    assert judged([Check("api", "FREE", ("trampoline/plain",), ("some",))]).evidence == (
        "api.h: FREE: HPyContextTrampoline_Free (trampoline/plain)",)
    assert judged([Check("lines", "fewer", ("enter_leave/get",), than="hpyvm/pointer")]).word == CONFIRMED
    assert judged([Check("lines", "more", ("enter_leave/get",), than="hpyvm/pointer")]).word == REFUTED


@pytest.mark.parametrize("lengths, kept", [([50], [50]), ([300, 50], [50]), ([300, 400], [300]), ([50, 60, 300], [50, 60])])
def test_a_verdict_never_stands_alone(lengths, kept):
    """Where there is little room the short sentences of evidence stand beside a verdict; where all are long, the first."""
    claim = Claim("one", "it is", "somebody", "2021-12-02", "", (Check("lines", "more", ("hpyvm/value",)),), "", True)
    verdict = verdicts.Verdict(claim, CONFIRMED, "", tuple("e" * length for length in lengths))
    assert [len(line) for line in verdict.brief] == kept


def test_ledger_of_a_whole_run(run):
    """Each claim gets one verdict; those with an argument alone are untestable, and no probe is asked for that is not there."""
    found = claims.read(ROOT)
    every = verdicts.judge(found, verdicts.of_run(ROOT, run, [column.evidence for column in report.run_columns(run)]))
    assert [verdict.claim for verdict in every] == list(found.claims)
    assert all(verdict.word == UNTESTABLE for verdict in every if verdict.claim.argument)
    assert all(verdict.why for verdict in every if verdict.word in (DEPENDS, UNTESTABLE, UNTESTED))
    counted = Counter(verdict.word for verdict in every)
    assert verdicts.count_sentence(every).startswith(f"{len(every)} claims: confirmed {counted[CONFIRMED]}, ")
    assert {check.what for claim in found.claims for check in claim.checks if check.kind == "probe"} <= set(probes.read())


def test_report_leads_with_the_claims(run, tmp_path):
    """The report begins with the claims that lead, then has all of them, each with the verdict that is computed from its run."""
    page = report.render(run, tmp_path).read_text(encoding="utf-8")
    ledger = claims.read(ROOT)
    every = verdicts.judge(ledger, verdicts.of_run(ROOT, run, [column.evidence for column in report.run_columns(run)]))
    words = {verdict.claim.name: verdict.word for verdict in every}
    found = re.findall(r'data-claim="(\w+)" data-verdict="([\w ]+)"', page)
    leading = [claim.name for claim in ledger.claims if claim.leads]
    assert [name for name, _ in found] == [*leading, *words] and len(leading) >= 10
    assert all(words[name] == word for name, word in found)
    assert re.findall(r'<section id="(\w+)"', page)[0] == "claims" and verdicts.count_sentence(every) in page
    assert all(lost.after in html.unescape(page) for lost in ledger.lost)
