"""The state of one explored path: variables, heap, graph, and the passes still to be judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame, Frames, Loop
from graphlint.static.execute.paths.graph import Freed, Graph, Leaf, Node
from graphlint.static.execute.paths.values import (
    Address,
    Dict,
    Distribution,
    Env,
    Instance,
    Key,
    List,
    NodeId,
    Object,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.knowledge.facts import NO, Ternary
from graphlint.trace import Doubt, Form, Reuse, Site

if TYPE_CHECKING:
    from graphlint.static.execute.autograd.leaks import Held
    from graphlint.static.execute.autograd.meetings import Past
    from graphlint.static.execute.paths.generators import Managed
    from graphlint.static.execute.records.meetings import Route

ObjectT = TypeVar("ObjectT", bound=Object)
MAX_DEPTH = 3
"""How deep containers are searched for tensors."""
_HOLDERS = (Sym, Tuple, Ref)
"""The kinds of values that hold tensors."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A pass that kept its graph, and what is known so far of who visited that again.

    `chain` is shared by the passes of one call that visit each other's graphs (`trace.Run`);
    `behind` are, for each earlier pass of the call over another graph, the loops that have gone on
    since; `within` the loops around the pass in which what it shares with others was built, and
    `made` those in which anything was that it visits;
    `handed` doubts that end where a pass of the chain surely visits the graph again: what code that
    is not known may do with it counts behind the last of them.
    """

    call: ir.Call
    site: Site
    form: Form
    frame: Frame
    order: int
    chain: int
    asked: bool
    creates: bool
    origin: Site | None
    built: Site | None
    open_ended: bool = False
    reuses: tuple[Reuse, ...] = ()
    doubts: frozenset[Doubt] = frozenset()
    compiled: bool = False
    behind: frozenset[frozenset[Loop]] = frozenset()
    within: frozenset[Loop] = frozenset()
    made: frozenset[Loop] = frozenset()
    handed: frozenset[Doubt] = frozenset()

    @property
    def key(self) -> Key:
        """What tells two pendings apart for the rest of the path."""
        carried = any(reuse.carried for reuse in self.reuses)
        reuse = (
            self.compiled,
            bool(self.reuses),
            carried,
            any(reuse.sure for reuse in self.reuses),
        )
        doubts = self.doubts | self.handed
        return (self.call, self.frame, self.chain, self.origin, self.creates, doubts, *reuse)


@dataclass(slots=True, eq=False)
class State:
    """One explored path.

    Attributes:
        frames: hands out names; shared by all states.
        env, stack: the current environment, and those of the callers.
        temps: values that are held by expressions under evaluation.
        graph: all nodes made so far; freed: which pass freed them; kept: which pending passes
            kept them.
        versions: how often each leaf was changed in place; changed: where last.
        frozen: leaves that want no gradients now; unsure: leaves of which that is not known;
            graded: leaves that have a gradient, so that an optimizer's step changes them.
        handed: nodes that unknown code was handed.
        conds: the branch conditions assumed; bounds: lower bounds of unknown lengths; grown: lists
            that may have more items than are known (Note [Skipped iterations]), with the last that
            was known when iterations were skipped.
        attrs: attributes that the program set on unknown objects.
        memos: what memoized functions returned, by function and arguments.
        beside: the nodes of ops that were given an unknown value beside others, by its name.
        passed: nodes that passes visited, True where one started there, and the names of unknown
            values that they started from; holds: values that were
            kept with their graphs (`holds`). Neither tells states apart: what one path did with
            equal graphs can be done.
        facts: what is known of gradients (Note [Facts about gradients]).
        past: the passes so far, by number; left: the leaves that hold gradients of each that nobody
            has used; untouched: the passes since which nothing was done to gradients
            (Note [Gradients in leaves]).
        grad: whether operations are recorded; grad_at_yield: whether they were at the last yield.
        frozen_at_yield: the leaves that wanted no gradients then; heap_at_yield: the objects.
        managed: the body of a `with` that is offered to the manager about to be made.
    """

    frames: Frames
    frame: Frame
    env: Address
    heap: dict[Address, Object] = field(default_factory=dict)
    stack: tuple[Address, ...] = ()
    temps: tuple[Value, ...] = ()
    yields: tuple[Value, ...] = ()
    yielded: tuple[Frame, ...] = ()
    graph: Graph = field(default_factory=dict)
    freed: dict[NodeId, Freed] = field(default_factory=dict)
    kept: dict[NodeId, tuple[int, ...]] = field(default_factory=dict)
    pending: dict[int, Pending] = field(default_factory=dict)
    versions: dict[Leaf, int] = field(default_factory=dict)
    changed: dict[Leaf, Site] = field(default_factory=dict)
    frozen: frozenset[Leaf] = frozenset()
    unsure: frozenset[Leaf] = frozenset()
    graded: frozenset[Leaf] = frozenset()
    handed: frozenset[NodeId] = frozenset()
    conds: dict[Key, bool] = field(default_factory=dict)
    bounds: dict[Key, int] = field(default_factory=dict)
    grown: dict[Address, Value | None] = field(default_factory=dict)
    attrs: dict[Key, Value] = field(default_factory=dict)
    issued: dict[int, None] = field(default_factory=dict)
    memos: dict[Key, Value] = field(default_factory=dict)
    beside: dict[Key, tuple[NodeId, ...]] = field(default_factory=dict)
    passed: dict[NodeId | Key, bool] = field(default_factory=dict)
    holds: dict[tuple[ir.Node, Frame], Held] = field(default_factory=dict)
    facts: dict[tuple[str, Any], Any] = field(default_factory=dict)
    past: dict[int, Past] = field(default_factory=dict)
    left: dict[Route, frozenset[Leaf]] = field(default_factory=dict)
    untouched: frozenset[int] = frozenset()
    grad: bool = True
    grad_at_yield: bool = True
    frozen_at_yield: frozenset[Leaf] = frozenset()
    heap_at_yield: dict[Address, Object] = field(default_factory=dict)
    managed: Managed | None = None
    passes: int = 0

    def fork(self) -> State:
        """Return a second state that goes its own way from here."""
        return replace(
            self,
            heap=self.heap.copy(),
            graph=self.graph.copy(),
            freed=self.freed.copy(),
            kept=self.kept.copy(),
            pending=self.pending.copy(),
            versions=self.versions.copy(),
            changed=self.changed.copy(),
            conds=self.conds.copy(),
            bounds=self.bounds.copy(),
            grown=self.grown.copy(),
            attrs=self.attrs.copy(),
            memos=self.memos.copy(),
            beside=self.beside.copy(),
            issued=self.issued.copy(),
            facts=self.facts.copy(),
            past=self.past.copy(),
            left=self.left.copy(),
            passed=self.passed.copy(),
            holds=self.holds.copy(),
        )

    def take_over(self, other: State) -> None:
        """Go on as another state, which is not used any more."""
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))

    # -------------------------------------------------------------------------------- objects
    def get(self, value: Value | None, kind: type[ObjectT]) -> ObjectT | None:
        """Return the object that a value refers to, if it is of that kind."""
        if isinstance(value, Ref):
            found = self.heap[value.address]
            if isinstance(found, kind):
                return found
        return None

    def object(self, ref: Ref) -> Object:
        """Return the object behind a reference."""
        return self.heap[ref.address]

    def put(self, ref: Ref, changed: Object) -> None:
        """Replace the object behind a reference."""
        self.heap[ref.address] = changed

    def new(self, place: Any, made: Object) -> Ref:
        """Put a new object on the heap."""
        address = self._unused(place, "object", self.heap)
        self.heap[address] = made
        return Ref(address)

    def sym(self, place: Any, tag: str = "made", node: NodeId | None = None) -> Sym:
        """Return a value that nobody knows, different from all others; `tag` says what it is."""
        number = self._unused(place, tag, self.issued)
        self.issued[number] = None
        return Sym((tag, number), node)

    def _unused(self, place: Any, tag: str, taken: dict[int, Any]) -> int:
        count = 0
        while (number := self.frames.name(self.frame, place, count, tag)) in taken:
            count += 1
        return number

    # ------------------------------------------------------------------------------ variables
    def lookup(self, name: str) -> Value | None:
        """Return a variable's value, from the innermost environment that has it."""
        address: Address | None = self.env
        while address is not None:
            env = self.heap[address]
            assert isinstance(env, Env)
            if name in env.vars:
                return env.vars[name]
            address = env.parent
        return None

    def bind(self, name: str, value: Value) -> None:
        """Set a variable, where `global` and `nonlocal` say it lives."""
        address = self._home(name)
        env = self.heap[address]
        assert isinstance(env, Env)
        self.heap[address] = replace(env, vars={**env.vars, name: value})

    def unbind(self, name: str) -> None:
        """Delete a variable."""
        address = self._home(name)
        env = self.heap[address]
        assert isinstance(env, Env)
        self.heap[address] = replace(env, vars={k: v for k, v in env.vars.items() if k != name})

    def global_variables(self) -> Mapping[str, Value]:
        """Return the variables of the file whose code runs."""
        env = self.heap[self._outermost()]
        assert isinstance(env, Env)
        return env.vars

    def _home(self, name: str) -> Address:
        env = self.heap[self.env]
        assert isinstance(env, Env)
        if name in env.globals:
            return self._outermost()
        if name in env.nonlocals:
            address = env.parent
            while address is not None:
                outer = self.heap[address]
                assert isinstance(outer, Env)
                if name in outer.vars:
                    return address
                address = outer.parent
        return self.env

    def _outermost(self) -> Address:
        address = self.env
        while True:
            env = self.heap[address]
            assert isinstance(env, Env)
            if env.parent is None:
                return address
            address = env.parent

    # ----------------------------------------------------------------------------------- graph
    def tensor(self, place: Any, node: NodeId | None = None, leaf: Leaf | None = None) -> Ref:
        """Make a tensor."""
        return self.new(place, Tensor(node, leaf))

    def record(
        self,
        place: ir.Node,
        op: str,
        inputs: tuple[NodeId, ...],
        leaves: frozenset[Leaf],
        saves: Ternary = NO,
        saved_leaves: frozenset[Leaf] = frozenset(),
        saved_inputs: tuple[NodeId, ...] = (),
        saves_own: bool = False,
        unknown: bool = False,
        opaque: bool = False,
        saves_output: bool = False,
        guessed: tuple[NodeId, ...] = (),
    ) -> NodeId:
        """Add a node to the graph."""
        number = self._unused(place, "node", self.graph)
        if saves_output:
            saved_leaves |= {("output", number)}
        versions = tuple(
            [(leaf, self.versions.get(leaf, 0)) for leaf in self._in_order(saved_leaves)]
        )
        made = Node(
            op,
            inputs,
            leaves,
            saves,
            versions,
            saved_inputs,
            saves_own,
            place,
            self.frame,
            unknown,
            opaque,
            guessed,
        )
        self.graph[number] = self.frames.share((number, made.content), made)
        return number

    def _in_order(self, leaves: frozenset[Leaf]) -> list[Leaf]:
        """Order leaves, so that equal sets make equal tuples."""
        return sorted(leaves, key=lambda leaf: self.frames.name("leaf", leaf))

    def handles(self, value: Value | None, depth: int = MAX_DEPTH) -> Iterator[NodeId | Leaf]:
        """Walk the graph handles in a value: the nodes and leaves of the tensors that it holds."""
        if isinstance(value, Sym):
            if value.node is not None:
                yield value.node
        elif isinstance(value, Tuple):
            if depth:
                for item in value.items:
                    yield from self.handles(item, depth - 1)
        elif isinstance(value, Ref):
            yield from self._object_handles(self.heap[value.address], depth)

    def _object_handles(self, found: Object, depth: int) -> Iterator[NodeId | Leaf]:
        if isinstance(found, Tensor):
            if found.node is not None:
                yield found.node
            elif found.leaf is not None and found.leaf not in self.frozen:
                yield found.leaf
        elif isinstance(found, Distribution):
            if found.node is not None:
                yield found.node
        elif depth and isinstance(found, (List, Dict, Instance)):
            for item in parts(found):
                yield from self.handles(item, depth - 1)

    def nodes(self, value: Value | None) -> list[NodeId]:
        """Return the nodes that a value's tensors come from, each once."""
        if not isinstance(value, _HOLDERS):
            return []
        return list(dict.fromkeys(h for h in self.handles(value) if isinstance(h, int)))

    def touch(self, leaf: Leaf, place: Site) -> None:
        """Count an in-place change of a leaf."""
        self.versions[leaf] = self.versions.get(leaf, 0) + 1
        self.changed[leaf] = place

    def stale(self, node: Node) -> Leaf | None:
        """Return a leaf that a node saved and that was changed since, if there is one."""
        for leaf, version in node.saved_leaves:
            if self.versions.get(leaf, 0) != version:
                return leaf
        return None


def parts(found: Object | None) -> Iterator[Value]:
    """Walk the values that a container or an instance has."""
    if isinstance(found, List):
        yield from found.items if found.returned is None else (*found.items, found.returned)
    elif isinstance(found, Dict):
        yield from found.items.values()
    elif isinstance(found, Instance):
        yield from found.attrs.values()
