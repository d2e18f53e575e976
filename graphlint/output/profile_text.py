"""A profile as text: the table that `graphlint run` and `print(report)` show."""

from __future__ import annotations

from collections.abc import Sequence

from graphlint.output.table import table
from graphlint.profiles import HolderProfile, Profile, ReleasedBytes, SiteProfile

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_HEADINGS = ("site", "calls", "retained", "reused", "exclusive", "peak", "held", "verdict")
_FOLLOWED = 3  # where the column of graphs that were followed stands, if not all were
_SHOWN_IDLE = 8
_SHOWN_SITES = 12
_SHOWN_HOLDERS = 3
_SHOWN_MODULES = 2
_SHOWN_KEEPERS = 8
# How kinds of keepers are called where their own name says too little.
_KEEPERS = {
    "local": "variable",
    "global": "global variable",
    "closure": "closure variable",
    "default": "default argument",
    "generator": "generator's variable",
    "hook": "hook of",
    "ctx": "context attribute",
    "gradient": "gradients",
}


def render(profile: Profile, width: int | None = None) -> str:
    """Return the profile as plain text, without a newline at its end.

    Args:
        profile: what to show.
        width: the columns of the terminal, None for text that no terminal shows.
    """
    parts = [_headline(profile)]
    if profile.sites:
        parts.append(table(_rows(profile), width))
    parts += [
        part
        for part in (
            _others(profile),
            _holders(profile),
            _ends(profile),
            _growth(profile),
            _held_by(profile),
            _left(profile),
            _findings(profile),
            _notes(profile),
        )
        if part
    ]
    return "\n\n".join(parts)


def format_bytes(count: float) -> str:
    """Word a number of bytes in binary units: `1.5 MiB`; exact below a KiB."""
    size = float(count)
    for unit in _UNITS:
        if abs(size) < 1024 or unit == _UNITS[-1]:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def format_seconds(seconds: float) -> str:
    """Word a time: `12 µs`, `3.4 ms`, `1.2 s`."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.1f} s"


def ends(released: ReleasedBytes) -> str:
    """Word what became of the bytes that a call's passes kept, "" where they kept none."""
    parts = (
        (released.by_later_pass, "released by a later pass"),
        (released.by_drop, "released with the last reference"),
        (released.taken_over, "taken over by a later pass"),
        (released.elsewhere, "held by the program by then"),
        (released.still_held, "still held"),
    )
    return ", ".join(f"{format_bytes(count)} {words}" for count, words in parts if count)


def ranks(profile: Profile) -> str:
    """Word which processes of several a profile is of, "" for a program with one process."""
    if profile.world_size == 1 and len(profile.ranks) == 1:
        return ""
    numbers = ", ".join(map(str, profile.ranks))
    word = "rank" if len(profile.ranks) == 1 else "ranks"
    return f"{word} {numbers} of {profile.world_size}"


def notes(profile: Profile) -> list[str]:
    """Word what to bear in mind about the figures."""
    found = []
    if len(profile.ranks) > 1:
        found.append("peaks and times are those of the rank where they are highest")
    if profile.truncated:
        found.append("some graphs were too large to walk whole; ≥ marks lower bounds")
    if profile.is_sampled:
        kept = sum(site.retained_passes for site in profile.sites)
        seen = sum(site.seen_passes for site in profile.sites)
        share = f", to stay under {profile.overhead:.1%} of CPU time" if profile.overhead else ""
        found.append(f"{seen} of {kept} kept graphs were followed{share}")
    if profile.recorder_errors:
        errors = profile.recorder_errors
        found.append(f"the recorder failed {errors} times; its figures are incomplete")
    return found


def _headline(profile: Profile) -> str:
    peak = format_bytes(profile.peak_retained_bytes)
    name = profile.program or "profile"
    facts = [format_seconds(profile.duration_s), f"peak retained {peak}", ranks(profile)]
    return f"{name}: {', '.join(filter(None, facts))}"


def _rows(profile: Profile) -> list[tuple[str, ...]]:
    """Return the headings and a row for each call that kept something, and a few of the others.

    How many graphs were followed stands there only where it was not all of them.
    """
    idle = [site for site in profile.sites if not site.retained_passes]
    sites = [site for site in profile.sites if site not in idle[_SHOWN_IDLE:]]
    rows = [_HEADINGS, *map(_row, sites)]
    if not profile.is_sampled:
        return rows
    followed = ["followed", *(str(site.seen_passes) for site in sites)]
    return [
        (*row[:_FOLLOWED], number, *row[_FOLLOWED:])
        for row, number in zip(rows, followed, strict=True)
    ]


