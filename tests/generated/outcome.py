"""How a run differs from the program as it is written, and what it did."""

from __future__ import annotations

import ast
from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """How a run differs from the program as it is written.

    Attributes:
        retain_all: every pass retains its graph.
        off: executions (counted from 0 over the whole run) that don't retain, whatever they say;
            passes that create a graph are left alone.
        survey: look at the nodes of each pass.
        tolerant: a pass that torch refuses is taken for done.
        mutable: changing a saved tensor in place is allowed.
        count: count living nodes at each iteration.
        cut: the numbers of the stores that store without the graph.
        create: a call and whether it makes differentiable gradients, whatever it says.
        forget: a call of `retain_grad` that does nothing.
        joined: pairs of executions: the earlier one is run together with the later one.
        blocked: executions, and the numbers of the nodes that their gradients don't get through.
    """

    retain_all: bool = False
    off: frozenset[int] = frozenset()
    survey: bool = False
    tolerant: bool = False
    mutable: bool = False
    count: bool = False
    cut: frozenset[int] = frozenset()
    create: tuple[ast.Call, bool] | None = None
    forget: ast.Call | None = None
    joined: tuple[tuple[int, int], ...] = ()
    blocked: tuple[tuple[int, frozenset[int]], ...] = ()


@dataclass(frozen=True)
class Visit:
    """The nodes that save tensors which a pass is about to visit, as numbers.

    Attributes:
        nodes: all of them.
        stale: those with a saved tensor that has changed.
        carried: those built in an earlier iteration of a loop around the pass.
    """

    nodes: frozenset[int] = frozenset()
    stale: frozenset[int] = frozenset()
    carried: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Execution:
    """One execution of a pass: where, with which flags, and how it ended.

    Attributes:
        call: the call in the source.
        kind: which function was called.
        origin: the call of the program's own that handed the flag over.
        literal: the flag is a literal where it comes from.
        path: the places, by bytecode offset, of the calls that led here.
        explicit: `retain_graph` is passed.
        asked: it is passed and true.
        creates: `create_graph` is on, and keeps the graph: `retain_graph=False` overrules it.
        visit: what it is about to visit, in a survey.
        error: "freed" or "modified", "other" for another reason, or empty.
    """

    call: ast.Call
    kind: str
    origin: ast.Call | None
    literal: bool
    path: tuple[int, ...]
    explicit: bool
    asked: bool
    creates: bool
    visit: Visit = Visit()
    error: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        executions: its passes in order.
        output: what it printed.
        error: how it ended, if not well.
        lives: the loop, its instance, and the number of living nodes at each iteration.
        stored: the numbers of the stores that stored a graph.
        missed: the numbers of the reads of a gradient that a pass did not leave.
        retained: the calls of `retain_grad`.
        steps: numbers that each step of an optimizer makes of its parameters and gradients.
    """

    executions: tuple[Execution, ...]
    output: str
    error: str
    lives: tuple[tuple[str, int, int], ...] = ()
    stored: frozenset[int] = frozenset()
    missed: frozenset[int] = frozenset()
    retained: frozenset[ast.Call] = frozenset()
    steps: tuple[float, ...] = ()
