"""A process that ends inside of an acquisition that attached the ending thread: core_exit_inside.py PATH DEPTH FOREIGN."""

import sys

from core import ATTACH, EXEC, PLAIN, SAVE, Core


def main(path, depth, foreign):
    core = Core(path)
    origin = core.c.origin(PLAIN)
    steps = [SAVE, (ATTACH, origin)] * int(depth) + [(EXEC, "raise SystemExit(3)")]
    if foreign == "foreign":
        core.foreign(*steps[1:])
    else:
        core.here(*steps)


main(*sys.argv[1:])
