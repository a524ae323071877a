"""C headers in the lab's small dialect, taken apart into declarations.

No preprocessor runs, so that nothing but Python is needed: the only directives are an include guard, #include <…> and a
constant (#define HPyXxx value), and all are dropped. An annotation, HPyLab_ID(n) or HPyLab_API(form, ROLE, REACH), stands
before the declaration it belongs to; of the latter there may be several, on behalf of as many forms. A body may use
HPyLab_REFUSE_UNLESS(condition, answer), where a function that returns nothing leaves the answer out.

To pycparser each declaration goes as one line, numbered by its place in the file. Characters keep their distance, so that a
column found there is a place in the file, whatever the version of pycparser says about lines.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pycparser import c_ast
from pycparser.c_parser import CParser

from lab.errors import SpecError

try:
    from pycparser.c_parser import ParseError
except ImportError:  # pycparser < 3
    from pycparser.plyparser import ParseError

_INTEGERS = [f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64, "ptr")] + ["size_t", "ptrdiff_t", "bool"]
_PRELUDE = "".join(f"typedef int {name}; " for name in [*_INTEGERS, "HPy_ssize_t"]) + (
    "typedef struct _HPyContext_s HPyContext; typedef struct _HPy_s { intptr_t _i; } HPy; "
    "typedef struct { intptr_t _i; } HPyField; typedef struct { intptr_t _i; } HPyGlobal; ")

_COMMENT_OR_LITERAL = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)
_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(.*?)[ \t]*$", re.M)
_CONSTANT = re.compile(r"define\s+(HPy\w+)\s+(.*[^\\])")
_ANNOTATION = re.compile(r"\b(HPyLab_ID|HPyLab_API)\b(?:\s*\(([^()]*)\))?")
_NO_ANSWER = re.compile(r",(?=\s*\))")      # of HPyLab_REFUSE_UNLESS; nothing else in C has a comma there
_WHERE_A_TYPE_STANDS = re.compile(r"\b([A-Za-z_]\w*)(?=\s*\*|\s+[A-Za-z_]|\s*\(\s*\*)|(?<=[(,])\s*([A-Za-z_]\w*)(?=\s*[,)])")
_KNOWN = frozenset("typedef struct union enum static inline extern const volatile restrict void char short int long float "
                   "double signed unsigned return if else for while do switch case default break continue goto "
                   "sizeof HPyContext HPy".split() + _INTEGERS)


@dataclass(frozen=True)
class Declaration:
    """One declaration of a header."""

    name: str        # "" for a tag or an enum without a name
    path: Path
    line: int        # of the name
    comment: str     # the comment directly above, as it stands; "" without
    source: str      # as it stands, with the comments inside, without comment above and annotation
    code: str        # the same without comments and empty lines
    defines: tuple[str, ...]        # every name it brings into the one name space that all headers share
    is_function: bool
    has_body: bool
    parameters: tuple[str, ...]     # names, "" where there is none; of a function
    is_void: bool                   # the function returns nothing
    node: c_ast.Node = field(repr=False, compare=False)

    @property
    def prototype(self) -> str:
        """On one line, without the body and the semicolon: ``void HPy_GetVM(HPyContext *ctx, HPyVM **storage)``."""
        head = self.code.split("{")[0] if self.is_function else self.code
        return " ".join(head.split()).rstrip("; ")

    @property
    def canonical(self) -> str:
        """What it means to a compiler: its tokens with one space between them, without a function's body."""
        return " ".join(re.findall(r"\w+|[^\w\s]", self.prototype))

    def renamed(self, name: str) -> str:
        """The prototype with [name] in place of the declaration's own; ``(*field)`` makes it a pointer to such a function."""
        return re.sub(rf"\b{self.name}\b", name, self.prototype, count=1)

    @property
    def summary(self) -> str:
        """The first sentence of the comment."""
        text = " ".join(self.comment.removeprefix("/*").removesuffix("*/").split())
        return re.split(r"(?<=\.)\s+(?=[A-Z\[])", text)[0]


