"""Builds everything that is written in C, and only what changed.

Three kinds of output, all under build/: what knows no Python (native library, drivers), what is built once for every
interpreter (universal extension halves), and what is built for each (runtime half, hybrid and CPython-ABI extensions).
How a library is made, and when it is made again, is told in lab/targets.py.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import catalogue, layouts
from lab.environment import find_compiler
from lab.errors import BuildError, MissingTool
from lab.interpreters import Interpreter
from lab.targets import HERE, Target, alone, make

CFLAGS = ("-std=c11", "-D_DEFAULT_SOURCE", "-O2", "-g", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror")
# what HPy 0.9.0's own macros and inline functions provoke
HPY_QUIET = ("-Wno-cast-function-type", "-Wno-missing-field-initializers", "-Wno-unused-parameter")
RUNTIME_LIBRARIES = ("-ldl", "-lpthread")
ABI_MACRO = {"universal": "HPY_ABI_UNIVERSAL", "hybrid": "HPY_ABI_HYBRID", "cpython": "HPY_ABI_CPYTHON"}


@dataclass(frozen=True)
class Libraries:
    """Where everything that was built lies."""

    native: Path
    drivers: Mapping[str, Path]                     # scenario -> library
    bodies: Mapping[tuple[str, str], Path]          # (interpreter tag, abi) -> extension; tag "" for universal
    runtimes: Mapping[str, Path]                    # interpreter tag -> module
    arms: Mapping[tuple[str, str], Path]            # (interpreter tag, arm id) -> extension; tag "" for universal
    unavailable: Mapping[tuple[str, str], str]      # (interpreter tag, arm id) -> why it was not built
    places: Mapping[str, Path]                      # interpreter tag -> the extension of lab/worker/places.py
    wrong_uses: Path                                # the extension of lab/worker/misusing.py

    def arm(self, tag: str, arm_id: str) -> Path:
        """The extension half of an arm, or of its twin, for an interpreter. Raises KeyError."""
        return self.arms.get(("", arm_id)) or self.arms[tag, arm_id]

    def for_worker(self, tag: str) -> dict:
        """The "libraries" of a worker's job, for the interpreter with this tag."""
        bodies = {"universal": str(self.bodies["", "universal"])}
        if (tag, "cpython") in self.bodies:
            bodies["cpython"] = str(self.bodies[tag, "cpython"])
        return {"native": str(self.native), "runtime": str(self.runtimes[tag]), "bodies": bodies, "places": str(self.places[tag]),
                "wrong_uses": str(self.wrong_uses), "drivers": {name: str(path) for name, path in self.drivers.items()}}


def build(top: Path, interpreters: Sequence[Interpreter], progress: Callable[[str], None] = lambda text: None,
          debug: bool = False, unchecked: bool = False, layout: int = layouts.PLAIN) -> Libraries:
    """Everything that [interpreters] need, below [top]/build; [progress] is told each output that is made.

    With [debug] the universal extension halves are those of the lab's debug mode, with [unchecked] those in which the inline
    functions of each api.h check nothing (HPYLAB_UNCHECKED); they lie beside the others. Another [layout] than the plain one
    (lab.layouts) has a folder of its own with all that is timed; what the probes need is not in it.

    A second build of the same checkout waits for the first. Raises MissingTool (compiler, headers, HPy, cffi, pyperf) and,
    once all that can be made is, BuildError (a compiler said no; a symbol that must not be there).
    """
    for interpreter in interpreters:
        for what, remedy in interpreter.missing:
            raise MissingTool(f"{interpreter.tag} ({interpreter.path}) lacks {what}", remedy)
    plan = _Plan(top, interpreters, "debug" if debug else "unchecked" if unchecked else "", layouts.Layout(layout))
    with alone(top / "build"):
        make(top, plan.targets, progress)
    return plan.libraries


@dataclass(frozen=True)
class Half:
    """A universal extension half that is in no catalogue: [arm]'s, with [stub] in place of its own and further [macros]; without
    a stub a copy of it."""

    arm: catalogue.Arm
    stub: Path | None = None
    macros: tuple[str, ...] = ()


def build_halves(top: Path, folder: str, halves: Mapping[str, Half], progress: Callable[[str], None] = lambda text: None
                 ) -> dict[str, Path]:
    """Where each of [halves] lies, below [top]/build/[folder], by the name it was given there. A [stub] may include the arm's
    own, whose folder is on the path. Raises as build() does."""
    plan = _Plan(top, (), "", layouts.Layout())
    paths = {name: plan.half(plan.out / folder / f"{name}.hpy0.so", half) for name, half in halves.items()}
    with alone(plan.out):
        make(top, plan.targets, progress)
    return paths


def planned(top: Path, interpreters: Sequence[Interpreter]) -> Libraries:
    """Where build() would put everything; nothing is made. Raises MissingTool."""
    return _Plan(top, interpreters, "", layouts.Layout()).libraries


