"""The plan of the house: which module may import which, who may speak to the user, what the worker may need.

Each rule is a function that lists where a tree breaks it, run on the real tree and on a planted one that breaks it.
"""

import ast
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent

# From the ground up: a module imports only from those that stand before it, here and in its own line.
# "analysis.*" is every analysis that has no place of its own; those do not import one another.
HOUSE = [
    "errors units",
    "debug pytest_plugin",
    "cheader roles spec catalogue interpreters stats independent variance layouts plan latencies samples journal results_schema results "
    "comparable sittings",
    "debug_wrappers autogen environment targets builder venvs validation_halves",
    "doctor executor memory driver probe_files probes conformance conformance_docs counting sizes bench noise additions validating",
    "analysis.cells analysis.twin analysis.paired analysis.crosscheck analysis.falsepositives analysis.* decision",
    "plots answer claims verdicts tables changes guarantees columns detail latency_view report validation_docs",
    "cli_terminal cli_check cli_bench cli_show cli_validate cli",
]
HEAVY = {"pandas", "numpy", "matplotlib", "scipy", "pyperf", "jinja2", "pycparser", "cffi"}
SPEECH = {"print", "input", "exit", "quit", "SystemExit", "sys.exit", "sys.stdout", "sys.stderr", "os._exit", "os.abort"}
TERMINAL = {"click", "rich"}                                     # the command line's own tools
WORKER_MAY_IMPORT = {"cffi", "pyperf", "hpy"} | sys.stdlib_module_names
LONGEST_FILE = 400


def modules(top):
    """The modules of lab/ by name (``analysis.paired``), but for the worker, which is run by path and never imported."""
    found = {}
    for path in sorted((top / "lab").rglob("*.py")):
        parts = path.relative_to(top / "lab").with_suffix("").parts
        if parts[0] != "worker":
            found[".".join(parts)] = path
    return found


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def at_module_level(node):
    """The nodes below [node] that run when the module is imported: no functions, nothing for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            continue
        yield child
        yield from at_module_level(child)


def imports(name, nodes):
    """(line, dotted name) of each import among [nodes] of the lab's module [name]; ``from a import b`` gives ``a.b``."""
    package = ["lab", *name.split(".")[:-1]]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            base = ".".join(base + ([node.module] if node.module else []))
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def lab_module(dotted, known):
    """Which of the [known] modules ``lab.errors.LabError`` is of; what stands after ``lab.`` where it is of none."""
    parts = dotted.split(".")[1:]
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in known:
            return ".".join(parts[:length])
    return ".".join(parts)


def place(name):
    """How many modules stand before [name] in the house; None where it has no place."""
    order = " ".join(HOUSE).split()
    wildcard = "analysis.*" if name.startswith("analysis.") else None
    return order.index(name) if name in order else order.index(wildcard) if wildcard else None


def misplaced(top):
    """Where a module has no place in the house, or imports one that does not stand before it."""
    known, wrong = modules(top), []
    for name, path in known.items():
        is_package = name.split(".")[-1] == "__init__"
        if place(name) is None and not is_package:
            wrong.append(f"{path.relative_to(top)}: add it to the plan of the house (HOUSE in {Path(__file__).name})")
            continue
        for line, dotted in imports(name, ast.walk(parse(path))):
            if dotted.split(".")[0] != "lab":
                continue
            target = lab_module(dotted, known)
            if is_package or place(target) is None or place(target) >= place(name):
                wrong.append(f"{path.relative_to(top)}:{line}: {name} may not import {target}")
    return wrong


def speaking(top):
    """Where a module other than the command line, cli.py and cli_*.py, prints, exits or uses the terminal."""
    wrong = []
    for name, path in modules(top).items():
        if name.split("_")[0] != "cli":
            tree = parse(path)
            names = [(node.lineno, ast.unparse(node)) for node in ast.walk(tree) if isinstance(node, (ast.Name, ast.Attribute))]
            wrong += [f"{path.relative_to(top)}:{line}: {what}" for line, what in names if what in SPEECH]
            wrong += [f"{path.relative_to(top)}:{line}: imports {dotted.split('.')[0]}"
                      for line, dotted in imports(name, ast.walk(tree)) if dotted.split(".")[0] in TERMINAL]
    return wrong


