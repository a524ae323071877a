"""The C specifications, read and refused: csrc/interface.h, csrc/native/native.h and each variants/*/api.h.

They are C headers in a small dialect. A proposal marks each function with its form, its role and how an extension reaches it,

    HPyLab_API(plain, CREATE, TABLE)
    HPyContextTrampoline HPy_GetContextTrampoline(HPyContext *ctx);

with one such line for each form where several have the function, and the interface numbers its functions densely with
HPyLab_ID(n). The header that is generated from them takes it from there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pycparser import c_ast

from lab import roles
from lab.cheader import Annotation, Constant, Declaration, Header
from lab.errors import SpecError
from lab.roles import Signature

ROLES = ("CREATE", "FREE", "ACQUIRE", "RELEASE", "CALL", "BORROW")
LEADS_TO_A_CONTEXT = ("ACQUIRE", "CALL", "BORROW")      # the last without a release
REACHES = {"SYMBOL": "a symbol of the process", "TABLE": "the runtime's table", "INLINE": "an inline function of api.h",
           "POINTER": "a function pointer"}
_NEEDS = {"RELEASE": "ACQUIRE", "FREE": "CREATE"}
_API_FUNCTION = re.compile(r"HPy(?!Lab)(?:[A-Z][A-Za-z0-9]*)?_[A-Z][A-Za-z0-9]*")
_API_TYPE = re.compile(r"HPy(?!Lab)[A-Z][A-Za-z0-9]*")
_INTERFACE_NAME = re.compile(r"HPyLab_[A-Z][A-Za-z0-9]*")


@dataclass(frozen=True)
class ApiFunction(Declaration):
    """A function of a proposal, or a typedef of one, with what one of its annotations says."""

    proposal: str
    form: str
    role: str        # of ROLES
    reach: str       # of REACHES
    marked: tuple[int, int]     # where the annotation stands in the text

    @property
    def arm(self) -> str:
        return f"{self.proposal}/{self.form}"

    @property
    def form_macro(self) -> str:
        """What HPyLab_FORM is in an extension half of its form."""
        return f"HPyLab_FORM_{self.proposal}_{self.form}"

    @property
    def implementation(self) -> str:
        """HPy's rule for the name of what implements it: ``HPy_GetVM`` -> ``ctx_GetVM``."""
        return implementation_name(self.name)


@dataclass(frozen=True)
class Proposal:
    """One variants/*/api.h."""

    name: str                                # of the folder
    path: Path
    text: str                                # of api.h, as it stands
    constants: tuple[Constant, ...]
    declarations: tuple[Declaration, ...]
    functions: tuple[ApiFunction, ...]       # one for each form that has it

    @property
    def pointers(self) -> dict[str, Signature]:
        """Each type that is a pointer to a function, with what it points to."""
        return {declaration.name: roles.signature(declaration.node) for declaration in self.declarations
                if _is_function_pointer(declaration.node)}

    @property
    def by_name(self) -> dict[str, tuple[ApiFunction, ...]]:
        """Each function with its forms, in the order of the file."""
        found: dict[str, tuple[ApiFunction, ...]] = {}
        for function in self.functions:
            found[function.name] = (*found.get(function.name, ()), function)
        return found


@dataclass(frozen=True)
class Spec:
    """All specifications, each in the order it stands in its file, proposals in that of their folders."""

    interface: tuple[Declaration, ...]
    native: tuple[Declaration, ...]
    proposals: tuple[Proposal, ...]

    @property
    def interface_functions(self) -> tuple[Declaration, ...]:
        """The interface's functions; the place is the HPyLab_ID."""
        return tuple(declaration for declaration in self.interface if declaration.is_function)

    @property
    def functions(self) -> tuple[ApiFunction, ...]:
        return tuple(function for proposal in self.proposals for function in proposal.functions)

    @property
    def table_functions(self) -> tuple[ApiFunction, ...]:
        """What some form reaches through the runtime's table: one for each entry."""
        table = {function.name: function for function in reversed(self.functions) if function.reach == "TABLE"}
        return tuple(reversed(table.values()))

    @property
    def mixed(self) -> dict[str, tuple[ApiFunction, ...]]:
        """The functions that some forms reach as a symbol and others through the table, each with those others."""
        return {name: tuple(function for function in functions if function.reach == "TABLE")
                for proposal in self.proposals for name, functions in proposal.by_name.items()
                if {function.reach for function in functions} == {"SYMBOL", "TABLE"}}


