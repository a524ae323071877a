"""lab.layouts: the same code elsewhere, the same elsewhere whenever it is drawn; built, run in a worker, sampled by a run."""

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab_tree import ROOT, copy_tree, environment, lab
from test_worker import work  # noqa: F401 - a fixture

from lab import builder, layouts, results

SOURCES, PADDING = [Path("a.c"), Path("b.c"), Path("c.c")], Path("padding.S")


def test_the_plain_layout_is_what_the_linker_does():
    """No flags, no gaps, the sources in their order."""
    assert layouts.Layout().draw("x.so", SOURCES, PADDING) == ([], SOURCES)


def test_a_layout_is_the_same_whenever_it_is_drawn():
    """By its number and the library's name; other numbers and other libraries have others."""
    drawn = [layouts.Layout(number).draw(name, SOURCES, PADDING) for number in (1, 1, 2) for name in ("x.so", "y.so")]
    assert drawn[:2] == drawn[2:4] and drawn[0] != drawn[1] and drawn[0] != drawn[4]
    for flags, order in drawn:
        assert sorted(order) == sorted([*SOURCES, PADDING]) and len(flags) == 4


def test_eight_layouts_differ_in_everything_they_draw():
    """Order of linking, both gaps, alignment of functions and of loops: each is drawn, and not once for all."""
    drawn = [layouts.Layout(number).draw("x.so", SOURCES, PADDING) for number in range(1, 9)]
    assert len({tuple(order) for _, order in drawn}) > 2
    assert all(len({flags[place] for flags, _ in drawn}) > 2 for place in range(4))


@pytest.mark.parametrize("number", [-1, 64])
def test_a_layout_that_does_not_exist_is_refused(number):
    """Below 0 and above what anybody would build."""
    with pytest.raises(ValueError, match=f"layout {number}; expected 0 to 63"):
        layouts.Layout(number)


def test_processes_take_layouts_in_turn():
    """Of three layouts the processes of a sheet run 0, 1, 2, 0, 1."""
    assert [layouts.of_process(turn, 3) for turn in range(5)] == [0, 1, 2, 0, 1]


@pytest.fixture(scope="module")
def moved(interpreter, libraries):
    """The libraries of layout 1."""
    return builder.build(ROOT, [interpreter], layout=1)


def disassembled(library, function):
    """The machine instructions of [function], without addresses; and where it begins."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True).stdout
    body = re.search(rf"^([0-9a-f]+) <{function}>:\n((?:.+\n)+)", text, re.M)
    names = [line.split("\t")[1].split()[0] for line in body[2].splitlines() if "\t" in line]
    return int(body[1], 16), [name for name in names if not re.match(r"nop|data16|cs|xchg|\.\.\.", name)]


@pytest.mark.parametrize("library, function", [("native", "native_call_loop"), ("arm", "call"), ("runtime", "HPy_EnterContext")])
def test_the_same_instructions_lie_elsewhere(libraries, moved, interpreter, library, function):
    """Of the native library, an extension half and the runtime half: another address, the same code."""
    plain, other = ({"native": each.native, "arm": each.arm(interpreter.tag, "enter_leave/token"),
                     "runtime": each.runtimes[interpreter.tag]}[library] for each in (libraries, moved))
    (here, instructions), (there, same) = disassembled(plain, function), disassembled(other, function)
    assert plain != other and (here - there) % layouts.PAGE and instructions == same and len(same) > 5


def test_a_worker_runs_what_is_laid_out_otherwise(work, moved, interpreter):  # noqa: F811
    """Every library it is given is that of the layout; what it measures passes its checks."""
    answer = work("attached_call", ["control/pass_ctx", "hpyvm/pointer", "hpyvm/pointer@twin"], loops=500, built=moved)
    assert set(answer["cells"][0]["arms"]) == {"control/pass_ctx", "hpyvm/pointer", "hpyvm/pointer@twin"}
    timed = {name: value for name, value in moved.for_worker(interpreter.tag).items() if name not in ("places", "wrong_uses")}
    assert str(timed).count("build/layouts/1/") == str(timed).count(".so'") > 6


def test_a_run_samples_layouts(tmp_path, moved, interpreter):
    """Processes of a run take turns; header, samples and report say which layouts there were."""
    top = copy_tree(tmp_path / "clone", built_for=interpreter.tag)
    shutil.copytree(ROOT / "build" / "layouts" / "1", top / "build" / "layouts" / "1")
    done = lab(top, "bench", "released_thread", "--arm", "hpyvm/pointer", "--layouts", "2", "--budget", "3s", "--name", "two")
    assert (done.returncode, "built" in done.stderr) == (0, False), done.stderr
    run = results.load(top / "results" / "two")
    seen = run.samples.groupby("process")["layout"].first().tolist()
    assert run.header["layouts"] == 2 and seen == [turn % 2 for turn in range(len(seen))] and len(seen) >= 2
    assert "build/layouts/1/native/libhpylab_native.so" in run.header["hashes"]
    assert lab(top, "report", "two").returncode == 0
    assert "one of 2 layouts of the same code" in (top / "reports" / "two" / "index.html").read_text(encoding="utf-8")


def test_a_run_goes_on_with_the_layouts_it_began_with(tmp_path, moved, interpreter):
    """Where one of them was built anew otherwise, --resume refuses, as it does for every other binary."""
    top = copy_tree(tmp_path / "clone", built_for=interpreter.tag)
    shutil.copytree(ROOT / "build" / "layouts" / "1", top / "build" / "layouts" / "1")
    words = ["bench", "released_thread", "--arm", "hpyvm/pointer", "--layouts", "2", "--budget", "60s", "--name", "two"]
    begun = subprocess.Popen([sys.executable, "-m", "lab.cli", *words], cwd=ROOT, env=environment(top), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (journal := top / "results" / "two" / "journal.jsonl").is_file() or '"answer"' not in journal.read_text():
        assert begun.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    begun.send_signal(signal.SIGINT)
    assert begun.wait(30) == 130
    (top / "build" / "layouts" / "1" / "native" / "libhpylab_native.so").write_bytes(b"another")
    refused = lab(top, "bench", "--resume", "--name", "two")
    assert refused.returncode == 2 and "with other binaries than lie in build/ now (build/layouts/1/native/" in refused.stderr
