"""What there is: the real tree's arms and scenarios, and what a wrong folder is told."""

import shutil
from pathlib import Path

import pytest

from lab import catalogue
from lab.errors import LabError, SpecError, UnknownName

TOP = Path(__file__).resolve().parent.parent
TRAMPOLINE = "variants/trampoline/variant.toml"
ENTER_LEAVE = "variants/enter_leave/variant.toml"
PASS_CTX = "csrc/controls/pass_ctx/arm.toml"
CALL = "csrc/scenarios/attached_call/scenario.toml"
SORT = "csrc/scenarios/native_sort/scenario.toml"


@pytest.fixture
def tree(tmp_path):
    """A copy of the specifications, free to be spoilt."""
    for path in [*TOP.glob("variants/*/variant.toml"), *TOP.glob("csrc/*/*/*.toml"), TOP / "csrc/interface.h"]:
        copy = tmp_path / path.relative_to(TOP)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return tmp_path


def replace(path, old, new):
    """Replaces the one [old] in the file [path]; returns the number of its line."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return text[:text.index(old)].count("\n") + 1


def refusal(read, tree):
    with pytest.raises(SpecError) as caught:
        read(tree)
    return caught.value


ARMS = catalogue.arms(TOP)
SCENARIOS = catalogue.scenarios(TOP)


def test_arms_of_the_tree():
    """The eight forms of the issue, and the controls and peers that the lab began with, are there, in that order of kinds."""
    assert [arm for arm in ARMS if ARMS[arm].kind == "form"] == [
        "enter_leave/get", "enter_leave/ambient", "enter_leave/token", "hpyvm/pointer", "hpyvm/value",
        "trampoline/plain", "trampoline/handle", "trampoline/checked"]
    assert set(ARMS) >= {
        "control/empty", "control/pass_ctx", "control/cached_ctx", "control/hpy_universal_global", "control/hpy_cpython_abi",
        "peer/pygilstate", "peer/save_restore"}
    kinds = [arm.kind for arm in ARMS.values()]
    assert kinds == sorted(kinds, key=["form", "control", "peer"].index)


def test_scenarios_of_the_tree():
    """The scenarios that the lab began with are there."""
    assert set(SCENARIOS) >= {"attached_call", "attached_work", "released_thread", "foreign_thread", "native_sort"}


@pytest.mark.parametrize("arm", ARMS.values(), ids=list(ARMS))
def test_arm_is_whole(arm):
    """An arm's id agrees with its folder, and each capability it lacks has a reason."""
    assert arm.folder.is_dir()
    assert arm.id.split("/")[0 if arm.kind == "form" else 1] == arm.folder.name
    assert set(arm.why_not) == catalogue.CAPABILITIES - arm.capabilities
    assert arm.abi in catalogue.ABIS


def test_policies_of_the_tree():
    """Every form has both policies and is measured under attach, but get, which never attaches; the other arms have attach."""
    both = ("attach", "attached_only")
    assert {arm.id: arm.policies for arm in ARMS.values()} == {
        arm.id: both[:1] if arm.kind != "form" else both[1:] if arm.id == "enter_leave/get" else both for arm in ARMS.values()}


def test_policies_have_an_order(tree):
    """Whatever the order in the file, the policy a form is measured under is attach if it has that."""
    replace(tree / ENTER_LEAVE, 'policies = ["attached_only"]', 'policies = ["attached_only", "attach"]')
    assert catalogue.arms(tree)["enter_leave/get"].policies == ("attach", "attached_only")


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_scenario_is_whole(scenario):
    """A scenario's reference arm can take part in it, and it needs the thread that it says its callback arrives on."""
    assert ARMS[scenario.reference].lacks(scenario.requires) is None
    assert scenario.thread in scenario.requires
    assert scenario.cells() != []


def test_what_a_scenario_measures(tree):
    """Times, unless it says latencies, which are of single batches: nobody but the scenario says how often is called."""
    assert {name for name, scenario in SCENARIOS.items() if scenario.measures == "latency"} == {"contention"}
    path = tree / CALL
    line = replace(path, 'unit = "callback"', 'unit = "callback"\nmeasures = "latency"')
    error = refusal(catalogue.scenarios, tree)
    assert (error.path, error.line) == (path, line + 1) and 'batch = "single"' in str(error)
    replace(path, 'measures = "latency"', 'measures = "patience"')
    assert "one of latency, time" in str(refusal(catalogue.scenarios, tree))


def test_cells_are_every_combination():
    """The parameter sets are all combinations, the last parameter changing fastest."""
    assert [cell["mode"] for cell in SCENARIOS["attached_call"].cells()] == ["throughput", "dependent", "serialised"]
    assert SCENARIOS["native_sort"].cells() == [{}]


def test_what_an_arm_lacks():
    """An arm says why it cannot take part, and nothing where it can."""
    arm = ARMS["control/pass_ctx"]
    assert arm.lacks(["attached", "bare"]) == arm.why_not["bare"] == "code without user data has nowhere to carry the context"
    assert arm.lacks(["attached", "body"]) is None


