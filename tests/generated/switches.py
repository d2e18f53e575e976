"""Switches that the environment decides: command line, variables, configuration files."""

from __future__ import annotations

import json
import random
from itertools import product

from .program import Setting, Switch

Value = bool | int | str
BOOLEANS = ("joint", "warmup", "second_order", "share", "verbose", "finetune", "full", "balanced")
NUMBERS = ("steps", "inner_steps", "num_tasks", "rounds")
WORDS = {"mode": ("joint", "alternate", "single"), "phase": ("pretrain", "adapt", "both")}
MOST = 2


class Switches:
    """The switches of one program, all of one style."""

    def __init__(self, rng: random.Random, on: bool) -> None:
        self.rng = rng
        self.on = on
        self.style = rng.choice(("argparse", "argparse", "environ", "json", "stdin", "dataclass"))
        self.values: dict[str, tuple[Value, ...]] = {}

    def condition(self) -> str:
        """Return a condition on a new switch or on one that exists, or nothing."""
        known = [name for name in self.values if name not in NUMBERS]
        if known and self.rng.random() < 0.45:
            return self._condition_on(self.rng.choice(known))
        if not self.on or len(self.values) >= MOST:
            return self._condition_on(self.rng.choice(known)) if known else ""
        if self.rng.random() < 0.25:
            return self._condition_on(self._add(self.rng.choice(list(WORDS))))
        return self._condition_on(self._add(self.rng.choice(BOOLEANS)))

    def number(self) -> str:
        """Return a switch that is a number, or nothing if there are enough switches."""
        known = [name for name in self.values if name in NUMBERS]
        if known:
            return self._value(known[0])
        if len(self.values) >= MOST:
            return ""
        return self._value(self._add(self.rng.choice(NUMBERS)))

    def prune(self, text: str) -> None:
        """Forget the switches that a program does not use after all."""
        self.values = {n: v for n, v in self.values.items() if self._value(n) in text}

    def setup(self) -> tuple[set[str], list[str]]:
        """Return the imports and the statements that read the switches."""
        if not self.values:
            return set(), []
        styles = {
            "argparse": self._argparse,
            "environ": self._environ,
            "json": self._json,
            "stdin": self._stdin,
            "dataclass": self._dataclass,
        }
        return styles[self.style]()

    def switches(self) -> tuple[Switch, ...]:
        """Return every switch with the settings for each of its values."""
        if not self.values:
            return ()
        if self.style == "argparse":
            return tuple(Switch(n, self._arguments(n)) for n in self.values)
        if self.style == "environ":
            return tuple(Switch(n, self._variables(n)) for n in self.values)
        settings = []
        for values in product(*self.values.values()):
            text = json.dumps(dict(zip(self.values, values, strict=True)))
            settings.append(self._with_text(text))
        return (Switch("config", tuple(settings)),)

    def _with_text(self, text: str) -> Setting:
        if self.style == "json":
            return Setting(argv=("config.json",), files=(("config.json", text),))
        if self.style == "stdin":
            return Setting(files=(("-", text),))
        return Setting(environ=(("RUN_CONFIG", text),))

    def _add(self, name: str) -> str:
        if name in NUMBERS:
            self.values.setdefault(name, self.rng.choice(((1, 3), (2, 3), (0, 2), (1, 2, 4))))
        else:
            self.values.setdefault(name, WORDS.get(name, (False, True)))
        return name

    def _condition_on(self, name: str) -> str:
        value = self._value(name)
        if name in WORDS:
            return f'{value} {self.rng.choice(("==", "=="))} "{self.rng.choice(WORDS[name][:2])}"'
        return value

    def _value(self, name: str) -> str:
        if self.style == "argparse":
            return f"args.{name}"
        if self.style == "environ":
            return name.upper()
        if self.style == "dataclass":
            return f"config.{name}"
        return f'config["{name}"]'

    def _argparse(self) -> tuple[set[str], list[str]]:
        lines = ["parser = argparse.ArgumentParser()"]
        for name, values in self.values.items():
            option = "--" + name.replace("_", "-")
            if name in WORDS:
                lines.append(f'parser.add_argument("{option}", default="{values[0]}")')
            elif name in NUMBERS:
                default = self.rng.choice(values)
                lines.append(f'parser.add_argument("{option}", type=int, default={default})')
            else:
                lines.append(f'parser.add_argument("{option}", action="store_true")')
        return {"import argparse"}, [*lines, "args = parser.parse_args()"]

    def _arguments(self, name: str) -> tuple[Setting, ...]:
        option = "--" + name.replace("_", "-")
        if self.values[name] == (False, True):
            return Setting(), Setting(argv=(option,))
        return tuple(Setting(argv=(option, str(value))) for value in self.values[name])

    def _environ(self) -> tuple[set[str], list[str]]:
        lines = []
        for name, values in self.values.items():
            variable = name.upper()
            if name in WORDS:
                lines.append(f'{variable} = os.environ.get("{variable}", "{values[0]}")')
            elif name in NUMBERS:
                lines.append(f'{variable} = int(os.environ.get("{variable}", {values[0]}))')
            else:
                lines.append(f'{variable} = os.environ.get("{variable}") == "1"')
        return {"import os"}, lines

    def _variables(self, name: str) -> tuple[Setting, ...]:
        texts = [str(int(v)) if isinstance(v, bool) else str(v) for v in self.values[name]]
        return tuple(Setting(environ=((name.upper(), text),)) for text in texts)

    def _json(self) -> tuple[set[str], list[str]]:
        lines = ["with open(sys.argv[1]) as handle:", "    config = json.load(handle)"]
        return {"import json", "import sys"}, lines

    def _stdin(self) -> tuple[set[str], list[str]]:
        return {"import json", "import sys"}, ["config = json.loads(sys.stdin.read())"]

    def _dataclass(self) -> tuple[set[str], list[str]]:
        imports = {"import json", "import os", "from dataclasses import dataclass"}
        fields = [
            f"    {name}: {type(values[0]).__name__} = {values[0]!r}"
            for name, values in self.values.items()
        ]
        load = 'config = Config(**json.loads(os.environ.get("RUN_CONFIG", "{}")))'
        return imports, ["@dataclass", "class Config:", *fields, "", "", load]
