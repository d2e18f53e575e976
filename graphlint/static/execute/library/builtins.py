"""Python's own functions."""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from graphlint.static import ir
from graphlint.static.execute.autograd.foreign import may_be_tensor
from graphlint.static.execute.autograd.gradients import note_escape
from graphlint.static.execute.library.attributes import get_attribute, set_attribute
from graphlint.static.execute.library.dictionaries import UNKNOWN, of_keywords, overlaid
from graphlint.static.execute.library.items import Items, every, gather
from graphlint.static.execute.library.kinds import is_a
from graphlint.static.execute.library.ops import apply_op, has_graph, is_tensor
from graphlint.static.execute.library.picking import pick
from graphlint.static.execute.library.subscripts import dict_key
from graphlint.static.execute.library.unknown import MODULE, call_unknown
from graphlint.static.execute.paths.branches import truth
from graphlint.static.execute.paths.classes import find_method
from graphlint.static.execute.paths.invocation import Invocation
from graphlint.static.execute.paths.lengths import length
from graphlint.static.execute.paths.numbers import (
    arithmetic,
    depends_on_position,
    is_exact,
    join_text,
    name_of,
)
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    FALSE,
    NONE,
    TRUE,
    Const,
    Dict,
    Enumerate,
    Env,
    External,
    Func,
    Instance,
    List,
    Module,
    Range,
    Ref,
    Some,
    Sym,
    Tensor,
    Tuple,
    Value,
    Zip,
)
from graphlint.static.execute.records.records import site_of
from graphlint.static.lower import lower_expression

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor, Results

Handler: TypeAlias = "Callable[[Executor, State, Invocation], Results]"
NAMES = frozenset(dir(builtins))


def _range(ex: Executor, state: State, call: Invocation) -> Results:
    args = call.args
    if not args:
        return [(state, state.sym(call.node))]
    start: Value = args[0] if len(args) > 1 else Const(0)
    stop = args[1] if len(args) > 1 else args[0]
    step = args[2] if len(args) > 2 else Const(1)
    if not (isinstance(step, Const) and isinstance(step.value, int) and step.value):
        return [(state, Range(state.sym(call.node, "index"), state.sym(call.node, "length"), 1))]
    if isinstance(start, Const) and isinstance(stop, Const):
        try:
            count: Value = Const(len(range(start.value, stop.value, step.value)))
        except (TypeError, OverflowError):
            count = state.sym(call.node, "length")
    elif step.value == 1:
        count = arithmetic("Sub", stop, start) or Sym(("length", name_of(stop), name_of(start)))
    else:
        count = Sym(("length", name_of(stop), name_of(start), step.value))
        start = Sym(("index", name_of(start)))
    return [(state, Range(start, count, step.value))]


def _enumerate(ex: Executor, state: State, call: Invocation) -> Results:
    start = call.args[1] if len(call.args) > 1 else call.keywords.get("start", Const(0))
    return [(state, Enumerate(call.args[0], start) if call.args else state.sym(call.node))]


def _zip(ex: Executor, state: State, call: Invocation) -> Results:
    return [(state, Zip(tuple(call.args)))]


def _len(ex: Executor, state: State, call: Invocation) -> Results:
    if not call.args:
        return [(state, state.sym(call.node))]
    counted = call.args[0]
    own = find_method(state, counted, "__len__") if isinstance(counted, Ref) else None
    if own is not None:
        return ex.invoke(state, Invocation(call.node), own)
    return [(state, length(state, counted))]


def make_list(ex: Executor, state: State, call: Invocation) -> Results:
    """Make a list of what an iterable yields."""
    items = all_items(ex, state, call.node, call.args[0]) if call.args else Items(())
    return [(state, state.new(call.node, List(items.values, items.length)))]


def _sorted(ex: Executor, state: State, call: Invocation) -> Results:
    """Make a list in order, where the items are known and compared as they are."""
    items = all_items(ex, state, call.node, call.args[0]) if call.args else Items(())
    known = [item for item in items.values if is_exact(item) and isinstance(item, Const)]
    whole = bool(call.args) and _is_whole(state, call.args[0])
    if len(known) < len(items.values) or "key" in call.keywords or not whole:
        return [(state, state.new(call.node, List(items.values, items.length)))]
    down = call.keywords.get("reverse", FALSE)
    with contextlib.suppress(TypeError):
        known.sort(key=lambda item: item.value, reverse=down == TRUE)
    return [(state, state.new(call.node, List(tuple(known), items.length)))]


