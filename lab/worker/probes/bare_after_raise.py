"""Do bare callbacks go on after one that raised?

Native code without user data sorts by Python's comparison, which raises once, in the middle: that one must be reported,
every other comparison must be made, and nothing be pending. Then another is bound in the same place, and the sort must come
to its right end; on an attached thread and, where the arm serves that, on one that left Python.

Why it is asked: an error on the first of many comparisons must not cost the others, nor stay in the one place that native code
without user data has.

Source: hpyproject/hpy#268: legacy code that takes a function and no data; docs/semantics.md: an exception that the body
raises is reported before the release.
"""

from probing import LEAVE, NotApplicable, expect, pending_exception

REQUIRES = ("attached", "body", "bare")
SIZE, WITHOUT_DATA, RAISES = 64, 2, 100


def run(subject):
    driver = subject.lab.driver("native_sort")
    made = []

    def compare(one, other):
        made.append(one)
        return (one > other) - (one < other)

    def compare_or_raise(one, other):
        if len(made) == RAISES:
            made.append(one)
            raise KeyError("once")
        return compare(one, other)

    ways = (WITHOUT_DATA, WITHOUT_DATA | LEAVE) if subject.serves("released") else (WITHOUT_DATA,)
    for flags in ways:
        def sort(function):
            del made[:]
            try:
                found = subject.run("compare", driver=driver, flags=flags, size=SIZE, function=function)
            except NotImplementedError as error:
                raise NotApplicable(str(error)) from None
            expect("comparisons that Python made", len(made), found.calls)
            return found.checksum, found.refused, found.raised

        expect("(in the wrong order, refused, raised) of a sort", sort(compare), (0, 0, 0))
        expect("(refused, raised) of one in which a comparison raises", sort(compare_or_raise)[1:], (0, 1))
        expect("whether there were comparisons after it", len(made) > RAISES + 1, True)
        expect("what was reported", [kind for kind, _ in subject.unraisable], [KeyError])
        del subject.unraisable[:]
        expect("the exception that is pending", pending_exception(), None)
        expect("(in the wrong order, refused, raised) of the next sort", sort(compare), (0, 0, 0))
    return "the sort went on after it, and the next came to its right end, %d times" % len(ways)
