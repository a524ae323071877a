"""docs/using.md: what it shows is what lies in docs/using/, which compiles as it says and does what it says everywhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from run_in_worker import FORMS, TOP

from lab import spec, targets, venvs
from lab.builder import CFLAGS, HPY_QUIET

USING = TOP / "docs" / "using"
LIMIT_S = 30


def page():
    return (TOP / "docs" / "using.md").read_text(encoding="utf-8")


def blocks(text, language):
    """The code blocks of [language] in [text]."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


def sections():
    """The text of each section whose title is a form."""
    found = dict(re.findall(r"^## (\w+/\w+)\n(.*?)(?=^## )", page(), re.S | re.M))
    assert sorted(found) == FORMS
    return found


def source(form):
    return USING / f"{form.replace('/', '_')}.c"


@pytest.fixture(scope="module")
def examples(libraries):
    """The library of each form, compiled with the command on the page and the project's warnings."""
    [command] = blocks(page(), "sh")
    variables = {**os.environ, "CFLAGS": " ".join([*CFLAGS, *HPY_QUIET]),
                 "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    made = {}
    for form in FORMS:
        lines, found = re.subn(r"^form=\w+$", f"form={source(form).stem}", command, flags=re.M)
        assert found == 1
        done = subprocess.run(["sh", "-euc", lines], cwd=TOP, env=variables, capture_output=True, text=True, timeout=LIMIT_S)
        assert (done.returncode, done.stderr) == (0, "")
        made[form] = TOP / "build" / "using" / f"{source(form).stem}.hpy0.so"
    return made


def expected(form):
    """What the page says that try.py says of [form]."""
    of_most, of_get = blocks(page(), "text")
    return of_get if form == "enter_leave/get" else of_most


def tried(python, runtime, example):
    done = subprocess.run([python, str(USING / "try.py"), str(runtime), str(example)], capture_output=True, text=True,
                          timeout=LIMIT_S)
    return done.stdout + done.stderr


def test_the_page_shows_the_files():
    """Each form has a section, and each piece of C in it stands in that form's file."""
    for form, text in sections().items():
        shown, whole = blocks(text, "c"), source(form).read_text(encoding="utf-8")
        assert shown and [piece for piece in shown if piece not in whole] == []
    assert sorted(path.name for path in USING.glob("*_*.c")) == sorted(source(form).name for form in FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_does_what_it_says(examples, interpreter, libraries, form):
    """On attached and foreign threads, under each policy, the example of each form says what the page says."""
    assert tried(interpreter.path, libraries.runtimes[interpreter.tag], examples[form]) == expected(form)


@pytest.mark.parametrize("form", FORMS)
def test_expects_no_other_symbol(examples, form):
    """An example expects of the process what its form demands and nothing else: HPy's header and libc are all it uses."""
    assert targets.undefined_symbols(examples[form]) == set(spec.demanded_symbols(TOP)[form])


def test_one_binary_everywhere(examples, interpreters_given):
    """The same libraries say the same on every interpreter that is given, PyPy among them."""
    ready, built, unusable = venvs.ready(TOP, [each.path for each in interpreters_given])
    said = {(each.tag, form): tried(each.path, built.runtimes[each.tag], example)
            for each in ready for form, example in examples.items()}
    assert unusable == []
    assert said == {(tag, form): expected(form) for tag, form in said}


HAMMER = """
import sys, threading, time
sys.path.insert(0, {using!r})
import os
namespace = {{"__name__": "try"}}
exec(open(os.path.join({using!r}, "try.py")).read(), namespace)
namespace["load_runtime"](sys.argv[1])
example = namespace["load_example"](sys.argv[2])
heard, over = [], False

def emit():
    while not over:
        example.emit_from_a_thread(1)

threads = [threading.Thread(target=emit) for _ in range(3)]
for thread in threads:
    thread.start()
for turn in range(100):
    example.listen(heard.append, True)
    time.sleep(0.001)
    example.ignore()
over = True
for thread in threads:
    thread.join()
print(len(heard) > 0, set(heard))
"""


@pytest.mark.parametrize("form", [form for form in FORMS if form != "enter_leave/get"])
def test_events_may_come_at_any_time(examples, interpreter, libraries, form):
    """Events of three threads come while listeners come and go: each is heard or refused, and nothing is used that is gone."""
    done = subprocess.run([interpreter.path, "-c", HAMMER.format(using=str(USING)), str(libraries.runtimes[interpreter.tag]),
                           str(examples[form])], capture_output=True, text=True, timeout=LIMIT_S)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True {1}\n", "")
