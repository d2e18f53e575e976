"""Which files of a project have to be run: those with passes, and those that call them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence

from graphlint.source.prefilter import can_hold_passes
from graphlint.static import ir
from graphlint.static.execute.entries import Relevance, functions_in
from graphlint.static.project import Project

ROUNDS = 2
"""How many steps up the chain of callers files are looked for."""
FEW_FILES = 20
"""Among so many files, one that imports a chosen one is run whatever it calls."""


def choose_roots(
    files: Sequence[str],
    project: Project,
    read: Callable[[str], bytes | None],
    backward_functions: Iterable[str] = (),
) -> list[ir.Module]:
    """Return the files to run, lowered: by byte searches, so that most are never parsed.

    Args:
        files: the analysed files.
        project: lowers them.
        read: returns a file's bytes, None where it can't be read.
        backward_functions: extra names of functions that run a pass.
    """
    names = tuple(backward_functions)
    contents = {name: data for name in files if (data := read(name)) is not None}
    chosen = [name for name, data in contents.items() if can_hold_passes(data, names)]
    modules = {name: project.lower(name) for name in chosen}
    for _ in range(ROUNDS if len(files) > 1 else 0):
        known = [module for module in modules.values() if module is not None]
        relevance = Relevance(known, names)
        classes = [name for module in known for name in _classes(module, relevance)]
        calls = _pattern((*relevance.reaching, *classes))
        if len(contents) <= FEW_FILES:
            calls = re.compile(b"")
        imports = _pattern((*map(_module_name, modules), *classes))
        more = [
            name
            for name, data in contents.items()
            if name not in modules and calls.search(data) and imports.search(data)
        ]
        if not more:
            break
        modules.update((name, project.lower(name)) for name in more)
    return [module for name in files if (module := modules.get(name)) is not None]


def _classes(module: ir.Module, relevance: Relevance) -> Iterable[str]:
    """Return the classes with methods that reach a pass: a package may export them as its own."""
    for statement in module.body:
        if isinstance(statement, ir.ClassDef):
            if any(relevance.reaches(function) for function in functions_in(statement.body)):
                yield statement.name


def _module_name(filename: str) -> str:
    stem = os.path.basename(filename).removesuffix(".py")
    return os.path.basename(os.path.dirname(filename)) if stem == "__init__" else stem


def _pattern(names: Iterable[str]) -> re.Pattern[bytes]:
    words = sorted({re.escape(name).encode() for name in names if name})
    return re.compile(rb"\b(?:" + b"|".join(words) + rb")\b" if words else rb"(?!)")
