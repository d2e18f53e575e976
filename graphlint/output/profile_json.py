"""A profile as the JSON document that `Profile.load` reads."""

from __future__ import annotations

from graphlint.profiles import Profile


def render(profile: Profile) -> str:
    """Return the JSON form of the contract, with a newline at its end."""
    return profile.to_json()