def _row(site: SiteProfile) -> tuple[str, ...]:
    kept = bool(site.retained_passes)
    sign = "≥ " if site.lower_bound else ""
    return (
        f"{site.filename}:{site.row}",
        str(site.passes),
        str(site.retained_passes),
        str(site.reused_passes),
        sign + format_bytes(site.exclusive_bytes.mean) if kept else "-",
        sign + format_bytes(site.exclusive_bytes.max) if kept else "-",
        format_seconds(site.held_s.mean) if kept else "-",
        site.verdict,
    )


def _others(profile: Profile) -> str:
    """Say in words of which calls there is nothing to see."""
    if not profile.sites:
        return "No backward pass ran in this process."
    idle = sum(not site.retained_passes for site in profile.sites)
    if idle == len(profile.sites):
        return "No pass kept its graph."
    more = idle - _SHOWN_IDLE
    return f"{_count(more, 'more call')} kept no graph." if more > 0 else ""


def _holders(profile: Profile) -> str:
    lines = []
    for site in profile.sites[:_SHOWN_SITES]:
        groups: dict[tuple[str, ...], list[HolderProfile]] = {}
        for each in site.holders:
            if each.bytes:
                key = each.op, each.attribute, each.device, each.source or each.module or ""
                groups.setdefault(key, []).append(each)
        if groups:
            largest = sorted(groups.values(), key=lambda group: -_bytes(group))[:_SHOWN_HOLDERS]
            width = max(len(format_bytes(_bytes(group))) for group in largest)
            lines.append(f"  {site.filename}:{site.row}")
            lines += [f"    {_holder(group, width)}" for group in largest]
    return "\n".join(["held by saved tensors (largest pass):", *lines]) if lines else ""


def _bytes(group: Sequence[HolderProfile]) -> int:
    return sum(holder.bytes for holder in group)


def _holder(group: Sequence[HolderProfile], width: int) -> str:
    """Word what one attribute of one kind of node holds that one line or module built."""
    first, modules = group[0], list(dict.fromkeys(h.module for h in group if h.module))
    module = ""
    if modules:
        more = f" and {len(modules) - _SHOWN_MODULES} more" if modules[_SHOWN_MODULES:] else ""
        word = "module" if len(modules) == 1 else "modules"
        module = f" in {word} {', '.join(modules[:_SHOWN_MODULES])}{more}"
    device = f" on {first.device}" if first.device != "cpu" else ""
    source = f", {first.source}" if first.source else ""
    size = format_bytes(_bytes(group)).rjust(width)
    return f"{size}{device}  {first.op}.{first.attribute}{module}{source}"


def _growth(profile: Profile) -> str:
    lines = [
        f"  {g.filename}:{g.row}: {g.nodes_per_pass:+.1f} nodes, "
        f"{format_bytes(g.bytes_per_pass)} with every pass"
        for g in profile.growth
    ]
    return "\n".join(["graphs that grow:", *lines]) if lines else ""


def keeper(kind: str) -> str:
    """Word what kind of thing keeps a graph alive."""
    return _KEEPERS.get(kind, kind)


def _ends(profile: Profile) -> str:
    lines = [
        f"  {site.filename}:{site.row}: {words}"
        for site in profile.sites[:_SHOWN_SITES]
        if (words := ends(site.released_bytes))
    ]
    return "\n".join(["what became of kept bytes:", *lines]) if lines else ""


def _held_by(profile: Profile) -> str:
    lines = [
        f"  {keeper(held.kind)} `{held.name}` ({held.where}): "
        f"{_count(held.graphs, 'graph')}, {format_bytes(held.bytes)}, {_count(held.nodes, 'node')}"
        f"{f', added in line {held.row}' if held.row else ''}"
        for held in profile.held_by[:_SHOWN_KEEPERS]
    ]
    return "\n".join(["graphs that are kept alive:", *lines]) if lines else ""


def _left(profile: Profile) -> str:
    lines = [
        f"  {site.filename}:{site.row}: {format_bytes(site.left_bytes.mean)}"
        for site in profile.sites
        if site.left_bytes.max
    ]
    title = "left behind by passes that free (parts not visited, attributes of contexts):"
    return "\n".join([title, *lines]) if lines else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _findings(profile: Profile) -> str:
    return "\n".join(
        f"{f['filename']}:{f['location']['row']}: {f['code']} {f['message']}"
        for f in profile.findings
    )


def _notes(profile: Profile) -> str:
    return "\n".join(f"note: {note}" for note in notes(profile))
