"""lab.sittings: a sitting on disk is whole after each record, is read as it was written, and is refused where it is not."""

import gzip
import json

import pytest

from lab import sittings
from lab.errors import ResultsError, UnknownName
from lab.sittings import FILE, SCHEMA, SittingStore

RECORD = {"kind": "google", "slice": 0, "arms": ["copy/0"], "ns": [[5.25]]}


def written(folder, *records, **fields):
    """A store with these records."""
    store = SittingStore(folder, {"seed": 1, **fields})
    for record in records:
        store.add(record)
    return store


def test_each_record_is_kept(tmp_path):
    """Whatever happens after add(), the record is there, of a sitting that is running; its end says how it went."""
    store = written(tmp_path / "one", RECORD)
    read = sittings.load(tmp_path / "one")
    assert (read.name, read.header["status"], read.records, read.of_kind("google")) == ("one", "running", [RECORD], [RECORD])
    store.add({**RECORD, "slice": 1})
    store.finish("interrupted", 12.34)
    read = sittings.load(tmp_path / "one")
    assert (read.header["status"], read.header["elapsed_s"], len(read.records), read.of_kind("two")) == ("interrupted", 12.3, 2, [])
    assert [path.name for path in (tmp_path / "one").iterdir()] == [FILE]


def test_nothing_measured_leaves_nothing(tmp_path):
    """A sitting that ends before its first record leaves no folder, so that its name can be used."""
    written(tmp_path / "one").finish("interrupted", 1.0)
    assert list(tmp_path.iterdir()) == []


def test_results_are_never_overwritten(tmp_path):
    """The name of a sitting or a run that exists is refused, with what to do."""
    (tmp_path / "one").mkdir()
    with pytest.raises(ResultsError, match="'one' exists already.*never overwritten\nchoose another --name"):
        SittingStore(tmp_path / "one", {})


@pytest.mark.parametrize("spoil", [lambda content: content[:-20], lambda content: b"", lambda content: gzip.compress(b"[1]"),
                                   lambda content: gzip.compress(b'{"schema": 1}')])
def test_what_is_not_whole_is_refused(tmp_path, spoil):
    """A file that was cut short or is another is refused by name, with what to do."""
    written(tmp_path / "one", RECORD)
    path = tmp_path / "one" / FILE
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ResultsError, match=f"'one': {FILE} is cut short or was edited .*\nrestore the file"):
        sittings.load(tmp_path / "one")


@pytest.mark.parametrize("change", [{"schema": SCHEMA + 1}, {"records": [{"kind": "nanobench"}]}])
def test_another_version(tmp_path, change):
    """A schema or a kind of record that this version does not know is refused, with what opens it."""
    written(tmp_path / "one", RECORD)
    path = tmp_path / "one" / FILE
    path.write_bytes(gzip.compress(json.dumps({**json.loads(gzip.decompress(path.read_bytes())), **change}).encode()))
    with pytest.raises(ResultsError, match="was made by another lab .*\nopen it with the version that made it"):
        sittings.load(tmp_path / "one")


def test_an_edited_sitting_is_refused(tmp_path):
    """A time that is another than the one written is noticed."""
    written(tmp_path / "one", RECORD)
    path = tmp_path / "one" / FILE
    document = json.loads(gzip.decompress(path.read_bytes()))
    document["records"].append(document["records"][0])
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    with pytest.raises(ResultsError, match="was edited after it was written\nrestore the file"):
        sittings.load(tmp_path / "one")


def test_find(tmp_path):
    """A sitting is found by its name; an unknown one is told with the nearest; one without its file is missing."""
    written(tmp_path / "evening", RECORD)
    assert sittings.find(tmp_path, "evening") == tmp_path / "evening"
    with pytest.raises(UnknownName, match="unknown sitting 'evenin'; the nearest known one is 'evening'"):
        sittings.find(tmp_path, "evenin")
    with pytest.raises(ResultsError, match=f"{FILE} is missing"):
        sittings.load(tmp_path)
