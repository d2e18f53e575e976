"""From source text to the intermediate form (see `graphlint.static.ir`).

The standard library's parser does the work: it knows positions, and it is ten times as fast as one
that also keeps white space and comments, which only fixes need (docs/architecture.md).
"""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache

from graphlint.static import ir
from graphlint.static.lower.places import OnePlace, Places
from graphlint.static.lower.statements import Lowering
from graphlint.trace import Span


def lower(source: str, filename: str) -> ir.Module:
    """Parse a file's text and bring it into the intermediate form.

    Args:
        source: the file's text, decoded.
        filename: what the file is called in findings.

    Raises:
        SyntaxError: the text is no Python of the version that runs graphlint.
        ValueError: the text has null bytes.
        RecursionError: the text is nested too deeply for the parser.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes are the file's business, not ours
        tree = ast.parse(source, filename)
    places = Places(source)
    lowering = Lowering(places, filename)
    body = lowering.block(tree.body)
    mentions = lowering.outermost.frozen()
    flagged, imports = tuple(lowering.flagged), tuple(lowering.imports)
    calls = mentions.calls | lowering.calls
    return ir.Module(places.whole(), filename, body, flagged, calls, imports, mentions)


@lru_cache(maxsize=256)
def lower_expression(text: str, filename: str, span: Span) -> ir.Expr | None:
    """Bring an expression that a string holds into the intermediate form, None where it is none.

    Args:
        text: the string.
        filename: the file whose code evaluates it.
        span: where that code stands; all parts of the expression get this place.
    """
    try:
        tree = ast.parse(text.strip(), filename, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return Lowering(OnePlace(span), filename).expr(tree.body)
