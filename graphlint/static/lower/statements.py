"""Statements, from Python's syntax tree to the intermediate form."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphlint.static import ir
from graphlint.static.lower.expressions import ExpressionLowering, Noted
from graphlint.static.lower.patterns import SHAPES, captures


class Lowering(ExpressionLowering):
    """Lowers a whole file."""

    def block(self, nodes: Sequence[ast.stmt]) -> ir.Block:
        """Lower a run of statements; what does nothing is left out."""
        return tuple([made for node in nodes for made in self.statement(node)])

    def statement(self, node: ast.stmt) -> Iterator[ir.Stmt]:
        """Lower one statement, into none, one or several."""
        kind = type(node).__name__.lower()
        method: Callable[[Any], Iterator[ir.Stmt]] | None = getattr(self, f"_do_{kind}", None)
        return iter(()) if method is None else method(node)

    def _do_expr(self, node: ast.Expr) -> Iterator[ir.Stmt]:
        if not isinstance(node.value, ast.Constant):
            yield ir.ExprStmt(self.places.of(node), self.expr(node.value))

    def _do_assign(self, node: ast.Assign) -> Iterator[ir.Stmt]:
        value = self.expr(node.value)
        yield ir.Assign(self.places.of(node), self.exprs(node.targets), value)

    def _do_annassign(self, node: ast.AnnAssign) -> Iterator[ir.Stmt]:
        if node.value is not None:
            value = self.expr(node.value)
            yield ir.Assign(self.places.of(node), (self.expr(node.target),), value)

    def _do_augassign(self, node: ast.AugAssign) -> Iterator[ir.Stmt]:
        op = type(node.op).__name__
        target, value = self.expr(node.target), self.expr(node.value)
        yield ir.AugAssign(self.places.of(node), op, target, value)

    def _do_delete(self, node: ast.Delete) -> Iterator[ir.Stmt]:
        yield ir.Delete(self.places.of(node), self.exprs(node.targets))

    def _do_if(self, node: ast.If) -> Iterator[ir.Stmt]:
        test = self.expr(node.test)
        yield ir.If(self.places.of(node), test, self.block(node.body), self.block(node.orelse))

    def _do_for(self, node: ast.For | ast.AsyncFor) -> Iterator[ir.Stmt]:
        target, items = self.expr(node.target), self.expr(node.iter)
        body, orelse = self.block(node.body), self.block(node.orelse)
        yield ir.For(self.places.of(node), target, items, body, orelse)

    _do_asyncfor = _do_for

    def _do_while(self, node: ast.While) -> Iterator[ir.Stmt]:
        test = self.expr(node.test)
        yield ir.While(self.places.of(node), test, self.block(node.body), self.block(node.orelse))

    def _do_with(self, node: ast.With | ast.AsyncWith) -> Iterator[ir.Stmt]:
        items = tuple(
            [
                ir.WithItem(
                    self.places.of(item.context_expr),
                    self.expr(item.context_expr),
                    self.maybe(item.optional_vars),
                )
                for item in node.items
            ]
        )
        yield ir.With(self.places.of(node), items, self.block(node.body))

    _do_asyncwith = _do_with

    def _do_try(self, node: Any) -> Iterator[ir.Stmt]:
        handlers = tuple(
            [
                ir.Handler(
                    self.places.of(handler),
                    self.maybe(handler.type),
                    handler.name,
                    self.block(handler.body),
                )
                for handler in node.handlers
            ]
        )
        body, orelse, final = map(self.block, (node.body, node.orelse, node.finalbody))
        yield ir.Try(self.places.of(node), body, handlers, orelse, final)

    _do_trystar = _do_try

    def _do_match(self, node: ast.Match) -> Iterator[ir.Stmt]:
        subject = self.expr(node.subject)
        yield ir.Match(self.places.of(node), subject, tuple(map(self._case, node.cases)))

    def _case(self, node: ast.match_case) -> ir.Case:
        pattern = node.pattern
        place = self.places.of(pattern)
        options = pattern.patterns if isinstance(pattern, ast.MatchOr) else [pattern]
        tests = [self._pattern(option) for option in options]
        known = tuple([test for test in tests if test is not None])
        inner = pattern.pattern if isinstance(pattern, ast.MatchAs) and pattern.pattern else pattern
        of_class = inner if isinstance(inner, ast.MatchClass) else None
        return ir.Case(
            place,
            known if len(known) == len(tests) else (),
            isinstance(pattern, ast.MatchAs) and pattern.pattern is None,
            self.expr(of_class.cls) if of_class else None,
            of_class is not None and not (of_class.patterns or of_class.kwd_patterns),
            SHAPES.get(type(inner), ""),
            tuple([ir.Capture(place, name, steps) for name, steps in captures(pattern, ())]),
            self.maybe(node.guard),
            self.block(node.body),
        )

    def _pattern(self, pattern: ast.pattern) -> ir.Expr | None:
        """Return what a pattern compares the subject with, None where it does more than that."""
        if isinstance(pattern, ast.MatchValue):
            return self.expr(pattern.value)
        if isinstance(pattern, ast.MatchSingleton):
            return ir.Const(self.places.of(pattern), pattern.value)
        return None

    def _do_return(self, node: ast.Return) -> Iterator[ir.Stmt]:
        yield ir.Return(self.places.of(node), self.maybe(node.value))

    def _do_raise(self, node: ast.Raise) -> Iterator[ir.Stmt]:
        yield ir.Raise(self.places.of(node), self.maybe(node.exc))

    def _do_assert(self, node: ast.Assert) -> Iterator[ir.Stmt]:
        yield ir.Assert(self.places.of(node), self.expr(node.test))

    def _do_break(self, node: ast.Break) -> Iterator[ir.Stmt]:
        yield ir.Break(self.places.of(node))

    def _do_continue(self, node: ast.Continue) -> Iterator[ir.Stmt]:
        yield ir.Continue(self.places.of(node))

    def _do_global(self, node: ast.Global) -> Iterator[ir.Stmt]:
        yield ir.Scope(self.places.of(node), True, tuple(node.names))

    def _do_nonlocal(self, node: ast.Nonlocal) -> Iterator[ir.Stmt]:
        yield ir.Scope(self.places.of(node), False, tuple(node.names))

    def _do_import(self, node: ast.Import) -> Iterator[ir.Stmt]:
        for alias in node.names:
            module = alias.name if alias.asname else alias.name.partition(".")[0]
            name = alias.asname or module
            yield self._import(ir.Import(self.places.of(node), module, 0, None, name))

    def _do_importfrom(self, node: ast.ImportFrom) -> Iterator[ir.Stmt]:
        span = self.places.of(node)
        for alias in node.names:
            name = alias.asname or alias.name
            yield self._import(ir.Import(span, node.module or "", node.level, alias.name, name))

    def _import(self, made: ir.Import) -> ir.Import:
        self.imports.append(made)
        return made

    def _do_functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ir.Stmt]:
        decorators = self.exprs(node.decorator_list)
        parameters = self.parameters(node.args)
        outer, self.yields, self.mentions = (self.yields, self.mentions), False, Noted()
        self.path = (*self.path, node.name)
        body = self.block(node.body)
        function = ir.Function(
            self.places.of(node),
            node.name,
            ".".join(self.path),
            self.filename,
            parameters,
            body,
            self.yields,
            self.mentions.frozen(),
        )
        self.calls |= function.mentions.calls
        if outer[1] is not self.outermost:
            outer[1].join(self.mentions)
        self.path, (self.yields, self.mentions) = self.path[:-1], outer
        yield ir.FunctionDef(function.span, function, decorators)

    _do_asyncfunctiondef = _do_functiondef

    def _do_classdef(self, node: ast.ClassDef) -> Iterator[ir.Stmt]:
        bases, decorators = self.exprs(node.bases), self.exprs(node.decorator_list)
        self.path = (*self.path, node.name)
        body = self.block(node.body)
        self.path = self.path[:-1]
        fields = [
            s.target.id
            for s in node.body
            if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
        ]
        span = self.places.of(node)
        keywords = tuple(
            [ir.Keyword(self.places.of(k), k.arg, self.expr(k.value)) for k in node.keywords]
        )
        yield ir.ClassDef(span, node.name, bases, decorators, body, tuple(fields), keywords)