def heavy_at_start(top):
    """Where a module that importing lab.cli brings in imports something heavy at its own top."""
    known, wrong, seen, ahead = modules(top), [], set(), ["cli"]
    while ahead:
        name = ahead.pop()
        if name in seen or name not in known:
            continue
        seen.add(name)
        for line, dotted in imports(name, at_module_level(parse(known[name]))):
            if dotted.split(".")[0] == "lab":
                ahead.append(lab_module(dotted, known))
            elif dotted.split(".")[0] in HEAVY:
                wrong.append(f"{known[name].relative_to(top)}:{line}: {dotted.split('.')[0]}")
    return sorted(wrong)


def worker_files(top):
    """What runs in a measured process: the worker, its probes, and the set-up of scenarios."""
    return sorted([*(top / "lab" / "worker").rglob("*.py"), *(top / "csrc").rglob("*.py")])


def worker_needs(top):
    """Where a file of the worker needs more than the standard library, cffi, pyperf, HPy and its own folder."""
    wrong = []
    own = {path.stem for path in (top / "lab" / "worker").rglob("*.py")}
    for path in worker_files(top):
        for line, dotted in imports("worker", ast.walk(parse(path))):
            if dotted.split(".")[0] not in WORKER_MAY_IMPORT | own:
                wrong.append(f"{path.relative_to(top)}:{line}: {dotted.split('.')[0]}")
    return wrong


def too_new_for_the_worker(top):
    """The worker's files whose syntax Python 3.8 does not know."""
    wrong = []
    for path in worker_files(top):
        try:
            ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
        except SyntaxError:
            wrong.append(str(path.relative_to(top)))
    return wrong


def too_long(top):
    """The files of lab/ with more than 400 lines, but for generated ones."""
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in sorted((top / "lab").rglob("*.py"))
               if not path.name.startswith("autogen_")}
    return [f"{path.relative_to(top)}: {length} lines" for path, length in lengths.items() if length > LONGEST_FILE]


def undescribed(top):
    """The tests without a docstring of one line."""
    wrong = []
    for path in sorted((top / "tests").rglob("test_*.py")):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                if not (ast.get_docstring(node) or "").strip() or "\n" in ast.get_docstring(node):
                    wrong.append(f"{path.relative_to(top)}:{node.lineno}: {node.name}")
    return wrong


def planted(folder, **files):
    """A tree in [folder] with the [files], source by path without ``.py`` and with ``__`` for ``/``."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_modules_are_found():
    """The rules below look at the real tree: its ground floor and its worker are among what they see."""
    assert {"errors", "units", "catalogue", "interpreters"} <= set(modules(TOP))
    assert TOP / "lab" / "worker" / "measure.py" in worker_files(TOP)


def test_a_module_imports_only_from_below():
    """Every module has its place in the house and imports only from those before it."""
    assert misplaced(TOP) == []


def test_import_from_above_is_seen(tmp_path):
    """An import from above, of a neighbour further on, of the module itself or inside a function is seen."""
    tree = planted(
        tmp_path, lab__errors="from lab.units import parse_duration\n", lab__units="", lab__results="from lab import plan\n",
        lab__plan="def late():\n    import lab.results\n", lab__cli="from lab import results\nimport lab.analysis.new\n",
        lab__analysis__new="from . import other\n", lab__analysis__other="from ..report import render\n", lab__report="")
    assert sorted(misplaced(tree)) == [
        "lab/analysis/new.py:1: analysis.new may not import analysis.other",
        "lab/analysis/other.py:1: analysis.other may not import report",
        "lab/errors.py:1: errors may not import units",
        "lab/plan.py:2: plan may not import results"]


def test_unknown_module_is_seen(tmp_path):
    """A module that has no place is to be added to the plan; the worker and a name that is not there cannot be imported."""
    tree = planted(tmp_path, lab__attic="", lab__worker__measure="",
                   lab__cli="import lab.worker.measure\nfrom lab import cellar\n")
    assert misplaced(tree) == [
        "lab/attic.py: add it to the plan of the house (HOUSE in test_architecture.py)",
        "lab/cli.py:1: cli may not import worker.measure", "lab/cli.py:2: cli may not import cellar"]


def test_only_the_command_line_speaks():
    """Nothing but cli.py and its parts prints, exits or uses the terminal's libraries; the worker, which answers by print, is apart."""
    assert speaking(TOP) == []


