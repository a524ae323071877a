"""An extension half is built once and loads on every interpreter."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab import builder, catalogue, interpreters, venvs

# The one use of a slot that differs: arm/module.c reads the runtime's capsule with it, and an integer where it would differ.
GUARDED = {"ctx_Capsule_Get"}

PROBED = ("enter_leave/ambient", "enter_leave/token", "trampoline/handle", "hpyvm/value")
LONG = ("hundred_interpreters", "ten_thousand_threads")      # they take longest; `lab check all` asks them


def slots(devel):
    """The fields of HPyContext, in order, as the header of an HPy declares them: (name, offset in bytes on 64 bits)."""
    text = (Path(devel) / "include" / "hpy" / "universal" / "autogen_ctx.h").read_text()
    body = text[text.index("struct _HPyContext_s {"):text.index("};")]
    names = re.findall(r"^\s+(?:const char \*|void \*|int |HPy )(\w+);|\(\*(ctx_\w+)\)\(", body, re.M)
    return [(a or b, 8 * index) for index, (a, b) in enumerate(names)]     # abi_version, an int, is padded to 8


def used_offsets(library):
    """Every displacement from a register in the library's code."""
    objdump = shutil.which("objdump") or pytest.skip("objdump (binutils) is not there")
    code = subprocess.run([objdump, "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True).stdout
    return {int(found, 16) for found in re.findall(r"\b0x([0-9a-f]+)\(%r(?!ip)\w+\)", code)}


def test_slots_are_read_from_the_header_as_the_compiler_sees_them(libraries):
    """The context of HPy 0.9.0 has 2,128 bytes; its last slots are those that came after ctx_Capsule_New."""
    found = slots(builder.hpy_devel())
    assert [name for name, _ in found[:4]] == ["name", "_private", "abi_version", "h_None"]
    assert found[-1][1] + 8 == 2128


def test_extension_halves_use_no_slot_that_differs_between_versions(libraries):
    """PyPy's HPy 0.9.1 has another field before ctx_Capsule_New: what lies there and after is elsewhere for a 0.9.0 binary."""
    found = slots(builder.hpy_devel())
    first = [name for name, _ in found].index("ctx_Capsule_New")
    differing = {offset: name for name, offset in found[first:]}
    libraries_used = [path for (tag, _), path in [*libraries.arms.items(), *libraries.bodies.items()] if not tag]
    used = {path.name: {differing[offset] for offset in used_offsets(path) & differing.keys()} for path in libraries_used}
    assert {name: slots - GUARDED for name, slots in used.items()} == {name: set() for name in used}
    assert any(used.values()), "the guarded use was not seen: the disassembly was read wrongly"


def test_pypys_header_differs_where_it_is_said_to(interpreters_given):
    """One more field, h_DictType, right before ctx_Capsule_New, and the same order up to the end of 0.9.0's."""
    pypy = next((each for each in interpreters_given if each.implementation == "pypy"), None)
    if pypy is None or pypy.hpy_devel is None:
        pytest.skip("LAB_PYTHONS names no PyPy with HPy's headers")
    ours = [name for name, _ in slots(builder.hpy_devel())]
    theirs = [name for name, _ in slots(pypy.hpy_devel)]
    capsule = ours.index("ctx_Capsule_New")
    assert theirs[:capsule] == ours[:capsule]
    assert theirs[capsule:len(ours) + 1] == ["h_DictType", *ours[capsule:]]


def test_building_for_another_interpreter_leaves_the_extension_halves_as_they_are(interpreters_given, libraries):
    """The same bytes whichever interpreters they are built beside."""
    top = catalogue.root()
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for (tag, _), path in libraries.arms.items() if not tag}
    others, built, unusable = venvs.ready(top, [each.path for each in interpreters_given])
    after = {path: hashlib.sha256(path.read_bytes()).hexdigest() for (tag, _), path in built.arms.items() if not tag}
    assert unusable == []
    assert after == before
    assert {tag for tag, _ in built.runtimes.items()} == {each.tag for each in others}


def test_every_claim_holds_on_every_interpreter(interpreters_given):
    """Every probe on forms of each proposal, with the same binaries, in HPy's universal mode and without the lab's debug mode."""
    from lab import conformance, probes
    top = catalogue.root()
    ready, built, _ = venvs.ready(top, [each.path for each in interpreters_given])
    forms = {name: catalogue.arms(top)[name] for name in PROBED}
    chosen = [probe for probe in probes.select([], probes.read()) if probe.name not in LONG]
    broken = [(interpreter.tag, each.probe, each.arm, each.outcome, each.detail[-300:]) for interpreter in ready
              for each in conformance.check(chosen, forms, interpreter, built, only={"mode": ["universal"]}) if each.unexpected]
    assert broken == []
    assert {each.tag for each in ready} == {each.tag for each in interpreters_given}


def test_interpreters_are_found_by_version_and_tag(interpreters_given):
    """A version and a tag name the same interpreter, and ``all`` names every one of those given."""
    one = next(each for each in interpreters_given if each.implementation == "cpython")
    version = ".".join(one.version.split(".")[:2])
    assert [each.tag for each in interpreters.select([version])] == [each.tag for each in interpreters.select([one.tag])] == [one.tag]
    assert {each.tag for each in interpreters_given} <= {each.tag for each in interpreters.select(["all"])}
