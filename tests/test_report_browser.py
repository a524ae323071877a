"""The report as its readers see it: opened by a real browser, wide and narrow, nothing cut off, covered or complained of."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from synthetic import make_run

from lab import report, results

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions", "--host-resolver-rules=MAP * ~NOTFOUND",
         "--enable-logging=stderr", "--virtual-time-budget=2000")
# Measured in the page: does it scroll sideways, is a label of a figure outside of it, do two labels cover each other?
PROBE = """<script>
window.addEventListener("load", () => {
  const cut = [], covered = [];
  for (const svg of document.querySelectorAll("figure svg")) {
    const frame = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    boxes.forEach(([name, box], index) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        cut.push(name);
      for (const [other, next] of boxes.slice(index + 1))
        if (box.left < next.right && next.left < box.right && box.top + 2 < next.bottom && next.top + 2 < box.bottom)
          covered.push(name + " / " + other);
    });
  }
  const root = document.documentElement;
  document.title = JSON.stringify({cut, covered, wide: root.scrollWidth - root.clientWidth,
    figures: document.querySelectorAll("figure svg").length, answer: document.querySelectorAll(".answer li").length,
    background: getComputedStyle(document.body).backgroundColor});
});
</script>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs a browser: none of " + ", ".join(NAMES) + " was found")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """The report of a run whose arms lie far apart, so that labels and arrows have something to collide with."""
    planted = {"peer/pygilstate": 700.0, "trampoline/plain": -2.0, "hpyvm/pointer": 0.02, "control/hpy_cpython_abi": -3.5}
    folder = tmp_path_factory.mktemp("browser")
    return report.render(results.load(make_run(folder / "results", processes=8, rounds=4, planted=planted)), folder / "report")


def browse(page: Path, folder: Path, *flags: str, size: str = "1200,1600") -> subprocess.CompletedProcess:
    """The DOM of [page] after it was loaded, on stdout, and what the browser logged, on stderr."""
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={size}", *flags, "--dump-dom"]
    command.append(page.as_uri())
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def measure(page: Path, folder: Path, *flags: str, size: str = "1200,1600") -> dict:
    """What PROBE finds in a copy of [page] that is allowed to run it."""
    copy = folder / "probed.html"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    copy.write_text(text.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    title = re.search(r"<title>(\{.*?\})</title>", browse(copy, folder, *flags, size=size).stdout)
    assert title, "the probe did not run"
    return json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


def test_console_is_silent(page, tmp_path):
    """The page loads without an error, a warning or a breach of its own policy in the console."""
    result = browse(page, tmp_path)
    assert result.returncode == 0
    assert 'class="answer"' in result.stdout
    assert [line for line in result.stderr.splitlines() if ":CONSOLE" in line] == []


def test_console_would_be_heard(page, tmp_path):
    """The test above can fail: a page that loads something from outside is complained of."""
    copy = tmp_path / "loads.html"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", '<img src="http://example.invalid/x.png"></body>'))
    assert ":CONSOLE" in browse(copy, tmp_path).stderr


@pytest.mark.parametrize("size", ["1200,1600", "390,844"])
def test_layout(page, tmp_path, size):
    """On a desk and on a telephone the page never scrolls sideways, and no label in a figure is cut or covered by another."""
    found = measure(page, tmp_path, size=size)
    assert {key: found[key] for key in ("cut", "covered", "wide", "figures", "answer")} == {
        "cut": [], "covered": [], "wide": 0, "figures": 5, "answer": 5}


def test_dark_scheme(page, tmp_path):
    """Readers who prefer a dark page get one."""
    light, dark = measure(page, tmp_path), measure(page, tmp_path, "--force-dark-mode")
    assert light["background"] == "rgb(253, 253, 251)"
    assert dark["background"] == "rgb(21, 24, 27)"
