"""Python's own functions, and those of `functools`, `copy`, `collections` and the like."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.attributes import get_attribute, set_attribute
from graphlint.static.execute.branches import truth
from graphlint.static.execute.gradients import note_escape
from graphlint.static.execute.holds import BOUNDED
from graphlint.static.execute.items import Items, every, iterate, length
from graphlint.static.execute.numbers import arithmetic, depends_on_position, name_of
from graphlint.static.execute.ops import apply_op, has_graph, is_tensor
from graphlint.static.execute.state import State
from graphlint.static.execute.values import (
    FALSE,
    NONE,
    TRUE,
    Class,
    Const,
    Context,
    Dict,
    Enumerate,
    External,
    Func,
    Instance,
    Layer,
    List,
    Partial,
    Range,
    Ref,
    Sym,
    Tensor,
    Tuple,
    Value,
    Zip,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

Handler = Callable[..., "Results"]
NAMED_TUPLE = External("typing.NamedTuple")
MOST_PRODUCTS = 8
"""How many pairs of a product are looked at."""
NAMES = frozenset(dir(builtins))


def _range(ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object) -> Results:
    if not args:
        return [(state, state.sym(node))]
    start: Value = args[0] if len(args) > 1 else Const(0)
    stop = args[1] if len(args) > 1 else args[0]
    step = args[2] if len(args) > 2 else Const(1)
    if not (isinstance(step, Const) and isinstance(step.value, int) and step.value):
        return [(state, Range(state.sym(node, "index"), state.sym(node, "length"), 1))]
    if isinstance(start, Const) and isinstance(stop, Const):
        try:
            count: Value = Const(len(range(start.value, stop.value, step.value)))
        except (TypeError, OverflowError):
            count = state.sym(node, "length")
    elif step.value == 1:
        count = arithmetic("Sub", stop, start) or Sym(("length", name_of(stop), name_of(start)))
    else:
        count = Sym(("length", name_of(stop), name_of(start), step.value))
        start = Sym(("index", name_of(start)))
    return [(state, Range(start, count, step.value))]


def _enumerate(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Results:
    start = args[1] if len(args) > 1 else keywords.get("start", Const(0))
    return [(state, Enumerate(args[0], start) if args else state.sym(node))]


def _zip(ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object) -> Results:
    return [(state, Zip(tuple(args)))]


def _len(ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object) -> Results:
    return [(state, length(state, args[0]) if args else state.sym(node))]


def _list(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Results:
    items = _all_items(ex, state, node, args[0]) if args else Items(())
    return [(state, state.new(node, List(items.values, items.length)))]


def _deque(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Results:
    """Make a deque; its length is not followed, only that it has a bound."""
    results = _list(ex, state, node, args, keywords)
    bound = args[1] if len(args) > 1 else keywords.get("maxlen", NONE)
    for after, made in results:
        found = after.get(made, List)
        if bound != NONE and found is not None and isinstance(made, Ref):
            after.put(made, replace(found, kind=BOUNDED))
    return results


def _all_items(ex: Executor, state: State, node: ir.Node, value: Value) -> Items:
    lazy = isinstance(value, (Range, Enumerate, Zip))
    return iterate(ex, state, value, node) if lazy else every(ex, state, value, node)


def _queue(ex: Executor, state: State, node: ir.Node, args: object, _: object) -> Results:
    return [(state, state.new(node, List(())))]


def _tuple(ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object) -> Results:
    items = _all_items(ex, state, node, args[0]) if args else Items(())
    if items.length is None:
        return [(state, Tuple(items.values))]
    return [(state, state.new(node, List(items.values, items.length)))]


def _reversed(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object
) -> Results:
    items = _all_items(ex, state, node, args[0]) if args else Items(())
    return [(state, state.new(node, List(items.values[::-1], items.length)))]


def _dict(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Results:
    given = state.get(args[0], Dict) if args else None
    pairs = _all_items(ex, state, node, args[0]).values if args and given is None else ()
    items = dict(given.items) if given else {}
    for pair in pairs:
        if isinstance(pair, Tuple) and len(pair.items) == 2 and isinstance(pair.items[0], Const):
            items[pair.items[0].value] = pair.items[1]
    is_open = (given.open if given else bool(args)) or "**" in keywords
    items.update({k: v for k, v in keywords.items() if k != "**"})
    return [(state, state.new(node, Dict(items, is_open)))]


def _defaultdict(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Results:
    factory = args[0] if args and args[0] != NONE else None
    return [(state, state.new(node, Dict(dict(keywords), factory is None, factory)))]


def _sum(ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object) -> Results:
    if not args:
        return [(state, state.sym(node))]
    items = _all_items(ex, state, node, args[0]).values
    if any(is_tensor(state, item) or has_graph(state, item) for item in items):
        return [(state, apply_op(ex, state, node, "add", (*items, *args[1:])))]
    return [(state, state.sym(node, "number"))]


def _map(ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object) -> Results:
    if len(args) < 2:
        return [(state, state.sym(node))]
    source = args[1] if len(args) == 2 else Zip(tuple(args[1:]))
    items = _all_items(ex, state, node, source)
    results: list[tuple[State, tuple[Value, ...]]] = [(state, ())]
    for item in items.values:
        given = item.items if len(args) > 2 and isinstance(item, Tuple) else (item,)
        results = [
            (after, (*made, value))
            for before, made in results
            for after, value in ex.invoke(before, node, args[0], given, {})
        ]
    return [(s, s.new(node, List(made, items.length))) for s, made in results]


def _number(function: Callable[..., object]) -> Handler:
    def convert(
        ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object
    ) -> Results:
        if args and all(isinstance(a, Const) for a in args):
            try:
                return [(state, Const(function(*[a.value for a in args if isinstance(a, Const)])))]
            except (TypeError, ValueError, ArithmeticError):
                pass
        first = args[0] if args else None
        if function in (min, max, abs) and any(has_graph(state, a) for a in args):
            return [(state, apply_op(ex, state, node, "add", args))]
        if function in (int, float) and isinstance(first, Sym) and first.node is None:
            return [(state, first)]
        named = Sym(("number", function.__name__, tuple(name_of(a) for a in args)))
        return [(state, named if args else state.sym(node, "number"))]

    return convert


def _bool(ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object) -> Results:
    if not args:
        return [(state, FALSE)]
    unsure = isinstance(args[0], Sym) and depends_on_position(args[0])
    return [(after, Const(way, assumed=unsure)) for after, way in truth(state, args[0])]


def _getattr(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object
) -> Results:
    if len(args) > 1 and isinstance(args[1], Const) and isinstance(args[1].value, str):
        owner = state.get(args[0], Instance)
        if len(args) > 2 and owner and args[1].value not in owner.attrs and not owner.opaque:
            method = get_attribute(ex, state, node, args[0], args[1].value)
            known = [r for r in method if isinstance(r[1], (Func, Const, Ref, Tuple))]
            return known or [(state, args[2])]
        return get_attribute(ex, state, node, args[0], args[1].value)
    return [(state, state.sym(node))]


def _setattr(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object
) -> Results:
    if len(args) > 2 and isinstance(args[1], Const) and isinstance(args[1].value, str):
        return [
            (after, NONE)
            for after in set_attribute(ex, state, node, args[0], args[1].value, args[2])
        ]
    note_escape(ex, state, args)
    return [(state, NONE)]


def _next(ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object) -> Results:
    found = state.get(args[0], List) if args else None
    if found and found.items:
        return [(state, found.items[0])]
    return [(state, state.sym(node, "item"))]


def _isinstance(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object
) -> Results:
    if len(args) < 2:
        return [(state, state.sym(node))]
    known = _is_a(state, args[0], args[1])
    if known is not None:
        return [(state, TRUE if known else FALSE)]
    return [(state, Sym(("compare", "isinstance", name_of(args[0]), name_of(args[1]))))]


def _is_a(state: State, value: Value, kind: Value) -> bool | None:
    """Tell whether a value is of a kind that is a plain name, None where that can't be told."""
    kinds = kind.items if isinstance(kind, Tuple) else (kind,)
    names = [k.name.rpartition(".")[2] if isinstance(k, External) else "?" for k in kinds]
    actual = _kind_of(state, value)
    if actual is None or "?" in names:
        return None
    return any(name in actual for name in names)