def test_speaking_is_seen(tmp_path):
    """Printing and exiting are seen in whatever way they are written."""
    told = "print(1)\n"
    tree = planted(tmp_path, lab__cli=told, lab__cli_show=told, lab__worker__measure=told, lab__plan=(
        "import sys, os, rich.table\nprint(1)\nsys.exit(2)\nraise SystemExit\nexit()\nos._exit(1)\nsys.stderr.write('x')\n"))
    assert sorted(speaking(tree)) == [
        "lab/plan.py:1: imports rich", "lab/plan.py:2: print", "lab/plan.py:3: sys.exit", "lab/plan.py:4: SystemExit",
        "lab/plan.py:5: exit", "lab/plan.py:6: os._exit", "lab/plan.py:7: sys.stderr"]


def test_the_command_line_starts_light():
    """What cli.py imports at its top, and what that imports, leaves the heavy libraries for when they are used."""
    assert heavy_at_start(TOP) == []


def test_heavy_import_is_seen(tmp_path):
    """A heavy import is seen through other modules and inside try; one inside a function or for types is not heavy."""
    tree = planted(
        tmp_path, lab__cli="from lab import plan\ndef report():\n    from lab import plots\n", lab__plots="import matplotlib\n",
        lab__plan="from lab.stats import mean\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\n",
        lab__stats="try:\n    from scipy.stats import binom\nexcept ImportError:\n    pass\ndef late():\n    import numpy\n")
    assert heavy_at_start(tree) == ["lab/stats.py:2: scipy"]


def test_the_command_line_brings_in_nothing_heavy():
    """After importing lab.cli none of the heavy libraries is loaded."""
    script = f"import sys, lab.cli; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=TOP, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_worker_needs_little():
    """What runs in a measured process needs the standard library, cffi, pyperf, HPy and its own folder alone."""
    assert worker_needs(TOP) == []


def test_worker_need_is_seen(tmp_path):
    """A worker's import of anything else is seen, of the lab's own package too."""
    tree = planted(tmp_path, lab__worker__measure="import os, cffi, loading\nfrom lab import plan\n", lab__worker__loading="",
                   csrc__scenarios__sort__setup="def late():\n    import numpy.linalg\n")
    assert worker_needs(tree) == ["csrc/scenarios/sort/setup.py:2: numpy", "lab/worker/measure.py:2: lab"]


def test_worker_runs_on_old_pythons():
    """The worker's syntax is that of Python 3.8."""
    assert too_new_for_the_worker(TOP) == []


def test_new_syntax_is_seen(tmp_path):
    """Syntax that came after Python 3.8 is seen."""
    tree = planted(tmp_path, lab__worker__new="match x:\n    case 1:\n        pass\n", lab__worker__old="x = (y := 1)\n")
    assert too_new_for_the_worker(tree) == ["lab/worker/new.py"]


def test_files_are_short():
    """No file of lab/ has more than 400 lines."""
    assert too_long(TOP) == []


def test_long_file_is_seen(tmp_path):
    """A file of 401 lines is seen; one of 400 and a generated one are not."""
    tree = planted(tmp_path, lab__long="x = 1\n" * 401, lab__fits="x = 1\n" * 400, lab__worker__autogen_long="x = 1\n" * 500)
    assert too_long(tree) == ["lab/long.py: 401 lines"]


def test_tests_are_described():
    """Every test says in one line what it shows."""
    assert undescribed(TOP) == []


def test_undescribed_test_is_seen(tmp_path):
    """A test without a docstring, and one with a docstring of two lines, are seen."""
    tree = planted(tmp_path, tests__test_x=(
        'def test_a():\n    pass\ndef test_b():\n    """One\n    two."""\ndef test_c():\n    """One."""\n'))
    assert undescribed(tree) == ["tests/test_x.py:1: test_a", "tests/test_x.py:3: test_b"]
