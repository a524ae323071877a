"""Can ten thousand threads that Python never saw be served, hundreds of them at a time?

As many_threads, 20 times with 500 threads: nothing may be left of those that have ended, neither thread states nor, but for
what the allocators keep, memory.

Source: hpyproject/hpy#268, "some thread that the Java VM is not aware of yet".
"""

from crowd import crowd, resident_bytes
from probing import expect, thread_states

REQUIRES = ("foreign", "body")
SLOW = True
LIMIT_S = 120.0
TURNS, THREADS, SPARE_BYTES = 20, 500, 16 << 20


def run(subject):
    count, before = thread_states(), 0
    for turn in range(TURNS):
        crowd(subject, THREADS)
        if turn == TURNS // 4:
            before = resident_bytes()
    grown = resident_bytes() - before
    expect("whether memory grew by less than %d MiB (%d bytes)" % (SPARE_BYTES >> 20, grown), grown < SPARE_BYTES, True)
    return "%d threads, %d at a time; %d thread states as before" % (TURNS * THREADS, THREADS, count)
