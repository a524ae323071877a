"""How headers are taken apart: what is kept, and what is refused where."""

import pytest

from lab.cheader import Header
from lab.errors import SpecError

TYPES = "a type declared above it, an integer of <stdint.h> or a type of hpy.h"


def read(tmp_path, text):
    path = tmp_path / "a.h"
    path.write_text(text, encoding="utf-8")
    return Header(path)


def refused(tmp_path, text):
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    assert caught.value.path == tmp_path / "a.h"
    return caught.value.line, caught.value.found, caught.value.expected


def test_function_is_taken_apart(tmp_path):
    """A prototype keeps its comment, its place, its parameters and its text, without the annotation."""
    header = read(tmp_path, "#ifndef A_H\n#define A_H\n#include <stdint.h>\n\n/* Says [x]. Twice. */\nHPyLab_ID(0)\n"
                            "int  f(int64_t x,   /* why */\n       HPy *handle);\n\n#endif\n")
    (function, (annotation,)), = header.declarations
    assert (function.name, function.line, function.comment, function.summary) == ("f", 7, "/* Says [x]. Twice. */", "Says [x].")
    assert function.source == "int  f(int64_t x,   /* why */\n       HPy *handle);"
    assert function.prototype == "int f(int64_t x, HPy *handle)"
    assert (function.is_function, function.has_body, function.is_void) == (True, False, False)
    assert function.parameters == ("x", "handle")
    assert (annotation.word, annotation.arguments, annotation.line) == ("HPyLab_ID", ("0",), 6)


def test_summary_is_the_first_sentence(tmp_path):
    """The summary ends at the first full stop that a new sentence follows, not at one inside a number."""
    (declaration, _), = read(tmp_path, "/* Returns 0.5 of [x].\n   It is an error to wait. */\nint f(int x);\n").declarations
    assert declaration.summary == "Returns 0.5 of [x]."


def test_body_with_braces_in_literals(tmp_path):
    """Brackets inside of strings and characters neither end nor begin anything."""
    header = read(tmp_path, 'static inline int f(void) { char *s = "};{"; return s[0] == \'}\'; }\nvoid g(void);\n')
    found = [(declaration.name, declaration.line, declaration.has_body) for declaration, _ in header.declarations]
    assert found == [("f", 1, True), ("g", 2, False)]


@pytest.mark.parametrize("text, comment", [
    ("/* far */\n\nint f(void);\n", ""), ("/* first */\n/* near */\nint f(void);\n", "/* near */"),
    ("typedef int a; /* behind a */\nint f(void);\n", ""), ("int f(void);\n", "")])
def test_comment_belongs_to_what_stands_right_below(tmp_path, text, comment):
    """A comment that is a line away, or behind another declaration, is not this one's."""
    assert read(tmp_path, text).declarations[-1][0].comment == comment


def test_canonical_text_knows_no_layout(tmp_path):
    """Comments, line ends, spaces and bodies do not count; a type does."""
    texts = ["int f(int *x);", "/* a */ int\nf ( int* x ); // b", "int f(int *x) { return *x; }", "int f(long *x);"]
    canonical = [read(tmp_path, text).declarations[0][0].canonical for text in texts]
    assert [one == canonical[0] for one in canonical] == [True, True, True, False]


def test_renamed_as_a_pointer(tmp_path):
    """The name alone is replaced, so that a function becomes a pointer to one whatever it returns."""
    (declaration, _), = read(tmp_path, "int (*f(int f_x))(int);").declarations
    assert declaration.renamed("(*g)") == "int (*(*g)(int f_x))(int)"


@pytest.mark.parametrize("text, line", [
    ("int a(void);\nHPyFoo *f(int c);\n", 2), ("int f(int c,\n      HPyFoo *x);\n", 2), ("int f(HPyFoo x);\n", 1),
    ("int f(HPyFoo);\n", 1), ("struct a {\n    int x;\n    HPyFoo y;\n};\n", 3), ("typedef int (*a)(HPyFoo);\n", 1),
    ("int f(const HPyFoo *x, HPyBar y);\n", 1)])
def test_unknown_type_is_refused(tmp_path, text, line):
    """A type that nothing declares is named, with its line."""
    assert refused(tmp_path, text) == (line, "the unknown type 'HPyFoo'", TYPES)


@pytest.mark.parametrize("text, line", [
    ("int a(void);\n\nint f(int c));\n", 3), ("int f(int\n", 1), ("int f(int a)\nint g(int b);\n", 1), ("int x y;\n", 1),
    ("int a(int c,\n      int b d);\n", 2), ("int a(void);\n@\n", 2)])
