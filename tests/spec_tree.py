"""A copy of the specifications in a folder of the test's own, to be spoilt there."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATTERNS = ("csrc/interface.h", "csrc/debug_table.h", "csrc/native/native.h", "csrc/controls/*/arm.toml", "csrc/peers/*/arm.toml", "variants/*/api.h",
            "variants/*/variant.toml")


def copy_specs(top: Path) -> Path:
    """The real specifications, copied to [top]; [top]."""
    for path in (path for pattern in PATTERNS for path in ROOT.glob(pattern)):
        target = top / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return top


def edit(path: Path, old: str, new: str) -> None:
    """Replace the first [old] in the file, which must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def line_of(path: Path, mark: str) -> int:
    """The number of the first line that holds [mark]."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if mark in line)
