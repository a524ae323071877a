"""What a role says about the signature of a function: which parameter is the context, the object, the helper.

A proposal may shape its functions as it likes, within this: an acquisition returns a context and a release is given one; what
is created is the result, or stored through the last parameter; what is freed is the one parameter that is no context; and a
function pointer that is called with a helper passes it a context first. The debug wrappers are written from no more.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pycparser import c_ast
from pycparser.c_generator import CGenerator

CONTEXT = "HPyContext *"
MOST_CALL_PARAMETERS = 3        # the fourth integer register carries the hidden state of a function pointer


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, or what it makes."""

    type: str
    name: str


@dataclass(frozen=True)
class Signature:
    """The types of a function, as C writes them without a name."""

    result: str
    parameters: tuple[Parameter, ...]

    @property
    def contexts(self) -> tuple[Parameter, ...]:
        return tuple(parameter for parameter in self.parameters if parameter.type == CONTEXT)

    @property
    def others(self) -> tuple[Parameter, ...]:
        return tuple(parameter for parameter in self.parameters if parameter.type != CONTEXT)

    @property
    def stored(self) -> Parameter | None:
        """The last parameter where what is made is stored through it, beside a result of int; None where it is the result."""
        last = self.parameters[-1] if self.parameters else None
        return last if last and self.result in ("int", "void") and last.type.endswith("*") and last.type != CONTEXT else None

    @property
    def made(self) -> str:
        """The type of what a CREATE makes; "" for a signature that makes nothing."""
        if self.stored:
            return self.stored.type.removesuffix("*").rstrip()
        return "" if self.result in ("int", "void") else self.result


def type_text(node: c_ast.Node) -> str:
    """A type without the name that it declares: ``HPyVM **``, ``void *``."""
    bare = copy.deepcopy(node)
    inner = bare
    while not isinstance(inner, c_ast.TypeDecl):
        inner = inner.type
    inner.declname = None
    text = CGenerator().visit(c_ast.Typename(None, [], None, bare))
    return " ".join(text.replace("*", " * ").split()).replace("* *", "**")


def signature(node: c_ast.Node) -> Signature:
    """Of a function's declaration, or of the function that a typedef points to."""
    kind = node.type.type if isinstance(node.type, c_ast.PtrDecl) else node.type
    given = [] if kind.args is None else kind.args.params
    parameters = [Parameter(type_text(one.type), getattr(one, "name", None) or "") for one in given
                  if not isinstance(one, c_ast.EllipsisParam)]
    if [one.type for one in parameters] == ["void"]:
        parameters = []
    return Signature(type_text(kind.type), tuple(parameters))


def members(kind: str, declarations: Sequence[c_ast.Node]) -> list[str]:
    """The names of the members of the structure that the type [kind] is, by [declarations]; none where it is no structure."""
    structs = [node.type for node in declarations if isinstance(getattr(node, "type", None), c_ast.Struct)]
    structs += [node.type.type for node in declarations if isinstance(node, c_ast.Typedef)
                and isinstance(node.type, c_ast.TypeDecl) and isinstance(node.type.type, c_ast.Struct)]
    named = next((node.type.type for node in declarations if isinstance(node, c_ast.Typedef) and node.name == kind
                  and isinstance(node.type, c_ast.TypeDecl) and isinstance(node.type.type, c_ast.Struct)), None)
    if named is None:
        return []
    whole = next((struct for struct in (named, *structs) if struct.decls and (struct is named or struct.name == named.name)), None)
    return [member.name for member in whole.decls] if whole else []


def helper(called: Signature, pointers: Mapping[str, Signature]) -> Parameter | None:
    """The parameter of [called] that is a helper: of a type of [pointers] (to functions, by name) whose first is a context."""
    found = [one for one in called.parameters if one.type in pointers
             and pointers[one.type].parameters and pointers[one.type].parameters[0].type == CONTEXT]
    return found[0] if len(found) == 1 else None


def expected(role: str, of: Signature, is_pointer: bool, pointers: Mapping[str, Signature]) -> str:
    """What [role] expects of a signature that breaks its rule; "" for one that keeps it."""
    if not all(parameter.name for parameter in of.parameters):
        return "a name for each parameter, for the wrapper to pass on"
    if role == "CALL":
        if not is_pointer or helper(of, pointers) is None or len(of.parameters) > MOST_CALL_PARAMETERS:
            return (f"a POINTER with at most {MOST_CALL_PARAMETERS} parameters, one of them a pointer to a function "
                    f"(typedef) whose first parameter is {CONTEXT}")
    elif is_pointer:
        return "the role CALL of a POINTER"
    elif role in ("ACQUIRE", "BORROW") and of.result != CONTEXT:
        return f"{CONTEXT} as the result"
    elif role == "RELEASE" and len(of.contexts) != 1:
        return f"one parameter {CONTEXT}: what to release"
    elif role == "CREATE" and not of.made:
        return "what is made as the result, or a last parameter HPyXxx *storage for it beside a result of int"
    elif role == "FREE" and len(of.others) != 1:
        return f"one parameter that is no {CONTEXT}: what to free"
    return ""
