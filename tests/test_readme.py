"""The README is true: its commands print what it shows, and its table lists the rules there are."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import graphlint
from graphlint.findings import Applicability
from graphlint.rules import Rule, all_rules
from graphlint.source.config import Config, Selectors

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"<!-- rules -->\n(.*)<!-- end of rules -->", re.DOTALL)
NEEDS_TORCH = ("graphlint run", "graphlint demo", "python")


@dataclass(frozen=True)
class Command:
    line: str
    shown: str


def blocks(language: str) -> Iterator[str]:
    return (body for name, body in BLOCK.findall(README) if name == language)


def commands() -> Iterator[Command]:
    for body in blocks("console"):
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            yield Command(line, shown)


def parameters() -> list[object]:
    return [
        pytest.param(
            command,
            id=command.line,
            marks=[pytest.mark.torch] if command.line.startswith(NEEDS_TORCH) else [],
        )
        for command in commands()
    ]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the README's programs, each named by its first line."""
    for body in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", body)
        if name:
            (tmp_path / name[1]).write_text(body, encoding="utf-8")
    return tmp_path


def output(line: str, folder: Path) -> str:
    program, *arguments = shlex.split(line)
    start = {"graphlint": ["-m", "graphlint"], "python": []}[program]
    environment = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "NO_COLOR")}
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return done.stdout


def comparable(text: str) -> str:
    """Leave out what differs from run to run: times, the widths they give to columns, folders."""
    text = text.replace(f"{ROOT}{os.sep}", "")
    text = re.sub(r"\d+(\.\d+)? (µs|ms|s)\b", "TIME", text)
    return re.sub(
        r" *TIME", " TIME", re.sub(r"-{40,}|(?<=held)  +|(?<=peak) +| +(?=held)", " ", text)
    )


@pytest.mark.parametrize("command", parameters())
def test_command_prints_what_is_shown(command: Command, files: Path) -> None:
    printed = comparable(output(command.line, files))
    parts = comparable(command.shown).split("...\n")
    assert "\n".join(parts).strip()
    assert re.fullmatch("(?:.*\n)*?".join(map(re.escape, parts)), printed), printed


def fix_of(rule: Rule) -> str:
    """Say how a rule's own example would be fixed."""
    config = Config(layers=(Selectors(extend_select=(rule.code,)),))
    found = graphlint.lint_source(rule.bad, config=config)
    findings = [finding for finding in found if finding.code == rule.code]
    kinds = {finding.fix.applicability for finding in findings if finding.fix}
    words = {Applicability.SAFE: "yes", Applicability.UNSAFE: "unsafe"}
    return "".join(words.get(kind, "shown") for kind in kinds)


def rules_table() -> str:
    """Return the table of rules, as the README has it."""
    lines = ["| code | name | message | fix | seen in a run |", "|---|---|---|---|---|"]
    for rule in all_rules():
        run = "yes" if rule.observable else ""
        cells = (rule.code, rule.name, rule.message, fix_of(rule), run)
        lines.append("| " + " | ".join(cells) + " |")
    return re.sub(r" +\|", " |", "\n".join(lines)) + "\n"


def test_table_of_rules() -> None:
    found = TABLE.search(README)
    assert found
    assert found[1] == rules_table()


def test_all_commands_are_there() -> None:
    assert len(list(commands())) >= 5
