"""Do something once a module has been imported, without importing it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


@contextmanager
def when_imported(name: str, action: Callable[[], None]) -> Iterator[None]:
    """Run an action when a module has been imported, at once if it is there already.

    Args:
        name: the module's name.
        action: what to do, at most once, inside the block.
    """
    if name in sys.modules:
        action()
        yield
        return
    watcher = _Watcher(name, action)
    sys.meta_path.insert(0, watcher)
    try:
        yield
    finally:
        watcher.withdraw()


class _Watcher(MetaPathFinder):
    """Lets the others find the module, and waits until its loader has run."""

    def __init__(self, name: str, action: Callable[[], None]) -> None:
        self._name = name
        self._action = action

    def withdraw(self) -> None:
        """Watch no more."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the watched module by the other finders; leave every other module to them."""
        if fullname != self._name:
            return None
        self.withdraw()
        spec = importlib.util.find_spec(fullname)
        loader = spec.loader if spec else None
        if loader is not None and hasattr(loader, "exec_module"):
            run = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                del loader.exec_module  # the loader is left as it was found
                run(module)
                self._action()

            loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
