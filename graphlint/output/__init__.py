"""Findings and profiles as text and data: one file a format.

A renderer is a plain function `render(findings, sources, options) -> str`. It prints nothing,
reads nothing but the sources it is handed, and changes no finding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from graphlint.findings import Finding
from graphlint.profiles import Profile

Sources = Callable[[str], str]
"""Returns the text of the file of that name, "" where it can't be read."""

PROFILE_FORMATS = ("text", "json", "speedscope", "chrome", "html")
FORMATS = (
    *("full", "concise", "grouped", "json", "json-lines"),
    *("github", "gitlab", "junit", "sarif"),
)


@dataclass(frozen=True, slots=True)
class Options:
    """How findings are shown.

    Attributes:
        color: use terminal colours.
        unsafe_fixes: unsafe fixes would be applied, so that they are marked like safe ones.
        base: the folder that file names in text are relative to, "" to show them as they are.
    """

    color: bool = False
    unsafe_fixes: bool = False
    base: str = ""


Renderer = Callable[[Sequence[Finding], Sources, Options], str]


def renderer(name: str) -> Renderer:
    """Return the renderer of a format, and import no other."""
    module = import_module(f"{__name__}.{name.replace('-', '_')}")
    return cast(Renderer, module.render)


ProfileRenderer = Callable[[Profile], str]


def profile_renderer(name: str) -> ProfileRenderer:
    """Return the renderer of a format for profiles, and import no other."""
    module = import_module(f"{__name__}.profile_{name}")
    return cast(ProfileRenderer, module.render)


def no_sources(_filename: str) -> str:
    """Stand in for the sources where none are at hand."""
    return ""
