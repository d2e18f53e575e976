"""The configuration: `[tool.graphlint]` in pyproject.toml, or graphlint.toml.

Keys and types are checked here. Which rules the selectors stand for is `graphlint.selection`'s
business.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graphlint.errors import GraphlintError
from graphlint.source.globs import Globs
from graphlint.trace import Confidence

DEFAULT_EXCLUDE = (
    ".bzr", ".direnv", ".eggs", ".git", ".git-rewrite", ".hg", ".ipynb_checkpoints",
    ".mypy_cache", ".nox", ".pants.d", ".pyenv", ".pytest_cache", ".pytype", ".ruff_cache",
    ".svn", ".tox", ".venv", ".vscode", "__pycache__", "__pypackages__", "_build", "buck-out",
    "build", "dist", "node_modules", "site-packages", "venv",
)  # fmt: skip


@dataclass(frozen=True)
class Selectors:
    """One layer of rule selectors: those of a file, or those of the command line on top of it.

    Attributes:
        select: the rules to use, None where the layer below decides.
        ignore: rules to leave out.
        extend_select: rules to use as well.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()

    def all(self) -> tuple[str, ...]:
        """Return every selector of the layer."""
        return (*(self.select or ()), *self.ignore, *self.extend_select)


@dataclass(frozen=True)
class Config:
    """What to lint and which rules to use. The defaults are those of a project without a file.

    Attributes:
        layers: the rule selectors, the command line's last.
        per_file_ignores: globs, each with the selectors to leave out of the files that match.
        exclude: globs of files and folders that are not looked for.
        extend_exclude: the same, on top of `exclude`.
        min_confidence: findings less sure than this are left out.
        backward_functions: extra names of functions that run a backward pass, dotted or not.
        sinks: extra names of functions that only log, dotted or not.
        root: the absolute folder that globs count from; the working folder where empty.
        path: the file that this comes from, None for the defaults.
    """

    layers: tuple[Selectors, ...] = (Selectors(),)
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    extend_exclude: tuple[str, ...] = ()
    min_confidence: Confidence = Confidence.LIKELY
    backward_functions: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()
    root: str = ""
    path: str | None = None

    @property
    def folder(self) -> str:
        """The absolute folder that globs count from."""
        return self.root or str(Path.cwd())

    @property
    def excluded(self) -> Globs:
        """The globs of what is not looked for."""
        return Globs((*self.exclude, *self.extend_exclude), self.folder)

    def override(
        self,
        *,
        select: Iterable[str] | None = None,
        ignore: Iterable[str] = (),
        extend_select: Iterable[str] = (),
        exclude: Iterable[str] | None = None,
        extend_exclude: Iterable[str] = (),
        per_file_ignores: Iterable[tuple[str, Iterable[str]]] | None = None,
        min_confidence: Confidence | str | None = None,
    ) -> Config:
        """Return this configuration with the command line's options on top.

        Args:
            select: the rules to use instead of the file's; the file's `ignore` goes with them.
            ignore: more rules to leave out.
            extend_select: more rules to use.
            exclude: globs to use instead of the file's.
            extend_exclude: more globs.
            per_file_ignores: globs and selectors to use instead of the file's.
            min_confidence: the confidence to use instead of the file's.

        Raises:
            ValueError: `min_confidence` is no confidence.
        """
        chosen = None if select is None else tuple(select)
        layer = Selectors(chosen, tuple(ignore), tuple(extend_select))
        config = replace(self, layers=(*self.layers, layer)) if layer != Selectors() else self
        config = replace(config, extend_exclude=(*self.extend_exclude, *extend_exclude))
        if exclude is not None:
            config = replace(config, exclude=tuple(exclude))
        if per_file_ignores is not None:
            ignores = tuple((glob, tuple(selectors)) for glob, selectors in per_file_ignores)
            config = replace(config, per_file_ignores=ignores)
        if min_confidence is not None:
            config = replace(config, min_confidence=Confidence(min_confidence))
        return config


def find_config(start: Path) -> Path | None:
    """Find the nearest configuration at or above a folder.

    A graphlint.toml counts before a pyproject.toml beside it, and a pyproject.toml only where it
    has a table `[tool.graphlint]`.

    Args:
        start: a folder, or a file in it.

    Raises:
        GraphlintError: a pyproject.toml on the way can't be read.
    """
    start = start.absolute()
    for folder in (start, *start.parents):
        own = folder / "graphlint.toml"
        if own.is_file():
            return own
        project = folder / "pyproject.toml"
        if project.is_file() and _table(project) is not None:
            return project
    return None


def load_config(path: Path) -> Config:
    """Read a configuration file.

    Args:
        path: a pyproject.toml (a missing table means the defaults), or a file with graphlint's
            keys at its top.

    Raises:
        GraphlintError: the file can't be read or is no TOML, a key is unknown, or a value has the
            wrong type.
    """
    table = _table(path) or {}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            raise GraphlintError(_unknown_key(path, key))
        wanted, read = _KEYS[key]
        try:
            values[key] = read(value)
        except (TypeError, ValueError):
            raise GraphlintError(f"{path}: `{key}` must be {wanted}, not {value!r}.") from None
    selectors = Selectors(
        values.pop("select", None), values.pop("ignore", ()), values.pop("extend-select", ())
    )
    fields = {key.replace("-", "_"): value for key, value in values.items()}
    root = str(path.absolute().parent)
    return Config(layers=(selectors,), root=root, path=str(path), **fields)


def _unknown_key(path: Path, key: str) -> str:
    # Only a mistake pays for the import.
    from difflib import get_close_matches

    near = get_close_matches(key.replace("_", "-"), _KEYS, 1, 0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"the keys are {', '.join(sorted(_KEYS))}."
    return f"{path}: unknown key `{key}` in graphlint's configuration; {hint}"


def _table(path: Path) -> dict[str, Any] | None:
    """Read graphlint's table of a TOML file, None where a pyproject.toml has none."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        data = path.read_bytes()
        # Most projects' files say nothing about graphlint: leave those unparsed.
        if path.name == "pyproject.toml" and b"graphlint" not in data:
            return None
        document = tomllib.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise GraphlintError(f"{path}: can't be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GraphlintError(f"{path}: is no valid TOML: {error}. Mend the file.") from error
    if path.name != "pyproject.toml":
        return document
    table = document.get("tool", {}).get("graphlint")
    if table is not None and not isinstance(table, dict):
        raise GraphlintError(f"{path}: `tool.graphlint` must be a table, not {table!r}.")
    return table


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError
    return tuple(value)


def _ignores(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, dict):
        raise TypeError
    return tuple((glob, _strings(selectors)) for glob, selectors in value.items())


def _confidence(value: object) -> Confidence:
    if value == "observed":
        raise ValueError
    return Confidence(value)


_LIST = ("a list of strings", _strings)
_KEYS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "select": _LIST,
    "ignore": _LIST,
    "extend-select": _LIST,
    "exclude": _LIST,
    "extend-exclude": _LIST,
    "per-file-ignores": ("a table from globs to lists of strings", _ignores),
    "min-confidence": ('"certain", "likely" or "possible"', _confidence),
    "backward-functions": _LIST,
    "sinks": _LIST,
}