def _set(ex: Executor, state: State, call: Invocation) -> Results:
    """Make a set: items that are not known may be the same one."""
    items = all_items(ex, state, call.node, call.args[0]) if call.args else Items(())
    values, length = tuple(dict.fromkeys(items.values)), items.length
    if len(values) > 1 and any(isinstance(each, Sym) for each in values):
        length = length or state.sym(call.node, "length")
    return [(state, state.new(call.node, List(values, length, kind="set")))]


def all_items(ex: Executor, state: State, node: ir.Node, value: Value) -> Items:
    """Return all items that are known of any iterable, lazy ones too."""
    lazy = isinstance(value, (Const, Range, Enumerate, Zip))
    return gather(ex, state, value, node) if lazy else every(ex, state, value, node)


def _tuple(ex: Executor, state: State, call: Invocation) -> Results:
    items = all_items(ex, state, call.node, call.args[0]) if call.args else Items(())
    if items.length is None:
        return [(state, Tuple(items.values))]
    return [(state, state.new(call.node, List(items.values, items.length)))]


def _reversed(ex: Executor, state: State, call: Invocation) -> Results:
    items = all_items(ex, state, call.node, call.args[0]) if call.args else Items(())
    return [(state, state.new(call.node, List(items.values[::-1], items.length)))]


def _dict(ex: Executor, state: State, call: Invocation) -> Results:
    found = _entries(ex, state, call.node, call.args[0]) if call.args else Dict({})
    made = overlaid(state, call.node, found, of_keywords(call.keywords))
    return [(state, state.new(call.node, made))]


def _chain_map(ex: Executor, state: State, call: Invocation) -> Results:
    """Put dictionaries over one another, the first on top."""
    made = Dict({})
    for value in reversed(call.args):
        made = overlaid(state, call.node, made, state.get(value, Dict) or UNKNOWN)
    return [(state, state.new(call.node, made))]


def _entries(ex: Executor, state: State, node: ir.Node, given: Value) -> Dict:
    """Return what a dictionary is made of."""
    found = state.get(given, Dict)
    if found:
        return Dict(found.items, found.open, total=found.total)
    pairs = all_items(ex, state, node, given)
    known = {
        dict_key(pair.items[0]): pair.items[1]
        for pair in pairs.values
        if isinstance(pair, Tuple) and len(pair.items) == 2
    }
    count = length(state, given) if pairs.skips else NONE
    total = count.value if is_exact(count) else None
    return Dict(known, pairs.skips or len(known) < len(pairs.values), total=total)


def _sum(ex: Executor, state: State, call: Invocation) -> Results:
    if not call.args:
        return [(state, state.sym(call.node))]
    items = all_items(ex, state, call.node, call.args[0]).values
    if any(state.get(item, Instance) for item in items):
        return _sum_of_objects(ex, state, call, items)
    if any(is_tensor(state, item) or has_graph(state, item) for item in items):
        return [(state, apply_op(ex, state, call.node, "add", (*items, *call.args[1:])))]
    if items and all(isinstance(item, Sym) and may_be_tensor(item) for item in items):
        return [(state, Sym(("number", "Add", *map(name_of, items))))]
    return [(state, state.sym(call.node, "number"))]


def _sum_of_objects(
    ex: Executor, state: State, call: Invocation, items: Sequence[Value]
) -> Results:
    """Add objects of the program up, by the methods that their classes have for that."""
    results: Results = [(state, call.args[1] if len(call.args) > 1 else Const(0))]
    for item in items:
        added: Results = []
        for before, total in results:
            forward = isinstance(total, Ref) and find_method(before, total, "__add__")
            back = isinstance(item, Ref) and find_method(before, item, "__radd__")
            if forward:
                added += ex.invoke(before, Invocation(call.node, (item,)), forward)
            elif back:
                added += ex.invoke(before, Invocation(call.node, (total,)), back)
            else:
                return call_unknown(ex, state, call, External("sum"))
        results = added
    return results


def _product(ex: Executor, state: State, call: Invocation) -> Results:
    items = all_items(ex, state, call.node, call.args[0]).values if call.args else ()
    if any(is_tensor(state, item) or has_graph(state, item) for item in items):
        return [(state, apply_op(ex, state, call.node, "mul", items))]
    return [(state, state.sym(call.node, "number"))]