def implementation_name(name: str) -> str:
    """``HPy_GetVM`` -> ``ctx_GetVM``, ``HPyContextTrampoline_Free`` -> ``ctx_ContextTrampoline_Free``, after hpy's autogen."""
    return "ctx_" + re.sub(r"^HPy_?", "", name)


def load(top: Path) -> Spec:
    """Every specification under [top], the checkout. Raises SpecError for the first that is wrong."""
    interface = _interface(Header(top / "csrc" / "interface.h"))
    native = _native(Header(top / "csrc" / "native" / "native.h"))
    proposals = tuple(_proposal(Header(path)) for path in sorted((top / "variants").glob("*/api.h")))
    _check_shared_names(proposals)
    return Spec(interface, native, proposals)


def demanded_symbols(top: Path) -> dict[str, list[str]]:
    """Of each form (arm id) the symbols that an extension using it leaves undefined; [] for a form that demands none."""
    demanded: dict[str, list[str]] = {}
    for function in load(top).functions:
        symbols = demanded.setdefault(function.arm, [])
        if function.reach == "SYMBOL":
            symbols.append(function.name)
    return demanded


def table_functions(top: Path) -> tuple[ApiFunction, ...]:
    """What extensions reach through the runtime's table, in the order of its entries."""
    return load(top).table_functions


def check_forms(top: Path, spec: Spec, forms: Mapping[str, Collection[str]]) -> None:
    """Compare the forms of each api.h with [forms], those of each variants/*/variant.toml under [top] by proposal.

    Raises SpecError for a form that variant.toml lacks, and for one of variant.toml that no function of api.h has.
    """
    for function in spec.functions:
        known = sorted(forms.get(function.proposal, ()))
        if function.form not in known:
            raise SpecError(function.path, function.line, f"the form {function.form!r} of {function.name}",
                            "a form of variant.toml beside it" + (f" ({', '.join(known)})" if known else ""))
    arms = {function.arm for function in spec.functions}
    for proposal, names in forms.items():
        for form in names:
            if f"{proposal}/{form}" not in arms:
                path = top / "variants" / proposal / "variant.toml"
                raise SpecError(path, _line_of_form(path, form), f"the form {form!r}, which no function has",
                                f"HPyLab_API({form}, ROLE, REACH) in api.h")


def _line_of_form(path: Path, form: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, text in enumerate(lines, 1) if re.match(rf"name\s*=\s*[\"']{form}[\"']", text)), 1)


# ---- the rules of each file

def _interface(header: Header) -> tuple[Declaration, ...]:
    count = 0
    _refuse_constants(header)
    for declaration, annotations in header.declarations:
        annotation = annotations[0] if annotations else None
        if declaration.name and not _INTERFACE_NAME.fullmatch(declaration.name):
            raise header.error(declaration.line, f"the name {declaration.name!r}", "a name of the form HPyLab_Xxx")
        if annotation and (annotation.word != "HPyLab_ID" or not declaration.is_function):
            raise header.error(annotation.line, f"{annotation} before {declaration.name!r}", "HPyLab_ID(n) before a function")
        if declaration.is_function:
            expected = f"HPyLab_ID({count}): the ids run from 0 in the order of the file, without gap or repeat"
            if annotation is None or annotation.arguments != (str(count),):
                found = f"{annotation or 'no id'} before {declaration.name}"
                raise header.error((annotation or declaration).line, found, expected)
            count += 1
            _refuse_body(header, declaration)
    return tuple(declaration for declaration, _ in header.declarations)


