"""Import a program's own files without writing them to a disk."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import posixpath
import sys
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from types import CodeType, ModuleType
from typing import Any
from unittest import mock

from .places import FOLDER

ROOT = FOLDER.rstrip("/")


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads the files of one program."""

    def __init__(self, codes: dict[str, CodeType], builtins: dict[str, Any]) -> None:
        self.codes = codes
        self.builtins = builtins

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Look for a module in the program's folders that are on the search path."""
        tail = name.rpartition(".")[2]
        for folder in filter(None, map(_inside, sys.path if path is None else path)):
            base = str(PurePosixPath(folder[len(ROOT) :].strip("/"), tail))
            for file, package in ((f"{base}/__init__.py", True), (f"{base}.py", False)):
                if file in self.codes:
                    return self._spec(name, file, f"{ROOT}/{base}" if package else None)
            if any(file.startswith(f"{base}/") for file in self.codes):
                return self._spec(name, None, f"{ROOT}/{base}")
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Leave it to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's code."""
        file = module.__spec__.loader_state if module.__spec__ else None
        if file is not None:
            vars(module)["__builtins__"] = self.builtins
            exec(self.codes[file], vars(module))

    def _spec(
        self, name: str, file: str | None, folder: str | None
    ) -> importlib.machinery.ModuleSpec:
        origin = FOLDER + file if file else None
        spec = importlib.machinery.ModuleSpec(
            name, self, origin=origin, loader_state=file, is_package=folder is not None
        )
        spec.has_location = origin is not None
        if folder is not None:
            spec.submodule_search_locations = [folder]
        return spec


def _inside(entry: str) -> str:
    """Return an entry of the search path as a path in the program, or nothing."""
    return posixpath.normpath(entry[entry.index(ROOT) :]) if ROOT in entry else ""


@contextlib.contextmanager
def importable(codes: dict[str, CodeType], main: str, builtins: dict[str, Any]) -> Iterator[None]:
    """Let imports find the program's files, and forget them after."""
    folder = str(PurePosixPath(ROOT, main).parent)
    own = {PurePosixPath(file).with_suffix("").name for file in codes}
    own |= {part for file in codes for part in PurePosixPath(file).parent.parts}
    hidden = _taken_out(own)
    try:
        with (
            mock.patch.object(sys, "path", [folder, *sys.path]),
            mock.patch.object(sys, "meta_path", [Finder(codes, builtins), *sys.meta_path]),
        ):
            yield
    finally:
        _taken_out(own)
        sys.modules.update(hidden)


def _taken_out(names: set[str]) -> dict[str, ModuleType]:
    """Take modules of these top-level names out of those that are loaded."""
    found = [name for name in sys.modules if name.partition(".")[0] in names]
    return {name: sys.modules.pop(name) for name in found}
