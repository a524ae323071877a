"""What if a second callback is bound for native code without user data?

While a bare function sorts by Python's comparison, from inside of that comparison another is bound in the arm's one place. It
must be refused with RuntimeError, the sort must go on to the right end as if nothing had been, and when it is over the place
must be free again.

Why it is asked: one place serves one callback: who overwrites it silently sends a sort that is running to another's function.

Source: hpyproject/hpy#268: legacy code that takes a function and no data; the place is a C global by the design of every
form.
"""

from misusing import place
from probing import NotApplicable, Refused, Wrong, expect

REQUIRES = ("attached", "body", "bare")
DEBUG = ("off",)
EXPECTS = "refused"
SIZE, WITHOUT_DATA = 64, 2        # the second a flag of drive()


def run(subject):
    before, errors, driver = place(), [], subject.lab.driver("native_sort")

    def sort(compare):
        return subject.run("compare", driver=driver, flags=WITHOUT_DATA, size=SIZE, function=compare)

    def compare(one, other):
        if len(errors) < 2:
            again = subject.lab.new_run()
            again.size = SIZE
            try:
                subject.arm.drive(driver, again, "compare", subject.lab.address(again), WITHOUT_DATA)
            except RuntimeError as error:
                errors.append(str(error))
            else:
                errors.append("")
        return (one > other) - (one < other)

    try:
        sort(lambda one, other: 0)
    except NotImplementedError as error:
        raise NotApplicable(str(error)) from None
    undisturbed = sort(lambda one, other: (one > other) - (one < other))
    disturbed = sort(compare)
    expect("(result, comparisons, refused, raised) of the sort", of(disturbed), of(undisturbed))
    expect("(place, thread states) afterwards", place(), before)
    expect("the same once more", of(sort(lambda one, other: (one > other) - (one < other))), of(undisturbed))
    if not all(errors):
        raise Wrong("a second one was bound in the same place")
    raise Refused("%d times with RuntimeError: %s" % (len(errors), errors[0]))


def of(run):
    return run.checksum, run.calls, run.refused, run.raised
