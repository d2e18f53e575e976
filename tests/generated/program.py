"""What a generated program is: its files, and the switches that decide how it runs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

MAIN = "main.py"


@dataclass(frozen=True)
class Setting:
    """One way to start a program: its arguments, its environment, the files and input it reads."""

    argv: tuple[str, ...] = ()
    environ: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()

    def merged(self, other: Setting) -> Setting:
        """Return what both settings ask for together."""
        return Setting(
            self.argv + other.argv, self.environ + other.environ, self.files + other.files
        )


@dataclass(frozen=True)
class Switch:
    """Something outside the source that a program branches on, with every way to set it."""

    name: str
    choices: tuple[Setting, ...]


@dataclass(frozen=True)
class Program:
    """A complete training script and the switches that an analyser can't know.

    Attributes:
        seed: what the program was made from; the same seed makes the same program.
        files: the source text by file name; `main.py` is the one that runs.
        switches: what the environment decides.
        shapes: the names of the building blocks, to look programs up by.
        main: the name of the file that runs.
        meant: codes of rules that may find nothing, as the author means what they would flag.
        wanted: codes of rules that should find what a change of the results alone can't show.
    """

    seed: int
    files: dict[str, str]
    switches: tuple[Switch, ...] = ()
    shapes: tuple[str, ...] = ()
    main: str = MAIN
    meant: frozenset[str] = frozenset()
    wanted: frozenset[str] = frozenset()

    def settings(self) -> list[Setting]:
        """Return every combination of the switches."""
        combined = []
        for choices in product(*(switch.choices for switch in self.switches)):
            setting = Setting()
            for choice in choices:
                setting = setting.merged(choice)
            combined.append(setting)
        return combined

    def line(self, row: int, file: str = MAIN) -> str:
        """Return the text of a row."""
        return self.files[file].splitlines()[row - 1]
