"""Imports between the files of a program: bound by name, loaded when the name is first used.

A file that is imported is run for what it defines: functions, classes, imports and assignments, in
branches too. Its loops and calls for their effect are left to it as an entry point of its own.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from graphlint.static import ir
from graphlint.static.execute.paths.frames import Loaded
from graphlint.static.execute.paths.keys import object_key
from graphlint.static.execute.paths.state import State
from graphlint.static.execute.paths.values import (
    Address,
    Const,
    Env,
    External,
    Imported,
    Module,
    Sym,
    Value,
)

if TYPE_CHECKING:
    from graphlint.static.execute.executor import Executor

DEFINING = (ir.FunctionDef, ir.ClassDef, ir.Import, ir.Assign, ir.If, ir.Try)
LONGEST_CHAIN = 12
"""How many re-exports are followed from one import."""


def import_value(ex: Executor, state: State, node: ir.Import) -> Value:
    """Return what an import binds: a file of the program, something in one, or a library."""
    importer = current_file(state)
    found = ex.project.find(importer, node.level, node.module) if ex.project else None
    if found is None:
        module = "." * node.level + node.module
        return External(module if node.member is None else f"{module}.{node.member}")
    return Module(found) if node.member is None else Imported(found, node.member)


def current_file(state: State) -> str:
    """Return the file whose code is running."""
    address: Address | None = state.env
    while address is not None:
        env = state.heap[address]
        assert isinstance(env, Env)
        if env.parent is None:
            name = env.vars.get("__file__")
            return str(name.value) if isinstance(name, Const) else ""
        address = env.parent
    return ""


def resolve(ex: Executor, state: State, value: Value) -> Value:
    """Follow an imported name to what it stands for, through re-exports."""
    for _ in range(LONGEST_CHAIN):
        if not isinstance(value, Imported):
            return value
        value = module_attribute(ex, state, Module(value.filename), value.member)
    return Sym(("global", "import"))


def module_attribute(ex: Executor, state: State, module: Module, name: str) -> Value:
    """Read a name of a file of the program, or find the submodule of that name."""
    if module.filename.endswith(".py"):
        address = load(ex, state, module.filename)
        env = state.heap.get(address) if address is not None else None
        bound = env.vars.get(name) if isinstance(env, Env) else None
        # A package's `from . import part` binds what is found in its folder.
        if bound is not None and bound != Imported(module.filename, name):
            return bound
    found = ex.project.member(module.filename, name) if ex.project else None
    return Module(found) if found is not None else Sym(("global", module.filename, name))


def load(ex: Executor, state: State, filename: str) -> Address | None:
    """Run a file's definitions in a state, once, and return where its variables are."""
    address = ex.frames.name("module", filename)
    if address in state.heap:
        return address
    module = ex.project.lower(filename) if ex.project else None
    if module is None:
        return None
    if filename in ex.frames.loaded:
        _take_over(ex, state, filename)
        return address
    if not ex.steps.can_load:
        return None
    heap, graph = set(state.heap), set(state.graph)
    state.heap[address] = Env(module_variables(filename, imported=True), None)
    env, frame, grad = state.env, state.frame, state.grad
    state.stack, state.env = (*state.stack, env), address
    state.frame = ex.frames.enter(None, module, "module", module)
    define(ex, state, module)
    state.stack, state.env, state.frame, state.grad = state.stack[:-1], env, frame, grad
    made = Loaded(
        {a: found for a, found in state.heap.items() if a not in heap},
        {n: node for n, node in state.graph.items() if n not in graph},
    )
    needs = _needs(ex, filename, made)
    if needs is not None:
        ex.frames.keep(filename, replace(made, needs=needs))
    return address


def _take_over(ex: Executor, state: State, filename: str) -> None:
    """Put what another state loaded into a state, with the files that it refers to."""
    for name in (filename, *ex.frames.loaded[filename].needs):
        loaded = ex.frames.loaded[name]
        for address, found in loaded.heap.items():
            state.heap.setdefault(address, found)
        for number, node in loaded.graph.items():
            state.graph.setdefault(number, node)


def _needs(ex: Executor, filename: str, made: Loaded) -> frozenset[str] | None:
    """Return the loaded files that what a file made refers to, None where there is more to it."""
    owners = ex.frames.owners
    needs: set[str] = set()
    for found in made.heap.values():
        _, addresses, nodes = object_key(found, 0)
        for key in (*(("heap", a) for a in addresses), *(("graph", n) for n in nodes)):
            if key[1] in (made.heap if key[0] == "heap" else made.graph):
                continue
            if key not in owners:
                return None
            needs.add(owners[key])
    for node in made.graph.values():
        if any(number not in made.graph for number in node.inputs):
            return None
    deeper = [ex.frames.loaded[name].needs for name in needs]
    return frozenset(needs.union(*deeper)) - {filename}


def define(ex: Executor, state: State, module: ir.Module) -> None:
    """Run what a file defines in a state; where its code branches, along one way."""
    env, frame, stack, temps = state.env, state.frame, state.stack, state.temps
    for statement in module.body:
        if isinstance(statement, DEFINING):
            with ex.steps.unpaid():
                ex.exec(statement, state)
            state.env, state.frame, state.stack, state.temps = env, frame, stack, temps
            state.grad = True


def module_variables(filename: str, imported: bool) -> dict[str, Value]:
    """Return what every module's environment starts with."""
    name = os.path.basename(filename).removesuffix(".py") if imported else "__main__"
    return {"__name__": Const(name), "__file__": Const(filename)}


def import_all(ex: Executor, state: State, node: ir.Import) -> None:
    """Run `from module import *` for a file of the program."""
    found = ex.project.find(current_file(state), node.level, node.module) if ex.project else None
    address = load(ex, state, found) if found is not None and found.endswith(".py") else None
    env = state.heap.get(address) if address is not None else None
    for name, value in env.vars.items() if isinstance(env, Env) else ():
        if not name.startswith("_"):
            state.bind(name, value)
