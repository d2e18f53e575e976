"""Make a random small training program from a seed: of building blocks, or after a template."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable

from . import (
    compose,
    shapes_adversarial,
    shapes_branches,
    shapes_closures,
    shapes_control,
    shapes_epochs,
    shapes_loops,
    shapes_objects,
    shapes_recurrent,
    shapes_second,
    shapes_shared,
)
from .draft import Draft, Section
from .layout import assemble, layout
from .program import MAIN, Program
from .templating import fill, templates

MOST_ATTEMPTS = 50
WRITTEN_OUT = 0.5
"""The share of programs that follow a template."""
Shape = Callable[[Draft], Section]
SHAPES: tuple[Shape, ...] = (
    *shapes_shared.SHAPES,
    *(shapes_loops.SHAPES * 2),
    *(shapes_epochs.SHAPES * 2),
    *shapes_branches.SHAPES,
    *shapes_closures.SHAPES,
    *shapes_objects.SHAPES,
    *shapes_recurrent.SHAPES,
    *shapes_adversarial.SHAPES,
    *shapes_second.SHAPES,
    *shapes_control.SHAPES,
    *(compose.SHAPES * 14),
)


def generate(seed: int) -> Program:
    """Return the program of a seed: always the same one."""
    rng = random.Random(f"kind {seed}")
    if rng.random() < WRITTEN_OUT:
        return fill(rng.choice(templates()), seed)
    for attempt in range(MOST_ATTEMPTS):
        program = _attempt(Draft(seed, attempt))
        if program is not None:
            return program
    raise AssertionError(f"seed {seed} makes no program that branches on a switch")


def _attempt(draft: Draft) -> Program | None:
    """Write a program; return nothing if it was to have switches and uses none."""
    sections = [draft.pick(*SHAPES)(draft) for _ in range(draft.pick(1, 1, 1, 2))]
    parts = [layout(draft, section) for section in sections]
    text = assemble(draft, parts)
    ast.parse(text)
    switches = draft.switches.switches()
    if draft.switches.on and not switches:
        return None
    return Program(draft.seed, {MAIN: text}, switches, tuple(s.shape for s in sections))