def _map(ex: Executor, state: State, call: Invocation) -> Results:
    args = call.args
    if len(args) < 2:
        return [(state, state.sym(call.node))]
    source = args[1] if len(args) == 2 else Zip(tuple(args[1:]))
    return map_items(ex, state, call.node, args[0], source, spread=len(args) > 2)


def map_items(
    ex: Executor, state: State, node: ir.Node, func: Value, source: Value, spread: bool
) -> Results:
    """Call a function with each item, as a loop does; `spread` makes arguments of a tuple's."""
    items = all_items(ex, state, node, source)
    results: list[tuple[State, tuple[Value, ...]]] = [(state, ())]
    for index, item in enumerate(items.values):
        given = item.items if spread and isinstance(item, Tuple) else (item,)
        following = []
        for before, made in results:
            before.temps = (*before.temps, Tuple(made), Tuple(items.values))
            frame = ex.enter(before, node, "loop", index=index)
            for after, value in ex.invoke(before, Invocation(node, given), func):
                after.frame, after.temps = frame, after.temps[:-2]
                following.append((after, (*made, value)))
        results = following
    return [(s, s.new(node, List(made, items.length))) for s, made in results]


def _number(function: Callable[..., object]) -> Handler:
    def convert(ex: Executor, state: State, call: Invocation) -> Results:
        args = call.args
        first = args[0] if args else None
        if args and all(map(is_exact, args)):
            try:
                return [(state, Const(function(*[a.value for a in args if is_exact(a)])))]
            except (TypeError, ValueError, ArithmeticError):
                pass
        if function is str and isinstance(first, Const):
            return [(state, join_text((first,)))]
        listed = len(args) == 1 and isinstance(first, (Ref, Tuple)) and not is_tensor(state, first)
        if function in (min, max) and listed and first:
            items = every(ex, state, first, call.node)
            exact = _of_items(function, items) if _is_whole(state, first) else None
            if exact is not None and "key" not in call.keywords:
                return [(state, exact)]
        if function in (min, max) and listed and first and any(state.nodes(first)):
            known = every(ex, state, first, call.node)
            return pick(state, call.node, first, known, state.sym(call.node, "index"))
        if function in (min, max, abs) and any(has_graph(state, a) for a in args):
            return [(state, apply_op(ex, state, call.node, "add", args))]
        if (
            function in (int, float)
            and isinstance(first, (Sym, Some))
            and not has_graph(state, first)
        ):
            return [(state, first)]
        named = Sym(("number", function.__name__, tuple(name_of(a) for a in args)))
        return [(state, named if args else state.sym(call.node, "number"))]

    return convert


def _is_whole(state: State, value: Value) -> bool:
    """Whether all of a container's items are known: a loop has not put more into it."""
    found = state.get(value, List)
    grown = isinstance(value, Ref) and value.address in state.grown
    return not grown and not (found is not None and found.abridged)


def _of_items(function: Callable[..., Any], items: Items) -> Value | None:
    """Return the least or largest of known items, None where there may be others."""
    known = [item.value for item in items.values if is_exact(item) and isinstance(item, Const)]
    if items.length is not None or not known or len(known) < len(items.values):
        return None
    try:
        return Const(function(known))
    except TypeError:
        return None


def _bool(ex: Executor, state: State, call: Invocation) -> Results:
    if not call.args:
        return [(state, FALSE)]
    ways = truth(state, call.args[0])
    unsure = isinstance(call.args[0], Sym) and depends_on_position(call.args[0])
    unsure = unsure or (isinstance(call.args[0], Ref) and len(ways) > 1)
    return [(after, Const(way, assumed=unsure)) for after, way in ways]


def _getattr(ex: Executor, state: State, call: Invocation) -> Results:
    args = call.args
    if len(args) > 1 and isinstance(args[1], Const) and isinstance(args[1].value, str):
        owner = state.get(args[0], Instance)
        if len(args) > 2 and owner and args[1].value not in owner.attrs and not owner.opaque:
            method = get_attribute(ex, state, call.node, args[0], args[1].value)
            known = [r for r in method if isinstance(r[1], (Func, Const, Ref, Tuple))]
            return known or [(state, args[2])]
        return get_attribute(ex, state, call.node, args[0], args[1].value)
    of_module = bool(args) and isinstance(args[0], (Module, External))
    of_module |= bool(args) and isinstance(args[0], Sym) and args[0].name[0] == MODULE
    return [(state, state.sym(call.node, "member" if of_module else "made"))]


