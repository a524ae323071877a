"""The command line: what it says to bad input, that it is quick, and what compare, report and the others show of a real run."""

import csv
import io
import json
import math
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lab_tree import ROOT, copy_tree, environment, lab, measured_tree

from lab import bench, catalogue, claims, cli, conformance, results, verdicts
from lab.analysis import paired

BOUNDS = ("", "_low", "_high")


@pytest.fixture(scope="module")
def tree(tmp_path_factory, interpreter, libraries):
    """A checkout with a real run named ``twelve``."""
    return measured_tree(tmp_path_factory, interpreter.tag)


@pytest.fixture
def command(tree, monkeypatch, capsys):
    """A function that runs ``lab WORDS`` in this process, on that checkout: (exit status, stdout, stderr)."""
    monkeypatch.setenv("LAB_ROOT", str(tree))
    handler = signal.getsignal(signal.SIGTERM)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            cli.main(list(words))
        return (ended.value.code, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, handler)


def contents(folder):
    """Every file below a folder, by path."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- bad input

@pytest.mark.parametrize("words, unknown, nearest, how_to_list", [
    ("bench attached_call --arm hpyvm/pointr", "arm 'hpyvm/pointr'", "hpyvm/pointer", "lab list arms"),
    ("check --arm trampolin", "arm 'trampolin'", "trampoline/plain", "lab list arms"),
    ("bench attached_cal", "scenario 'attached_cal'", "attached_call", "lab list scenarios"),
    ("bench all --preset quik", "preset 'quik'", "quick", "lab bench --help"),
    ("check nestin", "probe 'nestin'", "nesting", "lab list probes"),
    ("check nesting --lab-debug onn", "lab debug 'onn'", "on", "lab check --help"),
    ("compare twelv", "run 'twelv'", "twelve", "ls "),
    ("report twelv", "run 'twelv'", "twelve", "ls "),
    ("compare twelve --format jsn", "format 'jsn'", "json", "lab compare --help"),
    ("build --python cpython3.99", "interpreter 'cpython3.99'", "cpython3.", "lab list interpreters"),
    ("bench attached_call --python cpython3.99", "interpreter 'cpython3.99'", "cpython3.", "lab list interpreters")])
def test_unknown_name(command, words, unknown, nearest, how_to_list):
    """An unknown name is told with the nearest known one and with how to list what there is; exit status 2, no traceback."""
    status, out, err = command(*words.split())
    assert (status, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith(f"lab: unknown {unknown}; the nearest known one is '{nearest}")
    assert second.startswith(how_to_list) and second.endswith(" shows what there is")


@pytest.mark.parametrize("words, message", [
    ("bench attached_call --protocol pyperv", "'pyperv' is not one of 'paired', 'pyperf'"),
    ("list armz", "'armz' is not one of 'arms', 'scenarios'"),
    ("bnech", "No such command 'bnech'"),
    ("bench --bugdet 9s", "No such option"),
    ("bench attached_call --seed many", "'many' is not a valid integer"),
    ("bench attached_call --budget soon", "'soon' is not a duration; write 90s, 5m or 1h"),
    ("bench attached_call --budget 0s", "'0s' is not a duration"),
    ("bench attached_call --budget -5s", "'-5s' is not a duration"),
    ("bench attached_call --layouts 0", "0 layouts\ngive 1 to 64; fewer than 6 have no interval"),
    ("bench attached_call --layouts 65", "65 layouts\ngive 1 to 64"),
    ("bench attached_call --layouts 2 --protocol pyperf", "a pyperf.Runner measures one layout\nleave out --layouts"),
    ("bench attached_call --name up/down", "'up/down' cannot be the name of a run"),
    ("bench attached_call --name ../up", "'../up' cannot be the name of a run"),
    ("bench attached_call --name .hidden", "'.hidden' cannot be the name of a run"),
    ("bench attached_call --name latest", "'latest' cannot be the name of a run"),
    ("bench attached_call --python /etc/passwd", "interpreter /etc/passwd: it is not executable"),
    ("bench native_sort --arm control/empty", "control/empty in native_sort: runs no body"),
    ("bench attached_call --name twelve", "run 'twelve' exists already"),
    ("compare twelve twelve twelve", "3 runs were given; one or two can be compared"),
    ("report twelve twelve", "run 'twelve' was given twice"),
    ("compare", "Missing argument")])
def test_bad_argument(command, tree, words, message):
    """A wrong argument is told for what it is: exit status 2, no traceback, nothing written."""
    before = contents(tree / "results")
    status, out, err = command(*words.split())
    assert (status, out, message in err, "Traceback" in err) == (2, "", True, False), err
    assert contents(tree / "results") == before


def test_no_run_at_all(command, tmp_path, monkeypatch):
    """``lab report`` where nothing was measured says how to measure; ``lab compare`` says that there is no such run."""
    monkeypatch.setenv("LAB_ROOT", str(copy_tree(tmp_path)))
    assert command("report") == (2, "", "lab: there is no run yet to report on\nmake one with: lab bench\n")
    status, _, err = command("compare", "twelve")
    assert (status, err.splitlines()[0]) == (2, "lab: unknown run 'twelve'")


@pytest.mark.parametrize("words", [
    "bench all", "build", "check", "generate", "list arms", "report", "compare twelve", "doctor", "validate", "validate --show x"])
def test_no_checkout(command, tmp_path, monkeypatch, words):
    """Outside a checkout every command says that there is none, and what to do."""
    monkeypatch.setenv("LAB_ROOT", str(tmp_path))
    assert command(*words.split()) == (2, "", f"lab: no checkout of the lab found at LAB_ROOT={tmp_path} (a folder with "
                                              "csrc/interface.h)\nrun lab inside a clone, or set LAB_ROOT to one\n")


@pytest.mark.parametrize("words", ["build", "check nesting", "bench attached_call"])
def test_no_compiler(command, tmp_path, monkeypatch, words):
    """Without a compiler each command that needs one says so, and which command brings it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert command(*words.split()) == (2, "", "lab: no C compiler: none of cc, gcc, clang is on PATH\n"
                                              "apt-get install gcc libc6-dev\n")
    status, out, _ = command("doctor")
    lines = [line.split() for line in out.splitlines()]
    assert (status, lines[0][:2], lines[1]) == (1, ["missing", "compiler"], ["→", "apt-get", "install", "gcc", "libc6-dev"])


