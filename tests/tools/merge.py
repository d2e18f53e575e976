"""Merge what was observed of several calls into one row of a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from graphlint.static.knowledge.facts import MAYBE, NO, Op, Ternary
from tests.tools.measure import Observation

# The positions of a call's slots, and what was seen of it for every choice of inputs.
Placed = tuple[dict[str, int], list[Observation]]
Facts = list[tuple[frozenset[int], bool]]


def ternary(answers: Iterable[bool]) -> Ternary:
    """Merge answers: MAYBE if they differ, NO if there are none."""
    seen = set(answers)
    return MAYBE if len(seen) == 2 else Ternary.of(seen == {True})


def within(placed: Iterable[Placed]) -> bool:
    """Return `Op.within`: a gradient has a graph, through neither a saved input nor the output.

    That has to be so whenever one certain input is the only one that requires grad.
    """
    alone: dict[int, set[bool]] = defaultdict(set)
    for places, seen in placed:
        for one in seen:
            if one.recorded and len(one.on) == 1 and one.on <= places.keys():
                (slot,) = one.on
                explained = one.output or slot in one.saved
                alone[places[slot]].add(one.curved and not explained)
    return {True} in alone.values()


def result_counts(full: list[Observation]) -> tuple[int | str, tuple[int, ...]]:
    """Return `Op.results` and `Op.graphless`."""
    counts = {len(one.results) for one in full}
    if any(one.shape == "list" for one in full):
        return "list", ()
    if counts == {1, 2} and {one.shape for one in full} == {"one", "tuple"}:
        return "dim", (1,)
    if len(counts) > 1:
        return "list", ()
    (count,) = counts
    if count == 1:
        return 1 if full[0].shape == "one" else "list", ()
    ever = [any(one.results[i] for one in full) for i in range(count)]
    return count, tuple(i for i, graph in enumerate(ever) if not graph)


def letters(placed: list[Placed]) -> str:
    """Merge what was seen of each position into its letter; see `Op.inputs`."""
    facts: dict[int, Facts] = defaultdict(list)
    quiet: dict[int, set[bool]] = defaultdict(set)
    for places, seen in placed:
        for one in seen:
            on = frozenset(places[slot] for slot in one.on if slot in places)
            if not one.recorded or len(on) < len(one.on):
                continue
            if len(on) == 1:
                quiet[min(on)].add(one.raises)
            for slot in one.tensors & places.keys():
                facts[places[slot]].append((on, slot in one.saved))
    if not facts:
        return ""
    used = {place for place, seen in facts.items() if any(saved for _, saved in seen)}
    raises = any(one.raises for _, seen in placed for one in seen)
    row = ""
    for place in range(max(facts) + 1):
        letter = _letter(place, facts[place], used) if place in facts else "-"
        silent = letter == "-" and raises and quiet.get(place) == {False}
        row += "." if silent else letter
    return row.rstrip("-") or "-"


def _letter(place: int, seen: Facts, used: set[int]) -> str:
    partners = used - {place}
    if not any(saved for _, saved in seen):
        return "-"
    if all(saved for _, saved in seen):
        return "a"
    if all(saved == bool(on & partners) for on, saved in seen):
        return "x"
    if all(saved == (place in on) for on, saved in seen):
        return "o"
    settled = len(set(seen)) == len({on for on, _ in seen})
    crossing = all(on & partners for on, saved in seen if saved)
    return "x" if settled and crossing else "?"


def row_source(op: Op) -> str:
    """Write a row as Python source."""
    parts = [op.saves.name]
    if op.inputs.strip("-"):
        parts.append(f'"{op.inputs}"')
    if op.output is not NO:
        parts.append(f"output={op.output.name}")
    if op.results != 1:
        parts.append(f"results={op.results!r}".replace("'", '"'))
    if op.graphless:
        parts.append(f"graphless={op.graphless}")
    if op.names:
        parts.append(f'names="{op.names}"')
    if op.within:
        parts.append("within=True")
    return f"Op({', '.join(parts)})"
