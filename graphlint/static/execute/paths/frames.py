"""Names for what an execution makes: where in the execution it was made.

# Note [Execution index]
Every object, graph node and unknown value is named by the *frame* in which it was made (the calls
and loop iterations that led there), the syntax node that made it, and a number that tells apart
what one syntax node makes in one frame. Two states that got to the same point by different branches
thus give equal names to equal things, and can be compared without renumbering; and that something
was made in an earlier iteration of a loop is read off its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Loop = tuple["Frame | None", Any]
"""A loop as it runs once, to its end: the frame around it, and its syntax node."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A call (`kind` "call") or loop iteration ("loop") within another frame.

    Attributes:
        parent: the frame around it, None for an entry point.
        place: the call or loop, as a syntax node; a name for an entry point.
        detail: the function that is called, or None.
        index: which iteration.
        within: the frame in which a generator yielded the iteration's item: its loops go on too.
    """

    parent: Frame | None
    place: Any
    kind: str
    detail: Any = None
    index: int = 0
    within: Frame | None = None
    loops: dict[Loop, int] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Collect the loop iterations around the frame: loop instance to iteration."""
        if self.parent is not None:
            self.loops.update(self.parent.loops)
        if self.within is not None:
            self.loops.update(self.within.loops)
        if self.kind == "loop":
            self.loops[self.parent, self.place] = self.index

    def chain(self) -> Iterator[Frame]:
        """Walk outwards from this frame."""
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.parent

    @property
    def path(self) -> tuple[Any, ...]:
        """The calls and loops that lead here, whatever the iterations."""
        return tuple([(frame.place, frame.kind) for frame in self.chain()])

    @property
    def innermost_loop(self) -> Loop | None:
        """The innermost loop around this frame."""
        return next(((f.parent, f.place) for f in self.chain() if f.kind == "loop"), None)

    def precedes(self, later: Frame) -> bool:
        """Whether this frame is in an earlier iteration of a loop that `later` is in."""
        return any(later.loops.get(loop, -1) > index for loop, index in self.loops.items())

    def called_again(self, later: Frame) -> bool:
        """Whether an entry point's method is called once more between this frame and `later`."""
        return any(
            outer.kind == "entry" and later.loops.get((outer, place), -1) > index
            for (outer, place), index in self.loops.items()
            if outer is not None
        )


MOST_NAMES = 400_000
"""How many names are handed out before a new file starts afresh."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading a file made: every state that imports it gets the same, under the same names.

    `needs` are the other loaded files that it refers to.
    """

    heap: dict[int, Any]
    graph: dict[int, Any]
    needs: frozenset[str] = frozenset()


class Frames:
    """Hands out frames and names, the same for the same question."""

    def __init__(self) -> None:
        self._frames: dict[tuple[Any, ...], Frame] = {}
        self._names: dict[tuple[Any, ...], int] = {}
        self._shared: dict[Any, Any] = {}
        self.loaded: dict[str, Loaded] = {}
        self.owners: dict[tuple[str, int], str] = {}

    def enter(
        self,
        parent: Frame | None,
        place: Any,
        kind: str,
        detail: Any = None,
        index: int = 0,
        within: Frame | None = None,
    ) -> Frame:
        """Return the frame of a call or of a loop's iteration."""
        key = (parent, place, kind, detail, index, within)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = Frame(parent, place, kind, detail, index, within)
        return frame

    def name(self, *key: Any) -> int:
        """Return a number that stands for a key."""
        return self._names.setdefault(key, len(self._names))

    def keep(self, filename: str, made: Loaded) -> None:
        """Keep what loading a file made, for other states."""
        self.loaded[filename] = made
        self.owners.update((("heap", address), filename) for address in made.heap)
        self.owners.update((("graph", number), filename) for number in made.graph)

    @property
    def full(self) -> bool:
        """Whether it is time to forget all names, before they take up the memory."""
        return len(self._names) > MOST_NAMES

    def share(self, key: Any, made: Any) -> Any:
        """Return the first thing that was made for a key, so that equal things are the same."""
        return self._shared.setdefault(key, made)
