"""Runs one probe on one arm in this process: see lab/conformance.py for the job and the outcomes, lab/probes.py for the files.

The job comes from stdin, or from the file that is named as the argument, as under a debugger; without LAB_ANSWER_FD the answer
is printed.
"""

import importlib.util
import json
import os
import sys

from probing import Detected, Left, NotApplicable, Refused, Subject, Wrong

OUTCOMES = {Refused: "refused", Wrong: "wrong", Detected: "detected", NotApplicable: "n/a"}


def load(path):
    spec = importlib.util.spec_from_file_location("probe_module", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ask(probe, job):
    """(outcome, detail) of run(subject); the detail is a function where the answer is known only when the process has ended.

    A probe with BARE is given the job instead, and loads what it needs itself. What came of any other is worth something only
    where nothing is left behind.
    """
    left = None
    try:
        if getattr(probe, "BARE", False):
            return "ok", probe.run(job) or ""
        subject = Subject(job)
        left = None if getattr(probe, "LEAVES", "") else Left(subject)
        outcome, detail = "ok", probe.run(subject) or ""
    except tuple(OUTCOMES) as answer:
        outcome, detail = OUTCOMES[type(answer)], str(answer)
    if left is not None and outcome not in ("wrong", "n/a") and not callable(detail):
        try:
            left.check()
        except Wrong as answer:
            return "wrong", "%s, but: %s" % (outcome, answer)
    return outcome, detail


def main():
    if len(sys.argv) > 1:
        with open(sys.argv[1]) as source:
            job = json.load(source)
    else:
        job = json.load(sys.stdin)
    outcome, detail = ask(load(job["probe"]), job)
    descriptor = int(os.environ.get("LAB_ANSWER_FD", 1))
    if callable(detail):
        detail(descriptor)          # which writes it there then
        return
    # an "error", empty as it is, has what this process wrote come along
    answer = json.dumps({"outcome": outcome, "detail": detail, "error": {}})
    os.write(descriptor, (answer + "\n").encode())


if __name__ == "__main__":
    main()