def test_names():
    """An arm's id gives its proposal, its form and its file; a cell's benchmark names its parameters in order."""
    arm = ARMS["trampoline/plain"]
    assert (arm.proposal, arm.form, arm.file_stem) == ("trampoline", "plain", "trampoline.plain")
    assert catalogue.benchmark_name("work", {"mode": "throughput", "calls": 4}) == "work[mode=throughput,calls=4]"
    assert catalogue.benchmark_name("native_sort", {}) == "native_sort"


@pytest.mark.parametrize("wanted, expected", [
    (("trampoline",), ["trampoline/plain"]), (("peer/pygilstate", "hpyvm/pointer"), ["hpyvm/pointer", "peer/pygilstate"])])
def test_select(wanted, expected):
    """A proposal selects its forms, an id itself; the order is that of the tree."""
    known = {key: key for key in ("trampoline/plain", "hpyvm/pointer", "peer/pygilstate")}
    assert catalogue.select("arm", wanted, known) == expected


@pytest.mark.parametrize("wanted", [(), ("all",), ("all", "trampoline")])
def test_select_all(wanted):
    """Nothing asked for, and all, select everything."""
    assert catalogue.select("arm", wanted, ARMS) == list(ARMS.values())


@pytest.mark.parametrize("kind, name, known, nearest", [
    ("arm", "hpyvm/pionter", ARMS, "hpyvm/pointer"), ("arm", "trampolin", ARMS, "trampoline/plain"),
    ("scenario", "atached_call", SCENARIOS, "attached_call")])
def test_unknown_name(kind, name, known, nearest):
    """An unknown name suggests the nearest and the command that lists them."""
    with pytest.raises(UnknownName) as caught:
        catalogue.select(kind, [name], known)
    assert (caught.value.nearest, caught.value.remedy) == (nearest, f"lab list {kind}s shows what there is")


def test_folder_added_is_found(tree):
    """The forms of a copied folder are further arms, without any other edit."""
    shutil.copytree(tree / "variants/trampoline", tree / "variants/fourth")
    assert set(catalogue.arms(tree)) - set(ARMS) == {"fourth/plain", "fourth/handle", "fourth/checked"}


def test_unknown_key(tree):
    """A key that the file may not have is refused with file and line."""
    line = replace(tree / PASS_CTX, 'abi = "universal"', 'abi = "universal"\nabii = "universal"') + 1
    error = refusal(catalogue.arms, tree)
    assert (error.path, error.line, error.found) == (tree / PASS_CTX, line, "the key 'abii'")


def test_unknown_key_of_a_form(tree):
    """A key that a form may not have is refused with file and line."""
    line = replace(tree / TRAMPOLINE, 'name = "handle"', 'name = "handle"\nspeed = 9') + 1
    error = refusal(catalogue.arms, tree)
    assert (error.path, error.line, error.found) == (tree / TRAMPOLINE, line, "the key 'speed'")


def test_missing_key_of_a_form(tree):
    """A key that a form lacks is told with the line where that form begins, not with the line of another form's key."""
    line = replace(tree / ENTER_LEAVE, 'policies = ["attached_only"]\n', "")
    error = refusal(catalogue.arms, tree)
    assert (error.found, error.expected, error.line < line) == ("nothing", "policies = … (list)", True)
    assert (tree / ENTER_LEAVE).read_text().splitlines()[error.line - 1] == "[[form]]"


def test_missing_key(tree):
    """A key that is needed and not there is refused by name."""
    replace(tree / PASS_CTX, 'title = "Context passed as an argument"\n', "")
    error = refusal(catalogue.arms, tree)
    assert (error.path, error.found, error.expected) == (tree / PASS_CTX, "nothing", "title = … (str)")


def test_wrong_type(tree):
    """A value of another type is refused with its line."""
    line = replace(tree / PASS_CTX, 'title = "Context passed as an argument"', "title = 7")
    error = refusal(catalogue.arms, tree)
    assert (error.line, error.found, error.expected) == (line, "7", "title = … (str)")


def test_wrong_capability(tree):
    """An unknown capability is refused with its line and the known ones."""
    line = replace(tree / PASS_CTX, '["attached", "body"]', '["attached", "boody"]')
    error = refusal(catalogue.arms, tree)
    assert (error.line, error.found) == (line, "'boody'")
    assert error.expected == "one of attached, bare, body, foreign, released"


def test_wrong_abi(tree):
    """An unknown ABI is refused with its line and the known ones."""
    line = replace(tree / PASS_CTX, 'abi = "universal"', 'abi = "stable"')
    error = refusal(catalogue.arms, tree)
    assert (error.line, error.found, error.expected) == (line, "'stable'", "one of cpython, hybrid, universal")


def test_wrong_reference(tree):
    """A scenario whose reference is no arm is refused with file and line."""
    line = replace(tree / CALL, 'reference = "control/pass_ctx"', 'reference = "control/pass"')
    error = refusal(catalogue.scenarios, tree)
    assert (error.path, error.line, error.found) == (tree / CALL, line, "'control/pass'")


