"""Which configuration holds for which file: the nearest one, with the command line on top."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from graphlint.selection import check_selectors
from graphlint.source.config import Config, find_config, load_config

Override = Callable[[Config], Config]
_NAMES = ("graphlint.toml", "pyproject.toml")


class Settings:
    """Finds the configuration of a folder, and reads each file once.

    Args:
        override: puts the command line's options on top of a configuration.
        explicit: the configuration file that `--config` names, for all folders.
        isolated: look for no file at all.
    """

    def __init__(
        self, override: Override, explicit: Path | None = None, isolated: bool = False
    ) -> None:
        self._override = override
        self._folders: dict[Path, Config] = {}
        self._fixed: Config | None = None
        if explicit is not None:
            self._fixed = self._checked(load_config(explicit))
        elif isolated:
            self._fixed = self._checked(Config())

    def of_folder(self, folder: Path) -> Config:
        """Return the configuration of what lies in a folder, given by its absolute path."""
        if self._fixed is not None:
            return self._fixed
        if folder not in self._folders:
            self._folders[folder] = self._find(folder)
        return self._folders[folder]

    def of_paths(self, paths: Sequence[Path]) -> Config:
        """Return the configuration that says where to look for files: that above all paths."""
        folders = [path.absolute() if path.is_dir() else path.absolute().parent for path in paths]
        return self.of_folder(Path(os.path.commonpath(folders)) if folders else Path.cwd())

    def groups(self, files: Sequence[str]) -> list[tuple[Config, list[str]]]:
        """Divide files by their configuration, in the order of their first files."""
        groups: dict[int, tuple[Config, list[str]]] = {}
        for file in files:
            config = self.of_folder(Path(file).absolute().parent)
            groups.setdefault(id(config), (config, []))[1].append(file)
        return list(groups.values())

    def _find(self, folder: Path) -> Config:
        is_root = folder.parent == folder
        has_file = any((folder / name).is_file() for name in _NAMES)
        found = find_config(folder) if has_file else None
        if found is not None and found.parent == folder:
            return self._checked(load_config(found))
        return self._checked(Config()) if is_root else self.of_folder(folder.parent)

    def _checked(self, config: Config) -> Config:
        config = self._override(config)
        check_selectors(config)
        return config


def describe(config: Config) -> str:
    """Return a configuration in the words of its file, one line a key."""
    lines = [f"# {config.path or 'the defaults: no configuration file was found'}"]
    for number, layer in enumerate(config.layers):
        if number:
            lines.append("# the command line's selectors, on top of the file's")
        if layer.select is not None:
            lines.append(f"select = {list(layer.select)}")
        lines.append(f"ignore = {list(layer.ignore)}")
        lines.append(f"extend-select = {list(layer.extend_select)}")
    ignores = {glob: list(selectors) for glob, selectors in config.per_file_ignores}
    lines += [
        f"per-file-ignores = {ignores}",
        f"exclude = {list(config.exclude)}",
        f"extend-exclude = {list(config.extend_exclude)}",
        f"min-confidence = {str(config.min_confidence)!r}",
        f"backward-functions = {list(config.backward_functions)}",
        f"sinks = {list(config.sinks)}",
    ]
    return "\n".join(lines) + "\n"
