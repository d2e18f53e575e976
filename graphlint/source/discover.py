"""Which files to lint: those named, and those below the folders named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from graphlint.errors import GraphlintError
from graphlint.source.config import Config
from graphlint.source.globs import Globs

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

# What is looked for in folders. A file that is named itself is linted whatever it is called.
SUFFIXES = (".py",)
_NOTEBOOK = ".ipynb"


def discover(paths: Iterable[Path | str], config: Config) -> list[str]:
    """Find the files to lint.

    Args:
        paths: files, which are always linted, and folders, in which Python files are looked for.
            What `exclude` and .gitignore files name is left out.
        config: says what to exclude.

    Returns:
        The files, sorted, each once: as the paths were written, joined with what was found below.

    Raises:
        GraphlintError: a path doesn't exist, or is a notebook.
    """
    found: dict[str, str] = {}
    walk = _Walk(config.excluded)
    for given in paths:
        path = os.path.normpath(given)
        if not Path(path).exists():
            raise GraphlintError(f"{given}: no such file or folder. Check the path.")
        if path.endswith(_NOTEBOOK):
            raise GraphlintError(
                f"{given}: notebooks can't be linted yet. Lint the script that "
                "`jupyter nbconvert --to script` makes of it."
            )
        entries = walk.files(path) if Path(path).is_dir() else [(path, os.path.realpath(path))]
        for name, real in entries:
            # Of a file and the links to it, the one that sorts first stands for all.
            found[real] = min(name, found.get(real, name))
    return sorted(found.values())


@dataclass(frozen=True)
class _Ignore:
    """The patterns of one .gitignore file, and the real folder that they count from."""

    folder: str
    spec: GitIgnoreSpec

    def verdict(self, path: str) -> bool | None:
        """Say whether the last pattern that matches ignores a path, None where none matches."""
        below = os.path.relpath(path.rstrip(os.sep), self.folder).replace(os.sep, "/")
        is_folder = path.endswith(os.sep)
        return self.spec.check_file(below + "/" if is_folder else below).include


@dataclass
class _Walk:
    """Walks folders, each real one once.

    Paths are strings here: there are thousands, and `Path` takes ten times as long for each.
    """

    excluded: Globs
    seen: set[str] = field(default_factory=set)

    def files(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield the Python files below a folder: the path to show, and the real one."""
        real = os.path.realpath(folder)
        yield from self._below(folder, real, _outer_ignores(real))

    def _below(
        self, folder: str, real: str, ignores: tuple[_Ignore, ...]
    ) -> Iterator[tuple[str, str]]:
        if real in self.seen:
            return
        self.seen.add(real)
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except PermissionError:
            return  # as git does: what may not be read is not there
        if any(entry.name == ".gitignore" for entry in entries):
            ignores = (*ignores, *_ignores_in(real))
        for entry in entries:
            shown = os.path.normpath(entry.path)
            inner = f"{real.rstrip(os.sep)}{os.sep}{entry.name}"
            is_folder = entry.is_dir()
            is_wanted = is_folder or (entry.name.endswith(SUFFIXES) and entry.is_file())
            if not is_wanted or self._left_out(inner + os.sep * is_folder, ignores):
                continue
            target = os.path.realpath(inner) if entry.is_symlink() else inner
            if is_folder:
                yield from self._below(shown, target, ignores)
            else:
                yield shown, target

    def _left_out(self, path: str, ignores: tuple[_Ignore, ...]) -> bool:
        """Whether a path, which ends with a separator if it is a folder's, is not to be linted."""
        if self.excluded.match(path.rstrip(os.sep)):
            return True
        # The nearest file that says anything about a path decides, as in git.
        verdicts = (ignore.verdict(path) for ignore in reversed(ignores))
        return next((verdict for verdict in verdicts if verdict is not None), False)


def _outer_ignores(real: str) -> tuple[_Ignore, ...]:
    """Read the .gitignore files above a folder, from the repository's root on.

    Outside a repository, those from the working folder on count.
    """
    folder = Path(real)
    above = [folder, *folder.parents]
    root = next((parent for parent in above if (parent / ".git").exists()), Path.cwd())
    if root not in above:
        return ()
    between = above[1 : above.index(root) + 1]
    return tuple(ignore for parent in reversed(between) for ignore in _ignores_in(str(parent)))


def _ignores_in(folder: str) -> Iterator[_Ignore]:
    """Yield what the .gitignore file of a folder says, if there is one that can be read."""
    try:
        text = Path(folder, ".gitignore").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    # Only a tree with such a file pays for the import.
    from pathspec import GitIgnoreSpec

    yield _Ignore(folder, GitIgnoreSpec.from_lines(text.splitlines()))
