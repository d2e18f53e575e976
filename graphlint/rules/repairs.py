"""Which repair fits passes that meet, in words: what more than one rule advises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphlint.trace import Border, Meeting, Waste


def detach(borders: Sequence[Border]) -> str:
    """Say what to detach, and where; empty where that is not known."""
    names = dict.fromkeys(border.name for border in borders)
    rows = sorted({border.site.row for border in borders})
    if not rows or len(names) != 1:
        return ""
    return f"write `{next(iter(names))}.detach()` on {lines(rows)}"


def combine(met: Sequence[Meeting]) -> str:
    """Say how passes become one."""
    written = {meeting.combined for meeting in met}
    text = next(iter(written)) if len(written) == 1 else ""
    return f"run one pass, `{text}`" if text else "run one pass over the sum of the losses"


def part(met: Sequence[Meeting]) -> str:
    """Say how passes that can't both visit a graph are parted; empty where that is not known."""
    waste = wasted(met)
    if waste:
        return detach(waste.borders)
    return combine(met) if combinable(met) else ""


def borders(met: Sequence[Meeting]) -> tuple[Border, ...]:
    """Return where the later passes take over what the earlier ones visited."""
    return tuple(dict.fromkeys(border for meeting in met for border in meeting.borders))


def wasted(met: Sequence[Meeting]) -> Waste | None:
    """Return whose gradients are thrown away where passes meet: the same pass's every time.

    It has to meet another: nobody has a use for what a pass does that only meets itself.
    """
    found = {meeting.waste for meeting in met}
    if all(meeting.earlier == meeting.later for meeting in met):
        return None
    first = next(iter(found), None)
    return first if len({waste.by for waste in found if waste}) == 1 and None not in found else None


def combinable(met: Sequence[Meeting]) -> bool:
    """Whether passes could be one, each time that they meet, and no loop repeats them."""
    return bool(met) and all(m.combinable and not m.repeated for m in met)


def lines(rows: Iterable[int]) -> str:
    """Name some lines."""
    *front, last = sorted(set(rows))
    return f"lines {', '.join(map(str, front))} and {last}" if front else f"line {last}"