def test_interpreter_without_hpy(tree, tmp_path):
    """An interpreter without HPy, where none can be fetched, is told with the step that failed and the command to do it by."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    offline = {"PIP_NO_INDEX": "1", "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache"), "PIP_FIND_LINKS": ""}
    done = lab(tree, "bench", "attached_call", "--python", str(tmp_path / "bare" / "bin" / "python"), **offline)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    first, last = [line for line in done.stderr.splitlines() if line.startswith(("lab: ", "run it by hand: "))]
    assert re.fullmatch(r"lab: interpreter \S+: (installing|compiling) HPy 0.9.0 failed; its last lines:", first)
    assert last.endswith("hpy==0.9.0")


def test_unusable_interpreter_beside_a_usable_one(command, tree, interpreter):
    """What is no interpreter costs itself only: the other is measured, the exit status is 1, and the report names it."""
    both = ("--python", interpreter.path, "--python", "/bin/sh")
    status, out, err = command("build", *both)
    assert (status, out.splitlines()[-1]) == (1, "nothing to build")
    assert err.startswith("lab: interpreter /bin/sh: ")
    words = ("bench", "released_thread", "--arm", "hpyvm", *both, "--budget", "1s", "--name", "beside_a_shell")
    status, out, err = command(*words)
    run = results.load(tree / "results" / "beside_a_shell")
    assert (status, len(run.samples) > 0, len(run.failures)) == (1, True, 1)
    assert ", 1 failure; lab report beside_a_shell" in out and "Traceback" not in err
    assert command("report", "beside_a_shell")[0] == 0
    assert "/bin/sh" in (tree / "reports" / "beside_a_shell" / "index.html").read_text(encoding="utf-8")


def spoil(tree, name, deed):
    """A copy of the run ``twelve`` as results/[name], on which [deed] was done."""
    folder = tree / "results" / name
    shutil.copytree(tree / "results" / "twelve", folder)
    deed(folder)
    return folder


def newer(folder):
    header = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**header, "schema": header["schema"] + 1}))


def truncated(folder):
    path = next(folder.glob("pyperf/*/hpyvm.pointer.json.gz"))
    path.write_bytes(path.read_bytes()[:-100])


def edited(folder):
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"confidence": 0.95', '"confidence": 0.50'))


def half_a_header(folder):
    content = (folder / "run.json").read_bytes()
    (folder / "run.json").write_bytes(content[:len(content) // 2])


def lost(folder):
    next(folder.glob("pyperf/*/hpyvm.pointer.json.gz")).unlink()


@pytest.mark.parametrize("deed, message", [
    (newer, "run.json was made by a newer lab (schema 2, this one reads up to 1)"),
    (truncated, "hpyvm.pointer.json.gz is not what was measured: it was cut short or edited"),
    (edited, "run.json is not what was measured: it was cut short or edited"),
    (half_a_header, "run.json is truncated or not JSON"),
    (lost, "hpyvm.pointer.json.gz is missing")])
def test_run_that_cannot_be_believed(command, tree, deed, message):
    """A run of a newer lab, or with a file that is cut short, edited or gone, is refused by name, and stays as it is."""
    name = f"spoilt-{deed.__name__}"
    folder = spoil(tree, name, deed)
    before = contents(folder)
    for words in (["report", name], ["compare", name], ["compare", "twelve", name]):
        status, out, err = command(*words)
        assert (status, out) == (2, "")
        assert err.startswith(f"lab: run '{name}': ") and message in err and "Traceback" not in err
    assert (contents(folder), (tree / "reports" / name).exists()) == (before, False)
    shutil.rmtree(folder)


def test_traceback_only_with_debug(command):
    """--debug, anywhere in the line, shows where an error came from; without it no traceback is seen."""
    status, _, err = command("compare", "nothing")
    assert (status, "Traceback" in err) == (2, False)
    for words in (["--debug", "compare", "nothing"], ["compare", "nothing", "--debug"]):
        status, _, err = command(*words)
        assert (status, "Traceback" in err, "UnknownName" in err) == (2, True, True)


def test_mistake_of_the_labs_own(command, monkeypatch):
    """What should never happen ends with one line and its own exit status; --debug shows where."""
    monkeypatch.setattr(catalogue, "arms", lambda top=None: 1 // 0)
    status, _, err = command("list", "arms")
    assert (status, err.splitlines()[0]) == (70, "lab: ZeroDivisionError: integer division or modulo by zero")
    status, _, err = command("list", "arms", "--debug")
    assert (status, "Traceback" in err) == (70, True)


def test_reader_that_goes_away(tree):
    """A pipe that closes early, as with head, is no error to be told at length."""
    process = subprocess.Popen([sys.executable, "-m", "lab.cli", "compare", "twelve"], cwd=ROOT, env=environment(tree),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.wait(30)


def test_terminal_without_the_signs(tree):
    """Where the output cannot hold a minus sign or a micro sign, something else stands there and nothing breaks."""
    done = lab(tree, "compare", "twelve", PYTHONIOENCODING="latin-1")
    assert (done.returncode, "against control/pass_ctx" in done.stdout, done.stderr) == (0, True, "")


# ---- what the commands show

def test_help_of_everything(command):
    """Each command explains itself; in 80 columns the list of commands cuts no sentence short."""
    status, out, _ = command("--help")
    listed = [line.split(None, 1) for line in out.split("Commands:\n")[1].splitlines()]
    assert [name for name, _ in listed] == ["bench", "build", "check", "compare", "count", "doctor", "generate", "list", "report", "size",
                                           "validate"]
    assert (status, [text for _, text in listed if not text.endswith(".") or text.endswith("...")]) == (0, [])
    for name, _ in listed:
        status, out, _ = command(name, "-h")
        assert (status, out.startswith(f"Usage: lab {name} ")) == (0, True)


def test_lists(command, interpreter):
    """``lab list`` has a line for each of what there is."""
    expected = {"arms": list(catalogue.arms(ROOT)), "scenarios": list(catalogue.scenarios(ROOT)),
                "probes": sorted(path.stem for path in (ROOT / "lab" / "worker" / "probes").glob("*.py"))}
    for what, names in expected.items():
        status, out, _ = command("list", what)
        assert (status, [line.split()[0] for line in out.splitlines()]) == (0, names)
    assert interpreter.tag in [line.split()[0] for line in command("list", "interpreters")[1].splitlines()]


@pytest.fixture
def with_ledger(tree, tmp_path, monkeypatch):
    """That checkout with the ledger of claims and the examples, which it lacks; what is built is its own."""
    (tmp_path / "build").mkdir()
    (tmp_path / "results").mkdir()
    for name in ("csrc", "variants", "results/twelve"):
        (tmp_path / name).symlink_to(tree / name)
    for path in (tree / "build").iterdir():
        if path.is_dir():
            (tmp_path / "build" / path.name).symlink_to(path)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.setenv("LAB_ROOT", str(tmp_path))
    return tmp_path


def test_claims(command, with_ledger):
    """``lab list claims`` has every claim with its quote and a verdict, from the run that it names, and then what was lost."""
    ledger = claims.read(ROOT)
    status, out, err = command("list", "claims", "twelve")
    first, *entries = out.split("\n\n")
    assert (status, first, err) == (0, "From run twelve", "")
    told = [entry.splitlines() for entry in entries]
    assert told.pop(len(ledger.claims)) == [ledger.dates]
    assert [lines[0].partition(": ")[0] for lines in told] == [
        *(claim.name for claim in ledger.claims), *["lost in our copy"] * len(ledger.lost)]
    for claim, lines in zip(ledger.claims, told):
        assert lines[0].partition(": ")[2] in verdicts.WORDS and lines[1] == f"  “{claim.quote}” ({claim.author}, {claim.date})"
    by_name = {claim.name: lines for claim, lines in zip(ledger.claims, told)}
    assert by_name["enter_leave_needs_the_linker"][0].endswith(": confirmed")
    assert "HPy_EnterContext" in by_name["enter_leave_needs_the_linker"][-1]


def test_claims_after_a_check(command, with_ledger, interpreter):
    """Without a run named, what ``lab check all`` found since the latest one counts; with a name the run's own answers do."""
    axes = {"policy": "attach", "mode": "universal", "debug": "off"}
    outcomes = [conformance.Outcome("captured_object", "trampoline/handle", **axes, outcome="wrong", expected="ok", claimed=True,
                                    detail="", output="", seconds=0.1)]
    bench.keep_conformance(with_ledger, interpreter, outcomes)
    status, out, _ = command("list", "claims")
    assert (status, out.partition("\n")[0]) == (0, f"From run twelve, and the probes of lab check on {interpreter.tag}")
    assert "\nclosure_can_own_a_handle: refuted\n" in out
    assert "\nclosure_can_own_a_handle: not tested yet\n" in command("list", "claims", "twelve")[1]
    (with_ledger / "build" / "universal").unlink()
    assert command("list", "claims")[1].startswith("From run twelve\n")         # found with other libraries


