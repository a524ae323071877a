"""What if an extension finds a runtime half that was built from another specification?

Its table has another magic number, another digest of the specification, or another size: nothing of it can be used. The
import must fail with a message that says so, nothing may be registered in that table, and with the right one the extension
works. Of HPyVM, which keeps what may be another runtime's in its own storage, see runtime_of_another_number.

Why it is asked: a table that is read by another layout has other functions at the same places.

Source: docs/semantics.md, "The forms"; our reading, the issue has a magic number for HPyVM alone.
"""

import ctypes
import sys
import types

from loading import Lab
from misusing import address_of, refused_import
from probing import PYPY, Refused, Subject, Wrong, expect

REQUIRES = ("attached", "body")
DEBUG = ("off",)
EXPECTS = "refused"
BARE = True
MAGIC, SPEC, SIZE = range(3)            # the table's first three words


def table_like(words):
    """A table whose first three words are those; what is handed out for it, and what keeps it alive."""
    array = (ctypes.c_uint64 * 64)(*words)
    if PYPY:
        return ctypes.addressof(array), array
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return new(ctypes.addressof(array), b"hpylab_runtime.table", None), array


def run(job):
    lab, said = Lab(job["libraries"]), []
    right = list((ctypes.c_uint64 * 3).from_address(address_of(lab.runtime.table)))
    for word in (MAGIC, SPEC, SIZE):
        words = list(right)
        words[word] ^= 1 << 8
        fake = types.ModuleType("hpylab_runtime")
        fake.table, kept = table_like(words)
        sys.modules["hpylab_runtime"] = fake
        said.append(refused_import(job["arm"]))
        expect("what lies behind the table's first words", any(kept[3:]), False)
    sys.modules["hpylab_runtime"] = lab.runtime
    subject = Subject(job)
    expect("a callback with the right one", subject.run("python", function=lambda number: number).checksum, 7)
    if None in said:
        raise Wrong("it was imported")
    expect("whether each message says why", ["built from another specification" in text for text in said], [True] * 3)
    raise Refused("to be imported: %s" % said[0])
