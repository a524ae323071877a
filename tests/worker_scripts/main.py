"""Runs one function of this folder in this process: see run_in_worker.py for the job."""

import importlib
import json
import os
import sys


def main():
    job = json.load(sys.stdin)
    sys.path.insert(0, job["worker"])
    module, function = job["function"].split(".")
    function = getattr(importlib.import_module(module), function)
    if job["arm"]:
        from probing import Subject
        answer = function(Subject(job), **job["arguments"])
    else:
        answer = function(job["libraries"], **job["arguments"])
    with os.fdopen(int(os.environ["LAB_ANSWER_FD"]), "w") as out:
        json.dump({"answer": answer}, out)


if __name__ == "__main__":
    main()
