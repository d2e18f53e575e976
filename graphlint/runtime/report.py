"""The report of a recorded run: a profile, with the ways to show and save it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphlint.profiles import GrowthProfile, HeldBy, HolderProfile, Profile, SiteProfile


class Report:
    """What a run kept, and whether it needed to. `print(report)` shows the table."""

    def __init__(self, profile: Profile | Callable[[], Profile]) -> None:
        """Report on a profile.

        Args:
            profile: the figures, or what gives them anew each time they are asked for.
        """
        self._profile = profile

    @property
    def profile(self) -> Profile:
        """The figures, as plain data."""
        return self._profile if isinstance(self._profile, Profile) else self._profile()

    @property
    def sites(self) -> tuple[SiteProfile, ...]:
        """The calls that ran backward passes, those that kept most first."""
        return self.profile.sites

    @property
    def holders(self) -> tuple[HolderProfile, ...]:
        """What held the exclusive bytes of each call's largest pass, largest first."""
        held = [holder for site in self.profile.sites for holder in site.holders]
        return tuple(sorted(held, key=lambda holder: -holder.bytes))

    @property
    def growth(self) -> tuple[GrowthProfile, ...]:
        """The calls whose graphs grow from pass to pass."""
        return self.profile.growth

    @property
    def held_by(self) -> tuple[HeldBy, ...]:
        """The variables and containers that keep graphs alive."""
        return self.profile.held_by

    @property
    def peak_bytes(self) -> int:
        """The most exclusive bytes that kept graphs held at one time."""
        return self.profile.peak_retained_bytes

    @property
    def findings(self) -> tuple[Mapping[str, Any], ...]:
        """What the rules say of the run, in the JSON form of a finding."""
        return self.profile.findings

    def __str__(self) -> str:
        """Return the table."""
        from graphlint.output.profile_text import render

        return render(self.profile)

    def to_dict(self) -> dict[str, Any]:
        """Return the profile's JSON form, version 1."""
        return self.profile.to_dict()

    def save(self, path: str | Path) -> None:
        """Write the profile to a file as JSON."""
        self.profile.save(path)

    def to_html(self, path: str | Path) -> None:
        """Write the report to a file as one HTML page that needs no network.

        Raises:
            Jinja2MissingError: Jinja2 is not installed.
        """
        from graphlint.output.profile_html import render

        page = render(self.profile)
        Path(path).write_text(page, encoding="utf-8", errors="backslashreplace")

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """Read a report from a profile that was saved.

        Raises:
            ProfileError: the file can't be read, or is no profile.
        """
        return cls(Profile.load(path))
