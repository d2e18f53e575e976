"""What a rule is: its page, its judgement over traces, and its fix, in one file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from graphlint.findings import Fix
from graphlint.trace import Confidence, Doubt, Event, Site, Trace

URL = "https://torch-graphlint.readthedocs.io/rules/{slug}"
HEADINGS = (
    "What it does",
    "Why it matters",
    "Example",
    "Use instead",
    "Silent when",
    "Fix safety",
    "References",
)


class Holds(str, Enum):
    """What a claim needs: every explored trace, or some feasible one."""

    EVERY = "every"
    SOME = "some"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a rule says of one place in a trace, before it is worded for the user.

    Attributes:
        site: the call that the claim is about.
        witness: the events that prove it, in order.
        doubts: what weakens it.
        message: overrides the rule's message, where the case has more to say.
        repair: which of the rule's `repairs` mends this case; empty for the rule's `fix`.
        places: what a fix has to change beside the call.
    """

    site: Site
    witness: tuple[Event, ...] = ()
    doubts: frozenset[Doubt] = frozenset()
    message: str | None = None
    repair: str = ""
    places: tuple[Site, ...] = ()


Check = Callable[[Trace], Iterable[Claim]]
Fixer = Callable[[str, Site], "Fix | None"]
PlacedFixer = Callable[[str, Site, Sequence[Site]], "Fix | None"]


@dataclass(frozen=True)
class Rule:
    """A rule of the catalogue. Its page is the docstring of the module that defines it.

    Attributes:
        code: never reused.
        name: the bad pattern; reads well after "ignore".
        message: what happens and what to do, in one or two plain sentences.
        holds: what its claims need.
        check: the judgement: yields claims from a trace; None where another part finds it.
        fix: makes the repair for a claim at a site from the file's source; None where there is no
            repair to make.
        repairs: makes the repairs of claims that name one.
        fix_at: the same for a repair that changes the claim's places, too.
        bad: one program that the rule flags.
        good: the same program, mended; `fix(bad) == good` where there is a safe fix.
        observable: whether a real run can be judged too.
        default: whether the rule is on by default.
    """

    code: str
    name: str
    message: str
    holds: Holds
    check: Check | None
    bad: str
    good: str
    page: str
    fix: Fixer | None = None
    repairs: Mapping[str, Fixer] = field(default_factory=dict)
    fix_at: PlacedFixer | None = None
    observable: bool = False
    default: bool = True

    @property
    def url(self) -> str:
        """The address of the rule's page."""
        return URL.format(slug=self.name)


def lowest(doubts: frozenset[Doubt]) -> Doubt | None:
    """Return the doubt that weighs most, None where there is none."""
    order = sorted(doubts, key=lambda doubt: (doubt.confidence.rank, doubt.reason))
    return order[0] if order else None


__all__ = ["HEADINGS", "Claim", "Confidence", "Holds", "Rule", "lowest"]
