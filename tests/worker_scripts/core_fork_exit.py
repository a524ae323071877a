"""A child that is forked while another thread is inside an acquisition, and that ends as Python does: core_fork_exit.py PATH."""

import os
import sys

from core import ATTACH, DETACH, PLAIN, POST, RESTORE, SAVE, WAIT, Core

core = Core(sys.argv[1])
inside, leave = core.events(2)
program, thread = core.start((ATTACH, core.c.origin(PLAIN)), SAVE, (POST, inside), (WAIT, leave), RESTORE, DETACH)
core.c.wait(inside)
child = os.fork()
if child:
    print(os.waitpid(child, 0)[1])
    core.c.post(leave)
    core.c.join(thread)
