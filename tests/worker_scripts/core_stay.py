"""A process that is left with a foreign thread inside an acquisition for good: core_stay.py PATH."""

import sys

from core import ATTACH, PLAIN, POST, SAVE, WAIT, Core

core = Core(sys.argv[1])
inside, never = core.events(2)
core.start((ATTACH, core.c.origin(PLAIN)), SAVE, (POST, inside), (WAIT, never))
core.c.wait(inside)
print("inside", flush=True)
