"""Tells the driver whether each callback comes from a thread of its own."""


def prepare(cell):
    cell.run.size = 1 if cell.parameters["acquisition"] == "first" else 0