def test_syntax_error_is_refused(tmp_path, text, line):
    """What is not C is refused where it stands."""
    found_line, found, expected = refused(tmp_path, text)
    assert (found_line, found.split(" (")[0], expected) == (line, "a syntax error", "a declaration in C11")


@pytest.mark.parametrize("text, line, found", [
    ("#if X\nint f(void);\n#endif\n", 1, "#if X"), ("#ifndef A\n#define A 1\n#endif\n", 2, "#define A 1"),
    ('#include "other.h"\n', 1, '#include "other.h"'), ("#ifndef A\n#define A\n#ifndef B\n#endif\n#endif\n", 3, "#ifndef B"),
    ("#define A\n", 1, "#define A"), ("#define A 1\n", 1, "#define A 1"), ("#define HPyA(x) x\n", 1, "#define HPyA(x) x"),
    ("#define HPyA 1 \\\n + 1\n", 1, "#define HPyA 1 \\"), ("#ifndef HPyA\n#define HPyA 1\n#endif\n", 2, "#define HPyA 1"),
    ("#ifndef A\n#define A\n#endif\n#endif\n", 4, "#endif")])
def test_other_directives_are_refused(tmp_path, text, line, found):
    """No preprocessor runs, so whatever would need one is refused."""
    expected = ("an include guard (#ifndef, #define, #endif), #include <…> and constants (#define HPyXxx value), "
                "no other directive")
    assert refused(tmp_path, text) == (line, found, expected)


@pytest.mark.parametrize("text, expected", [
    ("#ifndef A\n#define A\nint f(void);\n", (4, "the end of the file before #endif", "#endif")),
    ("int f(void);\n/* no end\nint g(void);\n", (2, "a comment without an end", "*/")),
    ("int a;\n", (1, "'int a;'", "one function or one type in each declaration")),
    ("int f(void), g(void);\n", (1, "'int f(void), g(void);'", "one function or one type in each declaration")),
    ("int f(void);\nHPyLab_ID(3)\n", (2, "HPyLab_ID(3) with no declaration after it", "a declaration")),
    ("HPyLab_ID(3)\nHPyLab_ID(4)\nint f(void);\n", (1, "HPyLab_ID(3) with no declaration after it", "a declaration")),
    ("int f(void)\nHPyLab_ID(1)\nint g(void);\n", (2, "HPyLab_ID(1) inside a declaration",
                                                   "the end of the declaration before it (';')"))])
def test_other_mistakes_are_refused(tmp_path, text, expected):
    """Line, what was found, what was expected."""
    assert refused(tmp_path, text) == expected


def test_constants_are_kept(tmp_path):
    """A macro without parameters has a name, a value without its comment and a line; it is C to a compiler as its tokens are."""
    header = read(tmp_path, "#ifndef A\n#define A\n#define HPyA_UNSET {0,  NULL} /* why */\nint f(void);\n#endif\n")
    (constant,) = header.constants
    assert (constant.name, constant.value, constant.line) == ("HPyA_UNSET", "{0,  NULL}", 3)
    assert constant.canonical == "# define HPyA_UNSET { 0 , NULL }"
    assert [declaration.name for declaration, _ in header.declarations] == ["f"]


def test_annotations_of_several_forms(tmp_path):
    """Each form's annotation belongs to the one declaration below, whatever stands between them but C."""
    text = "/* Why. */\nHPyLab_API(a, FREE, SYMBOL)  /* one */\nHPyLab_API(b, FREE, TABLE)\nint f(void);\nint g(void);\n"
    (function, annotations), (other, none) = read(tmp_path, text).declarations
    assert (function.name, function.comment, function.source) == ("f", "/* Why. */", "int f(void);")
    assert [(one.arguments, one.line) for one in annotations] == [(("a", "FREE", "SYMBOL"), 2), (("b", "FREE", "TABLE"), 3)]
    assert (other.name, none) == ("g", ())


def test_refusals_in_a_body(tmp_path):
    """A body may use HPyLab_REFUSE_UNLESS, with an answer and without, and keeps its text."""
    body = "{ HPyLab_REFUSE_UNLESS(x != NULL, ); HPyLab_REFUSE_UNLESS(*x,); }"
    (function, _), = read(tmp_path, f"static inline void f(int *x) {body}\n").declarations
    assert (function.has_body, function.source) == (True, f"static inline void f(int *x) {body}")


def test_missing_file_and_wrong_encoding(tmp_path):
    """A header that cannot be read is refused like a wrong one."""
    with pytest.raises(SpecError, match="No such file"):
        Header(tmp_path / "none.h")
    (tmp_path / "latin.h").write_bytes(b"/* \xe9 */\n")
    with pytest.raises(SpecError, match="utf-8"):
        Header(tmp_path / "latin.h")
