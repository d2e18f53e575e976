"""Which files a file imports, read off its text: most files of a project are never parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FROM = re.compile(
    r"^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]*(\([^)]*\)|[^\n;#]*)", re.MULTILINE
)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+([^\n;#]+)", re.MULTILINE)
_WORD = re.compile(r"\w+")
_DOTTED = re.compile(r"[\w.]+")


def imports_in(text: str) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Walk the imports in a text: how many dots, the module, and the names imported from it.

    The words between the names (`as`, an alias) are taken for names as well.
    """
    text = text.replace("\\\n", " ")
    for dots, module, names in _FROM.findall(text):
        yield len(dots), module, tuple(_WORD.findall(names))
    for modules in _IMPORT.findall(text):
        for module in _DOTTED.findall(modules):
            yield 0, module, ()
