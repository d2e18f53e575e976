"""The sources that findings and stories point into."""

from __future__ import annotations

from graphlint.source.read import read_source


class FileTexts:
    """Reads files, each once; one that can't be read has no text."""

    def __init__(self, filename: str | None = None, text: str = "") -> None:
        self._known = {} if filename is None else {filename: text}

    def __call__(self, filename: str) -> str:
        if filename not in self._known:
            try:
                self._known[filename] = read_source(filename).text
            except OSError:
                self._known[filename] = ""
        return self._known[filename]
