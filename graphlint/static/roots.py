"""Which files of a project have to be run: those with passes, and those that call them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from graphlint.source.prefilter import can_hold_passes
from graphlint.static import ir
from graphlint.static.knowledge.configured import Configured
from graphlint.static.project import Project
from graphlint.static.relevance import FEW_FILES, Relevance

ROUNDS = 4
"""How many steps up the chain of callers files are looked for."""
MOST_FILES = 600
"""Among more files than these no further callers are looked for: their number knows no end.

Where that many files lead to passes, it is by names that mean something else in most of them.
"""


def choose_roots(
    files: Sequence[str],
    project: Project,
    read: Callable[[str], bytes | None],
    backward_functions: Iterable[str] = (),
) -> list[ir.Module]:
    """Return the files to run, lowered: by byte searches, so that most are never parsed.

    Args:
        files: the analysed files.
        project: lowers them.
        read: returns a file's bytes, None where it can't be read.
        backward_functions: extra names of functions that run a pass.
    """
    extra = Configured.of(backward_functions).last
    contents = {name: data for name in files if (data := read(name)) is not None}
    chosen = {name for name, data in contents.items() if can_hold_passes(data, extra)}
    modules: dict[str, ir.Module] = {}
    relevance, more = Relevance((), project, extra), sorted(chosen)
    for _ in range(ROUNDS if len(files) > 1 else 1):
        lowered = {name: project.lower(name) for name in more}
        modules.update((name, module) for name, module in lowered.items() if module is not None)
        relevance = Relevance(modules.values(), project, extra, others=contents)
        others = [name for name in contents if name not in modules]
        more = [name for name in others if _mentions_any(contents[name], relevance.seen_by(name))]
        if len(contents) <= FEW_FILES:
            more = [name for name in others if not modules.keys().isdisjoint(project.imports(name))]
            chosen.update(more)
        if not more or len(modules) + len(more) > MOST_FILES:
            break
    known = [modules[name] for name in files if name in modules]
    return [m for m in known if m.filename in chosen or relevance.matters(m)]


def _mentions_any(data: bytes, names: frozenset[str]) -> bool:
    return bool(names) and bool(_pattern(names).search(data))


@lru_cache(maxsize=256)
def _pattern(names: frozenset[str]) -> re.Pattern[bytes]:
    words = [re.escape(name).encode() for name in sorted(names)]
    return re.compile(rb"\b(?:" + b"|".join(words) + rb")\b")