def test_claims_without_a_run(command, with_ledger):
    """Where nothing was measured the ledger is shown all the same, with what needs no run judged."""
    (with_ledger / "results" / "twelve").unlink()
    status, out, _ = command("list", "claims")
    assert (status, out.partition("\n")[0]) == (0, "From no run: lab bench and lab check all make one")
    assert "\nget_is_simple: confirmed\n" in out and "\npassing_is_cheapest: not tested yet\n" in out


def test_claims_that_are_not_there(command, tree):
    """A checkout without the ledger says so, and a run is a run of claims alone."""
    assert command("list", "claims")[2].splitlines()[0] == "lab: this checkout has no docs/claims.toml"
    assert command("list", "arms", "twelve")[::2] == (2, "lab: arms are not listed by run\nlab list claims RUN\n")


def test_doctor_shows_everything_off_a_terminal(command):
    """Off a terminal each finding is one line, and none is wrapped or cut."""
    status, out, _ = command("doctor")
    names = [line.split("  ")[0] for line in out.splitlines()]
    assert (status, set(names)) == (0, {"ok", "warn", ""})
    assert "…" not in out


def test_generate_check(command, tmp_path, monkeypatch):
    """``lab generate --check`` counts what it looked at; a file that was edited by hand is named."""
    top = copy_tree(tmp_path)
    monkeypatch.setenv("LAB_ROOT", str(top))
    assert command("generate")[0] == 0
    assert command("generate", "--check") == (0, "4 generated files are what the specifications say\n", "")
    (top / "csrc" / "autogen_context.h").write_text("/* mine */\n")
    status, _, err = command("generate", "--check")
    assert (status, err.splitlines()[0]) == (2, "csrc/autogen_context.h is not what the specifications say")
    assert command("generate")[1] == "wrote csrc/autogen_context.h\n"
    assert command("generate")[1] == "nothing to change\n"


