"""Broken proposals, each of which must turn the probe red that is there to notice it: tests/planted/*.toml.

Each file says what is wrong, what text of the sources is replaced by what, which probe is asked of which arm, and how that
ends. The sources are copied, the text is replaced, what it changes is built, and that one probe is run.
"""

import concurrent.futures
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab_tree import BUILT, ROOT, copy_tree, lab

from lab import builder, catalogue, conformance, probes
from lab.executor import ProcessExecutor

BY_COMMAND = "root_context_if_attached"     # the one that a user's command is run for
PLANTED = Path(__file__).resolve().parent / "planted"
FEWEST = 12
HUNG_S = 5.0            # where a probe is to hang it is not waited for any longer: alone it takes a fraction of a second
KEYS = {"what", "arm", "probe", "policy", "mode", "debug", "outcomes", "edit"}


@dataclass(frozen=True)
class Plant:
    """One mistake, as its file has it."""

    name: str
    what: str
    case: probes.Case
    outcomes: tuple
    edits: tuple


def read(path):
    """The mistake that a file plants; KeyError, AssertionError where it is none."""
    table = catalogue.load_toml(path)
    assert set(table) <= KEYS and table["outcomes"] and table["edit"]
    arm, probe = catalogue.arms(ROOT)[table["arm"]], probes.read()[table["probe"]]
    axes = {axis: [table[axis]] for axis in probes.AXES if axis in table}
    case = next(case for case in probes.cases([probe], [arm], axes) if not case.why_not)
    return Plant(path.stem, table["what"], case, tuple(table["outcomes"]),
                 tuple((edit["file"], edit["text"], edit["instead"]) for edit in table["edit"]))


PLANTS = {path.stem: read(path) for path in sorted(PLANTED.glob("*.toml"))}


def plant(edits, top):
    """A checkout in [top] with the [edits], in which everything else is built."""
    for name in ("csrc", "variants"):
        shutil.copytree(ROOT / name, top / name)
    for name in (*BUILT, "universal-debug"):
        if (ROOT / "build" / name).is_dir():
            shutil.copytree(ROOT / "build" / name, top / "build" / name, copy_function=os.link)     # replaced, never written to
    replace(edits, top)


def replace(edits, top):
    """Make the [edits] in the sources of [top]. Each text must be there, once."""
    for name, text, instead in edits:
        source = (top / name).read_text(encoding="utf-8")
        assert source.count(text) == 1, f"the text to replace is {source.count(text)} times in {name}:\n{text}"
        (top / name).write_text(source.replace(text, instead), encoding="utf-8")


def ask(case, top, interpreter, limit_s=None):
    """What comes of [case] in [top], once what is not what its sources say is built."""
    libraries = builder.build(top, [interpreter])
    debug = builder.build(top, [interpreter], debug=True) if case.debug == "on" else None
    suite = conformance.Suite(interpreter, libraries, debug, top)
    return conformance.run_one(suite, case, ProcessExecutor(interpreter.path, conformance.WORKER), limit_s)


def noticed(each, top, interpreter):
    """The outcome of the probe where the mistake is planted."""
    plant(each.edits, top)
    shutil.copytree(ROOT / "build" / interpreter.tag, top / "build" / interpreter.tag, copy_function=os.link)
    shutil.copy(ROOT / "build" / "stamps.json", top / "build")
    return ask(each.case, top, interpreter, HUNG_S if "hang" in each.outcomes else None)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, interpreter, libraries):
    """What the probe of each mistake says, by its name: where it is planted, and where it is not."""
    if interpreter.implementation != "cpython":
        pytest.skip("the mistakes are planted in the runtime half for CPython")
    builder.build(ROOT, [interpreter], debug=True)
    folder = tmp_path_factory.mktemp("planted")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = {name: pool.submit(noticed, each, folder / name, interpreter) for name, each in PLANTS.items()}
        sound = {name: pool.submit(ask, each.case, ROOT, interpreter) for name, each in PLANTS.items()}
        return {name: (found[name].result(), sound[name].result()) for name in PLANTS}


def test_there_are_enough():
    """There are twelve mistakes and more, in every proposal, for several probes."""
    assert len(PLANTS) >= FEWEST
    assert {each.case.arm.proposal for each in PLANTS.values()} >= {"enter_leave", "trampoline", "hpyvm"}
    assert len({each.case.probe.name for each in PLANTS.values()}) >= FEWEST // 2


@pytest.mark.parametrize("name", PLANTS)
def test_mistake_is_noticed(outcomes, name):
    """The probe that is named says what it should of the mistake, so that ``lab check`` exits with 1, as not where there is none."""
    found, sound = outcomes[name]
    assert not sound.unexpected, f"unplanted: {sound.outcome}, {sound.detail}"
    said = f"{PLANTS[name].what}: {found.outcome}, {found.detail}\n{found.output}"
    assert found.unexpected and found.outcome in PLANTS[name].outcomes, said


def test_user_is_told_of_a_mistake(tmp_path, interpreter, libraries):
    """``lab check`` exits with 1, and tells the probe, what its process wrote, and the command that shows it alone."""
    if interpreter.implementation != "cpython":
        pytest.skip("the mistakes are planted in the runtime half for CPython")
    plant = PLANTS[BY_COMMAND]
    top = copy_tree(tmp_path, built_for=interpreter.tag)
    name, (policy, mode, debug) = plant.case.probe.name, plant.case.axes.values()
    words = ["check", name, "--arm", plant.case.arm.id, "--policy", policy, "--mode", mode, "--lab-debug", debug]
    assert lab(top, *words, own=True).returncode == 0
    replace(plant.edits, top)
    done = lab(top, *words, own=True)
    assert done.returncode == 1, done.stdout
    first, *rest = done.stderr[done.stderr.index(f"{interpreter.tag}: "):].splitlines()
    assert first == (f"{interpreter.tag}: {name}, attached_only, HPy debug expects ok of {plant.case.arm.id}, which claims nothing "
                     "else, and it was detected:")
    written = rest[rest.index("it wrote:") + 1:]
    assert "Wrong HPy Context" in "\n".join(written)
    alone = next(line for line in written if line.startswith("alone: "))
    assert alone == f"alone: lab {' '.join(words)} --python {interpreter.path}"
    again = lab(top, *alone.split()[2:], own=True)
    assert (again.returncode, alone in again.stderr.splitlines()) == (1, True)


def test_text_that_is_not_there_is_seen(tmp_path):
    """A mistake whose text the sources do not have, or have twice, is not planted."""
    for text, times in (("no such text", 0), ("static ", None)):
        with pytest.raises(AssertionError, match="the text to replace is"):
            plant([("csrc/runtime/origins.c", text, "")], tmp_path / text.strip())
