"""A proposal's functions as extensions reach them: in the runtime's table, whose [entries] are the names in their order."""

import ctypes
import sys

from loading import Lab

POINTER, INT = ctypes.c_void_p, ctypes.c_int


class Api:
    """The runtime half's functions, and a context of this thread to call them with. An extension has registered one before."""

    def __init__(self, lab, entries):
        self.lab = lab
        fields = [("magic", ctypes.c_uint64), ("spec", ctypes.c_uint64), ("size", ctypes.c_size_t)]
        fields += [(name, ctypes.c_void_p) for name in [*entries, "debug"]]
        kind = type("Table", (ctypes.Structure,), {"_fields_": fields})
        self.table = kind.from_address(address_of(lab.runtime.table))
        if self.table.size != ctypes.sizeof(kind):
            raise AssertionError("the table has %d bytes, not %d" % (self.table.size, ctypes.sizeof(kind)))
        enter = ctypes.PyDLL(lab.runtime.__file__).HPy_EnterContext
        enter.restype = ctypes.c_void_p
        self.ctx = POINTER(enter())

    def call(self, name, result, *arguments):
        """What ctx_<name>(ctx, …) returns, this thread attached. Raises what it set."""
        function = ctypes.PYFUNCTYPE(result, *[POINTER] * (1 + len(arguments)))(getattr(self.table, "ctx_" + name))
        return function(self.ctx, *arguments)


def address_of(table):
    """Where the runtime's table is: behind a capsule, or on PyPy an integer."""
    if isinstance(table, int):
        return table
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return get(table, b"hpylab_runtime.table")


def failure(function, *arguments):
    """(name, text) of what function(*arguments) raises; what it returns if it does not."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error).__name__, str(error)
