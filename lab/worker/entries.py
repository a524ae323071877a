"""A proposal's functions as extensions reach them, in the runtime half's table, for probes that the interface of the arms is in
the way of.

No wrapper of the lab's debug mode stands between: a probe that uses this is asked without it alone (DEBUG = ("off",)).
"""

import ctypes

from probing import PYPY, NotApplicable, function

POINTER, INT = ctypes.c_void_p, ctypes.c_int
HELPER = ctypes.PYFUNCTYPE(POINTER, POINTER, POINTER)               # of a trampoline: (ctx, arg)
HANDLE_HELPER = ctypes.PYFUNCTYPE(POINTER, POINTER, POINTER, POINTER)   # (ctx, handle, arg)


class Entries:
    """The functions of the table, and a context of this thread to call them with. Raises NotApplicable on PyPy."""

    def __init__(self, subject):
        if PYPY:
            raise NotApplicable("PyPy's ctypes can call nothing that needs the thread attached")
        self.subject = subject
        fields = [("magic", ctypes.c_uint64), ("spec", ctypes.c_uint64), ("size", ctypes.c_size_t)]
        fields += [(name, POINTER) for name in ["register_context", *subject.api["entries"], "debug"]]
        kind = type("Table", (ctypes.Structure,), {"_fields_": fields})
        address = function("PyCapsule_GetPointer", POINTER, ctypes.py_object, ctypes.c_char_p)
        self.table = kind.from_address(address(subject.lab.runtime.table, b"hpylab_runtime.table"))
        if self.table.size != ctypes.sizeof(kind):
            raise AssertionError("the table has %d bytes, not %d" % (self.table.size, ctypes.sizeof(kind)))
        runtime = ctypes.PyDLL(subject.lab.runtime.__file__)
        runtime.HPy_EnterContext.restype = POINTER
        self.leave, self.ctx = runtime.HPy_LeaveContext, POINTER(runtime.HPy_EnterContext())

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.leave(self.ctx)

    def call(self, described, *arguments):
        """What a function of the table returns, given its context and [arguments], with this thread attached."""
        result = INT if described["result"] == "int" else POINTER
        prototype = ctypes.PYFUNCTYPE(result, *[POINTER] * (1 + len(arguments)))
        return prototype(getattr(self.table, described["entry"]))(self.ctx, *arguments)

    def make(self, policy="attach"):
        """What the arm's API makes from a context: a token or a trampoline, with a handle of None where it wants one."""
        both = self.subject.functions("CREATE")
        chosen = [each for each in both if ("Attached" in each["name"]) == (policy == "attached_only")]
        handles = [self.none() for kind in chosen[0]["parameters"] if kind == "HPy"]
        return self.call(chosen[0], *handles)

    def free(self, made):
        """Give it back; the status."""
        return self.call(self.subject.functions("FREE")[0], POINTER(made))

    def none(self):
        """A handle of None: HPyContext has it third, after its name and version and private data."""
        return POINTER.from_address(self.ctx.value + 24)

    def caller(self, made, holding):
        """call(helper) -> (status or 0, result) of the trampoline [made]; called attached or, unless [holding], detached."""
        signature = self.subject.functions("CALL")[0]
        kind = ctypes.PYFUNCTYPE if holding else ctypes.CFUNCTYPE
        if signature["result"] == "int":
            checked = kind(INT, POINTER, POINTER, POINTER)(made)

            def call(helper, arg=None):
                result = POINTER()
                return checked(ctypes.cast(helper, POINTER), arg, ctypes.byref(result)), result.value
        else:
            plain = kind(POINTER, POINTER, POINTER)(made)

            def call(helper, arg=None):
                return 0, plain(ctypes.cast(helper, POINTER), arg)
        return call

    def helper(self, answer):
        """A helper of the arm's trampolines that answers answer(arg)."""
        of_handle = any(kind == "HPy" for each in self.subject.functions("CREATE") for kind in each["parameters"])
        return HANDLE_HELPER(lambda ctx, handle, arg: answer(arg)) if of_handle else HELPER(lambda ctx, arg: answer(arg))