class _Plan:
    """All targets, in the order in which they are made."""

    def __init__(self, top: Path, interpreters: Sequence[Interpreter], half: str, layout: layouts.Layout):
        self.top, self.plain, self.cc, self.layout = top, top / "build", find_compiler(), layout
        self.out = self.plain / layouts.folder(layout.number)
        self.targets: list[Target] = []
        self.csrc = top / "csrc"
        folders = {str(hpy_devel(each)) for each in (None, *interpreters)}
        self.hpy = tuple(sorted(self._relative(folder) for folder in folders))
        arms = catalogue.arms(top)
        self.libraries = Libraries(self._native(), self._drivers(), {}, {}, {}, {}, {}, self._wrong_uses(half))
        self._bodies("universal", None)
        for arm in arms.values():
            if arm.abi == "universal":
                self._arm(arm, None, half)
        for interpreter in interpreters:
            self._runtime(interpreter)
            self._places(interpreter)
            abis = ("cpython", "hybrid") if interpreter.implementation == "cpython" else ("hybrid",)
            if "cpython" in abis:
                self._bodies("cpython", interpreter)
            for arm in arms.values():
                if arm.abi in abis:
                    self._arm(arm, interpreter)
                elif arm.abi != "universal":
                    self.libraries.unavailable[interpreter.tag, arm.id] = f"the CPython ABI is not {interpreter.implementation}'s"

    def _add(self, output: Path, flags: Iterable[str], sources: Iterable[Path], libraries: Iterable[str] = (),
             arm: str = "") -> Path:
        layout = self.layout if self.out in output.parents else layouts.Layout()
        moves, sources = layout.draw(output.name, sources, self.csrc / "layout" / "padding.S")
        command = [self.cc, *CFLAGS, *moves, f"-ffile-prefix-map={HERE}=.", *flags, "-shared", "-o", str(output), *map(str, sources),
                   *libraries]
        self.targets.append(Target(output, [self._relative(word) for word in command], sources, arm=arm, hpy=self.hpy))
        return output

    def _relative(self, word: str) -> str:
        """A word of a command, without the checkout's path."""
        return word.replace(f"{self.top}{os.sep}", "")

    def _native(self) -> Path:
        return self._add(self.out / "native" / "libhpylab_native.so", [f"-I{self.csrc / 'native'}"],
                         sorted((self.csrc / "native").glob("*.c")), ["-lpthread"])

    def _drivers(self) -> dict[str, Path]:
        drivers = {}
        for scenario in catalogue.scenarios(self.top).values():
            drivers[scenario.name] = self._add(
                self.out / "drivers" / f"{scenario.name}.so", [f"-I{self.csrc / 'native'}"], [scenario.folder / "driver.c"],
                [f"-L{self.out / 'native'}", "-lhpylab_native", "-Wl,-rpath,$ORIGIN/../native"])
        return drivers

    def _place(self, interpreter: Interpreter | None) -> Path:
        return self.out / (interpreter.tag if interpreter else "universal")

    def _extension_flags(self, abi: str, interpreter: Interpreter | None) -> list[str]:
        flags = ["-DHPY", f"-D{ABI_MACRO[abi]}", *HPY_QUIET, f"-I{self.csrc}", f"-I{self.csrc / 'arm'}",
                 f"-I{self.csrc / 'native'}", "-isystem", str(hpy_devel(interpreter) / "include")]
        if abi == "universal":
            flags += ["-isystem", str(hpy_devel(interpreter) / "include" / "hpy" / "forbid_python_h")]
        else:
            flags += ["-isystem", headers(interpreter), *_visible_init(interpreter)]
        return flags

    def _suffix(self, abi: str, interpreter: Interpreter | None) -> str:
        return interpreter.ext_suffix if abi == "cpython" and interpreter else ".hpy0.so"

    def _abi_libraries(self, abi: str, interpreter: Interpreter | None) -> list[str]:
        if abi != "cpython":
            return []
        return [str(hpy_devel(interpreter) / "lib" / "cpython" / "libhpy-ctx-cpython.a"), "-Wl,--exclude-libs,ALL"]

    def _bodies(self, abi: str, interpreter: Interpreter | None) -> None:
        output = self._place(interpreter) / ("bodies" + self._suffix(abi, interpreter))
        tag = interpreter.tag if interpreter else ""
        self.libraries.bodies[tag, abi] = self._add(output, self._extension_flags(abi, interpreter),
                                                    [self.csrc / "bodies" / "bodies.c"], self._abi_libraries(abi, interpreter))

    def _wrong_uses(self, half: str) -> Path:
        flags = [*self._extension_flags("universal", None), *_half_macros(half)]
        return self._add(_half_place(self.plain / "universal", half) / "wrong_uses.hpy0.so", flags,
                         sorted((self.csrc / "probes" / "wrong_uses").glob("*.c")), ["-lpthread"])

    def _arm(self, arm: catalogue.Arm, interpreter: Interpreter | None, half: str = "") -> None:
        tag = interpreter.tag if interpreter else ""
        stem = arm.id.replace("/", "-")       # no second dot: HPy reads its ABI tag from what follows ".hpy"
        output = _half_place(self._place(interpreter), half) / (stem + self._suffix(arm.abi, interpreter))
        self.libraries.arms[tag, arm.id] = self._stub(output, arm, arm.folder / "stub.c", interpreter, _half_macros(half))
        twin = output.with_name(stem + catalogue.TWIN_SUFFIX + self._suffix(arm.abi, interpreter))
        self.targets.append(Target(twin, ["copy", output.name], copy_of=output))
        self.libraries.arms[tag, arm.id + catalogue.TWIN_SUFFIX] = twin

    def _stub(self, output: Path, arm: catalogue.Arm, stub: Path, interpreter: Interpreter | None, macros: Sequence[str]) -> Path:
        form = f"-DHPyLab_FORM=HPyLab_FORM_{arm.id.replace('/', '_')}"
        return self._add(output, [*self._extension_flags(arm.abi, interpreter), form, *macros, f"-I{arm.folder}"],
                         [stub, *sorted((self.csrc / "arm").glob("*.c"))],
                         [*self._abi_libraries(arm.abi, interpreter), "-lpthread"], arm=arm.id if arm.abi == "universal" else "")

    def half(self, output: Path, half: Half) -> Path:
        """The target of one [half]."""
        if half.stub is None:
            self.targets.append(Target(output, ["copy", output.name], copy_of=self.libraries.arms["", half.arm.id]))
            return output
        self._stub(output, half.arm, half.stub, None, half.macros)
        self.targets[-1].sources.append(half.arm.folder / "stub.c")     # which it may include: no part of the command
        return output

    def _runtime(self, interpreter: Interpreter) -> None:
        flags, sources = runtime_parts(self.top, interpreter)
        self.libraries.runtimes[interpreter.tag] = self._add(
            self._place(interpreter) / ("hpylab_runtime" + interpreter.ext_suffix), flags, sources, RUNTIME_LIBRARIES)

    def _places(self, interpreter: Interpreter) -> None:
        self.libraries.places[interpreter.tag] = self._add(
            self.plain / interpreter.tag / ("places" + self._suffix("hybrid", interpreter)), self._extension_flags("hybrid", interpreter),
            sorted((self.csrc / "probes" / "places").glob("*.c")), ["-lpthread"])


