"""Programs spliced together from pieces of others: linting fails on none, whatever they say."""

from __future__ import annotations

import ast
import random
from functools import lru_cache
from pathlib import Path

import pytest

from graphlint.linting import lint_text

FIXTURES = Path(__file__).parents[1] / "fixtures"
SPLICES = 12


@lru_cache(maxsize=1)
def programs() -> tuple[str, ...]:
    """Return the sources to take pieces from: the fixtures that can be parsed."""
    files = sorted(FIXTURES.glob("RG[1-9]*/*.py"))
    return tuple(path.read_text(encoding="utf-8") for path in files)


@lru_cache(maxsize=1)
def pieces() -> dict[type[ast.AST], list[ast.AST]]:
    """Return all expressions and statements of the programs, by kind."""
    found: dict[type[ast.AST], list[ast.AST]] = {ast.expr: [], ast.stmt: []}
    for source in programs():
        for node in ast.walk(ast.parse(source)):
            for kind, nodes in found.items():
                if isinstance(node, kind):
                    nodes.append(node)
    return found


class Splice(ast.NodeTransformer):
    """Replaces some nodes by nodes of other programs."""

    def __init__(self, chance: random.Random, rate: float) -> None:
        self.chance, self.rate = chance, rate

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            if self.chance.random() < self.rate:
                return self.chance.choice(pieces()[ast.expr])
        elif isinstance(node, ast.stmt) and self.chance.random() < self.rate:
            return self.chance.choice(pieces()[ast.stmt])
        return self.generic_visit(node)


def spliced(seed: int) -> str:
    """Return a program made of pieces: valid Python, and nonsense."""
    chance = random.Random(seed)
    while True:
        tree = ast.parse(chance.choice(programs()))
        Splice(chance, chance.choice((0.02, 0.05, 0.15))).visit(tree)
        try:
            source = ast.unparse(ast.fix_missing_locations(tree))
            ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, AttributeError):
            continue  # a starred expression in the wrong place, say
        return source


@pytest.mark.parametrize("seed", range(SPLICES))
def test_no_program_makes_linting_fail(seed: int) -> None:
    for part in range(10):
        source = spliced(1000 * seed + part)
        result = lint_text(source, "spliced.py")
        assert not result.errors, f"{result.errors[0].detail}\n{source}"
