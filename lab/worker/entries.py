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

    def make(self, policy="attach", captured=None):
        """What the arm's API makes from a context: a token or a trampoline, with a handle of [captured] where it wants one."""
        both = self.subject.functions("CREATE")
        chosen = [each for each in both if ("Attached" in each["name"]) == (policy == "attached_only")]
        handles = [self.handle(captured) for kind in chosen[0]["parameters"] if kind == "HPy"]
        return self.call(chosen[0], *handles)

    def free(self, made):
        """Give it back; the status."""
        return self.call(self.subject.functions("FREE")[0], POINTER(made))

    def handle(self, thing):
        """A handle of [thing], which must live on: in the universal flavour each is as far from its object as that of None is,
        which HPyContext has third, after its name and version and private data."""
        of_none = POINTER.from_address(self.ctx.value + 24).value
        return POINTER(id(thing) + of_none - id(None))

    @property
    def owns(self):
        """Whether what it makes owns an object."""
        return any(kind == "HPy" for each in self.subject.functions("CREATE") for kind in each["parameters"])

    def inside(self, made, holding=True):
        """do(deed) that calls deed() inside of an acquisition by [made], a token or a trampoline, and answers what that does, a
        number or None: through the helper where it is a trampoline. The thread is attached or, unless [holding], detached."""
        if self.subject.functions("CALL"):
            call = self.caller(made, holding)

            def do(deed):
                helper = self.helper(lambda arg: deed())
                return call(helper)[1]
        else:
            enter = (ctypes.PYFUNCTYPE if holding else ctypes.CFUNCTYPE)(POINTER, POINTER)(POINTER.from_address(made).value)

            def do(deed):
                ctx = POINTER(enter(made))
                try:
                    return deed() if ctx else None
                finally:
                    self.leave(ctx)
        return do

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
        return HANDLE_HELPER(lambda ctx, handle, arg: answer(arg)) if self.owns else HELPER(lambda ctx, arg: answer(arg))
