"""lab.validation_halves: copies that are copies, planted instructions that are as many as they should be, a driver or why not."""

import re
import shutil
import subprocess

import pytest
from lab_tree import ROOT

from lab import validation_halves
from lab.environment import is_absent

PLANTED = (0, 1, 2, 4, 8, 16, 32)


@pytest.fixture(scope="module")
def halves(libraries):
    """Two copies and all that are planted, built in the checkout."""
    return validation_halves.build(ROOT, 2, PLANTED)


def disassembled(path):
    """(address, mnemonic, operands) of each instruction of ``call`` in a library; skips without objdump."""
    if shutil.which("objdump") is None:
        pytest.skip("objdump is not installed")
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(path)], capture_output=True, text=True, check=True).stdout
    body = re.search(r"<call>:\n(.*?)\n\n", text, re.DOTALL).group(1)
    lines = [re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*(.*)", line) for line in body.splitlines()]
    return [(int(line[1], 16), line[2], line[3].split()) for line in lines if line]


def planted_run(path):
    """How many of the planted instructions run: those from where the jump in front of them leads to."""
    found = disassembled(path)
    one_cycle = [address for address, name, words in found if name in ("or", "orr") and len(set(words[0].split(","))) == 1]
    jump = max((each for each in found if each[1] in ("jmp", "b") and each[0] < one_cycle[0]), key=lambda each: each[0])
    assert len(one_cycle) == 32
    return sum(address >= int(jump[2][0], 16) for address in one_cycle)


@pytest.mark.parametrize("count", PLANTED)
def test_as_many_run_as_are_planted(halves, count):
    """The jump leads past all but as many of the 32 instructions as were asked for."""
    assert planted_run(halves.planted[count]) == count


def test_nothing_else_lies_elsewhere(halves):
    """Two planted halves differ in the distance of that one jump: the other instructions are the same at the same addresses."""
    few, many = (disassembled(halves.planted[count]) for count in (0, 32))
    other = [(one, another) for one, another in zip(few, many) if one != another]
    assert (len(few), len(other)) == (len(many), 1)
    assert all(each[1] in ("jmp", "b") for each in other[0])


def test_copies_are_copies(halves, libraries):
    """Each copy is the arm's extension half, byte for byte, in a file of its own."""
    original = libraries.arm("", validation_halves.ARM).read_bytes()
    assert len(set(halves.copies)) == 2 and all(path.read_bytes() == original for path in halves.copies)


def test_google_benchmark_is_there_or_says_why(halves):
    """The driver is a library of which nothing else is asked, or what stands in its place says what would bring it."""
    if isinstance(halves.google, str):
        assert is_absent(halves.google) and halves.google.endswith("(apt-get install g++ libbenchmark-dev)")
    else:
        assert halves.google.is_file() and halves.google_version


@pytest.mark.parametrize("compiler, why", [("no-such-compiler", "CXX=no-such-compiler is no program on PATH"),
                                           ("false", "it does not build: no message")])
def test_google_benchmark_absent(halves, tmp_path, monkeypatch, compiler, why):
    """Without a C++ compiler, or where it says no, the driver is absent, with the reason and the remedy."""
    monkeypatch.setenv("CXX", compiler)
    assert validation_halves._google(ROOT, print) == f"absent: {why} (apt-get install g++ libbenchmark-dev)"
