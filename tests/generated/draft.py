"""The state of a program that is being written: its choices, imports, helpers and switches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from .switches import Switches

Item = TypeVar("Item")
Lines = list[str]


@dataclass(frozen=True)
class Function:
    """A function that belongs to a section: a method where the section is written as a class."""

    name: str
    parameters: str
    body: Lines


@dataclass(frozen=True)
class Section:
    """A building block: what is set up once, what one step does, and what is printed after.

    Names of things that live as long as the section are written `$name`, those of one step
    `@name`; the layout makes variables or attributes of them.

    Attributes:
        shape: the building block's name.
        setup: statements that run once.
        body: statements of one step, which may run many times.
        report: modules whose gradients and weights are printed in the end.
        functions: functions that the body calls.
        split: a place in the body at which it may be cut in two, given by an index.
        handed: the `@names` that the second half needs of the first.
    """

    shape: str
    setup: Lines
    body: Lines
    report: Sequence[str] = ()
    functions: tuple[Function, ...] = ()
    split: int = 0
    handed: tuple[str, ...] = ()


@dataclass
class Draft:
    """A program that is being written."""

    seed: int
    attempt: int = 0
    rng: random.Random = field(init=False)
    helpers: dict[str, Lines] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    switches: Switches = field(init=False)
    used: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        branches = random.Random(f"switches {self.seed}").random() < 0.35
        self.rng = random.Random(f"program {self.seed} {self.attempt}")
        self.switches = Switches(self.rng, on=branches)
        self.autograd = self.pick("torch.autograd", "torch.autograd", "autograd", "ag")
        self.optim = self.pick("torch.optim", "optim")
        self.nn = self.pick("nn", "nn", "torch.nn")

    def chance(self, share: float) -> bool:
        """Say yes in this share of cases."""
        return self.rng.random() < share

    def pick(self, *options: Item) -> Item:
        """Choose one of the options."""
        return self.rng.choice(options)

    def some(self, options: Sequence[Item], least: int = 1) -> list[Item]:
        """Choose several of the options, in their order."""
        count = self.rng.randint(least, len(options))
        chosen = sorted(self.rng.sample(range(len(options)), count))
        return [options[index] for index in chosen]

    def fresh(self, base: str) -> str:
        """Return a name that no other part of the program uses."""
        self.used[base] = self.used.get(base, 0) + 1
        if self.used[base] == 1:
            return base
        return f"{base}{self.used[base]}" if base[0].isupper() else f"{base}_{self.used[base]}"

    def variant(self, *options: Lines) -> Lines:
        """Write one of the options, or two of them in the arms of a branch that nobody knows."""
        if len(options) > 1 and self.switches.on and self.chance(0.55):
            condition = self.condition()
            if condition:
                first, second = self.rng.sample(options, 2)
                return branch(condition, first, second)
        return self.pick(*options)

    def term(self, *options: str) -> str:
        """Write one of the expressions, or two of them in a conditional expression."""
        if len(options) > 1 and self.switches.on and self.chance(0.3):
            condition = self.condition()
            if condition:
                first, second = self.rng.sample(options, 2)
                return f"({first} if {condition} else {second})"
        return self.pick(*options)

    def condition(self) -> str:
        """Return a condition that depends on a switch, or nothing if there are enough of them."""
        condition = self.switches.condition()
        return f"not {condition}" if condition and self.chance(0.2) else condition

    def count(self) -> str:
        """Return how often a loop runs, as an expression."""
        if self.switches.on and self.chance(0.3):
            number = self.switches.number()
            if number:
                return number
        if self.chance(0.2):
            name = self.pick("STEPS", "NUM_STEPS", "ITERATIONS")
            self.constants.setdefault(name, self.pick("3", "4"))
            return name
        return self.pick("2", "3", "3", "4")

    def helper(self, name: str, lines: Lines) -> str:
        """Add a function to the top of the program, once."""
        self.helpers.setdefault(name, lines)
        return name


def indented(lines: Lines) -> Lines:
    """Return the lines one level deeper."""
    return ["    " + line for line in lines]


def branch(condition: str, first: Lines, second: Lines) -> Lines:
    """Write an `if` with two arms, either of which may be empty."""
    if not first:
        condition = condition[4:] if condition.startswith("not ") else f"not {condition}"
        first, second = second, first
    if not first:
        return []
    tail = ["else:", *indented(second)] if second else []
    return [f"if {condition}:", *indented(first), *tail]
