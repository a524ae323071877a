"""Adding a proposal, a peer, a scenario or a probe is adding a folder or a file: each is copied under a new name into a
checkout, and with no other edit it is built, probed, measured and in the report."""

import json
import resource
import shutil

import pytest
from lab_tree import ROOT, copy_tree, lab, rename

from lab import catalogue, probes, results, targets

NEW_FORMS = ("borrow/get", "borrow/ambient", "borrow/token", "machine/pointer", "machine/value", "springboard/plain",
             "springboard/handle", "springboard/checked")
NEW_ARMS = (*NEW_FORMS, "peer/neighbour")
RUN = "with_new_arms"
LIMIT_S = 900           # twice the forms, on processors that others may use


def add(top, source, target, **names):
    """Copy the folder or file [source] of the real checkout to [target] in [top], with [names] replaced."""
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, top / target)
        rename(top / target, **names)
    else:
        shutil.copy(ROOT / source, top / target)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A checkout with copies under new names of every proposal, a peer, a scenario and a probe, and nothing else edited."""
    top = copy_tree(tmp_path_factory.mktemp("clone"))
    add(top, "variants/enter_leave", "variants/borrow", enter_leave="borrow", ENTER_LEAVE="BORROW",
        EnterContext="BorrowContext", LeaveContext="ReturnContext", GetContext="LookAtContext",
        GetAttachedContext="LookAtAttachedContext", ContextReference="Loan")
    add(top, "variants/hpyvm", "variants/machine", hpyvm_="machine_", HPY_VM_H="HPY_MACHINE_H", HPyVM="HPyMachine",
        GetVM="GetMachine", GetAttachedVM="GetAttachedMachine")
    add(top, "variants/trampoline", "variants/springboard", trampoline_plain="springboard_plain",
        trampoline_handle="springboard_handle", trampoline_checked="springboard_checked", HPY_TRAMPOLINE_H="HPY_BOARD_H",
        ContextTrampoline="Springboard", HandleTrampoline="HandleSpringboard", CheckedTrampoline="CheckedSpringboard",
        HPyContextHelper="HPySpringboardHelper", HPyHandleHelper="HPySpringboardHandleHelper")
    add(top, "csrc/peers/pygilstate", "csrc/peers/neighbour")
    add(top, "csrc/scenarios/attached_work", "csrc/scenarios/other_work")
    add(top, "lab/worker/probes/returned_ctx.py", "lab/worker/probes/working_ctx.py")
    done = lab(top, "generate", own=True)
    assert (done.returncode, done.stderr) == (0, "")
    return top


@pytest.fixture(scope="module")
def built(clone):
    """The same checkout after ``lab build`` with the package that lies in it, as in a clone."""
    done = lab(clone, "build", own=True)
    assert (done.returncode, done.stderr) == (0, "")
    return clone


def cpu_s():
    """What the processes that this one waited for took so far, and those that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def checked(built):
    """(the checkout after ``lab check all``, what that said, how many seconds of processors what is not copied took of it)."""
    before, known = cpu_s(), probes.read().values()
    done = lab(built, "check", "all", own=True, limit_s=LIMIT_S)
    asked, all_asked = [sum(not case.why_not and not case.probe.slow for case in probes.cases(known, catalogue.arms(top).values()))
                        for top in (ROOT, built)]
    return built, done, (cpu_s() - before) * asked / all_asked


@pytest.fixture(scope="module")
def measured(checked):
    """(the checkout after ``lab bench`` of the new arms, the run, its report)."""
    top = checked[0]
    chosen = [word for arm in NEW_ARMS for word in ("--arm", arm)]
    done = lab(top, "bench", "attached_call", "other_work", *chosen, "--budget", "8s", "--name", RUN, own=True)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    rendered = lab(top, "report", own=True)
    assert (rendered.returncode, rendered.stderr) == (0, "")
    return top, results.load(top / "results" / RUN), (top / "reports" / RUN / "index.html").read_text(encoding="utf-8")


