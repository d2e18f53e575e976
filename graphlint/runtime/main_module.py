"""The module that a program is: found as `python FILE` and `python -m MODULE` find it."""

from __future__ import annotations

import io
import pkgutil
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from graphlint.errors import GraphlintError


class NoProgramError(GraphlintError):
    """There is no such module, folder or archive to run; Python exits with 1 then, too."""

    exit_code = 1


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
        GraphlintError: there is no such file, in Python's own words.
    """
    absolute = str(Path(path).absolute())
    try:
        importer = pkgutil.get_importer(absolute) if not _is_source(path) else None
    except OSError as error:
        reason = f"[Errno {error.errno}] {error.strerror}"
        raise GraphlintError(f"can't open file {absolute!r}: {reason}") from error
    if importer is not None:
        # runpy looks for `__main__` on the path, where the folder or the archive stands first.
        find = runpy._get_main_module_details  # type: ignore[attr-defined]
        return MainModule(path, absolute, lambda: _loaded(*find(NoProgramError)[1:]))
    return MainModule(path, str(Path(path).resolve().parent), lambda: _load_file(absolute))


def find_module(name: str) -> MainModule:
    """Find the program that `python -m NAME` runs; its `load` raises where there is none."""

    def load() -> Loaded:
        find = runpy._get_module_details  # type: ignore[attr-defined]  # as `pdb -m` does
        _, spec, code = find(name, NoProgramError)
        sys.argv[0] = spec.origin or name
        return _loaded(spec, code)

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


def _load_file(absolute: str) -> Loaded:
    with io.open_code(absolute) as file:
        code = compile(file.read(), absolute, "exec", dont_inherit=True)
    loader = SourceFileLoader("__main__", absolute)
    return Loaded(
        code, {"__file__": absolute, "__cached__": None, "__loader__": loader, "__spec__": None}
    )


def _loaded(spec: ModuleSpec, code: CodeType) -> Loaded:
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
