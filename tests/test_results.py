"""lab.results, with lab.journal, lab.samples and lab.results_schema under it: what was measured is kept, or refused by name."""

import gzip
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pyperf
import pytest
from synthetic import (
    ADDED_NS, CROSSCHECKED, INTERPRETER, TWIN, claims_of, known_arms, make_answer, make_header, make_metadata, make_run, make_sheets)

from lab import results_schema, samples
from lab.errors import ResultsError, UnknownName, WorkerError
from lab.results import RunStore, find, load

FAILURE = {"interpreter": INTERPRETER, "scenario": "native_sort", "benchmark": None, "arm": None, "what": "hung",
           "last_words": ""}
TRUTH = {**ADDED_NS, TWIN: ADDED_NS["hpyvm/pointer"]}
PASS_CTX = f"pyperf/{INTERPRETER}/control.pass_ctx.json.gz"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A whole run, to be read only."""
    return make_run(tmp_path_factory.mktemp("results") / "finished", processes=6, rounds=4)


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A whole run of one's own, to be spoiled."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.fixture
def store(tmp_path) -> RunStore:
    """A run that has just begun."""
    sheets = make_sheets(rounds=4)
    return RunStore.create(tmp_path / "begun", make_header("begun", sheets, seed=1))


def answers(count: int, rounds: int = 4):
    """(answer, sheet, process, seed) for the first [count] processes of a run."""
    random = numpy.random.default_rng(7)
    for process, sheet in zip(range(count), itertools.cycle(make_sheets(rounds=rounds))):
        yield make_answer(random, sheet, TRUTH), sheet, process, 100 + process


def batches(answer: dict) -> int:
    return sum(len(measured["values"]) for cell in answer["cells"] for measured in cell["arms"].values())


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def table(folder: Path):
    """The samples of a run in an order that does not depend on how they came."""
    return load(folder).samples.sort_values(["process", "benchmark", "arm", "round"]).reset_index(drop=True)


def test_every_value_comes_back(store):
    """Each batch of each answer is one row, with the value, place and counters that the worker gave."""
    given = {}
    for answer, sheet, process, seed in answers(4):
        store.add(answer, sheet, process, seed)
        for cell in answer["cells"]:
            for arm, measured in cell["arms"].items():
                for index, value in enumerate(measured["values"]):
                    given[process, cell["benchmark"], arm, index] = (
                        cell["scenario"], sheet["block"], value, measured["positions"][index], measured["involuntary"][index])
    store.finish("complete", 1.0)
    rows = load(store.folder).samples
    found = {(row.process, row.benchmark, row.arm, row.round):
             (row.scenario, row.block, row.value_s, row.position, row.involuntary) for row in rows.itertuples()}
    assert tuple(rows.columns) == samples.COLUMNS
    assert len(rows) == len(given)
    assert found == given


def test_header_and_the_rest_come_back(finished):
    """Header, failures, what cannot run, cross-check and conformance are read as they were written."""
    run = load(finished)
    assert (run.name, run.header["schema"], run.header["status"], run.header["elapsed_s"]) == ("finished", 1, "complete", 61.5)
    assert [failure["arm"] for failure in run.failures] == ["peer/pygilstate"]
    assert {(entry["scenario"], entry["arm"]) for entry in run.not_applicable} >= {("native_sort", "control/pass_ctx")}
    assert run.crosscheck[INTERPRETER, TWIN].get_benchmark_names() == [CROSSCHECKED]
    claimed = {probe for arm in known_arms().values() for probe in claims_of(arm)}
    assert {row["probe"] for row in run.conformance[INTERPRETER]} == claimed != set()


def test_a_begun_run_without_samples_can_be_read(store):
    """A run that was interrupted before its first sample has an empty table with every column."""
    rows = load(store.folder).samples
    assert (tuple(rows.columns), len(rows)) == (samples.COLUMNS, 0)


def test_every_file_is_pyperfs(finished):
    """pyperf itself loads each file; files of one block have the same benchmarks with as many values."""
    paths = sorted((finished / "pyperf" / INTERPRETER).glob("*.json.gz"))
    counts = {path.name: {bench.get_name(): bench.get_nvalue() for bench in pyperf.BenchmarkSuite.load(str(path))}
              for path in paths}
    assert len(counts) == 22    # 13 arms and a twin; 3 references in block 0, which 2 of them are alone, 1, and 2
    for form in ("enter_leave.ambient", "trampoline.plain", "trampoline.handle", "hpyvm.pointer@twin"):
        assert counts[f"{form}.json.gz"] == counts["hpyvm.pointer.json.gz"]
    shared = counts["control.pass_ctx.json.gz"].keys() & counts["hpyvm.pointer.json.gz"].keys()
    assert len(shared) == 7
    assert {name: counts["control.pass_ctx.json.gz"][name] for name in shared} == dict.fromkeys(shared, 6 * 4)
    assert {counts["control.pass_ctx.block1.json.gz"][name] for name in shared} == {6 * 4}


def test_pyperf_compares_two_files(finished):
    """``pyperf compare_to`` takes two arms' files and has something to say on each benchmark."""
    folder = finished / "pyperf" / INTERPRETER
    first, second = folder / "hpyvm.pointer.json.gz", folder / "trampoline.plain.json.gz"
    one, other = (pyperf.BenchmarkSuite.load(str(path)) for path in (first, second))
    assert one.get_benchmark_names() == other.get_benchmark_names()
    assert [bench.get_nvalue() for bench in one] == [bench.get_nvalue() for bench in other]
    done = subprocess.run([sys.executable, "-m", "pyperf", "compare_to", str(first), str(second)], capture_output=True,
                          text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "attached_call[mode=throughput]: Mean +- std dev" in done.stdout
    assert "Ignored benchmarks" not in done.stdout


def test_pyperf_metadata_says_where_a_run_comes_from(finished):
    """A pyperf run carries the arm, scenario, process, block, seed and series of its batches."""
    run = pyperf.BenchmarkSuite.load(str(finished / PASS_CTX)).get_benchmark(CROSSCHECKED).get_runs()[0]
    metadata = run.get_metadata()
    expected = {"lab_arm": "control/pass_ctx", "lab_scenario": "attached_call", "lab_process": 0, "lab_block": 0,
                "lab_seed": 1, "unit": "second", "loops": 131072}
    assert {key: metadata[key] for key in expected} == expected
    assert {key: len(metadata["lab_" + key].split(",")) for key in ("positions", *samples.COUNTERS)} == dict.fromkeys(
        ("positions", *samples.COUNTERS), 4)


def test_a_run_is_never_overwritten(finished):
    """A second run of the same name is refused, and the first stays as it was."""
    before = content(finished)
    with pytest.raises(ResultsError, match="'finished' exists already"):
        RunStore.create(finished, make_header("finished", make_sheets(), seed=1))
    assert content(finished) == before


def test_a_header_must_be_whole(tmp_path):
    """A header without its margins is a mistake of the caller, and makes no folder."""
    header = make_header("x", make_sheets(), seed=1)
    del header["margins"]
    with pytest.raises(ValueError, match="margins"):
        RunStore.create(tmp_path / "x", header)
    assert not (tmp_path / "x").exists()


def test_what_was_fixed_stays_fixed(store):
    """Nothing that a verdict rests on can be changed once there are samples; the rest can."""
    store.update(environment={"governor": "performance"})
    store.flush()
    assert load(store.folder).header["environment"] == {"governor": "performance"}
    with pytest.raises(ValueError, match="margins"):
        store.update(margins={"absolute_ns": 50})


def test_nothing_is_lost_before_the_first_flush(store):
    """What was added is read back though no file but the journal has it."""
    given = list(answers(3))
    for each in given:
        store.add(*each)
    store.fail(FAILURE)
    run = load(store.folder)
    assert len(run.samples) == sum(batches(each[0]) for each in given)
    assert run.failures == [FAILURE]
    assert not (store.folder / "pyperf").exists()


def test_a_half_written_line_is_dropped(store):
    """A journal cut off in the middle of its last record gives all records before it."""
    given = list(answers(3))
    for each in given:
        store.add(*each)
    journal = store.folder / "journal.jsonl"
    os.truncate(journal, journal.stat().st_size - 1000)
    assert sorted(load(store.folder).samples["process"].unique()) == [0, 1]
    reopened = RunStore.open(store.folder)
    reopened.add(*given[2])
    reopened.finish("complete", 1.0)
    assert len(load(store.folder).samples) == sum(batches(each[0]) for each in given)


class Crash(BaseException):
    """The end of a process, as far as the code under test can tell."""


def fragile(monkeypatch, store: RunStore, step: int):
    """Makes the process end at the [step]th file that a flush replaces, or before it empties the journal."""
    calls = itertools.count(1)

    def until_crash(real):
        def act(*arguments):
            if next(calls) == step:
                raise Crash
            return real(*arguments)
        return act

    monkeypatch.setattr(os, "replace", until_crash(os.replace))
    monkeypatch.setattr(store._journal, "empty", until_crash(store._journal.empty))


def test_a_crash_at_any_step_of_a_flush_loses_and_doubles_nothing(tmp_path, monkeypatch):
    """Files, ledger and journal may be cut off from each other anywhere; a reader and a resumed run see each process once."""
    given, survived = list(answers(4)), 0
    for step in itertools.count(1):
        store = RunStore.create(tmp_path / str(step), make_header(str(step), make_sheets(rounds=4), seed=1))
        for each in given[:2]:
            store.add(*each)
        store.flush()
        for each in given[2:]:
            store.add(*each)
        store.fail(FAILURE)
        fragile(monkeypatch, store, step)
        try:
            store.flush()
            break
        except Crash:
            survived += 1
        finally:
            monkeypatch.undo()
        read = load(store.folder)
        resumed = RunStore.open(store.folder)
        assert resumed.processes == {0, 1, 2, 3}
        resumed.finish("complete", 1.0)
        again = load(store.folder)
        expected = sum(batches(each[0]) for each in given), [FAILURE]
        assert (len(read.samples), read.failures) == expected
        assert (len(again.samples), again.failures) == expected
    assert survived == 15    # the ledger, eleven files of arms, run.json, the ledger, the journal


def test_a_store_goes_on_after_an_interrupted_flush(store, monkeypatch):
    """Ctrl-C in the middle of a flush, and finish() after it: all is there."""
    given = list(answers(4))
    for each in given:
        store.add(*each)
    fragile(monkeypatch, store, 5)
    with pytest.raises(Crash):
        store.flush()
    monkeypatch.undo()
    store.finish("interrupted", 2.0)
    run = load(store.folder)
    assert (run.header["status"], len(run.samples)) == ("interrupted", sum(batches(each[0]) for each in given))


def test_a_ctrl_c_between_journal_and_memory_loses_nothing(store, monkeypatch):
    """A record that is on the disk counts, even where memory was not told of it before the run was finished."""
    first, second = answers(2)
    store.add(*first)
    monkeypatch.setattr(store._state, "fold", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.add(*second)
    monkeypatch.undo()
    store.finish("interrupted", 1.0)
    assert sorted(load(store.folder).samples["process"].unique()) == [0, 1]


def test_a_record_is_on_the_disk_when_add_returns(store, monkeypatch):
    """The journal is synchronised after its line was written, not only handed to the kernel."""
    synchronised = []
    monkeypatch.setattr(os, "fsync", lambda handle: synchronised.append(os.fstat(handle).st_size))
    store.add(*next(answers(1)))
    assert synchronised == [(store.folder / "journal.jsonl").stat().st_size]
    assert synchronised[0] > 0


WRITER = """
import itertools, sys
from pathlib import Path
from test_results import RunStore, answers, make_header, make_sheets
store = RunStore.create(Path(sys.argv[1]), make_header("killed", make_sheets(rounds=4), seed=1))
for each in answers(10 ** 6):
    store.add(*each)
    print(each[2], flush=True)
    if each[2] % 4 == 3:
        store.flush()
"""


def test_a_killed_writer_loses_nothing_it_had_acknowledged(tmp_path):
    """SIGKILL at a random moment: every process that was recorded before is there, whole."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "killed")], stdout=subprocess.PIPE, text=True,
                              env=environment)
    acknowledged = [int(writer.stdout.readline()) for _ in range(30)]
    time.sleep(0.02)
    writer.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in writer.communicate()[0].splitlines()]
    expected = {process: batches(answer) for answer, _, process, _ in answers(len(acknowledged))}
    found = load(tmp_path / "killed").samples["process"].value_counts().to_dict()
    assert {process: found.get(process) for process in expected} == expected
    assert set(found) <= set(range(len(acknowledged) + 1))


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    """Closing and opening a run between processes changes no sample."""
    header = make_header("x", make_sheets(rounds=4), seed=1)
    whole, parted = RunStore.create(tmp_path / "whole", header), RunStore.create(tmp_path / "parted", header)
    for each in answers(6):
        whole.add(*each)
        parted.add(*each)
        parted = RunStore.open(parted.folder)
    whole.finish("complete", 1.0)
    parted.finish("complete", 1.0)
    assert table(parted.folder).equals(table(whole.folder))
    assert len(table(whole.folder)) == sum(batches(each[0]) for each in answers(6))


def test_a_process_is_recorded_once(store):
    """An id that is taken is a mistake of the caller."""
    first = next(answers(1))
    store.add(*first)
    with pytest.raises(ValueError, match="process 0 is recorded already"):
        store.add(*first)


def spoil(answer: dict, how: str) -> dict:
    """An answer with one thing wrong."""
    answer = json.loads(json.dumps(answer))
    measured = answer["cells"][0]["arms"]["hpyvm/pointer"]
    if how == "zero":
        measured["values"][1] = 0.0
    elif how == "not a number":
        measured["values"][1] = float("nan")
    elif how == "no values":
        measured.update({name: [] for name in ("values", "positions", *samples.COUNTERS)})
    elif how == "short series":
        measured["faults"].pop()
    elif how == "no counter":
        del measured["steal"]
    elif how == "newline":
        answer["metadata"]["platform"] = "a\nb"
    elif how == "empty":
        answer["cells"] = []
    return answer


@pytest.mark.parametrize("how, says", [
    ("zero", "values must be a sequence of number > 0"), ("not a number", "not numbers"), ("no values", "has no values"),
    ("short series", "hpyvm/pointer has 4 values but 3 faults"), ("no counter", "lacks 'steal'"), ("newline", "newline"),
    ("empty", "measured nothing")])
def test_nonsense_is_refused_and_leaves_no_trace(store, how, says):
    """An answer that pyperf could not hold is refused when it comes, by process, and the next one is taken."""
    answer, *rest = next(answers(1))
    with pytest.raises(WorkerError, match="process 0 .*answered nonsense: .*" + says):
        store.add(spoil(answer, how), *rest)
    assert len(load(store.folder).samples) == 0
    store.add(answer, *rest)
    assert len(load(store.folder).samples) == batches(answer)


def test_an_answer_from_another_machine_is_refused(store):
    """pyperf wants runs that agree on their platform: one that does not is refused when it comes, not when it is written."""
    (first, *rest), (second, *others) = answers(2)
    store.add(first, *rest)
    with pytest.raises(WorkerError, match="process 1 does not fit the run: its hostname is 'elsewhere'"):
        store.add({**second, "metadata": {**make_metadata(), "hostname": "elsewhere"}}, *others)
    store.finish("complete", 1.0)
    assert store.processes == {0}


def test_nonsense_from_plain_pyperf_is_refused(store):
    """What is not a pyperf suite is no cross-check."""
    with pytest.raises(WorkerError, match="plain pyperf answered nonsense for hpyvm/pointer"):
        store.add_crosscheck(INTERPRETER, "hpyvm/pointer", "{}")
    assert load(store.folder).crosscheck == {}


def rewrite_json(path: Path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def favour(path: Path) -> None:
    """Makes an arm faster, by hand, in a file that stays good pyperf."""
    suite = pyperf.BenchmarkSuite.load(str(path))
    text = json.dumps(suite._as_json()).replace('"values": [', '"values": [1e-09, ', 1)
    path.write_bytes(gzip.compress(text.encode()))


SPOILED = {
    "header missing": ("run.json", Path.unlink, "run.json is missing"),
    "header truncated": ("run.json", cut, "run.json is truncated or not JSON"),
    "header not JSON": ("run.json", lambda path: path.write_bytes(b"\xff\x00"), "run.json is truncated or not JSON"),
    "header no object": ("run.json", lambda path: path.write_text("[]"), "run.json is not a JSON object"),
    "header newer": ("run.json", lambda path: rewrite_json(path, lambda header: header.update(schema=2)),
                     r"run.json was made by a newer lab \(schema 2, this one reads up to 1\)\nupgrade"),
    "header older": ("run.json", lambda path: rewrite_json(path, lambda header: header.update(schema=-1)), "an older lab"),
    "no schema": ("run.json", lambda path: rewrite_json(path, lambda header: header.pop("schema")),
                  "does not say which schema"),
    "margin widened": ("run.json", lambda path: rewrite_json(path, lambda header: header["margins"].update(absolute_ns=50)),
                       "run.json is not what was measured"),
    "values missing": (PASS_CTX, Path.unlink, PASS_CTX + " is missing"),
    "values truncated": (PASS_CTX, cut, PASS_CTX + " is not what was measured"),
    "values edited": (PASS_CTX, favour, PASS_CTX + " is not what was measured"),
    "probes edited": ("conformance.json", cut, "conformance.json is not what was measured"),
    "cross-check edited": (f"crosscheck/{INTERPRETER}/hpyvm.pointer.json.gz", favour,
                           "hpyvm.pointer.json.gz is not what was measured"),
    "ledger missing": ("files.json", Path.unlink, "files.json is missing"),
    "ledger truncated": ("files.json", cut, "files.json is truncated"),
    "ledger edited": ("files.json", lambda path: path.write_text('{"schema": 1}'), "files.json was edited"),
    "journal edited": ("journal.jsonl", lambda path: path.write_text("{\n{}\n"), "line 1 of journal.jsonl is not JSON"),
    "journal forged": ("journal.jsonl", lambda path: path.write_text('{"n": 10000, "kind": "answer"}\n'),
                       "journal.jsonl was edited"),
}


@pytest.mark.parametrize("what", SPOILED)
@pytest.mark.parametrize("use", [load, RunStore.open])
def test_a_spoiled_run_is_refused_by_name_and_left_alone(copy, what, use):
    """The message names the run, the file and a remedy; no byte of the run changes."""
    name, act, says = SPOILED[what]
    act(copy / name)
    before = content(copy)
    with pytest.raises(ResultsError, match=says) as caught:
        use(copy)
    assert "'copy'" in caught.value.message
    assert caught.value.remedy
    assert content(copy) == before


def test_strangers_are_not_believed(copy):
    """A pyperf file that the lab did not write is no part of the run."""
    shutil.copy(copy / PASS_CTX, copy / PASS_CTX.replace("pass_ctx", "stranger"))
    assert len(load(copy).samples) == len(load(copy).samples.drop_duplicates(["process", "benchmark", "arm", "round"]))


def test_an_older_run_is_read(copy, monkeypatch):
    """A header of an older schema is brought up to date in memory, and its file stays as it was."""
    rewrite_json(copy / "run.json", lambda header: (header.update(schema=0), header.pop("confidence")))
    ledger = json.loads((copy / "files.json").read_text())
    ledger["files"]["run.json"] = hashlib.sha256((copy / "run.json").read_bytes()).hexdigest()
    (copy / "files.json").write_text(json.dumps(ledger))
    before = content(copy)
    monkeypatch.setitem(results_schema.UPGRADES, 0, lambda header: {**header, "confidence": 0.95})
    run = load(copy)
    assert (run.header["schema"], run.header["confidence"], len(run.samples) > 0) == (1, 0.95, True)
    assert content(copy) == before


def test_runs_are_found(tmp_path, copy):
    """By name, by path, and the one created last."""
    folder = tmp_path / "results"
    for name, created in (("b", "2026-03-01"), ("a", "2026-04-01"), ("c", "2026-02-01")):
        RunStore.create(folder / name, {**make_header(name, [], seed=1), "created": created})
    assert find(folder, "b") == folder / "b"
    assert find(folder, str(copy)) == copy
    assert find(folder, "latest") == folder / "a"


def test_an_unknown_run_names_the_nearest(tmp_path):
    """A misspelt run gets the nearest name and the way to list them; so does "latest" where there is none."""
    RunStore.create(tmp_path / "reference", make_header("reference", [], seed=1))
    with pytest.raises(UnknownName, match="unknown run 'refrence'; the nearest known one is 'reference'\nls ") as caught:
        find(tmp_path, "refrence")
    assert caught.value.nearest == "reference"
    with pytest.raises(UnknownName, match="unknown run 'latest'"):
        find(tmp_path / "nowhere", "latest")


def test_reading_results_imports_nothing_heavy():
    """``lab --help`` imports this module and must stay fast."""
    code = "import lab.results, sys; print({'pandas', 'numpy', 'pyperf', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.stdout == "set()\n"


@pytest.mark.slow
def test_a_default_run_is_read_in_time(tmp_path):
    """100,000 batches, as eight minutes give, are read within 2 s of processor time and analysed within 2 s."""
    from lab.analysis import paired
    folder = make_run(tmp_path / "large", processes=30, rounds=20)
    started = time.process_time()
    run = load(folder)
    loaded = time.process_time()
    findings = paired.analyse(run)
    assert (len(run.samples), len(findings)) == (99520 + 4320, 144)     # the latter latencies, in no finding
    assert loaded - started < 2
    assert time.process_time() - loaded < 2
