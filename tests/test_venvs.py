"""The environment made for each interpreter."""

import dataclasses
import stat

import pytest

from lab import builder, catalogue, conformance, interpreters, probes, venvs
from lab.errors import InterpreterError


def bare(**changes):
    """The running interpreter, as if it had neither HPy nor cffi nor pyperf."""
    lacking = (("HPy (not there)", "pip install hpy"), ("cffi (not there)", "pip install cffi"))
    return dataclasses.replace(interpreters.current(), **{"hpy": None, "cffi": None, "missing": lacking, **changes})


def script(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_an_interpreter_that_lacks_nothing_is_used_as_it_is(tmp_path):
    """No environment is made for the one that runs the lab."""
    assert venvs.ensure(tmp_path, interpreters.current()) == interpreters.current()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version, expected", [
    ("3.8.18", ["making an environment", "installing HPy 0.9.0", "installing cffi and pyperf"]),
    ("3.13.0", ["making an environment", "compiling HPy 0.9.0", "installing cffi and pyperf"]),
    ("3.15.1", ["making an environment", "installing what HPy is built with", "compiling HPy 0.9.0", "installing cffi and pyperf"]),
])
def test_the_steps_are_what_hpy_needs_on_each_version(tmp_path, version, expected):
    """A wheel up to 3.11, sources from 3.12 on, with the tools and flags it needs from 3.14 on."""
    steps = venvs.steps(bare(version=version), tmp_path, uv="")
    assert [step.what for step in steps] == expected
    assert [dict(step.variables) for step in steps if "compiling" in step.what] == [{}] * (version == "3.13.0") + [
        {"CFLAGS": "-O3 -DNDEBUG -w"}] * (version == "3.15.1")


def test_pypy_brings_its_own_hpy(tmp_path):
    """Nothing of HPy is installed where the interpreter ships it."""
    steps = venvs.steps(bare(implementation="pypy", tag="pypy3.11", hpy="0.9.1"), tmp_path, uv="")
    assert [step.what for step in steps] == ["making an environment", "installing cffi and pyperf"]


def test_uv_makes_the_environment_where_it_is_installed(tmp_path):
    """Every command begins with uv, which is told which Python."""
    interpreter = bare()
    steps = venvs.steps(interpreter, tmp_path / "env", uv="/bin/uv")
    assert {step.argv[0] for step in steps} == {"/bin/uv"}
    assert steps[0].argv[-3:] == ("--python", interpreter.path, str(tmp_path / "env"))


def test_the_others_go_on(tmp_path):
    """What is no interpreter is answered beside those that are; alone it is raised."""
    good, wrong = venvs.prepare(tmp_path, [str(tmp_path / "nothing"), interpreters.current().path])
    assert good == [interpreters.current()]
    assert [error.message for error in wrong] == [f"interpreter {tmp_path / 'nothing'}: it is not there"]
    with pytest.raises(InterpreterError, match="it is not there"):
        venvs.prepare(tmp_path, [str(tmp_path / "nothing")])


def test_a_name_that_nothing_answers_to_does_not_stop_the_others(tmp_path):
    """An unknown name is answered beside the rest."""
    good, wrong = venvs.prepare(tmp_path, ["nonsense", interpreters.current().path])
    assert good == [interpreters.current()]
    assert [error.message.split(";")[0] for error in wrong] == ["unknown interpreter 'nonsense'"]


def test_a_second_interpreter_of_a_tag_is_refused_by_name(tmp_path, monkeypatch):
    """Its environment would take the place of the first one's."""
    other = dataclasses.replace(interpreters.current(), path="/opt/other/python")
    monkeypatch.setattr(venvs.interpreters, "select", lambda names: [other] if names == ["other"] else [interpreters.current()])
    good, wrong = venvs.prepare(tmp_path, ["first", "other"])
    assert good == [interpreters.current()]
    assert f"/opt/other/python: another {other.tag} was given first" in wrong[0].message


