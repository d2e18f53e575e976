"""Programs that are written out whole, with choices in them.

A template is the text of a program. `<<a|b|c>>` stands for one of the texts between the bars,
`<<$name: a|b>>` names the choice, `<<$name>>` repeats its text, and `<<$name? x|y>>` chooses the
text at the same position. A line in which a choice leaves nothing is dropped. Lines that begin with
`#:` tell what is not source:

    #: file pkg/model.py        the following lines are this file's; without it, main.py's
    #: main scripts/train.py    the file that runs
    #: switch argv ; --joint    a switch, with a setting for each text between the semicolons: the
    #:                          arguments (argv), variables (env), input (stdin), or a file
    #: meant RG303              the author means what these rules would flag
    #: wanted RG303             the author would want these rules to flag what changes the results
"""

from __future__ import annotations

import random
import re
import shlex
from pathlib import Path

from .program import MAIN, Program, Setting, Switch

FOLDER = Path(__file__).with_name("templates")
CHOICE = re.compile(r"<<(?:\$(\w+)([:?])? ?)?(.*?)>>", re.DOTALL)
DROPPED = "\0"


def templates() -> list[Path]:
    """Return the templates, in the order of their names."""
    return sorted(FOLDER.glob("*.txt"))


def fill(path: Path, seed: int) -> Program:
    """Return the program that a template makes of a seed."""
    text = _chosen(path.read_text(), random.Random(f"template {path.stem} {seed}"))
    files: dict[str, list[str]] = {}
    file, main, switches = MAIN, MAIN, []
    codes: dict[str, set[str]] = {"meant": set(), "wanted": set()}
    for line in text.splitlines():
        word, _, rest = line.removeprefix("#: ").partition(" ")
        if not line.startswith("#: "):
            files.setdefault(file, []).append(line)
        elif word == "file":
            file = rest
            files[file] = []
        elif word == "main":
            main = rest
        elif word == "switch":
            switches.append(_switch(*rest.split(" ", 1)))
        elif word in codes:
            codes[word].update(rest.split())
    texts = {name: "\n".join(lines).strip("\n") + "\n" for name, lines in files.items()}
    meant, wanted = map(frozenset, codes.values())
    return Program(seed, texts, tuple(switches), (path.stem,), main, meant, wanted)


def _chosen(text: str, rng: random.Random) -> str:
    """Return a template's text with its choices made."""
    made: dict[str, tuple[int, str]] = {}

    def choose(match: re.Match[str]) -> str:
        name, kind, options = match[1], match[2], match[3].split("|")
        if name and kind is None:
            return made[name][1]
        index = made[name][0] if kind == "?" else rng.randrange(len(options))
        if kind == ":":
            made[name] = index, options[index]
        return options[index] or DROPPED

    lines = CHOICE.sub(choose, text).split("\n")
    kept = (line for line in lines if line.strip(f" {DROPPED}") or DROPPED not in line)
    return "\n".join(line.replace(DROPPED, "").rstrip() for line in kept)


def _switch(kind: str, rest: str) -> Switch:
    choices = [choice.strip() for choice in rest.split(";")]
    name = ""
    if kind == "file":
        name, choices[0] = choices[0].split(" ", 1)
    return Switch(f"{kind} {rest}", tuple(_setting(kind, name, choice) for choice in choices))


def _setting(kind: str, name: str, choice: str) -> Setting:
    if kind == "argv":
        return Setting(argv=tuple(shlex.split(choice)))
    if kind == "env":
        pairs = (pair.split("=", 1) for pair in shlex.split(choice))
        return Setting(environ=tuple((key, value) for key, value in pairs))
    return Setting(files=((name or "-", choice),))