def test_compare_as_a_table(command, twelve):
    """Off a terminal the tables are whole: every title, every arm, every interval and verdict."""
    status, out, _ = command("compare", "twelve")
    assert (status, "…" in out) == (0, False)
    for finding in paired.analyse(twelve):
        assert f"{finding.benchmark}, {finding.interpreter}, against {finding.reference}" in out
    rows = [line for line in out.splitlines() if line.startswith("hpyvm/pointer ")]
    assert len(rows) == 4
    form = r"hpyvm/pointer +[+−]\S+ .s \[\S+.*\] +\S+ \[\S+, \S+\] .* (better|worse|equivalent|unresolved)"
    assert [row for row in rows if not re.fullmatch(form, row)] == []


@pytest.fixture(scope="module")
def twelve(tree):
    """The real run."""
    return results.load(tree / "results" / "twelve")


@pytest.fixture(scope="module")
def second(tree):
    """What ``lab bench`` said of another short run of two of its arms."""
    return lab(tree, "bench", "released_thread", "--arm", "hpyvm/pointer", "--budget", "4s", "--name", "second")


def test_compare_as_json_and_csv(command, twelve):
    """Both hold the numbers of paired.analyse, every one, and JSON has neither NaN nor Infinity."""
    def refuse(constant):
        raise AssertionError(constant)

    status, out, _ = command("compare", "twelve", "--format", "json")
    records = json.loads(out, parse_constant=refuse)
    findings = paired.analyse(twelve)
    assert (status, len(records)) == (0, len(findings))
    rows = list(csv.DictReader(io.StringIO(command("compare", "twelve", "--format", "csv")[1])))
    for finding, record, row in zip(findings, records, rows):
        for key in ("interpreter", "benchmark", "arm", "verdict"):
            assert record[key] == row[key] == getattr(finding, key)
        for key in ("added_ns", "ratio", "absolute_ns"):
            estimate = getattr(finding, key)
            expected = [estimate.point, estimate.low, estimate.high]
            assert [float(row[key + bound]) for bound in BOUNDS] == expected
            finite = [bound if math.isfinite(bound) else None for bound in expected]     # few processes bound nothing
            assert [record[key + bound] for bound in BOUNDS] == finite


