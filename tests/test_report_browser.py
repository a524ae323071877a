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
# Measured in the page: does it scroll sideways, is a label of a figure outside of it, do two labels cover each other? How well
# does the worst number on a colour stand out from it (the contrast of WCAG, from 1 to 21)?
PROBE = r"""<script>
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
  const channels = colour => colour.match(/[\d.]+/g).map(Number);
  const light = rgb => rgb.map(value => value / 255).map(value => value <= 0.04045 ? value / 12.92
    : ((value + 0.055) / 1.055) ** 2.4).reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const paper = channels(getComputedStyle(document.body).backgroundColor);
  let contrast = 21;
  const coloured = document.querySelectorAll(".heat .slow, .heat .fast, .heat .shade");
  for (const field of coloured) {
    const [red, green, blue, alpha = 1] = channels(getComputedStyle(field).backgroundColor);
    const ground = light([red, green, blue].map((value, place) => alpha * value + (1 - alpha) * paper[place]));
    const ink = light(channels(getComputedStyle(field).color).slice(0, 3));
    contrast = Math.min(contrast, (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05));
  }
  const root = document.documentElement;
  parent.postMessage(JSON.stringify({cut, covered, wide: root.scrollWidth - root.clientWidth, width: innerWidth,
    figures: document.querySelectorAll("figure svg").length, answer: document.querySelectorAll(".answer li").length,
    coloured: coloured.length, contrast, background: getComputedStyle(document.body).backgroundColor}), "*");
});
</script>"""
# A browser's window is not made as narrow as a telephone, a frame in it is.
FRAME = """<!DOCTYPE html><title>-</title><script>addEventListener("message", event => (document.title = event.data));</script>
<iframe src="probed.html" style="border: 0; width: {}px; height: {}px"></iframe>"""

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
    """What PROBE finds in a copy of [page] that is allowed to run it, all its details open, in a frame of [size]."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    text = re.sub("<details[^>]*>", "<details open>", text)
    (folder / "probed.html").write_text(text.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(*size.split(",")), encoding="utf-8")
    title = re.search(r"<title>(\{.*?\})</title>", browse(frame, folder, *flags, size="1300,1700").stdout)
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
    assert {key: found[key] for key in ("cut", "covered", "wide", "width", "figures", "answer")} == {
        "cut": [], "covered": [], "wide": 0, "width": int(size.split(",")[0]), "figures": 6, "answer": 5}


def test_dark_scheme(page, tmp_path):
    """Readers who prefer a dark page get one."""
    light, dark = measure(page, tmp_path), measure(page, tmp_path, "--force-dark-mode")
    assert light["background"] == "rgb(253, 253, 251)"
    assert dark["background"] == "rgb(21, 24, 27)"


@pytest.fixture(scope="module")
def side_by_side(tmp_path_factory) -> dict[str, Path]:
    """The report of nine interpreters, one far from the others, and one of that run beside another."""
    folder = tmp_path_factory.mktemp("columns")
    tags = (*(f"cpython3.{minor}" for minor in range(8, 16)), "pypy3.11")
    on = {"pypy3.11": {"peer/pygilstate": 17000.0, "hpyvm/pointer": -3.0}}
    nine = results.load(make_run(folder / "nine-interpreters", processes=6, rounds=2, interpreters=tags, planted_on=on,
                                 warmups={"pypy3.11": (9.0, 2.0, 1.5)}))
    other = results.load(make_run(folder / "another", processes=6, rounds=2, hostname="a-host-name.with.a.long.domain.example"))
    return {"one": report.render(nine, folder / "one"), "merged": report.render_merged([nine, other], folder / "merged")}


@pytest.mark.parametrize("size", ["1200,1600", "390,844"])
@pytest.mark.parametrize("which, figures, answer", [("one", 6, 45), ("merged", 0, 10)])
def test_columns_layout(side_by_side, tmp_path, which, figures, answer, size):
    """However many columns there are, the page never scrolls sideways, and nothing in a figure is cut or covered."""
    found = measure(side_by_side[which], tmp_path, size=size)
    assert {key: found[key] for key in ("cut", "covered", "wide", "width", "figures", "answer")} == {
        "cut": [], "covered": [], "wide": 0, "width": int(size.split(",")[0]), "figures": figures, "answer": answer}


@pytest.mark.parametrize("flags", [(), ("--force-dark-mode",)])
def test_numbers_on_colours_can_be_read(side_by_side, tmp_path, flags):
    """The number on the strongest colour of a heat map stands out as WCAG asks of text (4.5), on a light and a dark page."""
    found = measure(side_by_side["one"], tmp_path, *flags)
    assert found["coloured"] > 500
    assert found["contrast"] >= 4.5


def test_columns_console_is_silent(side_by_side, tmp_path):
    """Several runs side by side load without a complaint in the console."""
    result = browse(side_by_side["merged"], tmp_path)
    assert [line for line in result.stderr.splitlines() if ":CONSOLE" in line] == []
