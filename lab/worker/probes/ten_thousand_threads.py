"""Can ten thousand threads that Python never saw be served, hundreds of them at a time?

As many_threads, 20 times with 500 threads: nothing may be left of those that have ended, neither thread states nor, but for
what the allocators keep, memory. Asked of forms alone, and once of each: neither the policy, under which such threads are
refused, nor the lab's debug mode has a part in it; many_threads is asked with both.

Why it is asked: what is left of each thread is seen only where there are many.

Source: hpyproject/hpy#268, "some thread that the Java VM is not aware of yet".
"""

from crowd import crowd, needs_api, resident_bytes
from probing import expect, thread_states

REQUIRES = ("foreign", "body")
POLICIES = ("attach",)
DEBUG = ("off",)
LIMIT_S = 60.0
TURNS, THREADS, SPARE_BYTES = 20, 500, 16 << 20


def run(subject):
    needs_api(subject)
    count, before = thread_states(), 0
    for turn in range(TURNS):
        crowd(subject, THREADS)
        if turn == TURNS // 4:
            before = resident_bytes()
    grown = resident_bytes() - before
    expect("whether memory grew by less than %d MiB (%d bytes)" % (SPARE_BYTES >> 20, grown), grown < SPARE_BYTES, True)
    return "%d threads, %d at a time; %d thread states as before" % (TURNS * THREADS, THREADS, count)
