"""What all tests share: tests of torch are left out where torch is not installed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

HAS_TORCH = find_spec("torch") is not None
IMPORTS_TORCH = re.compile(r"^(import|from) (torch|graphlint\.runtime)\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the modules that import torch at their top, as they can't even be collected."""
    if HAS_TORCH or collection_path.suffix != ".py" or collection_path == Path(__file__):
        return None
    return bool(IMPORTS_TORCH.search(collection_path.read_text(encoding="utf-8"))) or None