@dataclass(frozen=True)
class Constant:
    """A macro without parameters: ``#define HPyVMValue_UNSET {0, NULL, NULL}``."""

    name: str
    path: Path
    line: int
    value: str       # without comments

    @property
    def defines(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def canonical(self) -> str:
        """What it means to a compiler, as Declaration.canonical."""
        return " ".join(re.findall(r"\w+|[^\w\s]", f"#define {self.name} {self.value}"))


@dataclass(frozen=True)
class Annotation:
    """HPyLab_ID(n) or HPyLab_API(form, ROLE, REACH), as it stands."""

    word: str
    arguments: tuple[str, ...]
    start: int       # in the text
    end: int
    line: int

    def __str__(self) -> str:
        return f"{self.word}({', '.join(self.arguments)})"


class Header:
    """A header taken apart.

    [declarations] holds each declaration with its annotations, in the order of the file, and [constants] what #define gives a
    value to. Inside, [code] is the text without comments, directives and annotations, and [flat] the same on one line without
    literals; characters keep their place.
    Raises SpecError for what is not C, for an unknown type, and for an annotation that no declaration follows.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self.text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(path, 1, str(error), "a header of UTF-8 text") from None
        self.constants: list[Constant] = []
        self.comments = [match.span() for match in _COMMENT_OR_LITERAL.finditer(self.text) if match[0].startswith("/")]
        code = _COMMENT_OR_LITERAL.sub(lambda match: _blank(match[0]) if match[0].startswith("/") else match[0], self.text)
        code = self._without_directives(code)
        marked = _COMMENT_OR_LITERAL.sub(lambda match: _blank_literal(match[0]), code)
        if "/*" in marked:
            raise self.error(self.line(marked.index("/*")), "a comment without an end", "*/")
        self.annotations = [Annotation(match[1], tuple(word.strip() for word in (match[2] or "").split(",")), *match.span(),
                                       self.line(match.start())) for match in _ANNOTATION.finditer(marked)]
        self.code = _ANNOTATION.sub(lambda match: _blank(match[0]), code)
        self.flat = _NO_ANSWER.sub(" ", _ANNOTATION.sub(lambda match: _blank(match[0]), marked).replace("\n", " "))
        self.spans = _split(marked)
        self.declarations = self._declarations()

    def line(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1

    def error(self, line: int, found: str, expected: str) -> SpecError:
        return SpecError(self.path, line, found, expected)

    def _without_directives(self, code: str) -> str:
        """Blank the include guard, the #includes and the constants; refuse every other directive: no preprocessor runs."""
        guard = ("ifndef", "define", "endif")
        seen = 0
        for match in _DIRECTIVE.finditer(code):
            if re.fullmatch(r"include\s*<[\w./]+>", match[1]):
                continue
            constant = _CONSTANT.fullmatch(match[1])
            if constant and seen != 1:
                self.constants.append(Constant(constant[1], self.path, self.line(match.start()), constant[2]))
                continue
            if seen == len(guard) or not re.fullmatch(guard[seen] + (r"\s+\w+" if guard[seen] != "endif" else ""), match[1]):
                raise self.error(self.line(match.start()), f"#{match[1]}",
                                 "an include guard (#ifndef, #define, #endif), #include <…> and constants (#define HPyXxx "
                                 "value), no other directive")
            seen += 1
        if 0 < seen < len(guard):
            raise self.error(self.line(len(code)), f"the end of the file before #{guard[seen]}", f"#{guard[seen]}")
        return _DIRECTIVE.sub(lambda match: _blank(match[0]), code)

    def _declarations(self) -> list[tuple[Declaration, tuple[Annotation, ...]]]:
        annotations = [self._annotations_of(start, end) for start, end in self.spans]
        nodes: dict[int, list] = {}
        for node in self._parsed():
            nodes.setdefault(node.coord.line - 2, []).append(node)
        return [(self._declaration(span, nodes.get(index, [])), annotations[index]) for index, span in enumerate(self.spans)]

    def _annotations_of(self, start: int, end: int) -> tuple[Annotation, ...]:
        inside = [annotation for annotation in self.annotations if start <= annotation.start < end]
        for annotation, other in zip(inside, [*inside[1:], None]):
            several = other is not None and annotation.word == other.word == "HPyLab_API"
            if not several and not self.flat[annotation.end:other.start if other else end].strip(" ;"):
                raise self.error(annotation.line, f"{annotation} with no declaration after it", "a declaration")
            if self.flat[start:annotation.start].strip():
                expected = "the end of the declaration before it (';')"
                raise self.error(annotation.line, f"{annotation} inside a declaration", expected)
        return tuple(inside)

    def _parsed(self) -> list[c_ast.Node]:
        lines = [self.flat[start:end] for start, end in self.spans]
        try:
            return [node for node in _parse(lines).ext if node.coord.line > 1]
        except ParseError:
            for count in range(1, len(lines) + 1):
                try:
                    _parse(lines[:count])
                except ParseError as error:
                    raise self._syntax_error(lines[:count], error) from None
            raise

    def _syntax_error(self, lines: list[str], error: ParseError) -> SpecError:
        """What is wrong with the last of [lines]: a name that parses once it is a type is an unknown type."""
        start, end = self.spans[len(lines) - 1]
        names = dict.fromkeys(match[1] or match[2] for match in _WHERE_A_TYPE_STANDS.finditer(lines[-1]))
        names = [name for name in names if name not in _KNOWN]
        for guess in itertools.chain(itertools.combinations(names, 1), itertools.combinations(names, 2)):
            try:
                _parse(lines, types=guess)
            except ParseError:
                continue
            return self._unknown_type(start, end, guess[0])
        place = re.match(r".*?:(\d+):(\d+): (.*)", str(error))
        offset = start + int(place[2]) - 1 if place and int(place[1]) == len(lines) + 1 else start
        what = place[3] if place else str(error).split(": ", 1)[-1]
        near = " ".join(self.flat[start:end].split())[:60]
        return self.error(self.line(offset), f"a syntax error ({what}) in {near!r}", "a declaration in C11")

    def _unknown_type(self, start: int, end: int, name: str) -> SpecError:
        return self.error(self._line_of(name, start, end), f"the unknown type {name!r}",
                          "a type declared above it, an integer of <stdint.h> or a type of hpy.h")

    def _line_of(self, name: str, start: int, end: int) -> int:
        found = re.compile(rf"\b{name}\b").search(self.flat, start, end) if name else None
        return self.line(found.start() if found else start)

    def _declaration(self, span: tuple[int, int], nodes: list[c_ast.Node]) -> Declaration:
        start, end = span
        begin = end - len(self.flat[start:end].lstrip())
        node = nodes[0].decl if nodes and isinstance(nodes[0], c_ast.FuncDef) else nodes[0] if nodes else None
        is_function = isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl)
        is_tag = isinstance(node, c_ast.Decl) and isinstance(node.type, (c_ast.Struct, c_ast.Union, c_ast.Enum))
        if len(nodes) != 1 or not (is_function or is_tag or isinstance(node, c_ast.Typedef)):
            near = " ".join(self.flat[begin:end].split())[:60]
            raise self.error(self.line(begin), repr(near), "one function or one type in each declaration")
        for name in _old_style_parameters(node):
            raise self._unknown_type(begin, end, name)
        parameters = node.type.args.params if is_function and node.type.args else []
        if [getattr(_result(parameter), "names", None) for parameter in parameters] == [["void"]]:
            parameters = []
        return Declaration(
            name=node.name or "", path=self.path, line=self._line_of(node.name, begin, end),
            comment=self._comment_above(start), source=self.text[begin:end], code=_tidy(self.code[begin:end]),
            defines=tuple(_defined(node)), is_function=is_function, has_body=isinstance(nodes[0], c_ast.FuncDef),
            parameters=tuple(getattr(parameter, "name", None) or "" for parameter in parameters),
            is_void=is_function and getattr(_result(node.type), "names", None) == ["void"], node=node)

    def _comment_above(self, start: int) -> str:
        """The comment that ends on the line above [start] and has its lines to itself; "" without."""
        for begin, end in self.comments:
            if end <= start and not self.text[end:start].strip() and self.text.count("\n", end, start) == 1:
                if not self.text[self.text.rfind("\n", 0, begin) + 1:begin].strip():
                    return self.text[begin:end]
        return ""


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _blank_literal(text: str) -> str:
    """A literal of the same length in which nothing can be mistaken for code."""
    return '"' + " " * (len(text) - 2) + '"' if text[0] == '"' else "0".ljust(len(text))


