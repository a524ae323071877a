"""A proposal that is new, here a folder copied under other names, gets the debug mode with no other edit."""

import re
import shutil

import pytest
from lab_tree import ROOT, copy_tree
from run_in_worker import Worker
from test_debug import first_line

from lab import autogen, builder, spec, targets

COPIES = {"enter_leave": "borrow", "hpyvm": "machine", "trampoline": "springboard"}
# what each copy must find by itself: the deed, and by which way in
DEEDS = {
    "borrow": [("released_twice", "enter_leave/ambient"), ("released_out_of_order", "enter_leave/token"),
               ("borrowed_used_elsewhere", "enter_leave/ambient"), ("token_used_after_close", "enter_leave/token")],
    "machine": [("released_elsewhere", "hpyvm/pointer"), ("used_after_release", "hpyvm/value"), ("vm_null", "hpyvm/pointer")],
    "springboard": [("checked_freed_twice", "hpyvm/value"), ("kept_from_helper", "hpyvm/value"),
                    ("plain_helper_null", "hpyvm/value")],
}


def renamed(text, names):
    """[text] with each of [names] and what is made of it (ctx_Xxx, HPyLab_FORM_…) under a new name."""
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"\b{name}\b", name + "Again", text)
        text = re.sub(rf"\b{spec.implementation_name(name)}\b", spec.implementation_name(name + "Again"), text)
    return text


@pytest.fixture(scope="module")
def clone(tmp_path_factory, interpreter):
    """A checkout with a copy of each proposal and wrong uses of the copies, built in the debug mode; what was built."""
    top = copy_tree(tmp_path_factory.mktemp("debug"), built_for=interpreter.tag)
    names = {name for proposal in spec.load(ROOT).proposals for declaration in (*proposal.declarations, *proposal.constants)
             for name in declaration.defines}
    for old, new in COPIES.items():
        folder = shutil.copytree(top / "variants" / old, top / "variants" / new)
        for path in folder.glob("*.[ch]"):
            text = re.sub(r"\bHPY_\w+_H\b", lambda guard: guard[0][:-1] + "AGAIN_H", path.read_text(encoding="utf-8"))
            path.write_text(renamed(text, names).replace(f"HPyLab_FORM_{old}_", f"HPyLab_FORM_{new}_"), encoding="utf-8")
    for path in (top / "csrc" / "probes" / "wrong_uses").glob("*.[ch]"):
        path.write_text(renamed(path.read_text(encoding="utf-8"), names), encoding="utf-8")
    autogen.generate(top)
    return builder.build(top, [interpreter], debug=True)


def test_halves_of_the_copies_are_built(clone):
    """Each form of each copy has an extension half of the debug mode, which demands the symbols of the copy alone."""
    halves = {arm: path for (_, arm), path in clone.arms.items() if arm.split("/")[0] in COPIES.values() and "@" not in arm}
    assert len(halves) == 8 and {path.parent.name for path in halves.values()} == {"universal-debug"}
    assert targets.undefined_symbols(halves["borrow/get"]) == {"HPy_GetContextAgain"}


@pytest.mark.parametrize("deed, way", [pair for pairs in DEEDS.values() for pair in pairs])
def test_misuse_of_the_copy_is_reported(clone, interpreter, deed, way):
    """A wrong use of the copy is reported in the same words, under the copy's own names."""
    worker = Worker(interpreter, clone)
    found = worker("misuse.with_hook", extension=str(clone.wrong_uses), deeds=[deed], way=way)[deed]
    said = [report.splitlines()[0].split(": ", 2) for report in found]
    assert {words for _, _, words in said} == {first_line(deed).split(": ", 2)[2]}
    assert said[0][1].endswith("Again") or (said[0][1], "Again" in found[0]) == ("an HPy function", True)
