"""Can hundreds of threads that Python never saw be served at the same time?

300 threads, each of which calls back, waits until all have done so, and calls back again. Each must run its bodies in the main
interpreter and be attached to nothing between and after them; when all have ended the interpreter must have as many thread
states as before. `ten_thousand_threads` asks the same of more.

Why it is asked: records and thread states of many threads are alive at the same time, and found by none but their own.

Source: hpyproject/hpy#268, "some thread that the Java VM is not aware of yet".
"""

from crowd import crowd
from probing import thread_states

REQUIRES = ("foreign", "body")
EXPECTS = {"all": "ok", "attached_only": "refused"}
THREADS = 300


def run(subject):
    count = thread_states()
    crowd(subject, THREADS)
    return "%d threads at once; %d thread states as before" % (THREADS, count)
