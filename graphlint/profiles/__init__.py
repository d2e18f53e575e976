"""What a recorded run comes to, as plain data: the profile of docs/contracts.

Nothing here imports torch, so that profiles can be read, merged and shown where torch is not
installed.
"""

from graphlint.profiles.merging import merge
from graphlint.profiles.reading import ProfileError
from graphlint.profiles.records import (
    VERSION,
    GrowthProfile,
    HeldBy,
    HolderProfile,
    Profile,
    Released,
    ReleasedBytes,
    ReusedBy,
    Series,
    SiteProfile,
    Spread,
    Timeline,
)

__all__ = [
    "VERSION",
    "GrowthProfile",
    "HeldBy",
    "HolderProfile",
    "Profile",
    "ProfileError",
    "Released",
    "ReleasedBytes",
    "ReusedBy",
    "Series",
    "SiteProfile",
    "Spread",
    "Timeline",
    "merge",
]
