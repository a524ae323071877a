"""docs/adding.md: what it tells to be typed is typed, in a copy of the checkout, and does what it says."""

import re
import subprocess
import sys

import pytest
from lab_tree import ROOT, copy_tree, environment, lab

BLOCKS = re.findall(r"^```\n(.*?)^```", (ROOT / "docs" / "adding.md").read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture
def checkout(tmp_path, interpreter, libraries):
    """A checkout of one's own in which the commands of a block can be run; ``lab`` is its own."""
    top = copy_tree(tmp_path / "clone", built_for=interpreter.tag)
    command = tmp_path / "bin" / "lab"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\ncd {top}\nexec {sys.executable} -m lab.cli "$@"\n')
    command.chmod(0o755)
    return top, command.parent


def typed(checkout, block):
    """Run the lines of [block], without those that measure, as a shell would."""
    top, folder = checkout
    lines = "\n".join(line for line in block.splitlines() if not line.startswith("lab bench"))
    variables = environment(top)
    variables["PATH"] = f"{folder}:{variables['PATH']}"
    return subprocess.run(["bash", "-e", "-c", lines], cwd=top, env=variables, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["enter_leave/pair", "peer/mine"])
def test_example_works(checkout, interpreter, arm):
    """The new arm is generated, built and probed, and does what is expected of it."""
    block = next(block for block in BLOCKS if f"--arm {arm}\n" in block)
    done = typed(checkout, re.sub(r"lab check --arm", "lab check returned_ctx ctx_flavour foreign_thread --arm", block))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert arm in lab(checkout[0], "list", "arms", own=True).stdout
    assert [line.split() for line in done.stdout.splitlines()[-3:]] == [
        ["ctx_flavour", "wrong" if arm == "enter_leave/pair" else "ok"], ["foreign_thread", "ok"], ["returned_ctx", "ok"]]
