"""Do many acquisitions leave the contexts of HPy's debug mode valid?

HPy 0.9 takes the contexts of its debug mode from a ring of 16, so that each 17th call into an extension gets one again that
may be in use, and leaves it invalid: "Wrong HPy Context!", of a program that is in order. 17 and 1,000 callbacks deep, then
1,000 after one another inside of one, each with a context that is used before and after the inner ones; then 17 and 100 calls
deep through Python, where HPy passes a context to the method, the arm to its body, and each is used again afterwards.

Why it is asked: a design that takes its debug contexts from HPy's ring makes programs fail that are in order.

Source: hpyproject/hpy#268 (a debug context for each acquisition); hpy/debug/src/debug_ctx.c of HPy 0.9.0.
"""

from misusing import expect_order, place
from probing import expect

REQUIRES = ("attached", "body")
MODES = ("debug",)
RING, MANY, THROUGH_PYTHON = 16, 1000, 100


def run(subject):
    before = place()
    for depth in (RING + 1, MANY):
        expect("levels that ran", subject.run("nest", arg=depth, function=int).checksum, depth)

    def many(number):
        return subject.run("nothing", arg=1, loops=MANY).checksum

    expect("callbacks inside of one", subject.run("python", function=many).checksum, MANY)

    def deeper(number):
        return 0 if number == 0 else 1 + again(number - 1)

    def again(number):
        run = subject.lab.new_run()
        run.arg, run.loops = number, 1
        subject.arm.drive(loop, run, "python", subject.lab.address(run))
        return run.checksum

    loop = subject.lab.native_address("native_call_loop")
    for depth in (RING + 1, THROUGH_PYTHON):
        subject.arm.bodies.set_callable(deeper)
        try:
            expect("levels through Python", again(depth), depth)
        finally:
            subject.arm.bodies.set_callable(None)
    expect("what was reported", subject.unraisable, [])
    expect_order(subject, before)
    return "%d and %d deep, %d inside of one, %d and %d through Python: every context stayed valid" % (
        RING + 1, MANY, MANY, RING + 1, THROUGH_PYTHON)
