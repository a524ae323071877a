"""Try an example: python docs/using/try.py RUNTIME EXTENSION, the paths of the interpreter's runtime half and of an example.

Runs on Python 3.8 and later and on PyPy, with HPy.
"""

import importlib.machinery
import importlib.util
import os
import sys

import hpy.universal


def load_runtime(path):
    """The runtime half. With global visibility, so that the undefined symbols of enter and leave find it."""
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
    spec = importlib.util.spec_from_file_location("hpylab_runtime", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.setdlopenflags(flags)


def load_example(path):
    spec = importlib.machinery.ModuleSpec("example", None, origin=path)
    return hpy.universal.load("example", path, spec)


def main(runtime, extension):
    load_runtime(runtime)
    example = load_example(extension)
    for policy, attach in (("attach", True), ("attached_only", False)):
        heard = []
        try:
            example.listen(heard.append, attach)
        except NotImplementedError as error:
            print(policy + ":", error)
            continue
        print(policy + ", attached thread:", "handled" if example.emit(1) else "refused", heard)
        print(policy + ", foreign thread:", "handled" if example.emit_from_a_thread(2) else "refused", heard)
        example.ignore()


if __name__ == "__main__":
    main(*map(os.path.abspath, sys.argv[1:]))
