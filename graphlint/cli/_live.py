"""The table of `graphlint run --live`: it moves while the program runs."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from graphlint.errors import GraphlintError
from graphlint.output.profile_text import format_bytes, format_seconds
from graphlint.profiles import Profile

if TYPE_CHECKING:
    from rich.table import Table

_REFRESHES = 4  # a second
_ROWS = 12


class LiveTable:
    """A table on standard error, drawn anew some times a second, and gone when the program ends.

    Where standard error is no terminal there is nothing to move, and nothing is drawn.
    """

    def __init__(self, snapshot: Callable[[], Profile | None]) -> None:
        """Set up.

        Args:
            snapshot: returns the profile up to now; None before there is any.

        Raises:
            GraphlintError: rich is not installed.
        """
        try:
            from rich.console import Console
            from rich.live import Live
        except ImportError as error:
            raise GraphlintError(
                "--live needs rich: pip install 'torch-graphlint[profile]'"
            ) from error
        self._snapshot = snapshot
        self._console = Console(stderr=True)
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=_REFRESHES,
            transient=True,
        )

    def __enter__(self) -> None:
        """Begin to draw."""
        if self._console.is_terminal:
            self._live.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Draw no more, and leave the terminal as it was."""
        self._live.stop()

    def _draw(self) -> Table | str:
        profile = self._snapshot()
        return table(profile) if profile else "graphlint: waiting for the first backward pass"


def table(profile: Profile) -> Table:
    """Return what calls keep now: passes, bytes, growth a pass, and how long it all has run."""
    from rich import box
    from rich.table import Table

    series = [each for line in profile.timelines for each in line.series if each.bytes]
    held = {(each.filename, each.row): each.bytes[-1] for each in series}
    grown = {(each.filename, each.row): each for each in profile.growth}
    peak = format_bytes(profile.peak_retained_bytes)
    drawn = Table(
        title=f"{profile.program}: {format_seconds(profile.duration_s)}, peak retained {peak}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    # The row of a call stands at its end: a long path is folded, not cut.
    drawn.add_column("call", overflow="fold")
    for heading in ("passes", "retained", "reused", "holds now", "peak", "growth"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    for site in profile.sites[:_ROWS]:
        growth = grown.get((site.filename, site.row))
        drawn.add_row(
            f"{site.filename}:{site.row}",
            str(site.passes),
            str(site.retained_passes),
            str(site.reused_passes),
            format_bytes(held.get((site.filename, site.row), 0)),
            format_bytes(site.exclusive_bytes.max),
            f"{growth.nodes_per_pass:+.0f} nodes" if growth else "",
        )
    return drawn
