"""The graphs behind unknown values: which of them are one, and what callers may do with them.

Losses that a caller hands over as a list, a dictionary or rows of a tensor are mostly made by one
forward pass, so that what a pass starts from shares a graph with the other items. Data that a loop
goes over is another matter: no pass starts from it, but from what a model makes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Frame
from graphlint.static.execute.paths.graph import Node, inputs_first, reachable
from graphlint.static.execute.paths.numbers import comes_from_caller
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import PLAIN, Key, NodeId, Sym, Value, source
from graphlint.static.knowledge.facts import MAYBE, NO
from graphlint.trace import Confidence, Doubt

FOREIGN_OP = "foreign"
FOREIGN = Doubt(Confidence.POSSIBLE, "the graph comes from outside the analysed code")
MIXED = Doubt(Confidence.LIKELY, "part of the graph comes from code that is not known")
GOES_ON = Doubt(Confidence.POSSIBLE, "whoever made the losses may differentiate them again")
ITEMS = ("subscript", "item")
OF_CONTAINERS = ("item", "value")
"""Names of unknown values that a loop over a container meets."""
ITEM_OF, ARGUMENT, DIFFERENTIATED = "item of", "argument", "differentiated"
DATA = "data"
"""Marks containers, in `State.facts`, by name, whose items are data."""
ADOPTED = "adopted"
"""Marks nodes of arguments, in `State.facts`, that terms with graphs were added to: losses."""
MOST_NESTED = 16
"""So deep is it looked what an unknown value was computed of."""
PRODUCT = "product"
"""Marks nodes of unknown values, in `State.facts`, that were multiplied by others."""
ARITHMETIC = frozenset(("Add", "Sub", "Mult", "Div", "Pow", "MatMult", "USub"))
NUMBERS = frozenset(
    ("plus", "length", "index", "last", "compare", "not", "number", "truth", "text")
)


def foreign_node(state: State, place: ir.Node, value: Sym, depth: int = MOST_NESTED) -> NodeId:
    """Return the node that stands for the graph behind an unknown value.

    Rows of one tensor, and what one call returns, share a graph; so does what is computed of them,
    to some depth.
    """
    if value.node is not None:
        return value.node
    number = state.frames.name("foreign", value.name)
    if number not in state.graph:
        if value.name[0] in OF_CONTAINERS:
            state.facts[ITEM_OF, number] = value.name[1]
        if _is_product(value.name):
            state.facts[PRODUCT, number] = True
        if is_argument(value.name):
            state.facts[ARGUMENT, number] = True
        op = "result" if is_result(value.name) else FOREIGN_OP
        parts = [Sym(name) for name in _parts(value.name)] if depth else []
        nodes = [foreign_node(state, place, part, depth - 1) for part in parts]
        below = tuple(dict.fromkeys(nodes))
        state.graph[number] = Node(
            op, below, frozenset(), MAYBE, (), (), False, place, None, True, True
        )
    return number


def _parts(name: Key) -> list[Key]:
    """Return the names of the values that an unknown value has its graph from."""
    if name[0] == "plus":
        return [name[1]] if _names_tensor(name[1]) else []
    if _is_arithmetic(name):
        return [operand for operand in name[2:] if _names_tensor(operand)]
    whole = _whole(name)
    return [whole] if whole else []


def _is_product(name: Key) -> bool:
    """Whether an unknown value is the product of something that a caller gave and an unknown."""
    if name[0] != "number" or name[1] not in ("Mult", "MatMult"):
        return False
    factors = [Sym(factor) for factor in name[2:] if _names_tensor(factor)]
    return len(factors) > 1 and any(map(comes_from_caller, factors))


def _whole(name: Key) -> Key | None:
    """Return the name of the tensor, or of the call's result, that an unknown value is a part of.

    What is found in a container by its key is no part of a tensor.
    """
    kind, *rest = name
    is_row = kind == "subscript" and not _is_key(rest[1])
    is_part = is_row or (kind in ITEMS and is_result(name))
    return rest[0] if is_part and isinstance(rest[0], tuple) else None


def _is_key(index: object) -> bool:
    """Whether what stands in brackets is a text."""
    return isinstance(index, tuple) and index[:2] == ("const", "str")


def is_result(name: object) -> bool:
    """Whether an unknown value is what a call returned, or a part of that: a graph of its own."""
    made = source(name)
    return isinstance(made, tuple) and made[:1] == ("made",)


def is_argument(name: object) -> bool:
    """Whether an unknown value is an argument, or a part of one."""
    handed = source(name)
    return isinstance(handed, tuple) and handed[:1] == ("parameter",)


def may_be_tensor(value: Sym) -> bool:
    """Whether an unknown value may be a tensor: no number, length, condition, array or setting."""
    return _names_tensor(value.name)


def _names_tensor(name: object) -> bool:
    """Whether a name may be that of a tensor: arithmetic makes one of one."""
    if not isinstance(name, tuple) or not name or name[0] == "const":
        return False
    if _is_arithmetic(name):
        return any(_names_tensor(operand) for operand in name[2:])
    return name[0] not in NUMBERS and not is_plain(name)


def is_plain(name: object) -> bool:
    """Whether an unknown value comes from a library that knows nothing of graphs."""
    made = source(name)
    return isinstance(made, tuple) and made[:1] == (PLAIN,)


def _is_arithmetic(name: Key) -> bool:
    return name[0] == "number" and len(name) > 1 and name[1] in ARITHMETIC


def adopt_total(state: State, place: ir.Node, total: Value, added: Value) -> None:
    """Give an argument a graph that terms with graphs are added to: a loss of its caller's."""
    if isinstance(total, Sym) and is_argument(total.name) and may_be_tensor(total):
        if any(state.nodes(added)):
            state.facts[ADOPTED, foreign_node(state, place, total)] = True