def _native(header: Header) -> tuple[Declaration, ...]:
    _refuse_constants(header)
    for declaration, annotations in header.declarations:
        for annotation in annotations:
            raise header.error(annotation.line, str(annotation), "no annotation: native code knows neither Python nor the lab")
        _refuse_body(header, declaration)
    return tuple(declaration for declaration, _ in header.declarations)


def _refuse_constants(header: Header) -> None:
    for constant in header.constants:
        raise header.error(constant.line, f"#define {constant.name}", "an enum: cffi reads this file too")


def _refuse_body(header: Header, declaration: Declaration) -> None:
    if declaration.has_body:
        raise header.error(declaration.line, f"a body of {declaration.name}", "a prototype")


def _proposal(header: Header) -> Proposal:
    functions: list[ApiFunction] = []
    pointers: dict[str, Signature] = {}
    for declaration, annotations in header.declarations:
        if _is_function_pointer(declaration.node):
            pointers[declaration.name] = roles.signature(declaration.node)
        _check_api_names(header, declaration)
        if declaration.is_function and not annotations:
            raise header.error(declaration.line, f"{declaration.name} without HPyLab_API",
                               "HPyLab_API(form, ROLE, REACH) above each function")
        uses = _uses(header, declaration, annotations)
        for function in uses[:1]:
            _check_signature(header, function, pointers)
        functions += uses
    _check_roles(header, functions)
    declarations = tuple(declaration for declaration, _ in header.declarations)
    return Proposal(header.path.parent.name, header.path, header.text, tuple(header.constants), declarations, tuple(functions))


def _uses(header: Header, declaration: Declaration, annotations: tuple[Annotation, ...]) -> list[ApiFunction]:
    """The function once for each of its forms."""
    found: list[ApiFunction] = []
    for annotation in annotations:
        function = _api_function(header, declaration, annotation)
        if function.form in [other.form for other in found]:
            raise header.error(annotation.line, f"{annotation} after another of that form", "one for each form")
        if found and function.role != found[0].role:
            raise header.error(annotation.line, str(annotation), f"the role {found[0].role} that it has in {found[0].form}")
        if found and {function.reach, found[0].reach} - {"SYMBOL", "TABLE"} and function.reach != found[0].reach:
            raise header.error(annotation.line, str(annotation),
                               f"{found[0].reach} as in {found[0].form}; SYMBOL and TABLE alone may differ")
        found.append(function)
    return found


def _check_api_names(header: Header, declaration: Declaration) -> None:
    rule, form = (_API_FUNCTION, "HPy_Xxx or HPyXxx_Yyy") if declaration.is_function else (_API_TYPE, "HPyXxx")
    if declaration.name and not rule.fullmatch(declaration.name):
        expected = f"a name of the form {form} (HPyLab is the lab's own)"
        raise header.error(declaration.line, f"the name {declaration.name!r}", expected)
    for name in declaration.defines:
        if not name.startswith(("HPy", "_HPy")):
            raise header.error(declaration.line, f"the name {name!r}", "a name that begins with HPy (_HPyXxx_s for a tag)")


def _api_function(header: Header, declaration: Declaration, annotation: Annotation) -> ApiFunction:
    if annotation.word != "HPyLab_API" or len(annotation.arguments) != 3:
        raise header.error(annotation.line, str(annotation), "HPyLab_API(form, ROLE, REACH)")
    form, role, reach = annotation.arguments
    if role not in ROLES:
        raise header.error(annotation.line, f"the role {role!r}", "one of " + ", ".join(ROLES))
    if reach not in REACHES:
        raise header.error(annotation.line, f"the reach {reach!r}", "one of " + ", ".join(REACHES))
    _check_reach(header, declaration, reach)
    return ApiFunction(**vars(declaration), proposal=header.path.parent.name, form=form, role=role, reach=reach,
                       marked=(annotation.start, annotation.end))


