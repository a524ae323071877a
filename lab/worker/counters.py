"""What the kernel counts while a batch runs: the processor's own counters in user mode, and software counters.

perf_event_open(2) through cffi. Each counter is opened for this process and the threads that it starts from then on; counters
that the kernel does not give are absent with the reason, and of the software ones getrusage(2) has most as well. Values are
what was counted, never scaled up: a counter that had to share its register with others is absent for that batch.

It is an error to leave counters open while batches are timed: with them each switch of threads and each new thread costs more.
"""

import errno
import os
import platform
import resource
import struct

import cffi

SYSCALL = {"x86_64": 298, "aarch64": 241}
HARDWARE, SOFTWARE = 0, 1                      # perf_event_attr.type
# name -> (type, config) of perf_event_attr
EVENTS = {
    "cycles": (HARDWARE, 0), "instructions": (HARDWARE, 1), "branch_misses": (HARDWARE, 5), "cache_misses": (HARDWARE, 3),
    "task_clock_ns": (SOFTWARE, 1), "context_switches": (SOFTWARE, 3), "page_faults": (SOFTWARE, 2),
    "migrations": (SOFTWARE, 4)}
# what getrusage tells, of all threads of the process
USAGE = {
    "task_clock_ns": lambda usage: round((usage.ru_utime + usage.ru_stime) * 1e9),
    "context_switches": lambda usage: usage.ru_nvcsw + usage.ru_nivcsw,
    "page_faults": lambda usage: usage.ru_minflt + usage.ru_majflt}
# perf_event_attr: type, size, config, sample_period, sample_type, read_format, flags, wakeup_events, bp_type, config1
ATTRIBUTES, SIZE = "=IIQQQQQIIQ", 64           # the size of the structure's first version, which every kernel knows
TIMES = 1 | 2                                  # read_format: total time enabled, and running
INHERIT, EXCLUDE_KERNEL, EXCLUDE_HV = 1 << 1, 1 << 5, 1 << 6
CLOEXEC = 8
PARANOID = "/proc/sys/kernel/perf_event_paranoid"


class Counters:
    """Every counter that the kernel gives, open until close()."""

    def __init__(self):
        self.files, self.absent, self.usage = {}, {}, {}
        ffi = cffi.FFI()
        ffi.cdef("long syscall(long number, ...);")
        libc = ffi.dlopen(None)
        for name, event in EVENTS.items():
            descriptor, why = open_event(ffi, libc, *event)
            if not why:
                self.files[name] = descriptor
            elif name in USAGE:
                self.usage[name] = USAGE[name]
            else:
                self.absent[name] = why

    def close(self):
        for descriptor in self.files.values():
            os.close(descriptor)
        self.files = {}

    def read(self):
        """name -> (count, ns enabled, ns running), or (count, 0, 0) from getrusage."""
        found = {name: struct.unpack("=QQQ", os.read(descriptor, 24)) for name, descriptor in self.files.items()}
        usage = resource.getrusage(resource.RUSAGE_SELF)
        found.update((name, (tell(usage), 0, 0)) for name, tell in self.usage.items())
        return found

    def count(self, run):
        """What run() made the counters count, with what is absent and why: {"values": …, "absent": …}."""
        before = self.read()
        run()
        after = self.read()
        values, absent = {}, dict(self.absent)
        for name in before:
            counted, enabled, running = (late - early for early, late in zip(before[name], after[name]))
            if running < enabled:
                absent[name] = "counted for %d of %d ns: it shares its register with others" % (running, enabled)
            else:
                values[name] = counted
        return {"values": values, "absent": absent}


def open_event(ffi, libc, kind, config):
    """The descriptor of one counter and no reason, or None and why there is none."""
    number = SYSCALL.get(platform.machine())
    if number is None:
        return None, "the number of perf_event_open on %s is not known here" % platform.machine()
    # user mode alone, as what the kernel does in a batch is not the arm's; software counters tick in the kernel
    flags = INHERIT | (EXCLUDE_KERNEL | EXCLUDE_HV if kind == HARDWARE else 0)
    attributes = ffi.new("char[]", struct.pack(ATTRIBUTES, kind, SIZE, config, 0, 0, TIMES, flags, 0, 0, 0))
    integers = [ffi.cast("long", value) for value in (0, -1, -1, CLOEXEC)]      # this process, any processor, no group
    descriptor = libc.syscall(number, attributes, *integers)
    if descriptor >= 0:
        return descriptor, ""
    return None, reason(ffi.errno)


def reason(code):
    """Why the kernel gives no counter, from its errno."""
    try:
        with open(PARANOID) as setting:
            paranoid = ", perf_event_paranoid is " + setting.read().strip()
    except OSError:
        paranoid = ", and there is no " + PARANOID
    known = {errno.ENOENT: "the processor's counters are not passed on to this machine",
             errno.ENODEV: "the processor has no such counter", errno.EOPNOTSUPP: "the processor has no such counter",
             errno.EACCES: "forbidden", errno.EPERM: "forbidden", errno.ENOSYS: "this kernel has no perf_event_open"}
    return "%s (%s%s)" % (known.get(code, os.strerror(code)), errno.errorcode.get(code, code), paranoid)


def count_cells(counted, progress):
    """Let each arm of each cell run one batch more, with the counters open; what was counted goes into the arms' records.

    [counted]: (benchmark, loops by arm, cells, records by arm) of each cell measured before. A batch that is one long call is
    not asked for: it would double what such a process costs.
    """
    counters = Counters()
    try:
        for benchmark, loops, cells, records in counted:
            for cell in cells[:1] + cells:      # the first one's first faults are nobody's: its second batch counts
                progress.tell(benchmark, cell.arm.id)
                found = counters.count(lambda: cell.batch(loops[cell.arm.id]))
                records[cell.arm.id]["counters"] = dict(found, calls=cell.run.calls)
    finally:
        counters.close()