def test_compare_as_markdown(command):
    """The tables as Markdown, one for each benchmark."""
    status, out, _ = command("compare", "twelve", "--format", "md")
    assert (status, out.count("| arm | added |"), out.startswith("**attached_call[mode=")) == (0, 4, True)


def test_report_of_two_runs(command, tree, second):
    """``lab report`` of two runs writes one page under both names and ends with five lines for each and how far they agree."""
    assert second.returncode == 0
    status, out, err = command("report", "twelve", "second")
    lines = out.splitlines()
    assert (status, err, len(lines)) == (0, "", 12)
    assert lines[-1].endswith("reports/twelve+second/index.html")
    assert (lines[0].startswith("[twelve:cpython"), lines[5].startswith("[second:cpython")) == (True, True)
    assert lines[10].startswith("Of ") and (tree / "reports" / "twelve+second" / "index.html").is_file()


def test_compare_by_interpreter(command):
    """``lab compare --by interpreter`` has a column for each interpreter, and is for one run."""
    status, out, _ = command("compare", "twelve", "--by", "interpreter", "--format", "md")
    assert (status, "| arm | cpython" in out, "| hpyvm/pointer |" in out) == (0, True, True)
    assert command("compare", "twelve", "--by", "interpreter", "--format", "csv")[1].count("\n") == command(
        "compare", "twelve", "--format", "csv")[1].count("\n")
    assert command("compare", "twelve", "--by", "interpretr")[2].startswith("lab: unknown view 'interpretr'; the nearest known")
    assert "--by interpreter shows one run" in command("compare", "twelve", "twelve", "--by", "interpreter")[2]


def test_progress_off_a_terminal(second):
    """Plain lines with the time left, at most one for each tenth of the budget, and the name to go on with."""
    lines = [line for line in second.stderr.splitlines() if re.fullmatch(r"\d+ processes, [\d.]+ s left \(.*\)", line)]
    assert 3 <= len(lines) <= 10
    assert re.fullmatch(r"complete: \d+ processes in [\d.]+ s, 0 failures; lab report second\n", second.stdout)


