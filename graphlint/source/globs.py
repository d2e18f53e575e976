"""Globs over paths, as ruff reads them in `exclude` and `per-file-ignores`."""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass
from functools import cached_property

_MAGIC = re.compile(r"[*?\[/]")


@dataclass(frozen=True)
class Globs:
    """Globs that a path may match.

    A glob without a slash matches a file or folder of that name anywhere; one with a slash matches
    the path below `root`. `*` matches slashes too, `**/` no folder or several.

    Attributes:
        patterns: the globs.
        root: the absolute folder that globs with a slash count from.
    """

    patterns: tuple[str, ...]
    root: str

    def match(self, path: str) -> bool:
        """Whether a file or a folder, given by its absolute path, matches one of the globs."""
        name = path.rpartition(os.sep)[2]
        if name in self._names or any(glob.match(name) for glob in self._name_globs):
            return True
        if not self._path_globs:
            return False
        below = os.path.relpath(path, self.root).replace(os.sep, "/")
        return any(glob.match(below) for glob in self._path_globs)

    def match_any_part(self, path: str) -> bool:
        """Whether an absolute path, or one of its folders below the root, matches."""
        if self.match(path):
            return True
        while path.startswith(self.root + os.sep):
            if self.match(path):
                return True
            path = path.rpartition(os.sep)[0]
        return False

    @cached_property
    def _clean(self) -> list[str]:
        """The globs with slashes, relative to the root where they are below it."""
        root = self.root.replace(os.sep, "/").rstrip("/") + "/"
        globs = [pattern.replace(os.sep, "/") for pattern in self.patterns]
        return [g.rstrip("/").removeprefix("./").removeprefix(root) for g in globs]

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(glob for glob in self._clean if not _MAGIC.search(glob))

    @cached_property
    def _name_globs(self) -> list[re.Pattern[str]]:
        return [_compile(g) for g in self._clean if "/" not in g and g not in self._names]

    @cached_property
    def _path_globs(self) -> list[re.Pattern[str]]:
        return [_compile(g) for g in self._clean if "/" in g]


def _compile(glob: str) -> re.Pattern[str]:
    parts = [fnmatch.translate(part) for part in glob.split("**/")]
    bodies = [part.removesuffix(r"\Z").removesuffix(r"\z") for part in parts]
    return re.compile("(?:.*/)?".join(bodies) + r"\Z")
