"""Make a random small training program from a seed."""

from __future__ import annotations

import ast
from collections.abc import Callable

from . import shapes_adversarial, shapes_loops, shapes_recurrent, shapes_second, shapes_shared
from .draft import Draft, Section
from .layout import assemble, layout
from .program import MAIN, Program

Shape = Callable[[Draft], Section]
SHAPES: tuple[Shape, ...] = (
    *shapes_shared.SHAPES,
    *shapes_loops.SHAPES,
    *shapes_recurrent.SHAPES,
    *shapes_adversarial.SHAPES,
    *shapes_second.SHAPES,
)


def generate(seed: int) -> Program:
    """Return the program of a seed: always the same one."""
    draft = Draft(seed)
    sections = [draft.pick(*SHAPES)(draft) for _ in range(draft.pick(1, 1, 1, 2))]
    parts = [layout(draft, section) for section in sections]
    text = assemble(draft, parts)
    ast.parse(text)
    return Program(
        seed=seed,
        files={MAIN: text},
        switches=draft.switches.switches(),
        shapes=tuple(section.shape for section in sections),
    )
