"""Operations on tensors: the node that each adds to the graph, by the table of what torch saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.autograd.constants import follow
from graphlint.static.execute.autograd.foreign import foreign_node, is_plain, may_be_tensor
from graphlint.static.execute.autograd.passes import is_mixed
from graphlint.static.execute.paths.graph import Leaf
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    Const,
    List,
    NodeId,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
)
from graphlint.static.execute.records.records import site_of
from graphlint.static.knowledge.facts import MAYBE, NO, YES, Op, Ternary
from graphlint.static.knowledge.ops import WITH_NUMBER, cuts, find_inplace, find_op

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor

UNKNOWN_OP = Op(MAYBE, "?*")
SMALL_LIST = 8
CONVERTING = frozenset(("as_tensor", "asarray"))
"""Ops that make a tensor of an array or a list, and give a tensor back."""
COUNTING = frozenset("chunk unsafe_chunk tensor_split".split())
"""Ops that are told the number of parts; `split` is told their size, `unbind` an axis."""
SHAPING = frozenset(
    "view reshape expand repeat tile permute transpose narrow select getitem index split chunk sum "
    "mean prod norm max min squeeze unsqueeze flatten unflatten roll pad clamp softmax".split()
)
"""Ops whose first argument alone is a tensor: the others are sizes, places and bounds."""
SETTINGS = frozenset("dtype device layout dim axis keepdim memory_format non_blocking".split())
"""Keywords of ops that are never tensors."""


@dataclass(frozen=True, slots=True)
class Input:
    """An argument of an op: the graph handles in it, and its letter in the table.

    `frozen` are leaves that want no gradients, and can be saved all the same.
    """

    letter: str
    nodes: tuple[NodeId, ...]
    leaves: frozenset[Leaf]
    frozen: frozenset[Leaf] = frozenset()

    @property
    def wants_grad(self) -> bool:
        """Whether the op is recorded for this argument's sake."""
        return bool(self.nodes or self.leaves)


def is_tensor(state: State, value: Value | None) -> bool:
    """Whether a value is a tensor, with or without a graph."""
    return state.get(value, Tensor) is not None


def note_tensor(state: State, value: Value) -> None:
    """Note that an unknown value is used as nothing but a tensor can be."""
    if isinstance(value, Sym) and not is_plain(value.name):
        state.facts["tensor", value.name] = True


def has_graph(state: State, value: Value | None) -> bool:
    """Whether any tensor in a value has a graph or wants gradients."""
    return next(state.handles(value), None) is not None


def apply_op(
    ex: Executor,
    state: State,
    place: ir.Node,
    name: str,
    args: Sequence[Value],
    keywords: Mapping[str, Value] | None = None,
    op: Op | None = None,
) -> Value:
    """Apply an op to its arguments: the tensor or tensors that it returns."""
    keywords = keywords or {}
    if op is None and (cuts(name) or _converts_data(name, args)):
        return state.tensor(place)
    row = op or _row(state, name, args)
    adopt_unknown(state, place, [*args, *(v for k, v in keywords.items() if k not in SETTINGS)])
    inputs = op_inputs(state, row, args, keywords)
    node = record_op(state, place, name, row, inputs)
    made = _results(state, place, name, row, node, args, keywords)
    note_beside(state, name, node, [*args, *keywords.values()], made)
    follow(state, place, name, args, keywords, made)
    return made


def _converts_data(name: str, args: Sequence[Value]) -> bool:
    """Whether an op makes a tensor of something that is none: what has a graph is one already."""
    converts = name.rpartition(".")[2] in CONVERTING
    return converts and bool(args) and isinstance(args[0], Sym) and args[0].node is None


def _row(state: State, name: str, args: Sequence[Value]) -> Op:
    position, with_number = WITH_NUMBER.get(name.rpartition(".")[2], (0, None))
    if with_number is not None and len(args) > position and not is_tensor(state, args[position]):
        return with_number
    return find_op(name) or UNKNOWN_OP


def adopt_unknown(state: State, place: ir.Node, values: Sequence[Value]) -> None:
    """Give unknown values a graph where an op is applied to nothing but unknown values.

    Whether `loss = criterion(prediction, target)` has a graph can't be told if both came from a
    caller; beside a tensor whose graph is known, an unknown value is taken for data.
    """
    unknown = [v for v in values if isinstance(v, Sym) and v.node is None]
    if unknown and not any(is_tensor(state, v) or has_graph(state, v) for v in values):
        for value in unknown:
            if may_be_tensor(value) or ("tensor", value.name) in state.facts:
                foreign_node(state, place, value)


def note_beside(
    state: State, name: str, node: NodeId | None, values: Sequence[Value], made: Value
) -> None:
    """Note unknown values that an op takes for data: that they have graphs may turn out later.

    What has no graph if they have none is noted too.
    """
    if name.rpartition(".")[2].rstrip("_") in SHAPING:
        values = values[:1]
    unknown = [v for v in values if isinstance(v, Sym) and v.node is None and may_be_tensor(v)]
    if node is not None:
        for value in unknown:
            state.beside[value.name] = (*state.beside.get(value.name, ()), node)
    elif isinstance(made, Ref) and (unknown or any(is_mixed(state, v) for v in values)):
        state.beside["mixed", made.address] = ()


