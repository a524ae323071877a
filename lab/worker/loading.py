"""The lab's libraries, loaded into the interpreter that runs this: what every worker starts with.

Runs on Python 3.8 and later and needs the standard library, cffi and the built libraries alone. A job's "libraries" say
where they are: {"native", "runtime", "drivers": {scenario: path}, "bodies": {abi: path}}.
"""

import importlib.machinery
import importlib.util
import os
import shutil
import signal
import sys
import tempfile

import cffi

from autogen_interface import CDEF

POLICIES = {"attach": 0, "attached_only": 1}        # HPyLab_Policy
LEAVE, BARE = 1, 2          # flags of drive()
MODES = {"throughput": 0, "dependent": 1, "serialised": 2}


class CheckFailed(Exception):
    """A batch whose result is not what it must be: what it measured is not what was asked."""


class Lab:
    """The libraries that do not belong to one arm: the native library, the runtime half, drivers and bodies."""

    def __init__(self, libraries):
        self.libraries = libraries
        self.ffi = cffi.FFI()
        self.ffi.cdef(CDEF)
        _end_with_parent()
        self.native = self.ffi.dlopen(libraries["native"])
        self.runtime = _load_runtime(libraries["runtime"])
        self._bodies, self._drivers = {}, {}

    def bodies(self, abi):
        """The module of bodies for arms of this ABI; a hybrid arm hands out universal contexts."""
        abi = "cpython" if abi == "cpython" else "universal"
        if abi not in self._bodies:
            self._bodies[abi] = load_extension("bodies", self.libraries["bodies"][abi], abi)
        return self._bodies[abi]

    def driver(self, scenario):
        """The address of a scenario's driver."""
        if scenario not in self._drivers:
            library = self.ffi.dlopen(self.libraries["drivers"][scenario])
            self._drivers[scenario] = (library, self._address(library.hpylab_drive))
        return self._drivers[scenario][1]

    def native_address(self, name):
        """The address of a function of the native library."""
        return self._address(getattr(self.native, name))

    def new_run(self):
        """A zeroed native_run, alive as long as the caller keeps it."""
        return self.ffi.new("native_run *")

    def address(self, pointer):
        return self._address(pointer)

    def _address(self, pointer):
        return int(self.ffi.cast("intptr_t", pointer))


class Arm:
    """One arm: its extension half, in the mode of HPy that the job names if it does, and the bodies of its ABI."""

    def __init__(self, lab, arm):
        self.lab, self.id, self.abi, self.policy = lab, arm["id"], arm["abi"], arm.get("policy", "attach")
        self.path, self.mode = arm["path"], arm.get("mode", "universal")
        self.module = load_extension("arm", arm["path"], arm["abi"], arm.get("mode", "universal"))
        self.bodies = lab.bodies(arm["abi"])

    def drive(self, driver, run, body, data=0, flags=0, policy=None, captured=()):
        """Bind [body], call [driver] (an address) on [run], unbind. Raises OSError for the driver's errno value.

        policy: of POLICIES; the arm's own without one. captured: () or (object,), what each call of the body gets a handle of.
        """
        policy = POLICIES[policy or self.policy]
        status = self.module.drive(driver, self.lab.address(run), self.bodies.address(body), data, policy, flags, *captured)
        if status:
            raise OSError(status, os.strerror(status), self.id)


def load_extension(name, path, abi, mode="universal"):
    """The extension at [path], whose init function is for [name], loaded anew from that file.

    [mode], "universal", "debug" or "trace", is HPy's and not for the CPython ABI. Raises ValueError.
    """
    if mode not in ("universal", "debug", "trace") or (abi == "cpython" and mode != "universal"):
        raise ValueError("mode %r; expected 'universal', or 'debug' or 'trace' for another ABI than %r" % (mode, abi))
    if abi in ("universal", "hybrid"):
        return _load_universal(name, path) if mode == "universal" else _load_copy(name, path, mode)
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _load_universal(name, path, mode="universal"):
    import hpy.universal
    spec = importlib.machinery.ModuleSpec(name, None, origin=path)
    return hpy.universal.load(name, path, spec, mode=getattr(hpy.universal, "MODE_" + mode.upper()))


def _load_copy(name, path, mode):
    """From a copy of its own: a library that is in the process already would be switched to [mode] wherever it is used.

    The copy is removed at once, since a worker that aborts, as debug mode does, can remove nothing.
    """
    folder = tempfile.mkdtemp(prefix="hpylab-")
    try:
        return _load_universal(name, shutil.copy(path, folder), mode)
    finally:
        shutil.rmtree(folder)


def _end_with_parent():
    """Have the kernel end this process when the one that started it is killed: nobody waits for its answer any more."""
    ffi = cffi.FFI()
    ffi.cdef("int prctl(int option, unsigned long signal, ...);")
    ffi.dlopen(None).prctl(1, ffi.cast("unsigned long", signal.SIGKILL))      # PR_SET_PDEATHSIG


def _load_runtime(path):
    """The runtime half, with global visibility: its symbols are what enter and leave are linked against."""
    name = "hpylab_runtime"
    if name in sys.modules:
        return sys.modules[name]
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
    try:
        loader = importlib.machinery.ExtensionFileLoader(name, path)
        spec = importlib.util.spec_from_file_location(name, path, loader=loader)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        sys.setdlopenflags(flags)
    return module
