"""What is generated from the specifications: the C header of all arms, what the worker knows of it, the API tables of docs/.

Each function below that writes C has above it a sketch of the C to come; the templates put the pieces in their places.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import jinja2
from cffi import CDefError, FFI, FFIError

from lab import catalogue, debug_wrappers
from lab import spec as specs
from lab.errors import LabError, SpecError

OUTPUTS = {"autogen_context.h.j2": "csrc/autogen_context.h", "autogen_interface.py.j2": "lab/worker/autogen_interface.py",
           "autogen_api.md.j2": "docs/autogen_api.md"}
TEMPLATES = Path(__file__).with_name("templates")
COMMAND = "lab generate"

MAGIC = int.from_bytes(b"HPyLab\0\1", "big")   # the last byte is the version of the handshake itself
RAISED, REFUSED = -2**63, -2**63 + 1
CAPSULE, MODULE = "hpylab_runtime.table", "hpylab_runtime"

_CONTEXT_FOR_CFFI = "typedef struct _HPyContext_s HPyContext;\ntypedef struct _HPy_s { intptr_t _i; } HPy;\n"


def generate(top: Path) -> list[Path]:
    """Write the generated files under [top], the checkout; the paths of those that changed.

    Raises SpecError for a wrong specification, LabError where less came out than the specifications hold.
    """
    contents = render(top)
    changed = _stale(contents)
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[path])
    return changed


def check(top: Path) -> list[Path]:
    """The generated files under [top] that are missing or differ by a byte from what would be written. Raises as generate."""
    return _stale(render(top))


def _stale(contents: Mapping[Path, bytes]) -> list[Path]:
    return [path for path, content in contents.items() if not path.is_file() or path.read_bytes() != content]


def render(top: Path) -> dict[Path, bytes]:
    """Every generated file's path under [top] and content. Raises as generate."""
    spec = specs.load(top)
    arms = list(catalogue.arms(top).values())
    specs.check_forms(top, spec, _forms_of(arms))
    _check_identifiers(arms)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined,
                                     trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    values = _values(spec, arms)
    texts = {name: environment.get_template(name).render(**values, template=f"lab/templates/{name}") for name in OUTPUTS}
    _refuse_incomplete(spec, arms, texts)
    return {top / OUTPUTS[name]: text.encode() for name, text in texts.items()}


def spec_hash(spec: specs.Spec) -> int:
    """64 bits of what runtime half and extension half must agree on: types, prototypes and reaches, in order; not comments."""
    surface = [declaration.canonical for declaration in spec.interface]
    for proposal in spec.proposals:
        reaches = {name: " ".join(f"{function.form} {function.reach}" for function in functions)
                   for name, functions in proposal.by_name.items()}
        surface += [f"{reaches.get(declaration.name, '')} {declaration.canonical}" for declaration in proposal.declarations]
        surface += [constant.canonical for constant in proposal.constants]
    return int.from_bytes(hashlib.sha256("\n".join(surface).encode()).digest()[:8], "big")


def _values(spec: specs.Spec, arms: list[catalogue.Arm]) -> dict:
    described = {arm.proposal: arm for arm in arms if arm.kind == "form"}
    pieces: list[Callable] = [table_field, interface_declaration, arm_row, cell, api_text, extension_half_of]
    pieces += [table_initialiser, implementation, partial(wrapper, spec)]
    return {"spec": spec, "arms": arms, "described": described, "capabilities": sorted(catalogue.CAPABILITIES),
            "reaches": specs.REACHES, "magic": f"0x{MAGIC:016x}", "spec_hash": f"0x{spec_hash(spec):016x}", "raised": RAISED,
            "refused": REFUSED, "capsule": CAPSULE, "module": MODULE, "command": COMMAND, "cdef": cdef(spec),
            "layouts": layouts(spec), "debug_wrappers": debug_wrappers.wrappers(spec),
            "wrapped_names": debug_wrappers.wrapped_names(spec), "shared": shared_by_forms(spec),
            **{getattr(piece, "func", piece).__name__: piece for piece in pieces}}


