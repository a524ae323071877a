"""``lab compare OLD NEW`` on runs that lie on disk: real ones of the same code, and made-up ones with a slower arm."""

import csv
import io
import json
import shutil
import signal

import pytest
from lab_tree import lab, measured_tree
from synthetic import make_run

from lab import cli, results


@pytest.fixture(scope="module")
def tree(tmp_path_factory, interpreter, libraries):
    """A checkout with the real run ``twelve``, and with the made-up runs old, slower (one arm by 3 ns) and elsewhere."""
    top = measured_tree(tmp_path_factory, interpreter.tag)
    made = {"old": {"seed": 1}, "slower": {"seed": 3, "planted": {"hpyvm/value": 8.2}},
            "elsewhere": {"seed": 4, "hostname": "mars"}, "without": {"seed": 5, "interpreters": ("pypy3.11",)}}
    for name, kind in made.items():
        make_run(top / "results" / f"made_{name}", **kind)
    yield top
    for name in made:    # the checkout is shared with other tests, which ask for the latest run
        shutil.rmtree(top / "results" / f"made_{name}")


@pytest.fixture
def command(tree, monkeypatch, capsys):
    """A function that runs ``lab compare WORDS`` in this process, on that checkout: (exit status, stdout, stderr)."""
    monkeypatch.setenv("LAB_ROOT", str(tree))
    handler = signal.getsignal(signal.SIGTERM)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            cli.main(["compare", *words])
        return (ended.value.code, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, handler)


def test_regression_fails_a_check(command):
    """A slower arm is worse, with its name and its cells; --fail-on worse exits with 3, and without the option with 0."""
    status, out, err = command("made_old", "made_slower", "--format", "json", "--fail-on", "worse")
    rows = json.loads(out)
    assert (status, {row["arm"] for row in rows if row["verdict"] == "worse"}) == (3, {"hpyvm/value"})
    assert f"{len(rows)} cells: " in err and "The reference arms' own times are " in err
    status, out, _ = command("made_old", "made_slower")
    assert (status, out.splitlines()[0].strip()) == (0, "made_old → made_slower") and f"{len(rows)} cells: " in out
    assert command("made_slower", "made_old", "--fail-on", "worse")[0] == 0      # the other way round it is better
    assert command("made_slower", "made_old", "--fail-on", "unresolved")[0] == 3


def test_every_format_has_every_cell(command):
    """The same rows as a table, as csv, json and Markdown; what is said besides does not stand among them."""
    rows = json.loads(command("made_old", "made_slower", "--format", "json")[1])
    lines = list(csv.DictReader(io.StringIO(command("made_old", "made_slower", "--format", "csv")[1])))
    assert [(row["benchmark"], row["arm"], row["verdict"]) for row in lines] == [
        (row["benchmark"], row["arm"], row["verdict"]) for row in rows]
    assert command("made_old", "made_slower", "--format", "md")[1].count("\n| cpython") == len(rows)


def test_another_machine_is_refused(command):
    """Runs of two machines are refused by name with exit status 2; --across compares them and says so in every place."""
    status, out, err = command("made_old", "made_elsewhere", "--fail-on", "worse")
    assert (status, out) == (2, "") and "hostname: synthetic then, mars now" in err and "--across" in err
    status, out, err = command("made_old", "made_elsewhere", "--across", "--format", "json")
    assert (status, {row["across"] for row in json.loads(out)}) == (0, {"hostname"})
    assert "NOT THE SAME: hostname: synthetic then, mars now" in err
    assert "NOT ALIKE, hostname" in command("made_old", "made_elsewhere", "--across")[1].splitlines()[0]


def test_another_interpreter_is_refused(command):
    """A run of another interpreter alone is refused, and compared with --across, where the table names the old one's."""
    status, out, err = command("made_old", "made_without")
    assert (status, out) == (2, "") and "cpython3.11 and pypy3.11: tag: cpython3.11 then, pypy3.11 now" in err
    assert command("made_old", "made_without", "--across", "--format", "md")[1].count("\n| cpython3.11 |") > 10


@pytest.mark.parametrize("words, message", [
    (["made_old", "--across"], "--across is for two runs"), (["made_old", "--fail-on", "worse"], "--fail-on is for two runs"),
    (["made_old", "made_old"], "run 'made_old' was given twice"),
    (["made_old", "made_slower", "--fail-on", "better"], "'better' is not one of 'worse', 'unresolved'")])
def test_bad_argument(command, words, message):
    """What makes no sense is told for what it is: exit status 2, and nothing compared."""
    status, out, err = command(*words)
    assert (status, out) == (2, "") and message in err


@pytest.fixture(scope="module")
def again(tree):
    """The same code measured again in the same checkout, for one arm, as ``again``."""
    done = lab(tree, "bench", "released_thread", "--arm", "hpyvm/pointer", "--budget", "5s", "--seed", "2", "--name", "again")
    assert done.returncode == 0, done.stderr
    yield
    shutil.rmtree(tree / "results" / "again")


def test_real_runs_of_the_same_code(command, tree, again):
    """Two real runs of one build may be compared; the cell that both have is judged, on the same binaries."""
    status, out, err = command("twelve", "again", "--format", "json")
    row, = json.loads(out)
    assert (status, row["benchmark"], row["arm"]) == (0, "released_thread", "hpyvm/pointer")
    assert (row["binaries"], row["across"]) == ("", "")
    counted = [results.load(tree / "results" / name).samples.query("arm == 'hpyvm/pointer' and scenario == 'released_thread'")
               .process.nunique() for name in ("twelve", "again")]
    assert [row["processes_old"], row["processes_new"]] == counted and abs(row["change_ns"]) < 1000
    if min(counted) < 6:        # a busy machine has no time for more, and of fewer nothing is said
        assert (row["verdict"], row["change_ns_low"]) == ("unresolved", None)
    else:
        assert row["change_ns_low"] <= row["change_ns"] <= row["change_ns_high"]
    assert "not in the new run: " in err and "released_thread: the arms shared their processes with others" in err


def test_other_flags_are_refused(command, tree, again):
    """A run that was built with other compiler flags is refused by name."""
    copy = tree / "results" / "flags"
    shutil.copytree(tree / "results" / "again", copy)
    try:
        store = results.RunStore.open(copy)
        assert "-O2" in store.header["build_flags"]
        store.update(build_flags="-O3")
        store.finish("complete", 1.0)
        status, out, err = command("twelve", "flags")
    finally:
        shutil.rmtree(copy)
    assert (status, out) == (2, "") and "the build: build_flags: " in err and "-O3 now" in err