def test_wrong_thread(tree):
    """A scenario on an unknown kind of thread is refused with its line."""
    line = replace(tree / CALL, 'thread = "attached"', 'thread = "detached"')
    error = refusal(catalogue.scenarios, tree)
    assert (error.line, error.found, error.expected) == (line, "'detached'", "one of attached, foreign, released")


def test_wrong_requirement(tree):
    """A scenario that requires an unknown capability is refused with its line."""
    line = replace(tree / CALL, 'requires = ["attached"]', 'requires = ["atached"]')
    error = refusal(catalogue.scenarios, tree)
    assert (error.line, error.found) == (line, "'atached'")


def test_second_form_has_its_own_line(tree):
    """A mistake in a file's last form is told with its line there, not with that of another."""
    path = tree / TRAMPOLINE
    added = '\n[[form]]\nname = "b"\nsummary = "b"\npolicies = ["attach"]\ncapabilities = ["boody"]\n'
    path.write_text(path.read_text() + added)
    error = refusal(catalogue.arms, tree)
    assert (error.line, error.found) == (path.read_text().count("\n"), "'boody'")


@pytest.mark.parametrize("path, old, new, found", [
    (TRAMPOLINE, 'name = "handle"', 'name = "plain"', "'plain' again"),
    (TRAMPOLINE, '[[form]]\nname = "plain"', '[form]\nname = "plain"', None),
    (ENTER_LEAVE, 'policies = ["attached_only"]', "policies = []", "none"),
    (ENTER_LEAVE, 'policies = ["attached_only"]', 'policies = ["sometimes"]', "'sometimes'"),
    (CALL, "[[parameter]]", "[parameter]", None),
    (PASS_CTX, '["attached", "body"]', '[["attached"]]', "['attached']"),
    (PASS_CTX, "released =", "relesed =", "the reason for 'relesed'"),
    (PASS_CTX, "released =", "# released =", "no 'released'"),
    (CALL, '["throughput", "dependent", "serialised"]', "[]", "none"),
    (CALL, "[[parameter]]", '[[parameter]]\nname = "mode"\nvalues = [1]\n[[parameter]]', "'mode' again"),
    (CALL, "crosscheck = true", "size = true", "True"),
    (SORT, '"single"', '"singel"', "'singel'"),
    (SORT, '"control/cached_ctx"', '"control/empty"', "'control/empty', which runs no body, and native_sort needs the answer "
                                                                "of one"),
])
def test_refused(tree, path, old, new, found):
    """What would vanish or be misread is refused with file and line: the same name twice, a lack without reason, no values."""
    line = replace(tree / path, old, new)
    error = refusal(catalogue.scenarios, tree)
    assert error.path == tree / path
    if found:
        assert error.found == found
        assert abs(error.line - line) <= 4


def test_unfinished_toml(tree):
    """A file that ends too early is refused with its last line."""
    path = tree / CALL
    path.write_text(path.read_text() + "more = [1,\n")
    assert refusal(catalogue.scenarios, tree).line == path.read_text().count("\n")


def test_not_utf8(tree):
    """A file in another encoding is refused with the line of the first wrong byte."""
    path = tree / CALL
    path.write_bytes(path.read_bytes() + b"# caf\xe9\n")
    error = refusal(catalogue.scenarios, tree)
    assert (error.line, error.expected) == (path.read_bytes().count(b"\n"), "UTF-8")


def test_not_toml(tree):
    """A file that is no TOML is refused with the line of the mistake."""
    line = replace(tree / CALL, 'thread = "attached"', "thread: attached")
    error = refusal(catalogue.scenarios, tree)
    assert (error.path, error.line, error.expected) == (tree / CALL, line, "TOML")


def test_root_is_named_by_the_environment(tree, monkeypatch):
    """LAB_ROOT names the checkout."""
    monkeypatch.setenv("LAB_ROOT", str(tree))
    assert catalogue.root() == tree


def test_root_is_where_the_package_lies(tmp_path, monkeypatch):
    """Without LAB_ROOT the checkout is the one that the package lies in, wherever the command is run."""
    monkeypatch.delenv("LAB_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert catalogue.root() == TOP


def test_root_named_wrongly(tmp_path, monkeypatch):
    """A LAB_ROOT without a checkout is refused; no other is taken in its place."""
    monkeypatch.setenv("LAB_ROOT", str(tmp_path))
    with pytest.raises(LabError) as caught:
        catalogue.root()
    assert caught.value.message == f"no checkout of the lab found at LAB_ROOT={tmp_path} (a folder with csrc/interface.h)"


def test_no_checkout(tmp_path, monkeypatch):
    """A package installed elsewhere and run elsewhere says that a checkout is needed."""
    monkeypatch.setattr(catalogue, "__file__", str(tmp_path / "site" / "lab" / "catalogue.py"))
    monkeypatch.delenv("LAB_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError) as caught:
        catalogue.root()
    assert caught.value.remedy == "run lab inside a clone, or set LAB_ROOT to one"
