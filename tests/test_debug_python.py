"""lab.debug and its pytest fixture, without a runtime half."""

import ast
import subprocess
import sys

import pytest
from run_in_worker import TOP

from lab.debug import LeakDetector, on_misuse
from lab.errors import LeakError


class Runtime:
    """Stands in for the module hpylab_runtime: [opened] are the texts of what is open, in the order it was opened."""

    def __init__(self):
        self.opened = []

    def debug_mark(self):
        return len(self.opened)

    def debug_open(self, mark):
        return self.opened[mark:]


@pytest.fixture
def runtime(monkeypatch):
    """That stand-in, in the place of the real one."""
    found = Runtime()
    monkeypatch.setitem(sys.modules, "hpylab_runtime", found)
    return found


def test_leak_is_an_error(runtime):
    """The error holds a text for each leak of the block, and its message says how many there are."""
    runtime.opened.append("from before")
    with pytest.raises(LeakError) as caught:
        with LeakDetector():
            runtime.opened += ["one", "another"]
    assert (caught.value.leaks, caught.value.message) == (["one", "another"], "2 left open:\none\nanother")


def test_error_of_the_block_goes_first(runtime):
    """A block that raises is not accused of leaks beside."""
    with pytest.raises(KeyError):
        with LeakDetector():
            runtime.opened.append("one")
            raise KeyError("x")


def test_nothing_is_found_without_a_runtime_half():
    """A process that never loaded a runtime half leaves nothing open."""
    with LeakDetector():
        pass


def test_start_and_stop_come_in_pairs():
    """A second start, and a stop without one, are refused."""
    detector = LeakDetector()
    with pytest.raises(ValueError, match="was not started"):
        detector.stop()
    detector.start()
    with pytest.raises(ValueError, match="was started already"):
        detector.start()
    detector.stop()


def test_hook_needs_a_runtime_half():
    """Without a runtime half there is nobody to call a hook."""
    with pytest.raises(RuntimeError, match="no runtime half is loaded"):
        on_misuse(None)


def test_fixture_fails_the_test_that_leaks(tmp_path):
    """A test with the fixture that leaves something open fails, and one that does not passes."""
    (tmp_path / "test_it.py").write_text(
        "import sys\nimport types\n"
        "opened = []\n"
        "sys.modules['hpylab_runtime'] = types.SimpleNamespace(\n"
        "    debug_mark=lambda: len(opened), debug_open=lambda mark: opened[mark:])\n"
        "def test_clean(context_leaks): pass\n"
        "def test_leak(context_leaks): opened.append('acquired by HPy_EnterContext')\n"
        "def test_after(context_leaks): pass\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "lab.pytest_plugin", "-p", "no:cacheprovider", "."],
                          cwd=tmp_path, env={"PYTHONPATH": str(TOP)}, capture_output=True, text=True)
    assert "3 passed, 1 error" in done.stdout, done.stdout
    assert "LeakError: 1 left open:" in done.stdout and "acquired by HPy_EnterContext" in done.stdout


@pytest.mark.parametrize("name", ["debug", "errors"])
def test_it_is_python_3_8(name):
    """What runs beside the extension is of the oldest Python that HPy supports."""
    ast.parse((TOP / "lab" / f"{name}.py").read_text(encoding="utf-8"), feature_version=(3, 8))
