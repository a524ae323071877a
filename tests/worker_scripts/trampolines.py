"""What the tests of trampolines do in a process of their own, with the proposal's functions as extensions reach them (api.py).

[entries] are the names of the table's functions, in their order.
"""

import bisect
import ctypes
import faulthandler
import os
import resource
import shutil

import api
from api import INT, POINTER, failure
from loading import Arm, Lab

PAIR = 128 * 1024       # bytes of address space by which the pool grows
PAGE = 4096             # thunks that this makes room for


class Api:
    """HPy_GetContextTrampoline and HPyContextTrampoline_Free, and calls of what they make and free."""

    helper_type = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)

    def __init__(self, libraries, entries, extension):
        self.lab = Lab(libraries)
        self.arm = Arm(self.lab, extension)
        runtime = api.Api(self.lab, entries)
        self.ctx, table = runtime.ctx, runtime.table
        self.create = ctypes.PYFUNCTYPE(POINTER, POINTER)(table.ctx_GetContextTrampoline)
        self.give_back = ctypes.PYFUNCTYPE(INT, POINTER, POINTER)(table.ctx_ContextTrampoline_Free)
        # a helper that is no Python function: for a callback ctypes makes memory that is writable and executable at once
        self.helper = POINTER(self.lab.native_address("native_now"))

    def new(self):
        return self.create(self.ctx)

    def free(self, trampoline):
        return self.give_back(self.ctx, trampoline)

    def call(self, trampoline, helper=None, arg=None):
        return self.helper_type(trampoline)(helper or self.helper, arg)


def origin(trampoline):
    """(view, context) that lie behind a trampoline, and where."""
    slot = (ctypes.c_void_p * 2).from_address(trampoline + PAIR // 2)
    return tuple((ctypes.c_void_p * 2).from_address(slot[1])), slot[1]


def many(libraries, count, **api):
    """(how many trampolines differ, places of their states, states, how many called their helper) of [count] alive at once."""
    api = Api(libraries, **api)
    made = [api.new() for _ in range(count)]
    origins = [origin(trampoline) for trampoline in made]
    called = []

    def helper(ctx, arg):
        called.append((ctx, arg))
        return arg

    callback = api.helper_type(helper)
    address = ctypes.cast(callback, ctypes.c_void_p)
    answers = [api.call(trampoline, address, number + 1) for number, trampoline in enumerate(made)]
    for trampoline in made:
        api.free(trampoline)
    as_called = [(api.ctx.value, number + 1) for number in range(count)]
    return (len(set(made)), len({place for _, place in origins}), len({behind for behind, _ in origins}),
            sum(answer == number + 1 for number, answer in enumerate(answers)), called == as_called)


def address_space():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def over_and_over(libraries, count, **api):
    """(places used, bytes by which the address space grew) while [count] trampolines were made, each freed at once."""
    api = Api(libraries, **api)
    create, give_back, ctx = api.create, api.give_back, api.ctx
    places = set()

    def repeat(count):
        for _ in range(count):
            trampoline = create(ctx)
            places.add(trampoline)
            give_back(ctx, trampoline)

    repeat(PAGE)            # after which the set of places has its size too
    size = address_space()
    repeat(count)
    return len(places), address_space() - size


def use_after_free(libraries, **api):
    """Call a trampoline that was freed."""
    api = Api(libraries, **api)
    trampoline = api.new()
    if not api.call(trampoline):
        raise AssertionError("a living trampoline did not call its helper")
    api.free(trampoline)
    faulthandler.disable()      # whose dump of the C stack would push the message out of the last words
    api.call(trampoline)


def free_wrongly(libraries, alive, **api):
    """What freeing answers and says, with [alive] others: of a trampoline, of it again, of NULL, of addresses that are none;
    then whether those that were alive, and more than a page of new ones, are distinct and call their helper."""
    api = Api(libraries, **api)
    living = [api.new() for _ in range(alive)]
    trampoline = api.new()
    wrong = trampoline, trampoline, None, trampoline + 8, trampoline + PAIR // 2, api.helper.value
    said = [failure(api.free, address) for address in wrong]
    living += [api.new() for _ in range(PAGE + 1)]
    return said, len(set(living)) == alive + PAGE + 1, all(api.call(each) for each in living)


def mappings(libraries, count, **api):
    """(mappings that are writable and executable, permissions of those of thunks, whether all called) with [count] alive."""
    api = Api(libraries, **api)
    made = [api.new() for _ in range(count)]
    called = [bool(api.call(trampoline)) for trampoline in made]
    with open("/proc/self/maps") as maps:
        lines = [line.split() for line in maps]
    both = [line for line in lines if "w" in line[1] and "x" in line[1]]
    areas = sorted((int(line[0].split("-")[0], 16), line[1]) for line in lines)
    thunks = {areas[bisect.bisect(areas, (trampoline, "~")) - 1] for trampoline in made}
    return both, sorted(permissions for _, permissions in thunks), all(called)


def out_of_address_space(libraries, **api):
    """What making one more says without room for a page, then whether freed slots still serve, then growing with room again."""
    api = Api(libraries, **api)
    made = [api.new() for _ in range(PAGE)]     # the pool has to grow for the next
    blocks = [ctypes.create_string_buffer(16) for _ in range(64)]
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    del blocks                                  # what malloc may give out again
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + PAIR // 2, hard))
    refused = [failure(api.new) for _ in range(2)]
    freed = made.pop()
    api.free(freed)
    reused = api.new() == freed and bool(api.call(freed))
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return refused, reused, bool(api.call(api.new()))


def library_replaced(libraries, folder, content, **api):
    """What making a trampoline says after the file of the runtime half was replaced: by [content], or by nothing if None."""
    path = os.path.join(folder, os.path.basename(libraries["runtime"]))
    shutil.copy(libraries["runtime"], path)
    api = Api(dict(libraries, runtime=path), **api)
    os.unlink(path)
    if content is not None:
        with open(path, "wb") as file:
            file.write(content.encode())
    return failure(api.new)


def no_descriptor(libraries, **api):
    """What making a trampoline says when no file can be opened, and whether one can be made afterwards."""
    api = Api(libraries, **api)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    said = failure(api.new)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return said, bool(api.call(api.new()))


def pool(libraries, harness, function, arguments):
    """What a function of many_thunks.c answers."""
    call = getattr(ctypes.CDLL(harness), function)
    call.restype = ctypes.c_int64
    return call(*(ctypes.c_int64(argument) for argument in arguments))
