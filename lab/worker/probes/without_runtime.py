"""What if an extension is loaded where the runtime half is not?

The import must fail with an exception that says what is missing: the process must not end, nor a function be called that is
not there. Enter and leave are symbols of the process, which the dynamic linker then looks for in vain; the others import the
runtime half's module. "refused" is that exception; afterwards the runtime half can be loaded, and the extension works.

Why it is asked: an interpreter that does not have the API should answer with an exception and not with a crash.

Source: hpyproject/hpy#268, "link-time dependency"; docs/semantics.md, "The forms".
"""

from misusing import refused_import
from probing import Refused, Subject, Wrong, expect

REQUIRES = ("attached", "body")
DEBUG = ("off",)
EXPECTS = "refused"
BARE = True


def run(job):
    said = refused_import(job["arm"])
    if said is None:
        raise Wrong("it was imported")
    subject = Subject(job)
    expect("a callback with the runtime half", subject.run("python", function=lambda number: number).checksum, 7)
    symbols = any(function["reach"] == "SYMBOL" for function in subject.api["functions"])
    expect("whether it names what is missing", ("undefined symbol" in said, "hpylab_runtime" in said), (symbols, not symbols))
    raise Refused("to be imported: %s" % said.rpartition("/")[2])
