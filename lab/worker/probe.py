"""Runs one probe on one arm in this process: see conformance.py for the job and the outcomes.

A probe is a file that says what it asks in its docstring and what it needs in REQUIRES, and has run(subject), which
returns a sentence about what was seen or raises Wrong or Refused.
"""

import importlib.util
import json
import os
import sys

from probing import Refused, Subject, Wrong


def load(path):
    spec = importlib.util.spec_from_file_location("probe_module", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    job = json.load(sys.stdin)
    descriptor = int(os.environ["LAB_ANSWER_FD"])
    probe = load(job["probe"])
    try:
        answer = {"outcome": "ok", "detail": probe.run(Subject(job)) or ""}
    except Refused as refused:
        answer = {"outcome": "refused", "detail": str(refused)}
    except Wrong as wrong:
        answer = {"outcome": "wrong", "detail": str(wrong)}
    with os.fdopen(descriptor, "w") as out:
        json.dump(answer, out)


if __name__ == "__main__":
    main()
