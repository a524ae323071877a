"""What one arm's callbacks take while they are kept: makes so many, gives them back in a random order, and looks at the heap.

Reads the job, a JSON object, from standard input and writes the answer, a JSON object, to the file descriptor that
LAB_ANSWER_FD names: {"rows": for each number of objects, how long making and giving back took, for all of them, in each repeat, and
by how much heap and resident memory had grown in between}. Instead of an arm it may be asked for closures of libffi.
"""

import ctypes.util
import json
import os
import platform
import random
import sys
import traceback

from loading import POLICIES, Arm, Lab
from measure import Progress

DEFAULT_ABI = {"x86_64": 2, "aarch64": 1}       # FFI_UNIX64, FFI_SYSV: ffi_get_default_abi() is not in every libffi
CLOSURE_SIZE = {"x86_64": 56, "aarch64": 48}    # sizeof(ffi_closure), for a libffi that does not tell it
LIBFFI = """
typedef struct { size_t size; unsigned short alignment, type; void *elements; } ffi_type;
extern ffi_type ffi_type_sint64;
int ffi_prep_cif(void *cif, int abi, unsigned int nargs, ffi_type *result, ffi_type **arguments);
void *ffi_closure_alloc(size_t size, void **code);
int ffi_prep_closure_loc(void *closure, void *cif, void (*function)(void *, void *, void **, void *), void *data, void *code);
void ffi_closure_free(void *closure);
struct mallinfo2 { size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost; };
struct mallinfo2 mallinfo2(void);
"""


class Absent(Exception):
    """What was asked for is not on this machine."""


class Bindings:
    """Callbacks bound by an arm."""

    kind = "HPyLab_Callback[]"

    def __init__(self, lab, job):
        self.lab, self.arm = lab, Arm(lab, job["arm"])
        self.body, self.policy = self.arm.bodies.address("nothing"), POLICIES[self.arm.policy]

    def make(self, array, count):
        return self.arm.module.bind_many(self.lab.address(array), count, self.body, self.policy)

    def give_back(self, array, order, count):
        return self.arm.module.unbind_many(self.lab.address(array), self.lab.address(order), count)

    def check(self, array):
        """Bind said that it worked; calling it from here would be without Python's lock, which cffi lets go."""


class Closures:
    """Closures of libffi."""

    kind = "native_closure[]"

    def __init__(self, lab, ffi):
        self.lab, name, machine = lab, ctypes.util.find_library("ffi"), platform.machine()
        if name is None or machine not in DEFAULT_ABI:
            raise Absent("there is no libffi for %s here" % machine if name is None else "libffi's default ABI on %s" % machine)
        self.ffi, self.libffi = ffi, ffi.dlopen(name)
        self.cif, self.types = ffi.new("char[256]"), ffi.new("ffi_type *[1]", [ffi.addressof(self.libffi, "ffi_type_sint64")])
        if self.libffi.ffi_prep_cif(self.cif, DEFAULT_ABI[machine], 1, self.types[0], self.types):
            raise Absent("libffi refuses a function of one int64_t")
        self.api = lab.ffi.new("native_closure_api *", {
            "allocate": self._function("ffi_closure_alloc"), "prepare": self._function("ffi_prep_closure_loc"),
            "release": self._function("ffi_closure_free"), "size": CLOSURE_SIZE[machine]})
        self.api.cif = lab.ffi.cast("void *", int(ffi.cast("intptr_t", self.cif)))

    def _function(self, name):
        return self.lab.ffi.cast("void *", int(self.ffi.cast("intptr_t", self.ffi.addressof(self.libffi, name))))

    def make(self, array, count):
        took = self.lab.native.native_make_closures(self.api, array, count)
        if took < 0:
            raise MemoryError("libffi made no closure")
        return took

    def give_back(self, array, order, count):
        return self.lab.native.native_release_closures(self.api, array, order, count)

    def check(self, array):
        """That what was made works."""
        if array[0].code(7) != 8:
            raise AssertionError("a closure answers %d to 7" % array[0].code(7))


class Memory:
    """What the process has: bytes handed out by malloc, and resident ones."""

    def __init__(self, ffi):
        self.libc, self.page = ffi.dlopen(None), os.sysconf("SC_PAGE_SIZE")

    def now(self):
        said = self.libc.mallinfo2()
        with open("/proc/self/statm") as statm:
            return said.uordblks + said.hblkhd, int(statm.read().split()[1]) * self.page


def take(lab, objects, memory, count, repeats, rng):
    """One row: [count] objects, made and given back [repeats] times."""
    array, order = lab.ffi.new(objects.kind, count), list(range(count))
    lab.ffi.memmove(array, b"\1" * lab.ffi.sizeof(array), lab.ffi.sizeof(array))       # resident before anything is looked at
    row = {"count": count, "make_ns": [], "give_back_ns": [], "heap_bytes": 0, "resident_bytes": 0}
    for turn in range(repeats):
        rng.shuffle(order)
        indices, before = lab.ffi.new("int64_t[]", order), memory.now()
        row["make_ns"].append(objects.make(array, count))
        after = memory.now()
        if turn == 0:           # later ones find what the first left to be used again
            objects.check(array)
            row["heap_bytes"], row["resident_bytes"] = (later - earlier for earlier, later in zip(before, after))
        row["give_back_ns"].append(objects.give_back(array, indices, count))
    return row


def run_job(job, progress):
    lab = Lab(job["libraries"])
    ffi = type(lab.ffi)()
    ffi.cdef(LIBFFI)
    progress.tell("", job["arm"]["id"] if job["arm"] else "libffi")
    try:
        objects = Bindings(lab, job) if job["arm"] else Closures(lab, ffi)
        memory, rng = Memory(ffi), random.Random(job["seed"])
        take(lab, objects, memory, 1, 2, rng)       # symbols, records and pools exist from here on
        return {"rows": [take(lab, objects, memory, each["count"], each["repeats"], rng) for each in job["counts"]]}
    except Absent as error:
        return {"rows": [], "absent": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"error": {"benchmark": None, "arm": progress.told[1], "message": "%s: %s" % (type(error).__name__, error)}}


def main():
    job = json.load(sys.stdin)
    answer = run_job(job, Progress(job["progress"]))
    with os.fdopen(int(os.environ["LAB_ANSWER_FD"]), "w") as out:
        json.dump(answer, out)


if __name__ == "__main__":
    main()
