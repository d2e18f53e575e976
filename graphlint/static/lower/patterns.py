"""What the patterns of `match` bind: each name, and the way to its value from the subject."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeAlias

Step: TypeAlias = "tuple[str, int | str | None]"
Steps: TypeAlias = "tuple[Step, ...]"

SHAPES: dict[type, str] = {ast.MatchSequence: "Sequence", ast.MatchMapping: "Mapping"}
"""What has to be given to the patterns that take something apart."""
PART: Step = ("part", None)
"""The step to something that can't be told: a slice, or what a key that is no constant leads to."""


def captures(pattern: ast.pattern, steps: Steps) -> Iterator[tuple[str, Steps]]:
    """Walk the names that a pattern binds, each with the steps to its value."""
    if isinstance(pattern, (ast.MatchAs, ast.MatchStar)) and pattern.name is not None:
        yield pattern.name, steps
    if isinstance(pattern, ast.MatchMapping) and pattern.rest is not None:
        yield pattern.rest, steps
    for step, inner in _parts(pattern):
        yield from captures(inner, (*steps, *step))


def _parts(pattern: ast.pattern) -> Iterator[tuple[Steps, ast.pattern]]:
    if isinstance(pattern, ast.MatchAs) and pattern.pattern is not None:
        yield (), pattern.pattern
    elif isinstance(pattern, ast.MatchOr):
        yield (), pattern.patterns[0]  # all of them bind the same names
    elif isinstance(pattern, ast.MatchSequence):
        yield from _items(pattern.patterns)
    elif isinstance(pattern, ast.MatchMapping):
        for key, inner in zip(pattern.keys, pattern.patterns, strict=True):
            value = key.value if isinstance(key, ast.Constant) else None
            yield (("item", value) if isinstance(value, (int, str)) else PART,), inner
    elif isinstance(pattern, ast.MatchClass):
        for number, inner in enumerate(pattern.patterns):
            yield (("field", number),), inner
        for name, inner in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
            yield (("attribute", name),), inner


def _items(patterns: list[ast.pattern]) -> Iterator[tuple[Steps, ast.pattern]]:
    """Walk the items of a sequence, those behind a star counted from the end."""
    starred = next((i for i, p in enumerate(patterns) if isinstance(p, ast.MatchStar)), None)
    for number, inner in enumerate(patterns):
        if number == starred:
            yield (PART,), inner
        else:
            behind = starred is not None and number > starred
            yield (("item", number - len(patterns) if behind else number),), inner
