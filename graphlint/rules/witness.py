"""Witnesses that more than one rule shows."""

from __future__ import annotations

from graphlint.trace import Broken, Clash, Event, Hold


def clash_witness(clash: Clash) -> tuple[Event, ...]:
    """Return the chain of events behind a pass that torch refuses."""
    events = []
    if clash.built:
        events.append(Event(clash.built, "builds the graph"))
    if clash.earlier:
        freed = clash.why is Broken.FREED
        events.append(Event(clash.earlier, "frees what it saved" if freed else "keeps the graph"))
    if clash.step:
        events.append(Event(clash.step, "changes a tensor that the graph saved"))
    events.append(Event(clash.later, "visits the graph again, and raises"))
    return tuple(events)


def hold_witness(hold: Hold) -> tuple[Event, ...]:
    """Return the chain of events behind a statement that keeps graphs for nothing."""
    events = [Event(hold.built, "builds the graph")] if hold.built else []
    if hold.freed:
        events.append(Event(hold.freed, "frees what it saved, so that no pass can visit it again"))
    why = "again in the next iteration, while the earlier one's graph is still there"
    events.append(Event(hold.site, f"keeps it, and does so {why}"))
    return tuple(events)