def _check_reach(header: Header, declaration: Declaration, reach: str) -> None:
    def refuse(found: str, expected: str):
        raise header.error(declaration.line, f"{reach} {declaration.name}{found}", expected)

    if reach == "POINTER":
        if not _is_function_pointer(declaration.node):
            refuse(", which is not a typedef of a function pointer", "typedef result (*HPyXxx)(arguments)")
    elif not declaration.is_function:
        refuse(", which is not a function", "a function")
    elif reach == "INLINE":
        if not declaration.has_body or not declaration.prototype.startswith("static inline "):
            refuse(" without a body or without static inline", "static inline and a body")
    elif declaration.has_body:
        refuse(" with a body", "a prototype; INLINE marks a function with a body")
    elif declaration.node.storage or declaration.node.funcspec:
        words = " ".join(declaration.node.storage + declaration.node.funcspec)
        refuse(f" with {words}", "a prototype alone; the reach says what is added")
    elif reach == "TABLE":
        if not _first_is_context(declaration.node):
            refuse(" without a context", "HPyContext * as the first parameter: the way to the runtime's table")


def _check_signature(header: Header, function: ApiFunction, pointers: Mapping[str, Signature]) -> None:
    expected = roles.expected(function.role, roles.signature(function.node), function.reach == "POINTER", pointers)
    if expected:
        raise header.error(function.line, f"{function.role} {function.prototype.removeprefix('static inline ')}", expected)


def _check_roles(header: Header, functions: list[ApiFunction]) -> None:
    roles: dict[str, set[str]] = {}
    for function in functions:
        roles.setdefault(function.form, set()).add(function.role)
    for function in functions:
        needed = _NEEDS.get(function.role)
        if needed and needed not in roles[function.form]:
            raise header.error(function.line, f"{function.role} {function.name} without {needed}",
                               f"a function HPyLab_API({function.form}, {needed}, REACH)")
        if not roles[function.form] & set(LEADS_TO_A_CONTEXT):
            raise header.error(function.line, f"the form {function.form!r} without one of {', '.join(LEADS_TO_A_CONTEXT)}",
                               f"a function of {function.form} that leads to a context")


def _check_shared_names(proposals: tuple[Proposal, ...]) -> None:
    """Every api.h ends up in one header, so a name belongs to one folder, and to one function."""
    owners: dict[str, Declaration | Constant] = {}
    symbols = {function.name for proposal in proposals for function in proposal.functions if function.reach == "SYMBOL"}
    for declaration in (one for proposal in proposals for one in (*proposal.declarations, *proposal.constants)):
        for name in declaration.defines:
            owner = owners.setdefault(name, declaration)
            is_type = isinstance(declaration, Declaration) and not declaration.is_function
            if owner is declaration or (owner.path == declaration.path and is_type):
                continue
            what, expected = f"the name {name} in", "a name that is defined once"
            if name in symbols:
                what, expected = f"the symbol {name} demanded by", "a symbol that is demanded once"
            folders = " and ".join(f"variants/{one.path.parent.name}" for one in (owner, declaration))
            raise SpecError(declaration.path, declaration.line, f"{what} {folders}", expected)


def _is_function_pointer(node: c_ast.Node) -> bool:
    return (isinstance(node, c_ast.Typedef) and isinstance(node.type, c_ast.PtrDecl)
            and isinstance(node.type.type, c_ast.FuncDecl))


def _first_is_context(node: c_ast.Decl) -> bool:
    first = node.type.args.params[0] if node.type.args else None
    kind = getattr(first, "type", None)
    return (isinstance(kind, c_ast.PtrDecl) and isinstance(kind.type, c_ast.TypeDecl)
            and getattr(kind.type.type, "names", None) == ["HPyContext"])
