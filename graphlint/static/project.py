"""The analysed program as files: which file an import means, and each file lowered once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from graphlint.static import ir
from graphlint.static.importing import imports_in
from graphlint.static.lower import lower

NEVER = frozenset(sys.stdlib_module_names) | {"torch", "numpy", "torchvision"}
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What lowering raises for a text that is no Python; an imported file may be just that."""


@dataclass(slots=True)
class Project:
    """Finds and lowers the files of a program.

    Attributes:
        root: the folder that imports are looked for in, and not above.
        read: returns a file's text, None where it can't be read.
    """

    root: str
    read: Callable[[str], str | None]
    _lowered: dict[str, ir.Module | None] = field(default_factory=dict)
    _is_file: dict[str, bool] = field(default_factory=dict)
    _imports: dict[str, frozenset[str]] = field(default_factory=dict)
    _found: dict[tuple[str, int, str], str | None] = field(default_factory=dict)

    def lower(self, filename: str) -> ir.Module | None:
        """Return a file in the intermediate form, None where it is no Python."""
        if filename not in self._lowered:
            text = self.read(filename)
            try:
                self._lowered[filename] = None if text is None else lower(text, filename)
            except UNREADABLE:
                self._lowered[filename] = None
        return self._lowered[filename]

    def find(self, importer: str, level: int, module: str) -> str | None:
        """Return the file (or the folder, of a package without `__init__`) that an import means.

        Args:
            importer: the file with the import.
            level: how many dots a relative import has.
            module: the dotted name behind them.
        """
        key = (os.path.dirname(importer), level, module)
        if key not in self._found:
            self._found[key] = self._search(*key)
        return self._found[key]

    def imports(self, filename: str) -> frozenset[str]:
        """Return the files that a file imports, as far as its text tells."""
        if filename not in self._imports:
            text = self.read(filename) or ""
            found = [f for line in imports_in(text) for f in self._imported(filename, *line)]
            self._imports[filename] = frozenset(found) - {filename}
        return self._imports[filename]

    def _imported(
        self, importer: str, level: int, module: str, names: Iterable[str]
    ) -> Iterator[str]:
        found = self.find(importer, level, module)
        if found is None:
            return
        members = (self.member(found, name) for name in names)
        yield from (each for each in (found, *members) if each and each.endswith(".py"))

    def member(self, package: str, name: str) -> str | None:
        """Return the file or folder of a package's submodule."""
        folder = package if not package.endswith(".py") else os.path.dirname(package)
        if package.endswith(".py") and os.path.basename(package) != "__init__.py":
            return None
        return self._at(os.path.join(folder, name))

    def _search(self, folder: str, level: int, module: str) -> str | None:
        parts = module.split(".") if module else []
        if level:
            for _ in range(level - 1):
                folder = os.path.dirname(folder)
            return self._at(os.path.join(folder, *parts))
        if not parts or parts[0] in NEVER:
            return None
        for place in self._places(folder):
            found = self._at(os.path.join(place, *parts))
            if found is not None:
                return found
        return None

    def _places(self, folder: str) -> Iterable[str]:
        """Walk the folders that absolute imports may be looked for in, from the file upwards."""
        while True:
            yield folder
            yield os.path.join(folder, "src")
            parent = os.path.dirname(folder)
            if folder == self.root or parent == folder:
                return
            folder = parent

    def _at(self, path: str) -> str | None:
        for candidate in (f"{path}.py", os.path.join(path, "__init__.py")):
            if self._exists(candidate):
                return candidate
        return path if path and os.path.isdir(path) and not self._exists(path) else None

    def _exists(self, path: str) -> bool:
        if path not in self._is_file:
            self._is_file[path] = os.path.isfile(path)
        return self._is_file[path]