def test_another_hpy_than_the_one_built_for_gets_an_environment(tmp_path):
    """A CPython with HPy 1.0 is not used as it is: HPy 0.9.0 goes into an environment for it."""
    own = dataclasses.replace(interpreters.current(), hpy="1.0.0")
    rows = venvs.overview(tmp_path, [own])
    assert rows[0][2] == f"HPy 1.0.0; its environment will be made in build/env/{own.tag}"


def test_headers_are_asked_for_by_name(tmp_path):
    """Without Python.h nothing can be built: the command that brings it is the remedy."""
    lacking = (("headers (no Python.h in /opt/include)", "apt-get install python3.11-dev"),)
    with pytest.raises(InterpreterError, match="lacks headers") as caught:
        venvs.ensure(tmp_path, bare(include=None, missing=lacking))
    assert caught.value.remedy == "apt-get install python3.11-dev"


@pytest.mark.parametrize("changes, words", [
    ({"bits": 32}, "a build for 32 bits"),
    ({"implementation": "pypy"}, "without an HPy of its own"),
    ({"implementation": "pypy", "hpy": "0.0.4"}, "its HPy is 0.0.4, of another ABI"),
    ({"ext_suffix": ".cpython-312-x86_64-linux-musl.so"}, "built for musl"),
])
def test_what_cannot_be_used_is_refused_by_name(tmp_path, changes, words):
    """A 32-bit build and an interpreter without HPy: named, with what to do."""
    with pytest.raises(InterpreterError, match=words) as caught:
        venvs.ensure(tmp_path, bare(path="/opt/strange", **changes))
    assert "/opt/strange" in caught.value.message and caught.value.remedy.startswith("give")


def test_a_step_that_fails_is_named_with_its_last_lines(tmp_path, monkeypatch):
    """The interpreter, the step, what the command said last, and the command to run by hand; nothing is stamped as made."""
    monkeypatch.setattr(venvs.shutil, "which", lambda name: None)
    path = script(tmp_path / "python", "#!/bin/sh\necho no ensurepip here >&2\nexit 3\n")
    with pytest.raises(InterpreterError) as caught:
        venvs.ensure(tmp_path, bare(path=path, tag="cpython3.99"))
    assert "cpython3.99: making an environment failed" in caught.value.message
    assert caught.value.message.endswith("no ensurepip here")
    assert path in caught.value.remedy
    assert not (tmp_path / "build" / "env" / "cpython3.99" / "lab-stamp").exists()


def test_a_build_without_the_gil_is_recognised_and_built(tmp_path, libraries):
    """A fake description of one: its own folder, its own runtime half, and what is unknown about it said, not assumed."""
    fake = dataclasses.replace(interpreters.current(), tag="cpython3.13t", free_threaded=True)
    found = builder.build(catalogue.root(), [fake])
    assert found.runtimes["cpython3.13t"].parent.name == "cpython3.13t"
    outcomes = conformance.check([probes.read()["returned_ctx"]], {"hpyvm/pointer": catalogue.arms()["hpyvm/pointer"]},
                                 fake, found)
    assert {outcome.outcome for outcome in outcomes} == {"ok"}
    assert "is unknown" in fake.unknown
    assert interpreters.current().unknown == ""


def test_the_overview_says_what_each_has_and_what_there_is_none_of(tmp_path):
    """An environment that is still to be made; the row for a build without the GIL where none was found."""
    rows = venvs.overview(tmp_path, [bare(tag="cpython3.9")])
    assert [row[0] for row in rows] == ["cpython3.9", "cpython3.13t…"]
    assert rows[0][2] == "no HPy of its own; its environment will be made in build/env/cpython3.9"
    assert rows[1][1] == "n/a"
    assert len(venvs.overview(tmp_path, [bare(tag="cpython3.13t", free_threaded=True)])) == 1
