"""Failures: what their messages say, and what kind of error each is to code that does not know the lab."""

import inspect

import pytest

from lab import errors
from lab.errors import (
    BuildError, InterpreterError, LabError, LeakError, MissingTool, PlanError, ResultsError, SpecError, UnknownName, WorkerError)


def test_message_and_remedy():
    """A failure is its message, and its remedy on the next line."""
    assert str(LabError("it is broken", "mend it")) == "it is broken\nmend it"


def test_message_alone():
    """Without a remedy the message stands alone."""
    assert str(LabError("it is broken")) == "it is broken"


@pytest.mark.parametrize("name, nearest", [("attached_cal", "attached_call"), ("ATTACHED", None), ("zzz", None)])
def test_unknown_name_names_the_nearest(name, nearest):
    """An unknown name is told with the nearest known one, if any is near."""
    error = UnknownName("scenario", name, ["native_sort", "attached_call"], "lab list scenarios")
    assert error.nearest == nearest
    guess = f"; the nearest known one is {nearest!r}" if nearest else ""
    assert error.message == f"unknown scenario {name!r}{guess}"


def test_unknown_name_says_how_to_list():
    """An unknown name comes with the command that lists the known ones."""
    assert UnknownName("arm", "x", [], "lab list arms").remedy == "lab list arms shows what there is"


def test_unknown_name_takes_any_iterable():
    """The known names may be the keys of a mapping."""
    assert UnknownName("arm", "hpyvm/pionter", {"hpyvm/pointer": 1}, "lab list arms").nearest == "hpyvm/pointer"


def test_spec_error_knows_where():
    """A wrong specification is told as file, line, what was found and what was expected."""
    error = SpecError("api.h", 7, "the type foo", "a type of HPy")
    assert error.message == "api.h:7: found the type foo; expected a type of HPy"
    assert (error.path, error.line, error.found, error.expected) == ("api.h", 7, "the type foo", "a type of HPy")


def test_worker_error_carries_last_words():
    """A worker's last words travel with the failure."""
    assert WorkerError("it crashed", "Segmentation fault").last_words == "Segmentation fault"


@pytest.mark.parametrize("kind, base", [
    (UnknownName, LookupError), (SpecError, ValueError), (MissingTool, OSError), (BuildError, RuntimeError),
    (InterpreterError, RuntimeError), (ResultsError, ValueError), (WorkerError, RuntimeError), (PlanError, ValueError),
    (LeakError, RuntimeError)])
def test_each_stands_on_a_fitting_base(kind, base):
    """Each failure can be caught as the standard library's kind, and as the lab's."""
    assert issubclass(kind, base) and issubclass(kind, LabError)


def test_os_error_keeps_the_message():
    """A missing tool shows its message and remedy, though OSError would read two arguments as a number and a text."""
    error = MissingTool("no C compiler", "apt-get install gcc")
    assert (str(error), error.remedy, error.errno) == ("no C compiler\napt-get install gcc", "apt-get install gcc", None)


def test_exit_status_of_every_failure():
    """A worker that fails costs a cell, status 1; all others stop the command, status 2."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, LabError)]
    assert {kind.__name__: kind.exit_status for kind in kinds} == {
        kind.__name__: 1 if kind is WorkerError else 2 for kind in kinds}
