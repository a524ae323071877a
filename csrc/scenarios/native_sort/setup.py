"""Gives qsort its Python comparison; the driver's checksum counts what came out in the wrong order."""


def compare(left, right):
    return (left > right) - (left < right)


def prepare(cell):
    cell.arm.bodies.set_callable(compare)


def expected(cell):
    return 0