def _kind_of(state: State, value: Value) -> tuple[str, ...] | None:
    if isinstance(value, Const):
        return tuple(cls.__name__ for cls in type(value.value).__mro__)
    if isinstance(value, Tuple):
        return ("tuple", "Sequence", "Iterable")
    found = state.object(value) if isinstance(value, Ref) else None
    if isinstance(found, Tensor):
        return ("Tensor", "Variable")
    if isinstance(found, List):
        return (found.kind, "Sequence", "Iterable")
    if isinstance(found, Dict):
        return ("dict", "Mapping", "OrderedDict")
    if isinstance(found, Layer):
        return (found.name, "Module")
    return None


def _print(ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object) -> Results:
    return [(state, NONE)]


def _partial(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Results:
    if not args:
        return [(state, state.sym(node))]
    return [(state, Partial(args[0], tuple(args[1:]), tuple(keywords.items())))]


def _reduce(ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object) -> Results:
    if len(args) < 2:
        return [(state, state.sym(node))]
    items = [*args[2:], *_all_items(ex, state, node, args[1]).values]
    return [
        (s, made[-1] if made else s.sym(node)) for s, made in _fold(ex, state, node, args[0], items)
    ]


def _accumulate(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Results:
    if not args:
        return [(state, state.sym(node))]
    source = _all_items(ex, state, node, args[0])
    first = [keywords["initial"]] if "initial" in keywords else []
    func = args[1] if len(args) > 1 else keywords.get("func", External("operator.add"))
    folded = _fold(ex, state, node, func, [*first, *source.values])
    return [(s, s.new(node, List(made, source.length))) for s, made in folded]


def _fold(
    ex: Executor, state: State, node: ir.Node, func: Value, items: Sequence[Value]
) -> list[tuple[State, tuple[Value, ...]]]:
    """Carry a value through calls of a function, as a loop does: every value on the way."""
    results: list[tuple[State, tuple[Value, ...]]] = [(state, tuple(items[:1]))]
    for index, item in enumerate(items[1:]):
        following = []
        for before, made in results:
            before.temps = (*before.temps, Tuple(made), Tuple(tuple(items)))
            frame = ex.enter(before, node, "loop", index=index)
            for after, value in ex.invoke(before, node, func, (made[-1], item), {}):
                after.frame, after.temps = frame, after.temps[:-2]
                following.append((after, (*made, value)))
        results = following
    return results


def _product(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Results:
    columns = [_all_items(ex, state, node, value) for value in args]
    rows = itertools.product(*(column.values for column in columns))
    items = tuple(Tuple(row) for row in itertools.islice(rows, MOST_PRODUCTS))
    length = next((column.length for column in columns if column.length is not None), None)
    if "repeat" in keywords:
        length = state.sym(node, "length")
    return [(state, state.new(node, List(items, length)))]


def _field(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], keywords: Mapping[str, Value]
) -> Results:
    """Declare a dataclass's field: its default, or what makes one for each object."""
    if "default_factory" in keywords:
        return [(state, Context("field factory", keywords["default_factory"]))]
    return [(state, keywords.get("default", state.sym(node)))]


def _named_tuple(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object
) -> Results:
    """Make the class that `namedtuple(name, fields)` returns."""
    given = args[1] if len(args) > 1 else NONE
    if isinstance(given, Const):
        names = str(given.value).replace(",", " ").split()
    else:
        items = every(ex, state, given, node).values
        names = [str(item.value) for item in items if isinstance(item, Const)]
    return [(state, state.new(node, Class("namedtuple", (NAMED_TUPLE,), {}, tuple(names))))]


def _from_iterable(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object
) -> Results:
    parts = _all_items(ex, state, node, args[0]) if args else Items(())
    inner = [_all_items(ex, state, node, part) for part in parts.values]
    items = tuple(value for part in inner for value in part.values)
    lengths = [parts.length, *(part.length for part in inner)]
    length = next((known for known in lengths if known is not None), None)
    return [(state, state.new(node, List(items, length)))]


def _deepcopy(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object
) -> Results:
    return [(state, copy_value(state, node, args[0], {}) if args else state.sym(node))]


def _heap_push(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object
) -> Results:
    found = state.get(args[0], List) if len(args) > 1 else None
    if found is not None and isinstance(args[0], Ref):
        state.put(args[0], replace(found, items=(*found.items, args[1])))
    return [(state, NONE)]


def _heap_pop(
    ex: Executor, state: State, node: ir.Node, args: Sequence[Value], _: object
) -> Results:
    found = state.get(args[0], List) if args else None
    if found is not None and found.items and isinstance(args[0], Ref):
        state.put(args[0], replace(found, items=found.items[1:]))
        return [(state, found.items[0])]
    return [(state, state.sym(node))]


def copy_value(state: State, node: ir.Node, value: Value, done: dict[int, Ref]) -> Value:
    """Copy a value with everything in it: copied tensors are leaves of their own."""
    if isinstance(value, Tuple):
        return Tuple(tuple(copy_value(state, node, item, done) for item in value.items))
    if isinstance(value, Sym):
        return state.sym(node)
    if not isinstance(value, Ref):
        return value
    if value.address in done:
        return done[value.address]
    found = state.object(value)
    if isinstance(found, Class):
        return value
    made = done[value.address] = state.new(node, found)
    if isinstance(found, Tensor):
        leaf = ("tensor", made.address) if found.leaf is not None else None
        state.put(made, Tensor(None, leaf))
    elif isinstance(found, List):
        items = tuple(copy_value(state, node, item, done) for item in found.items)
        state.put(made, replace(found, items=items))
    elif isinstance(found, Dict):
        state.put(made, replace(found, items=_copied(state, node, found.items, done)))
    elif isinstance(found, Instance):
        state.put(made, replace(found, attrs=_copied(state, node, found.attrs, done)))
    elif isinstance(found, Layer):
        children = tuple(copy_value(state, node, child, done) for child in found.children)
        attrs = _copied(state, node, found.attrs, done)
        state.put(made, replace(found, children=children, attrs=attrs))
    return made


def _copied(
    state: State, node: ir.Node, items: Mapping[str, Value], done: dict[int, Ref]
) -> dict[str, Value]:
    return {name: copy_value(state, node, value, done) for name, value in items.items()}


HANDLERS: Mapping[str, Handler] = {
    "range": _range,
    "enumerate": _enumerate,
    "zip": _zip,
    "len": _len,
    "list": _list,
    "sorted": _list,
    "set": _list,
    "frozenset": _list,
    "iter": _list,
    "collections.deque": _deque,
    "queue.Queue": _queue,
    "queue.SimpleQueue": _queue,
    "queue.LifoQueue": _queue,
    "tuple": _tuple,
    "reversed": _reversed,
    "dict": _dict,
    "collections.OrderedDict": _dict,
    "types.SimpleNamespace": _dict,
    "collections.defaultdict": _defaultdict,
    "sum": _sum,
    "map": _map,
    "min": _number(min),
    "max": _number(max),
    "abs": _number(abs),
    "int": _number(int),
    "float": _number(float),
    "round": _number(round),
    "str": _number(str),
    "bool": _bool,
    "getattr": _getattr,
    "setattr": _setattr,
    "next": _next,
    "isinstance": _isinstance,
    "print": _print,
    "functools.partial": _partial,
    "functools.reduce": _reduce,
    "itertools.accumulate": _accumulate,
    "itertools.product": _product,
    "itertools.chain.from_iterable": _from_iterable,
    "asyncio.Queue": _queue,
    "collections.namedtuple": _named_tuple,
    "dataclasses.field": _field,
    "heapq.heappush": _heap_push,
    "heapq.heappop": _heap_pop,
    "copy.deepcopy": _deepcopy,
    "copy.copy": _deepcopy,
    "tqdm.tqdm": lambda ex, state, node, args, _: [(state, args[0] if args else NONE)],
    "tqdm.auto.tqdm": lambda ex, state, node, args, _: [(state, args[0] if args else NONE)],
    "tqdm.trange": _range,
}
