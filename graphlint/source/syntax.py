"""Whether a text is Python of the version that runs, and if not, why."""

from __future__ import annotations

import ast
import symtable
import warnings

from graphlint.source.read import SyntaxProblem

# What Python's parser raises; the last two where code is nested too deeply for it.
UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def parses(data: bytes, filename: str) -> bool:
    """Whether a file's bytes are Python.

    The compiler's symbol table is asked: no syntax tree is built of Python objects, which makes it
    the cheapest way to parse.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            symtable.symtable(data, filename, "exec")  # type: ignore[arg-type]  # bytes will do
        except UNPARSABLE:
            return False
    return True


def find_syntax_problem(text: str, filename: str) -> SyntaxProblem | None:
    """Say why a text is no Python, None where it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            symtable.symtable(text, filename, "exec")
            ast.parse(text, filename)
        except SyntaxError as error:
            return SyntaxProblem(max(error.lineno or 1, 1), max(error.offset or 1, 1), error.msg)
        except (RecursionError, MemoryError):
            return SyntaxProblem(1, 1, "the code is nested too deeply for Python's parser")
        except ValueError as error:
            return SyntaxProblem(1, 1, str(error))
    return None
