"""Numbers of bytes as people write them."""

from __future__ import annotations

import re

_FACTORS = {"": 1, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


def parse_bytes(text: str | int) -> int:
    """Return the number of bytes that a text names: `10 MB` (10⁷), `512 KiB` (2¹⁹), or a number.

    Raises:
        ValueError: the text names none.
    """
    if isinstance(text, int):
        return text
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no number of bytes: write it like '10 MB' or '512 KiB'")
    number, prefix, binary = match.groups()
    power = _FACTORS[prefix.lower()] if prefix else 0
    factor: int = (1024 if binary else 1000) ** power
    return round(float(number) * factor)
