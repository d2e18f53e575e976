"""The module that a program is: found as `python FILE` and `python -m MODULE` find it."""

from __future__ import annotations

import importlib.util
import io
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from graphlint.errors import GraphlintError


@dataclass(frozen=True)
class MainModule:
    """A program that is ready to run.

    Attributes:
        argv0: what the program sees as `sys.argv[0]`.
        path0: what it sees as `sys.path[0]`.
        load: compiles the program; it may raise whatever the program's own import raises.
    """

    argv0: str
    path0: str
    load: Callable[[], Loaded]


@dataclass(frozen=True)
class Loaded:
    """The code of a program, and the attributes of the module that it runs in."""

    code: CodeType
    attributes: dict[str, Any] = field(default_factory=dict)


def find_script(path: str) -> MainModule:
    """Find the program that `python PATH` runs: a file, a folder or a zip with a `__main__`.

    Raises:
        GraphlintError: there is no such file.
    """
    if not Path(path).exists():
        raise GraphlintError(f"can't run {path}: no such file")
    importer = pkgutil.get_importer(path) if not _is_source(path) else None
    if importer is not None:
        spec = importer.find_spec("__main__", None)
        if spec is None:
            raise GraphlintError(f"can't run {path}: it has no __main__ module")
        return MainModule(path, path, lambda: _load_spec(spec))
    folder = str(Path(path).resolve().parent)
    return MainModule(path, folder, lambda: _load_file(path))


def find_module(name: str) -> MainModule:
    """Find the program that `python -m NAME` runs.

    Raises:
        GraphlintError: there is no such module, or it can't be run.
    """

    def load() -> Loaded:
        spec = _runnable_spec(name)
        loaded = _load_spec(spec)
        sys.argv[0] = spec.origin or name
        return loaded

    # Python itself has `-m` there until it has found the module.
    return MainModule("-m", str(Path.cwd()), load)


@contextmanager
def as_main(main: MainModule, argv: list[str]) -> Iterator[ModuleType]:
    """Make a fresh `__main__`, with the program's arguments and path, and undo it afterwards."""
    module = ModuleType("__main__")
    module.__dict__["__builtins__"] = __builtins__
    if "__annotations__" in vars(sys.modules["__main__"]):  # Python's own, in some versions
        module.__annotations__ = {}
    saved = sys.argv, list(sys.path), sys.modules["__main__"]
    sys.argv = [main.argv0, *argv]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0:1] = [main.path0]
    sys.modules["__main__"] = module
    try:
        yield module
    finally:
        sys.argv, sys.path[:], sys.modules["__main__"] = saved


def _is_source(path: str) -> bool:
    """Whether a path is a file of source text rather than a folder or an archive."""
    if Path(path).is_dir():
        return False
    with Path(path).open("rb") as file:
        return not file.read(4).startswith(b"PK")


def _load_file(path: str) -> Loaded:
    absolute = str(Path(path).absolute())  # as Python names the main file from 3.9 on
    with io.open_code(absolute) as file:
        code = compile(file.read(), absolute, "exec", dont_inherit=True)
    return Loaded(code, {"__file__": absolute, "__cached__": None, "__spec__": None})


def _runnable_spec(name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise GraphlintError(f"can't run -m {name}: no module named {error.name}") from None
        raise
    if spec is None:
        raise GraphlintError(f"can't run -m {name}: no such module")
    if spec.submodule_search_locations is not None:
        return _runnable_spec(f"{name}.__main__")
    return spec


def _load_spec(spec: ModuleSpec) -> Loaded:
    get_code = getattr(spec.loader, "get_code", None)
    code = get_code(spec.name) if get_code else None
    if code is None:
        raise GraphlintError(f"can't run {spec.name}: it has no code")
    return Loaded(
        code,
        {
            "__file__": spec.origin,
            "__cached__": spec.cached,
            "__loader__": spec.loader,
            "__package__": spec.parent,
            "__spec__": spec,
        },
    )
