"""Tells the body how many HPy calls to make."""


def prepare(cell):
    calls = cell.lab.ffi.new("int64_t *", cell.parameters["calls"])
    cell.keep.append(calls)
    cell.data = cell.lab.address(calls)