def _setattr(ex: Executor, state: State, call: Invocation) -> Results:
    args = call.args
    if len(args) > 2 and isinstance(args[1], Const) and isinstance(args[1].value, str):
        return [
            (after, NONE)
            for after in set_attribute(ex, state, call.node, args[0], args[1].value, args[2])
        ]
    note_escape(ex, state, args)
    return [(state, NONE)]


def _first(ex: Executor, state: State, call: Invocation) -> Results:
    return [(state, call.args[0] if call.args else NONE)]


def _isinstance(ex: Executor, state: State, call: Invocation) -> Results:
    args = call.args
    if len(args) < 2:
        return [(state, state.sym(call.node))]
    known = is_a(state, args[0], args[1])
    if known is not None:
        return [(state, TRUE if known else FALSE)]
    return [(state, Sym(("compare", "isinstance", name_of(args[0]), name_of(args[1]))))]


def _type(ex: Executor, state: State, call: Invocation) -> Results:
    """Return the class of a plain value or of a tensor that is no parameter, where it is known."""
    given = call.args[0] if len(call.args) == 1 else NONE
    found = state.object(given) if isinstance(given, Ref) else None
    if isinstance(given, Const) and len(call.args) == 1:
        return [(state, External(type(given.value).__name__))]
    if isinstance(found, Tensor) and found.leaf is None:
        return [(state, External("torch.Tensor"))]
    if isinstance(found, Instance):
        return [(state, Ref(found.cls))]
    return call_unknown(ex, state, call, External("type"))


def _id(ex: Executor, state: State, call: Invocation) -> Results:
    named = call.args[0].address if call.args and isinstance(call.args[0], Ref) else None
    return [(state, state.sym(call.node, "number") if named is None else Const(named))]


def _eval(ex: Executor, state: State, call: Invocation) -> Results:
    """Evaluate an expression that a string holds, where the string is known."""
    given = call.args[0] if call.args else NONE
    site = site_of(call.node, state.frame)
    text = given.value if isinstance(given, Const) else None
    written = lower_expression(text, site.filename, site.span) if isinstance(text, str) else None
    if written is None:
        return call_unknown(ex, state, call, External("eval"))
    return ex.eval(written, state)


def _decorator(name: str, kind: str) -> Handler:
    """Make the handler of a decorator that a class body calls: `make = staticmethod(make)`."""

    def decorated(ex: Executor, state: State, call: Invocation) -> Results:
        given = call.values[0] if len(call.values) == 1 else NONE
        if isinstance(given, Func):
            return [(state, replace(given, kind=kind))]
        return call_unknown(ex, state, call, External(name))

    return decorated


def _globals(ex: Executor, state: State, call: Invocation) -> Results:
    """Make a dictionary of a file's variables; what the program puts into it is no variable."""
    return [(state, state.new(call.node, Dict(state.global_variables(), True)))]


def _locals(ex: Executor, state: State, call: Invocation) -> Results:
    """Make a dictionary of a function's variables."""
    found = state.heap[state.env]
    known = found.vars.items() if isinstance(found, Env) else ()
    variables = {name: value for name, value in known if not name.startswith("__")}
    return [(state, state.new(call.node, Dict(variables)))]


def _print(ex: Executor, state: State, call: Invocation) -> Results:
    return [(state, NONE)]


HANDLERS: Mapping[str, Handler] = {
    "range": _range,
    "enumerate": _enumerate,
    "zip": _zip,
    "len": _len,
    "list": make_list,
    "sorted": _sorted,
    "set": _set,
    "frozenset": _set,
    "tuple": _tuple,
    "reversed": _reversed,
    "dict": _dict,
    "collections.OrderedDict": _dict,
    "collections.ChainMap": _chain_map,
    "types.SimpleNamespace": _dict,
    "threading.local": _dict,
    "sum": _sum,
    "math.prod": _product,
    "map": _map,
    "min": _number(min),
    "max": _number(max),
    "abs": _number(abs),
    "int": _number(int),
    "float": _number(float),
    "round": _number(round),
    "str": _number(str),
    "bool": _bool,
    "eval": _eval,
    "staticmethod": _decorator("staticmethod", "static"),
    "classmethod": _decorator("classmethod", "class"),
    "property": _decorator("property", "property"),
    "globals": _globals,
    "locals": _locals,
    "getattr": _getattr,
    "setattr": _setattr,
    "isinstance": _isinstance,
    "type": _type,
    "id": _id,
    "print": _print,
    "tqdm.tqdm": _first,
    "tqdm.auto.tqdm": _first,
    "tqdm.trange": _range,
}