def op_inputs(
    state: State, row: Op, args: Sequence[Value], keywords: Mapping[str, Value]
) -> list[Input]:
    """Return the arguments of a call as an op's inputs, with their letters in the table."""
    given = [(row.letter(i), value) for i, value in enumerate(args)]
    given += [(row.keyword(name), value) for name, value in keywords.items()]
    return [_input(state, letter, value) for letter, value in given]


def _input(state: State, letter: str, value: Value) -> Input:
    handles = list(dict.fromkeys(state.handles(value)))
    if not handles and isinstance(value, Sym):
        number = state.frames.name("foreign", value.name)
        handles = [number] if number in state.graph else []
    nodes = tuple(h for h in handles if isinstance(h, int))
    return Input(letter, nodes, frozenset(h for h in handles if not isinstance(h, int)))


def record_op(
    state: State, place: ir.Node, name: str, row: Op, inputs: Sequence[Input]
) -> NodeId | None:
    """Add an op's node to the graph; None where it is not recorded."""
    if not state.grad or not any(i.wants_grad for i in inputs):
        return None
    nodes = tuple(dict.fromkeys(n for i in inputs for n in i.nodes))
    leaves: frozenset[Leaf] = frozenset().union(*(i.leaves for i in inputs))
    saved = [i for index, i in enumerate(inputs) if _is_saved(inputs, index)]
    sure = [i for i in saved if i.letter != "?"]
    outputs: frozenset[Leaf] = frozenset(("output", n) for i in sure for n in i.nodes)
    return state.record(
        place,
        name,
        nodes,
        leaves,
        _saves(row, inputs),
        outputs.union(*(i.leaves | i.frozen for i in sure)),
        tuple(dict.fromkeys(n for i in saved for n in i.nodes)),
        row.output is YES or row.within,
        unknown=leaves <= state.unsure and all(state.graph[n].unknown for n in nodes),
        saves_output=row.output is YES,
    )


def _saves(row: Op, inputs: Sequence[Input]) -> Ternary:
    """Say whether a call saves anything: nothing if only inputs marked `.` want gradients."""
    if row.saves is YES and all(i.letter == "." for i in inputs if i.wants_grad):
        return NO
    return row.saves


def _is_saved(inputs: Sequence[Input], index: int) -> bool:
    letter = inputs[index].letter
    if letter in "a?":
        return True
    if letter == "o":
        return inputs[index].wants_grad
    if letter == "x":
        others = (i for n, i in enumerate(inputs) if n != index and i.letter in "xao?")
        return any(i.wants_grad for i in others)
    return False


def _results(
    state: State,
    place: ir.Node,
    name: str,
    row: Op,
    node: NodeId | None,
    args: Sequence[Value],
    keywords: Mapping[str, Value],
) -> Value:
    if row.results == "list":
        return _list_result(state, place, name, node, args)
    count = row.results
    if count == "dim":
        by_position = len(args) > 1 and not is_tensor(state, args[1])
        count = 2 if by_position or "dim" in keywords or "axis" in keywords else 1
    if not isinstance(count, int) or count == 1:
        return state.tensor(place, node)
    made = [None if i in row.graphless else node for i in range(count)]
    return Tuple(tuple(state.tensor(place, each) for each in made))


def _list_result(
    state: State, place: ir.Node, name: str, node: NodeId | None, args: Sequence[Value]
) -> Value:
    count = _count_of_parts(state, name.rpartition(".")[2], args[1] if len(args) > 1 else None)
    if count is not None and 0 < count <= SMALL_LIST:
        return state.new(place, List(tuple(state.tensor(place, node) for _ in range(count))))
    pair = (state.tensor(place, node), state.tensor(place, node))
    return state.new(place, List(pair, state.sym(place, "length")))


def _count_of_parts(state: State, name: str, given: Value | None) -> int | None:
    """Say how many parts a tensor is cut into, None where that depends on its shape."""
    if name in COUNTING and isinstance(given, Const) and isinstance(given.value, int):
        return given.value
    found = state.get(given, List)
    if found is not None and found.length is None:
        return len(found.items)
    return len(given.items) if isinstance(given, Tuple) else None


def apply_inplace(
    ex: Executor,
    state: State,
    place: ir.Node,
    target: Ref,
    name: str,
    args: Sequence[Value],
    keywords: Mapping[str, Value] | None = None,
) -> Value:
    """Change a tensor in place: its graph grows, or what other nodes saved of it is gone."""
    tensor = state.get(target, Tensor)
    change = find_inplace(name)
    if tensor is None or change is None:
        return target
    if change.bumps:
        touch_tensor(state, place, tensor)
    if change.cuts:
        state.put(target, Tensor())
    elif change.op is not None and state.grad:
        inputs = op_inputs(state, change.op, (target, *args), keywords or {})
        node = record_op(state, place, name, change.op, inputs)
        note_beside(state, name, node, [target, *args, *(keywords or {}).values()], target)
        if node is not None and not (tensor.leaf is not None and tensor.node is None):
            state.put(target, Tensor(node))
            follow(state, place, name.rstrip("_"), (target, *args), keywords or {}, target)
    return target


def touch_tensor(state: State, place: ir.Node, tensor: Tensor) -> None:
    """Count an in-place change: nodes that saved this tensor can't be visited any more."""
    site = site_of(place, state.frame)
    if tensor.node is not None:
        state.touch(("output", tensor.node), site)
    elif tensor.leaf is not None:
        state.touch(tensor.leaf, site)
