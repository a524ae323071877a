"""A process that ends while threads hammer the thread core: core_exit.py PATH KIND SEED.

KIND: main (hammered alone), sub (a sub-interpreter too, which ends a little earlier), late_sub (one that is left to Python).
"""

import atexit
import random
import sys
import threading
import time

from core import PLAIN, POST, SAVE, WAIT, Core, ManagedSub, Sub

subs = []
parked = []         # an event that each daemon posts when it stands still
CODE = "import threading\nx = [i * i for i in range(100)]\nthreading.current_thread()"


def daemon(core, origin, leave):
    while not parked:
        core.c.strike(origin, leave)
    core.here(SAVE, (POST, parked[0]), (WAIT, core.c.event()))


def park(core, daemons):
    """Let the daemons stand still outside of Python, now that the interpreter is closed.

    Up to CPython 3.10 one that waits for the GIL when the process is slow to end reads what Python has freed, and may crash
    it: seen with threads that do nothing but time.sleep(0), and nothing of ours.
    """
    parked.append(core.c.event())
    for _ in range(daemons):
        core.c.wait(parked[0])


def main(path, kind, seed):
    random.seed(int(seed))
    if sys.version_info < (3, 11):
        atexit.register(lambda: park(core, daemons=3))      # called after what the runtime half registers
    core = Core(path)
    core.c.offer()
    origins = [core.c.origin(PLAIN)]
    if kind != "main":
        subs.append(Sub(core) if kind == "sub" else ManagedSub(core))
        origins.append(subs[0].origin)
    for number, (source, hold_us) in enumerate([(None, 0), (None, 200), (CODE, 0), (CODE, 200), (None, 2000), (CODE, 50)]):
        core.c.hammer(origins[number % len(origins)], source, hold_us)
    for leave in (False, False, True):
        threading.Thread(target=daemon, args=(core, origins[0], leave), daemon=True).start()
    time.sleep(random.random() * 0.02)
    if kind == "sub":
        subs.pop().end()


main(*sys.argv[1:])