def test_header_is_generated(clone):
    """The generated header has the new forms and the new symbols; ``lab generate --check`` agrees, here and with LAB_ROOT."""
    header = (clone / "csrc" / "autogen_context.h").read_text()
    for expected in (*(f"HPyLab_FORM_{form.replace('/', '_')}" for form in NEW_FORMS), "HPyContext *HPy_BorrowContext(void)",
                     "HPyContext *HPy_LookAtContext(void)", "ctx_LookAtLoan", "ctx_GetMachine", "ctx_GetMachineValue",
                     "ctx_GetSpringboard", "ctx_GetHandleSpringboard", "ctx_GetCheckedSpringboard"):
        assert expected in header
    for own in (True, False):
        done = lab(clone, "generate", "--check", own=own)
        assert (done.returncode, done.stdout) == (0, "4 generated files are what the specifications say\n")


def test_everything_is_built(built, interpreter):
    """Each new form has its library and twin, which expects of the process the symbols it demands and no other."""
    made = {path.name for path in (built / "build" / "universal").glob("*.so")}
    demanded = {"borrow/ambient": {"HPy_BorrowContext", "HPy_BorrowContextIfAttached", "HPy_ReturnContext"},
                "borrow/get": {"HPy_LookAtContext"}}
    for form in NEW_FORMS:
        stem = form.replace("/", "-")
        assert {f"{stem}.hpy0.so", f"{stem}@twin.hpy0.so"} <= made
        assert targets.undefined_symbols(built / "build" / "universal" / f"{stem}.hpy0.so") == demanded.get(form, set())
    assert (built / "build" / interpreter.tag / "peer-neighbour.hpy0.so").is_file()
    assert (built / "build" / "drivers" / "other_work.so").is_file()


def test_everything_is_probed(checked, interpreter):
    """``lab check all`` asks each new arm every probe, the new one too, finds all claims kept, and is soon done."""
    top, done, seconds = checked
    said = [line for line in done.stderr.splitlines() if "built build/universal-debug/" not in line]
    assert (done.returncode, said) == (0, [])
    kept = json.loads((top / "build" / "conformance.json").read_text())[interpreter.tag]["rows"]
    assert {row["debug"] for row in kept if row["arm"] in NEW_FORMS} == {"off", "on"}
    outcomes = {(row["arm"], row["probe"]): row["outcome"] for row in kept
                if row["policy"] == ("attached_only" if row["arm"] == "borrow/get" else "attach")}
    probes = {"returned_ctx", "nesting", "foreign_thread", "released_thread", "working_ctx"}
    assert {outcomes[arm, probe] for arm in NEW_ARMS for probe in probes if arm != "borrow/get"} == {"ok"}
    assert [outcomes["borrow/get", probe] for probe in ("returned_ctx", "working_ctx", "foreign_thread")] == ["ok", "ok", "n/a"]
    assert seconds < 2 * 180        # three minutes on two processors


def test_everything_is_measured(measured):
    """Each new arm has samples in both scenarios, beside the reference; the first form is compared with the others."""
    _, run, _ = measured
    assert (run.header["status"], run.failures) == ("complete", [])
    found = run.samples.groupby("scenario")["arm"].unique()
    for scenario in ("attached_call", "other_work"):
        assert {*NEW_ARMS, "control/pass_ctx"} <= set(found[scenario])
    assert ["other_work[calls=1]", "springboard/plain", "borrow/ambient"] in run.header["comparisons"]


def test_everything_is_in_the_report(measured):
    """The report shows the new arms, the new scenario and what the new probe found."""
    _, _, page = measured
    for expected in (*NEW_ARMS, "other_work[calls=64]", "working_ctx"):
        assert expected in page


def test_lists_know_what_was_added(clone):
    """``lab list`` shows the new names."""
    assert {line.split()[0] for line in lab(clone, "list", "arms", own=True).stdout.splitlines()} >= set(NEW_ARMS)
    assert "other_work" in lab(clone, "list", "scenarios").stdout
    assert "working_ctx" in lab(clone, "list", "probes", own=True).stdout


def test_installed_package_serves_another_checkout(measured):
    """With LAB_ROOT this checkout's package builds, checks and measures that one: nothing is to be built again."""
    top = measured[0]
    assert lab(top, "build").stdout == "nothing to build\n"
    done = lab(top, "check", "returned_ctx", "--arm", "borrow")
    assert (done.returncode, done.stdout.splitlines()[-1].split()) == (0, ["returned_ctx", "ok", "ok", "ok"])
    done = lab(top, "bench", "other_work", "--arm", "borrow/ambient", "--budget", "3s", "--name", "from_outside")
    assert (done.returncode, (top / "results" / "from_outside" / "run.json").is_file()) == (0, True)