# ---- the pieces

#   HPyLab_HIDDEN int HPyLab_Bind(HPyContext *ctx, const HPyLab_Binding *binding, HPyLab_Callback *out);
def interface_declaration(declaration: specs.Declaration) -> str:
    """A type of the interface as it stands there; a function hidden, since each arm's library defines its own."""
    text = f"HPyLab_HIDDEN {declaration.source}" if declaration.is_function else declaration.source
    return f"{declaration.comment}\n{text}" if declaration.comment else text


#   HPyContextTrampoline (*ctx_GetContextTrampoline)(HPyContext *ctx);
def table_field(function: specs.ApiFunction) -> str:
    """The entry of the runtime's table."""
    return function.renamed(f"(*{function.implementation})") + ";"


#   .ctx_GetContextTrampoline = ctx_GetContextTrampoline,
def table_initialiser(function: specs.ApiFunction) -> str:
    """What fills the entry; the compiler compares the signatures."""
    return f".{function.implementation} = {function.implementation},"


#   HPyLab_HIDDEN HPyContextTrampoline ctx_GetContextTrampoline(HPyContext *ctx);
def implementation(function: specs.ApiFunction) -> str:
    """The prototype that a runtime.c must fulfil."""
    return f"HPyLab_HIDDEN {function.renamed(function.implementation)};"


#   static inline HPyContextTrampoline HPy_GetContextTrampoline(HPyContext *ctx)
#   {
#       return hpylab_runtime->ctx_GetContextTrampoline(ctx);
#   }
def wrapper(spec: specs.Spec, function: specs.ApiFunction) -> str:
    """The function that an extension calls."""
    call = f"hpylab_runtime->{function.implementation}({', '.join(function.parameters)});"
    text = f"static inline {function.prototype}\n{{\n    {'' if function.is_void else 'return '}{call}\n}}"
    table_forms = spec.mixed.get(function.name)
    return f"#if {extension_half_of(table_forms)}\n{text}\n#endif" if table_forms else text


#   HPyLab_FORM == HPyLab_FORM_enter_leave_token
def extension_half_of(functions: tuple[specs.ApiFunction, ...]) -> str:
    """Whether an extension half of one of the functions' forms is being compiled."""
    return " || ".join(f"HPyLab_FORM == {function.form_macro}" for function in functions)


#   HPyLab_APIS(HPy_LeaveContext, ambient RELEASE SYMBOL, token RELEASE TABLE)
#   void HPy_LeaveContext(HPyContext *ctx);
def api_text(proposal: specs.Proposal) -> str:
    """The text of api.h, in which what several forms have is marked once."""
    pieces, done = [], 0
    for functions in proposal.by_name.values():
        for function in functions if len(functions) > 1 else ():
            start, end = function.marked
            pieces.append(proposal.text[done:start].rstrip(None if function is not functions[0] else ""))
            if function is functions[0]:
                forms = ", ".join(f"{one.form} {one.role} {one.reach}" for one in functions)
                pieces.append(f"HPyLab_APIS({function.name}, {forms})")
            done = end
    return "".join([*pieces, proposal.text[done:]]).rstrip()


def shared_by_forms(spec: specs.Spec) -> list[tuple[specs.ApiFunction, ...]]:
    """Each function that several forms have, with its forms."""
    return [functions for proposal in spec.proposals for functions in proposal.by_name.values() if len(functions) > 1]


#   X(trampoline, plain, \
#     HPyLab_CAN_ATTACHED | HPyLab_CAN_BARE)
def arm_row(arm: catalogue.Arm) -> str:
    """The arm's row of HPyLab_FORMS."""
    can = " | ".join(f"HPyLab_CAN_{capability.upper()}" for capability in sorted(arm.capabilities))
    return f"    X({arm.proposal}, {arm.form}, \\\n      {can or '0'})"


