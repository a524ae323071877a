"""Which runs may be compared: everything that must be the same is refused by name where it is not, and nothing else is."""

import copy
import dataclasses

import pytest
from synthetic import INTERPRETER, make_run

from lab import comparable, environment, results


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose header says all that a run of lab bench would."""
    made = results.load(make_run(tmp_path_factory.mktemp("run") / "old", processes=2, rounds=2))
    names = ("build/native/libhpylab_native.so", "build/universal/bodies.hpy0.so", f"build/{INTERPRETER}/bodies.cpython.so",
             f"build/{INTERPRETER}/hpylab_runtime.so", "build/drivers/attached_call.so",
             "build/universal/control-pass_ctx.hpy0.so", "build/universal/hpyvm-pointer.hpy0.so", "build/universal/hpyvm-pointer@twin.hpy0.so", "csrc/runtime/module.c",
             "csrc/scenarios/attached_call/scenario.toml", "csrc/scenarios/native_sort/setup.py", "lab/worker/batches.py")
    header = {**made.header, "hashes": {name: "0" * 64 for name in names}, "environment": environment.facts(),
              "build_flags": "-O2"}
    metadata = {INTERPRETER: {"hostname": "here", **dict.fromkeys(comparable.BUILD_OF_PYTHON, "known")}}
    return dataclasses.replace(made, header=header, metadata=metadata)


def changed(run, *path, to="other"):
    """[run] with one thing in its header, or in its metadata, at the [path] replaced."""
    header, metadata = copy.deepcopy(dict(run.header)), copy.deepcopy(dict(run.metadata))
    place = {**header, "metadata": metadata}
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return dataclasses.replace(run, header=header if path[:-1] else {**header, path[-1]: to}, metadata=metadata)


def test_a_run_and_one_alike(run):
    """Two runs that say the same of everything may be compared."""
    assert comparable.differences(run, changed(run, "seed", to=5)) == []


@pytest.mark.parametrize("path, what", [
    *((("environment", fact), fact) for fact in comparable.FACTS),
    (("metadata", INTERPRETER, "hostname"), "hostname"),
    *((("metadata", INTERPRETER, key), f"{INTERPRETER}: {key}") for key in comparable.BUILD_OF_PYTHON),
    (("interpreters", 0, "version"), f"{INTERPRETER}: version"), (("interpreters", 0, "hpy"), f"{INTERPRETER}: hpy"),
    (("protocol",), "the protocol: protocol"), (("margins",), "the protocol: margins"),
    (("build_flags",), "the build: build_flags"), (("layouts",), "the build: layouts"),
    (("reference", "attached_call"), "attached_call: reference arm"),
    (("hashes", "build/native/libhpylab_native.so"), "the native library"),
    (("hashes", "build/universal/bodies.hpy0.so"), "the bodies"),
    (("hashes", f"build/{INTERPRETER}/bodies.cpython.so"), f"the bodies for {INTERPRETER}"),
    (("hashes", "build/drivers/attached_call.so"), "the driver of attached_call"),
    (("hashes", "build/universal/control-pass_ctx.hpy0.so"), "the binary of the reference arm control/pass_ctx"),
    (("hashes", "csrc/scenarios/attached_call/scenario.toml"), "the definition of attached_call"),
    (("hashes", "csrc/scenarios/native_sort/setup.py"), "the definition of native_sort"),
    (("hashes", "lab/worker/batches.py"), "the worker"), (("scenarios", 0, "thread"), "attached_call: thread")],
    ids=lambda each: each if isinstance(each, str) else "")
def test_what_must_be_the_same(run, path, what):
    """Each thing that must be the same is named with both values, and with why; in either order of the two runs."""
    other = changed(run, *path)
    for pair in ((run, other), (other, run)):
        found = comparable.differences(*pair)
        assert [each.what for each in found] == [what]
        assert "other" in str(found[0]) and " then, " in str(found[0]) and found[0].why in str(found[0])


def test_not_recorded_is_not_the_same(run):
    """What only one of the runs recorded is not taken for the same; what neither did cannot differ."""
    header = {key: value for key, value in run.header.items() if key != "build_flags"}
    older = dataclasses.replace(run, header=header)
    assert [str(each) for each in comparable.differences(older, run)] == [
        "the build: build_flags: not recorded then, -O2 now (other flags make other code of the same source)"]
    assert comparable.differences(older, older) == []


@pytest.mark.parametrize("path, to", [
    (("seed",), 9), (("budget_s",), 5.0), (("created",), "2026-02-02"), (("environment", "load_average_1_min"), 3.0),
    (("environment", "git_revision"), "other"), (("hashes", "csrc/runtime/module.c"), "other"),
    (("hashes", "build/universal/hpyvm-pointer.hpy0.so"), "other"),
    (("hashes", f"build/{INTERPRETER}/hpylab_runtime.so"), "other")])
def test_what_may_differ(run, path, to):
    """What a change is about, and what a run draws or finds, may differ."""
    assert comparable.differences(run, changed(run, *path, to=to)) == []


def test_changed_binaries(run):
    """An arm's own binaries are its extension half and the runtime half; its twin is its copy."""
    other = changed(run, "hashes", "build/universal/hpyvm-pointer.hpy0.so")
    for arm in ("hpyvm/pointer", "hpyvm/pointer@twin"):
        assert comparable.changed_binaries(run, other, INTERPRETER, arm) == ["build/universal/hpyvm-pointer.hpy0.so"]
    assert comparable.changed_binaries(run, other, INTERPRETER, "hpyvm/value") == []
    other = changed(run, "hashes", f"build/{INTERPRETER}/hpylab_runtime.so")
    assert comparable.changed_binaries(run, other, INTERPRETER, "hpyvm/value") == [f"build/{INTERPRETER}/hpylab_runtime.so"]


def test_interpreters_are_paired_by_tag(run):
    """Interpreters of one tag are compared; the two of other tags only where neither run has more than one."""
    other = changed(run, "interpreters", to=[{**run.header["interpreters"][0], "tag": "pypy3.11"}])
    assert comparable.common_tags(run, run) == [(INTERPRETER, INTERPRETER)]
    assert comparable.common_tags(run, other) == [(INTERPRETER, "pypy3.11")]
    assert f"{INTERPRETER} and pypy3.11: tag" in [each.what for each in comparable.differences(run, other)]
    more = changed(run, "interpreters", to=[{"tag": "pypy3.11"}, {"tag": "pypy3.10"}])
    assert comparable.common_tags(run, more) == []


def test_remarks(run):
    """Other neighbours in the processes, and a run that was interrupted, are told and no reason to refuse."""
    sheets = [{**run.header["sheets"][0], "arms": run.header["sheets"][0]["arms"][:-1]}, *run.header["sheets"][1:]]
    other = changed(changed(run, "sheets", to=sheets), "status", to="interrupted")
    assert comparable.differences(run, other) == []
    interrupted, neighbours = comparable.remarks(run, other)
    assert interrupted.startswith("old was interrupted") and neighbours.startswith("attached_call: the arms shared")
