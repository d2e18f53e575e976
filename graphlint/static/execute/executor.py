"""The executor: what all parts of an execution share (steps, names, records), and how they meet.

Each part is a module of plain functions over an `Executor` and a `State`; a state that branches
comes back as several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from graphlint.static import ir
from graphlint.static.execute.autograd.accumulated import note_left
from graphlint.static.execute.autograd.evaluations import note_dead
from graphlint.static.execute.autograd.gradients import (
    IN_LEAVES,
    awaits_pass,
    in_entry,
    note_end,
    note_escape,
)
from graphlint.static.execute.autograd.hooks import settle_hooks
from graphlint.static.execute.autograd.leaks import settle_holds
from graphlint.static.execute.autograd.merge import (
    CHOSEN,
    JOINED,
    NARROWED,
    Limits,
    Outcome,
    settle,
)
from graphlint.static.execute.paths.ahead import Ahead
from graphlint.static.execute.paths.frames import Frame, Frames
from graphlint.static.execute.paths.graph import handed_reachable, reachable
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import Tuple, Value
from graphlint.static.execute.records.records import Records
from graphlint.static.execute.steps import Budget, Steps
from graphlint.static.knowledge.configured import Configured
from graphlint.static.project import Project
from graphlint.static.relevance import Relevance
from graphlint.trace import Confidence, Doubt, Form

RETURNED = Doubt(Confidence.LIKELY, "the graph is handed on to code that is not known")
RETURNED_FOR_USE = Doubt(
    Confidence.POSSIBLE, "the graph is handed on to code that may differentiate it again"
)
TOO_DEEP = Doubt(Confidence.LIKELY, "calls are nested more deeply than they are followed")
SKIPPED = Doubt(Confidence.LIKELY, "the program is too long for all its calls to be followed")
TOO_MANY_PATHS = Doubt(Confidence.LIKELY, "the program has more paths than were followed")
Results = list[tuple[State, Value]]


class Executor:
    """Runs one program; what it learns goes to `records`."""

    def __init__(
        self,
        evaluate: dict[type, Callable[..., Results]],
        run: dict[type, Callable[..., list[Outcome]]],
        invoke: Callable[[Executor, State, Invocation, Value], Results],
        backward_functions: Iterable[str] = (),
        sinks: Iterable[str] = (),
        budget: Budget | None = None,
        project: Project | None = None,
    ) -> None:
        self.project = project
        self.frames = Frames()
        self.records = Records()
        self.failures: list[tuple[str, Exception]] = []
        self.budget = budget or Budget()
        self.steps = Steps(self.budget)
        self.limits = Limits()
        self.backward_functions = Configured.of(backward_functions)
        self.sinks = Configured.of(sinks)
        self.called: set[ir.Function] = set()
        self.running_callbacks: set[ir.Function] = set()
        self.again = False  # the file is run once more, for passes that were not met
        self.ahead: Ahead | None = None  # a pass that is looked for, on the way that leads there
        self.asked: dict[
            tuple[ir.Node, ir.Node], frozenset[int]
        ] = {}  # the iterations that loops ask for
        self.periodic: dict[ir.Node, bool] = {}  # whether loops run passes every so often
        self.backward_looking: dict[ir.Node, bool] = {}  # whether loops go back in lists they grow
        self.renewed = False  # another method changes what the entry point's methods read
        self._evaluate = evaluate
        self._run = run
        self._invoke = invoke
        self.relevance: Relevance | None = None
        self.leads: Callable[[ir.Function], bool] = (
            self.reaches
        )  # to the passes that are looked for

    # ---------------------------------------------------------------------------------- running
    def begin_file(self, again: bool = False) -> None:
        """Get ready for the next file; `again` says that it is run once more."""
        self.again = again
        self.steps.begin_file(again)
        if self.frames.full:
            self.frames = Frames()
            self.records.evaluations.forget_names()

    def begin(self, caller: bool = False, part: int = 1) -> None:
        """Get ready for the next entry point, which gets its steps or a part of them.

        `caller` says that its file has no passes itself.
        """
        self.steps.begin(caller, part)
        self.records.begin()

    @contextmanager
    def guarded(self, filename: str) -> Iterator[None]:
        """Keep a mistake of graphlint's own in one file from spoiling the others.

        This is the one boundary of the static observer; what it catches is told to the user.
        """
        try:
            yield
        except Exception as error:  # noqa: BLE001
            self.failures.append((filename, error))

    @contextmanager
    def joining(self) -> Iterator[None]:
        """Run the entry point once more, with all paths joined that can be."""
        with self._limited(JOINED, joined=True), self.steps.once_more():
            yield

    @contextmanager
    def narrowing(self) -> Iterator[None]:
        """Run the entry point once more, on one of those paths that have the same passes pending.

        One path has more steps to itself, so that its loops come to their second iterations.
        """
        limited = self._limited(NARROWED, joined=True)
        with limited, self.steps.once_more(2), self.records.of_passes_alone():
            yield

    @contextmanager
    def choosing(self) -> Iterator[None]:
        """Follow one path alone: settings that a program may have, and not all that it may have."""
        self.records.leave_out(TOO_MANY_PATHS)
        with self._limited(CHOSEN, self.records.joined):
            yield

    @contextmanager
    def _limited(self, limits: Limits, joined: bool) -> Iterator[None]:
        before = self.limits, self.records.joined
        self.limits, self.records.joined = limits, joined
        try:
            yield
        finally:
            self.limits, self.records.joined = before

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Run code for what it says of itself: it is no less an entry point for that."""
        called = set(self.called)
        with self.steps.unpaid():
            yield
        self.called = called

    def reaches(self, function: ir.Function) -> bool:
        """Whether a function's body can reach a pass."""
        return self.relevance is not None and self.relevance.reaches(function)

    def shares(self, function: ir.Function) -> bool:
        """Whether a call is given up where it takes too many steps: it leads to no pass.

        Loading a dataset or building a model must not use up what is meant for the passes; nor may
        other passes where some are looked for that were missed.
        """
        return self.relevance is not None and not self.steps.sharing and not self.leads(function)

    def sets_up(self, function: ir.Function) -> bool:
        """Whether a function is the constructor of a class with methods that can reach a pass."""
        return self.relevance is not None and self.relevance.sets_up(function)

    def eval(self, node: ir.Expr, state: State) -> Results:
        """Evaluate an expression: the states in which it may end, each with its value."""
        self.steps.take()
        return self._evaluate[type(node)](self, node, state)

    def eval_each(
        self, nodes: Sequence[ir.Expr], state: State
    ) -> list[tuple[State, tuple[Value, ...]]]:
        """Evaluate several expressions in order; earlier values stay reachable meanwhile."""
        results: list[tuple[State, tuple[Value, ...]]] = [(state, ())]
        for node in nodes:
            following = []
            for before, values in results:
                before.temps = (*before.temps, Tuple(values))
                for after, value in self.eval(node, before):
                    after.temps = after.temps[:-1]
                    following.append((after, (*values, value)))
            results = following
        return results

    def exec(self, node: ir.Stmt, state: State) -> list[Outcome]:
        """Run a statement: the states in which it may end, and how."""
        self.steps.take()
        return self._run[type(node)](self, node, state)

    def invoke(self, state: State, call: Invocation, func: Value) -> Results:
        """Call a value: the states in which the call may end, each with what it returns."""
        return self._invoke(self, state, call, func)

    # ---------------------------------------------------------------------------------- records
    def drop(self, state: State, followed: Iterable[State] = ()) -> None:
        """Give up a state; what it had pending is told with a doubt.

        Where states that got to the same point are followed, they tell what becomes of passes that
        they have pending themselves.
        """
        self.records.leave_out(TOO_MANY_PATHS)
        told = {(p.call, p.frame) for other in followed for p in other.pending.values()}
        for number, pending in list(state.pending.items()):
            if (pending.call, pending.frame) in told:
                del state.pending[number]
        self.finish(state, incomplete=True)

    def forks(self, states: Iterable[State]) -> int:
        """Count the conditions that states assume: more of them mean that paths parted."""
        return max((len(state.conds) for state in states), default=0)

    def too_deep(self) -> None:
        """Note that a call was not entered."""
        self.records.cut(TOO_DEEP)

    def skip(self) -> None:
        """Note that a call was not entered, to save steps."""
        self.records.cut(SKIPPED)

    def raised(self, state: State, value: Value | None = None) -> None:
        """End a path at an exception that nothing catches.

        That nobody visits a graph on such a path says nothing about what the graph is for; but who
        catches it may visit what the exception's `value` brings along.
        """
        brought = reachable(state.graph, state.nodes(value))
        keepers = {keeper for number in brought for keeper in state.kept.get(number, ())}
        state.pending = {n: p for n, p in state.pending.items() if n in keepers}
        if value is not None:
            self.escape(state, (value,), for_use=True)
        self.finish(state, raised=True)

    def escape(self, state: State, values: Iterable[Value], for_use: bool = False) -> None:
        """Note that graphs get out of what is analysed: whoever has them may visit them.

        What a forward pass returns is `for_use`: that is what the losses are made of. So is a loss
        that no pass has started from yet, unless its way to a graph is a guess.
        """
        values = list(values)
        note_escape(self, state, values)
        roots = [node for value in values for node in state.nodes(value)]
        if not state.pending:
            return
        fresh = [root for root in roots if awaits_pass(state, root)]
        useful = handed_reachable(state.graph, roots if for_use else fresh)
        for number in reachable(state.graph, roots):
            for keeper in state.kept.get(number, ()):
                pending = state.pending.get(keeper)
                if pending is not None:
                    used = number in useful or pending.form is Form.AUTOGRAD_GRAD
                    doubt = RETURNED_FOR_USE if used else RETURNED
                    state.pending[keeper] = replace(pending, doubts=pending.doubts | {doubt})

    def finish(
        self,
        state: State,
        incomplete: bool = False,
        escaping: Iterable[Value] = (),
        raised: bool = False,
    ) -> None:
        """Settle everything that a path leaves pending at its end."""
        escaping = (*escaping, *_written_elsewhere(state))
        self.escape(state, escaping)
        note_end(self, state)
        note_left(self, state, incomplete)
        if incomplete:
            self.records.cut_short(state.pending.values())
        else:
            settle_holds(self, state, escaping)
            settle_hooks(self, state)
        if not (incomplete or raised):
            note_dead(self, state, ())
        settle(self, state, ())

    def enter(
        self,
        state: State,
        place: Any,
        kind: str,
        detail: Any = None,
        index: int = 0,
        within: Frame | None = None,
    ) -> Frame:
        """Move a state into a frame, and return the one it leaves."""
        left = state.frame
        state.frame = self.frames.enter(left, place, kind, detail, index, within)
        return left


def _written_elsewhere(state: State) -> Iterator[Value]:
    """Walk what a path wrote on values that it did not make.

    The gradients of a whole program's own tensors are nobody else's when it ends.
    """
    of_entry = in_entry(state)
    for name, value in state.attrs.items():
        of_tensor = name[0] == "attribute" and isinstance(name[1], int) and name[-1] == "grad"
        if of_entry or not (of_tensor or name == IN_LEAVES):
            yield value