# ------------------------------------------------------------------------------ data of callers
def data_among(state: State, visited: Sequence[NodeId]) -> set[NodeId]:
    """Return the nodes of arguments that went through ops into layers, as inputs do.

    Somebody else may have made an argument with a graph. What a layer is applied to is data more
    often than not, though, and taken for data where it gets there without an op.
    """
    if not any((ARGUMENT, number) in state.facts for number in visited):
        return set()
    data, consumers = set[NodeId](), list[Node]()
    for number in inputs_first(state.graph, visited):
        node = state.graph[number]
        made = bool(node.inputs) and not node.leaves and (node.op == FOREIGN_OP or not node.opaque)
        if (ARGUMENT, number) in state.facts or (made and data.issuperset(node.inputs)):
            data.add(number)
        elif not data.isdisjoint(node.inputs):
            consumers.append(node)
    if consumers and all(node.leaves for node in consumers):
        return {number for number in data if (DIFFERENTIATED, number) not in state.facts}
    state.facts.update(((DIFFERENTIATED, number), True) for number in data)
    return set()


# ------------------------------------------------------------------------- losses of callers
def join_items(
    state: State, place: ir.Node, roots: Iterable[NodeId], wanted: frozenset[NodeId]
) -> None:
    """Let the items of a container that a pass starts from share a graph.

    It starts from them where all that it visits is unknown, comes from nothing else and through no
    model, and they are not what it ends at.
    """
    visited = reachable(state.graph, roots)
    if not wanted.isdisjoint(visited) or not _is_all_foreign(state, visited):
        return
    if not all((ITEM_OF, number) in state.facts for number in _bottoms(state, visited)):
        return
    for number in visited:
        name = state.facts.get((ITEM_OF, number))
        joined = bool(state.graph[number].inputs) or (DATA, name) in state.facts
        if isinstance(name, tuple) and not joined:
            below = foreign_node(state, place, Sym(name))
            state.graph[number] = replace(state.graph[number], inputs=(below,), opaque=False)


def _take_for_data(state: State, roots: Iterable[NodeId]) -> None:
    """Take items for data, and what they were put together with for weights.

    An optimizer steps right after a pass over what was made of the first: it would change what a
    graph saved that the items shared. Where passes start from the items themselves, these are
    losses all the same.
    """
    visited = reachable(state.graph, roots)
    items = [number for number in visited if (ITEM_OF, number) in state.facts]
    if not items or not set(items).isdisjoint(roots) or not _is_all_foreign(state, visited):
        return
    state.facts.update(((DATA, state.facts[ITEM_OF, number]), True) for number in items)
    for number in {*items, *_bottoms(state, visited)}:
        state.graph[number] = replace(state.graph[number], inputs=(), saves=NO)


def _is_all_foreign(state: State, visited: Iterable[NodeId]) -> bool:
    """Whether all that a pass visits stands on unknown values, and comes through no model."""
    nodes = [state.graph[number] for number in visited]
    called = any(node.opaque and node.op != FOREIGN_OP for node in nodes)
    return not called and all(node.unknown for node in nodes)


def _bottoms(state: State, visited: Iterable[NodeId]) -> list[NodeId]:
    """Return the nodes of unknown values that stand on no others: data, weights and losses."""
    graph = state.graph
    return [
        number for number in visited if graph[number].op == FOREIGN_OP and not graph[number].inputs
    ]


def _are_parts(state: State, roots: Iterable[NodeId]) -> bool:
    """Whether a pass starts from nothing but parts of what a caller handed over."""
    visited = reachable(state.graph, roots)
    foreign = [state.graph[number] for number in visited if state.graph[number].op == FOREIGN_OP]
    wholes = {below for node in foreign for below in node.inputs}
    parts = bool(wholes) and wholes.issuperset(_bottoms(state, visited))
    return parts and _is_all_foreign(state, visited)


def doubt_callers(state: State, visited: Iterable[NodeId]) -> frozenset[Doubt]:
    """Say whether a pass visits items of a container, which whoever made them still has."""
    joined = any(
        (ITEM_OF, number) in state.facts and state.graph[number].inputs for number in visited
    )
    return frozenset((GOES_ON,)) if joined else frozenset()


def conclude(state: State, steps: bool = False) -> None:
    """Trust callers not to go on with losses that a loop went over: it uses up their gradients.

    An optimizer `steps`, or the program writes gradients itself, while the function still runs that
    was handed the losses.
    """
    within = _outermost_call(state.frame)
    lengths = Counter(pending.chain for pending in state.pending.values())
    for number, pending in state.pending.items():
        past = state.past.get(number)
        if lengths[pending.chain] == 1 and steps and past is not None:
            _take_for_data(state, past.roots)
        if lengths[pending.chain] == 1 or _outermost_call(pending.frame) is not within:
            continue
        doubted = not pending.doubts.isdisjoint((GOES_ON, FOREIGN, MIXED))
        if doubted and past is not None and _are_parts(state, past.roots):
            doubts = (pending.doubts - {GOES_ON, FOREIGN}) | {MIXED}
            reuses = tuple(replace(reuse, sure=True) for reuse in pending.reuses)
            state.pending[number] = replace(pending, doubts=doubts, reuses=reuses)


def _outermost_call(frame: Frame) -> Frame | None:
    calls = [outer for outer in frame.chain() if outer.kind == "call"]
    return calls[-1] if calls else None