def on_a_terminal(tree, *words):
    """(exit status, all that ``lab WORDS`` wrote to a terminal of 120 columns)."""
    try:
        ours, theirs = pty.openpty()
    except OSError as error:    # no devpts, as in a bare chroot
        pytest.skip(f"no terminal can be had: {error}")
    variables = environment(tree, TERM="xterm-256color", COLUMNS="120", LINES="40")
    process = subprocess.Popen([sys.executable, "-m", "lab.cli", *words], cwd=ROOT, env=variables, stdin=theirs, stdout=theirs,
                               stderr=theirs, start_new_session=True)
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 1 << 16)
        except OSError:     # the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    return process.wait(30), written.decode()


def test_progress_on_a_terminal(tree):
    """A bar with the time left that goes away, then one line of what came of it."""
    status, written = on_a_terminal(tree, "bench", "released_thread", "--arm", "hpyvm", "--budget", "4s", "--name", "terminal")
    assert status == 0
    assert re.search(r"━.* \d\d %.* s left .*released_thread block 0", written)
    assert "complete: " in written.splitlines()[-1]


def test_check_on_a_terminal(tree):
    """``lab check`` shows a bar too, and the whole matrix."""
    status, written = on_a_terminal(tree, "check", "returned_ctx", "--arm", "hpyvm", "--arm", "control")
    assert (status, "━" in written) == (0, True)
    assert "hpy_universal_global" in written and "n/a" in written


def test_compare_on_a_terminal(tree):
    """The tables of a run fit into 120 columns, and names in brackets are not taken for markup."""
    status, written = on_a_terminal(tree, "compare", "twelve")
    assert (status, "…" in written, "attached_call[mode=throughput], " in written) == (0, False, True)
    shown = re.sub(r"\x1b\[[\d;]*m", "", written)
    assert max(len(line) for line in shown.splitlines() if "±" not in line) <= 130


def test_report_ends_with_five_lines(command, tree, tmp_path, monkeypatch):
    """``lab report`` says in five lines what the run says, then where the report is; a run is named by name or folder."""
    monkeypatch.chdir(tree)
    status, out, err = command("report", "twelve")
    lines = out.splitlines()
    assert (status, err, len(lines), lines[-1]) == (0, "", 6, "report: reports/twelve/index.html")
    assert [line.split(":")[0] for line in lines[:5]] == [
        "Attached thread", "Thread that left Python", "Foreign thread", "The issue's own case, qsort", "A/A control"]
    assert command("report", "results/twelve")[1] == out
    monkeypatch.chdir(tmp_path)
    assert command("report", "twelve")[1].splitlines()[-1] == f"report: {tree}/reports/twelve/index.html"


def test_report_without_a_name_takes_the_latest(command, tree):
    """Without a name the run that was created last is meant."""
    created = {path.parent.name: json.loads(path.read_text())["created"] for path in (tree / "results").glob("*/run.json")}
    status, out, _ = command("report")
    named = out.splitlines()[-1].split("/")[-2]
    assert (status, created[named]) == (0, max(created.values()))


# ---- speed

def processor_seconds():
    """What the processes that were waited for took of processors: the time on the wall where nobody else is at work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds(*command, **variables):
    """How long the fastest of five took."""
    best = float("inf")
    for _ in range(5):
        before = processor_seconds()
        subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=True, capture_output=True)
        best = min(best, processor_seconds() - before)
    return best


def test_help_is_quick():
    """``lab --help`` takes at most 0.3 s."""
    assert seconds(sys.executable, "-m", "lab.cli", "--help") < 0.3


def test_build_of_nothing_is_quick(tree):
    """``lab build`` with nothing changed takes at most 1 s."""
    assert seconds(sys.executable, "-m", "lab.cli", "build", LAB_ROOT=str(tree)) < 1.0


def test_report_is_quick(tree, tmp_path):
    """``lab report`` takes at most 10 s, of the reference run where it is there."""
    reference = ROOT / "results" / "reference"
    (tmp_path / "csrc").mkdir()
    shutil.copy(ROOT / "csrc" / "interface.h", tmp_path / "csrc")       # all that makes a checkout; its reports/ are its own
    shutil.copytree(reference if reference.is_dir() else tree / "results" / "twelve", tmp_path / "results" / "run")
    before = processor_seconds()
    done = lab(tmp_path, "report", "run")
    assert (done.returncode, processor_seconds() - before < 10.0) == (0, True)
    assert Path(done.stdout.splitlines()[-1].removeprefix("report: ")).is_file()