def _half_place(place: Path, half: str) -> Path:
    """Where extension halves lie that are built as [half] says: "" for release mode."""
    return place.with_name(f"{place.name}-{half}") if half else place


def _half_macros(half: str) -> list[str]:
    return [f"-DHPYLAB_{half.upper()}"] if half else []


def runtime_parts(top: Path, interpreter: Interpreter) -> tuple[list[str], list[Path]]:
    """The compiler's flags (beside CFLAGS) and the sources of the runtime half for [interpreter]. Raises BuildError, MissingTool."""
    csrc = top / "csrc"
    own = csrc / "runtime" / interpreter.implementation
    if not own.is_dir():
        raise BuildError(f"there is no runtime half for {interpreter.implementation} ({interpreter.path})", "give CPython or PyPy")
    sources = [*sorted((csrc / "runtime").glob("*.[cS]")), *sorted(own.glob("*.c"))]
    sources += sorted(path for path in (top / "variants").glob("*/*.[cS]") if path.name != "stub.c")
    flags = ["-DHPY", "-DHPY_ABI_HYBRID", "-DHPYLAB_RUNTIME", *HPY_QUIET, f"-I{csrc}", f"-I{csrc / 'runtime'}", f"-I{own}",
             "-isystem", str(hpy_devel(interpreter) / "include"), "-isystem", headers(interpreter), *_visible_init(interpreter)]
    return flags, sources


def hpy_devel(interpreter: Interpreter | None = None) -> Path:
    """The folder hpy/devel of the HPy that [interpreter] (None: the one running the lab) has. Raises MissingTool."""
    folder = interpreter.hpy_devel if interpreter else None
    if interpreter is None:
        try:
            found = importlib.util.find_spec("hpy.universal")
        except ModuleNotFoundError:
            found = None
        folder = Path(found.origin).parent / "devel" if found and found.origin else None
    if folder is None or not (Path(folder) / "include" / "hpy.h").is_file():
        of = f" of {interpreter.tag} ({interpreter.path})" if interpreter else ""
        raise MissingTool(f"HPy's headers{of} are missing (hpy.h)", "pip install hpy==0.9.0")
    return Path(folder)


def _visible_init(interpreter: Interpreter) -> list[str]:
    """PyMODINIT_FUNC of CPython 3.8 does not say that the init function is to be seen from outside."""
    return ["-fvisibility=default"] if interpreter.version.startswith("3.8.") else []


def headers(interpreter: Interpreter) -> str:
    """The folder with the interpreter's Python.h. Raises MissingTool."""
    if interpreter.include is None:
        what, remedy = next(iter(interpreter.lacks("headers")), ("headers", "apt-get install python3-dev"))
        raise MissingTool(f"{interpreter.tag} ({interpreter.path}) lacks {what}", remedy)
    return interpreter.include
