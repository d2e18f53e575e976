"""Expressions, from Python's syntax tree to the intermediate form."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphlint.static import ir
from graphlint.static.lower.places import Places

FLAGS = ("retain_graph", "create_graph")


@dataclass(slots=True)
class Noted:
    """Collects what `ir.Mentions` tells of a function."""

    called: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)

    def join(self, inner: Noted) -> None:
        """Take over what a function within this one mentions."""
        self.called |= inner.called
        self.writes |= inner.writes
        self.reads |= inner.reads

    def frozen(self) -> ir.Mentions:
        """Return it in its final form."""
        self.called.discard("")
        calls = frozenset([name.rpartition(".")[2] for name in self.called])
        parts = (self.called, self.writes, self.reads)
        return ir.Mentions(calls, *map(frozenset, parts))


class ExpressionLowering:
    """Lowers expressions; remembers the functions that it is in and the calls that name a flag."""

    def __init__(self, places: Places, filename: str) -> None:
        self.places = places
        self.filename = filename
        self.path: tuple[str, ...] = ()
        self.flagged: list[ir.FlaggedCall] = []
        self.yields = False
        self.mentions = self.outermost = Noted()
        self.calls: set[str] = set()
        self.imports: list[ir.Import] = []
        self._methods: dict[type[ast.AST], Callable[[Any], ir.Expr]] = {}

    def expr(self, node: ast.expr) -> ir.Expr:
        """Lower one expression."""
        kind = type(node)
        method = self._methods.get(kind)
        if method is None:
            method = self._methods[kind] = getattr(self, f"_{kind.__name__.lower()}", self._other)
        return method(node)

    def exprs(self, nodes: Sequence[ast.expr]) -> tuple[ir.Expr, ...]:
        """Lower several expressions."""
        return tuple([self.expr(node) for node in nodes])

    def maybe(self, node: ast.expr | None) -> ir.Expr | None:
        """Lower an expression that may be absent."""
        return None if node is None else self.expr(node)

    def _other(self, node: ast.expr) -> ir.Expr:
        """Lower syntax of a later Python: evaluate the parts, know nothing of the whole."""
        parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return ir.Text(self.places.of(node), self.exprs(parts))

    def _constant(self, node: ast.Constant) -> ir.Expr:
        return ir.Const(self.places.of(node), node.value)

    def _name(self, node: ast.Name) -> ir.Expr:
        return ir.Name(self.places.of(node), node.id)

    def _attribute(self, node: ast.Attribute) -> ir.Expr:
        written = isinstance(node.ctx, ast.Store)
        (self.mentions.writes if written else self.mentions.reads).add(node.attr)
        return ir.Attribute(self.places.of(node), self.expr(node.value), node.attr)

    def _subscript(self, node: ast.Subscript) -> ir.Expr:
        return ir.Subscript(self.places.of(node), self.expr(node.value), self.expr(node.slice))

    def _slice(self, node: ast.Slice) -> ir.Expr:
        parts = (self.maybe(node.lower), self.maybe(node.upper), self.maybe(node.step))
        return ir.Slice(self.places.of(node), *parts)

    def _starred(self, node: ast.Starred) -> ir.Expr:
        return ir.Starred(self.places.of(node), self.expr(node.value))

    def _call(self, node: ast.Call) -> ir.Expr:
        span = self.places.of(node)
        handed = (*node.args, *[k.value for k in node.keywords])
        self.mentions.called.update([_written(v) for v in handed if not _is_gradient(v)])
        self.mentions.called.add(_written(node.func))
        if _written(node.func).rpartition(".")[2] == "methodcaller" and node.args:
            self.mentions.called.add(f".{getattr(node.args[0], 'value', '')}")
        keywords = tuple(
            [ir.Keyword(self.places.of(k), k.arg, self.expr(k.value)) for k in node.keywords]
        )
        written = {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg in FLAGS}
        if written:
            retain, create = written.get("retain_graph"), written.get("create_graph")
            self.flagged.append(ir.FlaggedCall(span, ".".join(self.path), retain, create))
        return ir.Call(span, self.expr(node.func), self.exprs(node.args), keywords)

    def _binop(self, node: ast.BinOp) -> ir.Expr:
        op = type(node.op).__name__
        return ir.Binary(self.places.of(node), op, self.expr(node.left), self.expr(node.right))

    def _unaryop(self, node: ast.UnaryOp) -> ir.Expr:
        return ir.Unary(self.places.of(node), type(node.op).__name__, self.expr(node.operand))

    def _boolop(self, node: ast.BoolOp) -> ir.Expr:
        span, is_and = self.places.of(node), isinstance(node.op, ast.And)
        *front, result = self.exprs(node.values)
        for left in reversed(front):
            result = ir.Boolean(span, is_and, left, result)
        return result

    def _compare(self, node: ast.Compare) -> ir.Expr:
        """Lower a comparison; a chain becomes a conjunction of its links."""
        span = self.places.of(node)
        terms = self.exprs([node.left, *node.comparators])
        ops = [type(op).__name__ for op in node.ops]
        links: list[ir.Expr] = [
            ir.Compare(span, op, terms[i], terms[i + 1]) for i, op in enumerate(ops)
        ]
        result = links.pop()
        while links:
            result = ir.Boolean(span, True, links.pop(), result)
        return result

    def _ifexp(self, node: ast.IfExp) -> ir.Expr:
        parts = (self.expr(node.test), self.expr(node.body), self.expr(node.orelse))
        return ir.IfElse(self.places.of(node), *parts)

    def _tuple(self, node: ast.Tuple) -> ir.Expr:
        return ir.Sequence(self.places.of(node), "tuple", self.exprs(node.elts))

    def _list(self, node: ast.List) -> ir.Expr:
        return ir.Sequence(self.places.of(node), "list", self.exprs(node.elts))

    def _set(self, node: ast.Set) -> ir.Expr:
        return ir.Sequence(self.places.of(node), "set", self.exprs(node.elts))

    def _dict(self, node: ast.Dict) -> ir.Expr:
        pairs = zip(node.keys, node.values, strict=True)
        items = tuple([(self.maybe(key), self.expr(value)) for key, value in pairs])
        return ir.Dict(self.places.of(node), items)

    def _joinedstr(self, node: ast.JoinedStr) -> ir.Expr:
        filled = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        joined = all(part.conversion == -1 and part.format_spec is None for part in filled)
        used = node.values if joined else filled
        parts = [part.value if isinstance(part, ast.FormattedValue) else part for part in used]
        return ir.Text(self.places.of(node), self.exprs(parts), joined)

    def _listcomp(self, node: ast.ListComp) -> ir.Expr:
        return self._comprehension("list", node, (node.elt,))

    def _setcomp(self, node: ast.SetComp) -> ir.Expr:
        return self._comprehension("set", node, (node.elt,))

    def _generatorexp(self, node: ast.GeneratorExp) -> ir.Expr:
        return self._comprehension("generator", node, (node.elt,))

    def _dictcomp(self, node: ast.DictComp) -> ir.Expr:
        return self._comprehension("dict", node, (node.key, node.value))

    def _comprehension(self, kind: str, node: Any, item: tuple[ast.expr, ...]) -> ir.Expr:
        generators = tuple(
            [
                ir.Generator(
                    self.places.of(node), self.expr(g.target), self.expr(g.iter), self.exprs(g.ifs)
                )
                for g in node.generators
            ]
        )
        return ir.Comprehension(self.places.of(node), kind, self.exprs(item), generators)

    def _namedexpr(self, node: ast.NamedExpr) -> ir.Expr:
        target = ir.Name(self.places.of(node.target), node.target.id)
        return ir.Walrus(self.places.of(node), target, self.expr(node.value))

    def _await(self, node: ast.Await) -> ir.Expr:
        return ir.Await(self.places.of(node), self.expr(node.value))

    def _yield(self, node: ast.Yield) -> ir.Expr:
        self.yields = True
        return ir.Yield(self.places.of(node), self.maybe(node.value), False)

    def _yieldfrom(self, node: ast.YieldFrom) -> ir.Expr:
        self.yields = True
        return ir.Yield(self.places.of(node), self.expr(node.value), True)

    def _lambda(self, node: ast.Lambda) -> ir.Expr:
        span = self.places.of(node)
        outer = self.yields
        parameters = self.parameters(node.args)
        body = (ir.Return(span, self.expr(node.body)),)
        self.yields = outer
        qualname = ".".join((*self.path, "<lambda>"))
        mentions = self.mentions.frozen()
        made = ir.Function(
            span, "<lambda>", qualname, self.filename, parameters, body, False, mentions
        )
        return ir.Lambda(span, made)

    def parameters(self, args: ast.arguments) -> tuple[ir.Parameter, ...]:
        """Lower a function's parameters, in the order in which arguments fill them."""
        positional = [*args.posonlyargs, *args.args]
        absent: list[ast.expr | None] = [None] * (len(positional) - len(args.defaults))
        made = [
            self._parameter(arg, "positional", default)
            for arg, default in zip(positional, [*absent, *args.defaults], strict=True)
        ]
        if args.vararg:
            made.append(self._parameter(args.vararg, "star", None))
        made += [
            self._parameter(arg, "keyword", default)
            for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
        ]
        if args.kwarg:
            made.append(self._parameter(args.kwarg, "double_star", None))
        return tuple(made)

    def _parameter(self, arg: ast.arg, kind: str, default: ast.expr | None) -> ir.Parameter:
        named = isinstance(arg.annotation, (ast.Name, ast.Attribute))
        annotation = self.maybe(arg.annotation) if named else None
        return ir.Parameter(self.places.of(arg), arg.arg, kind, self.maybe(default), annotation)


def _is_gradient(node: ast.expr) -> bool:
    """Whether this is a tensor's `.grad`, and not the function of that name."""
    if not isinstance(node, ast.Attribute) or node.attr != "grad":
        return False
    return _written(node.value).rpartition(".")[2] not in ("autograd", "torch")


def _written(node: ast.expr) -> str:
    """Return a name as `ir.Mentions.called` has it, empty where it is none."""
    if isinstance(node, ast.Attribute):
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        return f"{owner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