def _tidy(code: str) -> str:
    return "\n".join(line.rstrip() for line in code.splitlines() if line.strip())


def _split(code: str) -> list[tuple[int, int]]:
    """Where each declaration begins and ends: at a semicolon outside of all brackets, or at the end of a function's body."""
    spans, start, depth, is_body = [], 0, 0, False
    for match in re.finditer(r"[(){};]", code):
        if match[0] in "({":
            is_body = is_body or (match[0] == "{" and depth == 0 and code[start:match.start()].rstrip().endswith(")"))
            depth += 1
        elif match[0] in ")}":
            depth = max(depth - 1, 0)
        if depth == 0 and (match[0] == ";" or (match[0] == "}" and is_body)):
            spans.append((start, match.end()))
            start, is_body = match.end(), False
    spans.append((start, len(code.rstrip())))
    return [(end - len(code[start:end].lstrip()), end) for start, end in spans if code[start:end].strip()]


def _parse(lines: list[str], types: tuple[str, ...] = ()) -> c_ast.FileAST:
    prelude = _PRELUDE + "".join(f"typedef int {name}; " for name in types)
    try:
        return CParser().parse("\n".join([prelude, *lines]) + "\n")
    except AssertionError:  # pycparser < 3 on some of what is not C
        raise ParseError("not a declaration") from None


def _result(node: c_ast.Node) -> c_ast.Node | None:
    """The plain type that a function returns or a parameter has; None where it is a pointer, an array or a function."""
    return node.type.type if isinstance(getattr(node, "type", None), c_ast.TypeDecl) else None


def _old_style_parameters(node: c_ast.Node) -> Iterator[str]:
    """The names in lists such as ``int f(a, b)``: parameters of the oldest C for pycparser, types nobody declared for us."""
    for _, child in node.children():
        if isinstance(node, c_ast.ParamList) and isinstance(child, c_ast.ID):
            yield child.name
        yield from _old_style_parameters(child)


def _defined(node: c_ast.Node) -> Iterator[str]:
    """The names of functions, typedefs, enum constants, and of the tags whose members are given."""
    is_function = isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl)
    if is_function or isinstance(node, (c_ast.Typedef, c_ast.Enumerator)):
        yield node.name
    if isinstance(node, (c_ast.Struct, c_ast.Union)) and node.decls and node.name:
        yield node.name
    for _, child in node.children():
        if not isinstance(child, c_ast.ParamList):
            yield from _defined(child)
