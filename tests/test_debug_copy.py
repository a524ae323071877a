"""A proposal that is new, here a folder copied under other names, gets the debug mode with no other edit."""

import re
import shutil

import pytest
from lab_tree import ROOT, copy_tree
from run_in_worker import SCRIPTS, Worker
from test_debug import build_misuse, first_line

from lab import autogen, builder, spec

COPIES = {"enter_leave": "borrow", "hpyvm": "machine", "trampoline": "springboard"}
# what each copy must find by itself: the deed, and by which way in
DEEDS = {
    "borrow": [("released_twice", "ambient"), ("released_out_of_order", "token"), ("borrowed_used_elsewhere", "ambient"),
               ("token_used_after_close", "token")],
    "machine": [("released_elsewhere", "pointer"), ("used_after_release", "value"), ("vm_null", "pointer")],
    "springboard": [("trampoline_freed_twice", "ambient"), ("kept_from_helper", "ambient"), ("helper_null", "ambient")],
}


def renamed(text, names):
    """[text] with each of [names] and what is made of it (ctx_Xxx, HPyLab_FORM_…) under a new name."""
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"\b{name}\b", name + "Again", text)
        text = re.sub(rf"\b{spec.implementation_name(name)}\b", spec.implementation_name(name + "Again"), text)
    return text


@pytest.fixture(scope="module")
def clone(tmp_path_factory, interpreter):
    """A checkout with a copy of each proposal, built in the debug mode; what was built; the new names."""
    top = copy_tree(tmp_path_factory.mktemp("debug"), built_for=interpreter.tag)
    names = {name for proposal in spec.load(ROOT).proposals for declaration in (*proposal.declarations, *proposal.constants)
             for name in declaration.defines}
    for old, new in COPIES.items():
        folder = shutil.copytree(top / "variants" / old, top / "variants" / new)
        for path in folder.glob("*.[ch]"):
            text = re.sub(r"\bHPY_\w+_H\b", lambda guard: guard[0][:-1] + "AGAIN_H", path.read_text(encoding="utf-8"))
            path.write_text(renamed(text, names).replace(f"HPyLab_FORM_{old}_", f"HPyLab_FORM_{new}_"), encoding="utf-8")
    autogen.generate(top)
    return top, builder.build(top, [interpreter], debug=True), names


@pytest.fixture(scope="module")
def misuse(clone, tmp_path_factory):
    """The extension of misuse.c, written with the copies instead."""
    top, _, names = clone
    folder = tmp_path_factory.mktemp("misuse")
    (folder / "misuse.c").write_text(renamed((SCRIPTS / "misuse.c").read_text(encoding="utf-8"), names), encoding="utf-8")
    return build_misuse(folder / "misuse.hpy0.so", top, folder / "misuse.c")


def test_halves_of_the_copies_are_built(clone):
    """Each form of each copy has an extension half of the debug mode, which demands the symbols of the copy alone."""
    top, libraries, _ = clone
    halves = {arm: path for (_, arm), path in libraries.arms.items() if arm.split("/")[0] in COPIES.values() and "@" not in arm}
    assert len(halves) == 8 and {path.parent.name for path in halves.values()} == {"universal-debug"}
    assert builder.undefined_symbols(halves["borrow/get"]) == {"HPy_GetContextAgain"}


@pytest.mark.parametrize("deed, way", [pair for pairs in DEEDS.values() for pair in pairs])
def test_misuse_of_the_copy_is_reported(clone, misuse, interpreter, deed, way):
    """A wrong use of the copy is reported in the same words, under the copy's own names."""
    worker = Worker(interpreter, clone[1])
    found = worker("misuse.with_hook", extension=misuse, deeds=[deed], way=way)[deed]
    said = [report.splitlines()[0].split(": ", 2) for report in found]
    assert [words for _, _, words in said] == [first_line(deed).split(": ", 2)[2]] * 2
    assert said[0][1].endswith("Again") or (said[0][1], "Again" in found[0]) == ("an HPy function", True)