#   _Static_assert(sizeof(HPyLab_Callback) == 16, "…");
#   _Static_assert(offsetof(HPyLab_Callback, closure) == 8, "…");
def layouts(spec: specs.Spec) -> list[str]:
    """The sizes and offsets (bytes) by which cffi reads the interface's types, as C conditions: the C compiler must agree."""
    ffi = FFI()
    for declarations in (spec.interface, spec.native):
        try:
            ffi.cdef(_cdef_of(declarations) if declarations is spec.native else _CONTEXT_FOR_CFFI + _cdef_of(declarations))
        except (CDefError, FFIError) as error:
            found = f"what cffi cannot read ({error})"
            raise SpecError(declarations[0].path, 1, found, "declarations that cffi can read") from None
    conditions = []
    for name in (declaration.name for declaration in spec.interface if declaration.name and not declaration.is_function):
        kind = ffi.typeof(name)
        if kind.kind in ("struct", "enum"):
            conditions.append(f"sizeof({name}) == {ffi.sizeof(kind)}")
        if kind.kind == "struct":
            conditions += [f"offsetof({name}, {member}) == {place.offset}" for member, place in kind.fields]
    return conditions


def cdef(spec: specs.Spec) -> str:
    """What cffi sees: the interface's types and all of native.h. A context is opaque there, and a handle a number."""
    return _CONTEXT_FOR_CFFI + _cdef_of(spec.interface) + _cdef_of(spec.native).rstrip()


def _cdef_of(declarations: tuple[specs.Declaration, ...]) -> str:
    """The functions of the interface are private to each arm's library: nobody finds them by name."""
    return "".join(declaration.code + "\n" for declaration in declarations
                   if not (declaration.is_function and declaration.name.startswith("HPyLab_")))


def cell(text: str) -> str:
    """As a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


# ---- the refusals

def _forms_of(arms: list[catalogue.Arm]) -> Mapping[str, list[str]]:
    forms: dict[str, list[str]] = {}
    for arm in arms:
        if arm.kind == "form":
            forms.setdefault(arm.proposal, []).append(arm.form)
    return forms


def _check_identifiers(arms: list[catalogue.Arm]) -> None:
    """Arms are named in C as HPyLab_FORM_<proposal>_<form>: refuse what is no identifier, and two that would be the same."""
    seen: dict[str, str] = {}
    for arm in arms:
        path = arm.folder / ("variant.toml" if arm.kind == "form" else "arm.toml")
        if not re.fullmatch(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*", arm.id):
            raise SpecError(path, 1, f"the arm {arm.id!r}", "names of small letters, digits and underscores")
        other = seen.setdefault(arm.id.replace("/", "_"), arm.id)
        if other != arm.id:
            raise SpecError(path, 1, f"the arm {arm.id!r} beside {other!r}", "names that differ with _ for /")


def _refuse_incomplete(spec: specs.Spec, arms: list[catalogue.Arm], texts: Mapping[str, str]) -> None:
    """Count what came out, so that a broken generator cannot pass by emitting nothing. Raises LabError."""
    header, worker, docs = (texts[name] for name in OUTPUTS)
    counts = (
        ("arms", "header", len(arms), len(re.findall(r"^    X\(\w+, \w+,", header, re.M))),
        ("table entries", "header", len(spec.table_functions), len(re.findall(r"^    \.ctx_\w+ = ctx_\w+,", header, re.M))),
        ("debug wrappers", "header", len(debug_wrappers.wrapped_names(spec)),
         len(re.findall(r"^#define HPy\w+ _HPyLabDebug_HPy\w+$", header, re.M))),
        ("interface functions", "header", len(spec.interface_functions),
         len(re.findall(r"^HPyLab_HIDDEN [^;]*?\bHPyLab_\w+\(", header, re.M))),
        ("arms", "worker's file", len(arms), len(re.findall(r'^    "\w+/\w+": \[', worker, re.M))),
        ("functions", "docs", len(spec.functions), len(re.findall(r"^\| `HPy\w+` \| `", docs, re.M))),
    )
    for what, where, expected, found in counts:
        if found != expected or found == 0:
            raise LabError(f"the generated {where} holds {found} {what} of {expected}",
                           f"mend lab/templates/, csrc/interface.h or the api.h of a proposal, then run: {COMMAND}")
