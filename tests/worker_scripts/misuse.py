"""Wrong uses in a process of their own, with csrc/probes/wrong_uses/; a report ends the process unless it is caught here."""

import atexit
import ctypes
import gc
import os
import sys

from api import address_of
from loading import Lab, load_extension


def load(libraries, extension, mode="universal"):
    """The extension at the path [extension], in a mode of HPy, started."""
    lab = Lab(libraries)
    module = load_extension("wrong_uses", extension, "universal", mode)
    module.start(address_of(lab.runtime.table))
    return lab, module


def do(libraries, extension, what, way="enter_leave/ambient", mode="universal"):
    """Do it, which answers what it saw; then give back what was made."""
    _, module = load(libraries, extension, mode)
    seen = module.do(what, way)
    module.stop()
    return seen


def left(libraries, extension, what, at="interpreter"):
    """Do it and leave it at that: what stays open is found when the interpreter ends, or only when the process does."""
    lab, module = load(libraries, extension)
    module.do(what, "enter_leave/ambient")
    module.stop()
    if at == "process":
        lab.ffi.cdef("void exit(int status);")
        lab.ffi.dlopen(None).exit(0)


def with_hook(libraries, extension, deeds, way="enter_leave/ambient", mode="universal"):
    """Of each of [deeds], done twice, the reports that a hook gets; then the process ends in order."""
    lab, module = load(libraries, extension, mode)
    found = {}
    for what in deeds:
        found[what] = reports = []
        lab.runtime.debug_on_misuse(reports.append)
        raised(module, what, way)
        raised(module, what, way)
    lab.runtime.debug_on_misuse(None)
    module.do("correct", way)
    module.stop()
    return found


def counted(libraries, extension, what, way="enter_leave/ambient"):
    """What it saw, and the reports that a hook gets of it."""
    lab, module = load(libraries, extension)
    reports = []
    lab.runtime.debug_on_misuse(reports.append)
    seen = module.do(what, way)
    lab.runtime.debug_on_misuse(None)
    module.stop()
    return seen, reports


def raised(module, what, way="enter_leave/ambient"):
    """Do it; the ValueError that the wrong use raised, as text, "" without one."""
    try:
        module.do(what, way)
    except ValueError as error:
        return str(error)
    return ""


def refusals(libraries, extension, deeds):
    """What each of [deeds] raises in spite of the report."""
    lab, module = load(libraries, extension)
    lab.runtime.debug_on_misuse(lambda report: None)
    found = {what: raised(module, what) for what in deeds}
    lab.runtime.debug_on_misuse(None)
    module.stop()
    return found


def other_flavour(libraries, universal, debug):
    """Release the context of an extension in HPy's debug mode where an acquisition in the universal flavour is open."""
    _, one = load(libraries, universal)
    _, other = load(libraries, debug, "debug")

    def release(address):
        one.keep(address)
        one.do("other_flavour", "enter_leave/token")        # the flavour of the extension that made it

    other.lend(release)


def stays_inside(libraries, extension, words):
    """End the interpreter while another thread is inside; what stderr gets goes to the file [words]."""
    _, module = load(libraries, extension)
    os.dup2(os.open(words, os.O_WRONLY | os.O_CREAT), 2)
    module.do("stays_inside", "enter_leave/token")


def watched(libraries, runtime, count):
    """How many more functions atexit is to call once [count] interpreters came into the debug mode's sight."""
    lab = Lab(dict(libraries, runtime=runtime))
    watch = ctypes.PyDLL(lab.runtime.__file__).exposed_watch
    watch.argtypes = (ctypes.c_int64,)
    before = atexit._ncallbacks()
    return watch(count), atexit._ncallbacks() - before


def traverse(libraries, extension):
    """Acquire inside of a tp_traverse, in HPy's debug mode."""
    _, module = load(libraries, extension, "debug")
    kept = module.thing()
    gc.collect()
    return repr(kept)


def leaks(libraries, extension, lab_at):
    """What lab.debug finds: for a block that is in order, for leaks in two blocks, inside a block that raises."""
    sys.path.insert(0, lab_at)
    from lab.debug import LeakDetector
    from lab.errors import LeakError
    _, module = load(libraries, extension)
    found = []
    for what in ("correct", "left_open", "token_leaked", "correct"):
        try:
            with LeakDetector():
                module.do(what, "enter_leave/ambient")
            found.append([])
        except LeakError as error:
            found.append(error.leaks)
    try:
        with LeakDetector():
            module.do("made_good", "enter_leave/ambient")
            module.do("left_open", "enter_leave/ambient")
            module.do("token_leaked", "enter_leave/ambient")
            raise KeyError("block")
    except KeyError as error:
        found.append(str(error))
    module.do("made_good", "enter_leave/ambient")
    module.stop()
    return found
