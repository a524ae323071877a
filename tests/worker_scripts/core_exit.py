"""A process that ends while threads hammer the thread core: core_exit.py PATH KIND SEED.

KIND: main (hammered alone), sub (a sub-interpreter too, which ends a little earlier), late_sub (one that is left to Python).
"""

import random
import sys
import threading
import time

from core import PLAIN, Core, ManagedSub, Sub

subs = []
CODE = "import threading\nx = [i * i for i in range(100)]\nthreading.current_thread()"


def daemon(core, origin, leave):
    while True:
        core.c.strike(origin, leave)


def main(path, kind, seed):
    random.seed(int(seed))
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
