"""The file of a probe as it is written: its docstring and its constants, read without being run.

A constant counts only as a value that is written there, in a statement of its own; whatever else would set one is refused, and
so is a name that is nearly one of theirs: nothing that was meant for the lab is passed over.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import SpecError

LIKE = 0.7      # how much a name must be like that of a constant to be one misspelt, as difflib has it: POLICY, not DEEDS
_HELP = "a probe (see the files beside it)"


@dataclass(frozen=True)
class Constants:
    """What a probe's file says."""

    path: Path
    document: str
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    runs: bool                      # there is a function run()

    def error(self, name: str, expected: str) -> SpecError:
        """That the constant [name], which is there, is not what was [expected]."""
        return SpecError(self.path, self.lines[name], f"{name} = {self.values[name]!r}", expected)


def read(path: Path, shapes: Mapping[str, tuple[type, ...]], members: Mapping[str, Collection[str]]) -> Constants:
    """The docstring and the constants of [path].

    shapes: the constants there are, each with the types that its value may have. members: what may stand in those that are
    tuples. Raises SpecError.
    """
    tree = _parse(path)
    document = ast.get_docstring(tree)
    if not document:
        raise SpecError(path, 1, "no docstring", "a docstring: the question, why it is asked, its source")
    values, lines = {}, {}
    for node in tree.body:
        for name in _bound(node, shapes):
            near = "" if name in shapes or name.startswith("_") else _meant(name, shapes)
            if near:
                raise SpecError(path, node.lineno, f"the constant {name}", f"{near}; or a name that is less like it, as "
                                f"_{name}, for a constant of the probe's own")
            if name in values:
                raise SpecError(path, node.lineno, f"{name} again", f"{name} once; it is in line {lines[name]}")
            if name in shapes:
                values[name], lines[name] = _value(path, node, name, shapes[name], members.get(name)), node.lineno
    runs = any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body)
    return Constants(path, document, values, lines, runs)


def _parse(path: Path) -> ast.Module:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(path, 1, f"nothing that can be read: {error.strerror}", _HELP) from None
    try:
        return ast.parse(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SpecError(path, content.count(b"\n", 0, error.start) + 1, str(error), "UTF-8") from None
    except SyntaxError as error:
        raise SpecError(path, error.lineno or 1, f"no Python: {error.msg}", _HELP) from None
    except ValueError as error:         # a null byte, up to Python 3.11
        raise SpecError(path, content.count(b"\n", 0, content.find(0)) + 1, f"no Python: {error}", _HELP) from None


def _bound(node: ast.AST, shapes: Collection[str]) -> list[str]:
    """The names that [node] binds in its module, but for functions and classes, and what is imported by a name of its own."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda,
                         ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        return []
    if isinstance(node, ast.alias):
        own = [name for name in (node.asname or node.name,) if name in shapes]
    else:
        own = [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []
    return list(dict.fromkeys(own + [name for each in ast.iter_child_nodes(node) for name in _bound(each, shapes)]))


def _meant(name: str, shapes: Collection[str]) -> str:
    """The constant that [name] is a misspelling of; "" where it is like none."""
    if name.upper() in shapes:
        return name.upper()
    near = difflib.get_close_matches(name, shapes, n=1, cutoff=LIKE) if name.isupper() else ()
    return near[0] if near else ""


def _value(path: Path, node: ast.AST, name: str, shape: tuple[type, ...], members: Collection[str] | None):
    """What the statement [node] says that [name] is."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    if len(targets) != 1 or not isinstance(targets[0], ast.Name) or node.value is None:
        raise SpecError(path, node.lineno, ast.unparse(node).splitlines()[0],
                        f"{name} = …, a value that is written there, in a statement of its own")
    try:
        value = ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        value = None
    if type(value) not in shape:        # not isinstance: True is no number
        raise SpecError(path, node.lineno, f"{name} = {ast.unparse(node.value)}", f"{name} as in lab/probes.py")
    for found, expected in _complaints(name, value, members):
        raise SpecError(path, node.lineno, found, expected)
    return value


def _complaints(name: str, value, members: Collection[str] | None):
    """(what was found, what is expected instead), for each thing in [value] that cannot be."""
    if members is not None:
        allowed = ", ".join(sorted(members))
        for index, each in enumerate(value):
            if not isinstance(each, str) or each not in members:
                yield f"{each!r} in {name}", f"some of: {allowed}"
            if each in value[:index]:
                yield f"{each!r} in {name} again", "each of them once"
        if not value and name not in ("REQUIRES", "ROLES"):
            yield f"none in {name}", f"at least one of: {allowed}; or no {name}"
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and not 0 < value < math.inf:
        yield f"{name} = {value!r}", "a number of seconds, more than 0"
    elif isinstance(value, str) and not value.strip():
        yield f"{name} = {value!r}", f"what {name} says; or no {name}"
