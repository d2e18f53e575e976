"""The command line as a whole, and the small commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from commandline import Run

import graphlint as package
from graphlint.cli import cli, main
from graphlint.output import PROFILE_FORMATS
from graphlint.profiles import Profile, SiteProfile
from graphlint.rules import all_rules


def test_help_lists_the_commands(graphlint: Run) -> None:
    out = graphlint("--help").out
    for name in ("check", "demo", "explain", "report", "rule", "run", "selfcheck"):
        assert f"\n  {name} " in out


def test_version(graphlint: Run) -> None:
    assert graphlint("--version").out == f"graphlint {package.__version__}\n"


def test_unknown_command(graphlint: Run) -> None:
    status, out, err = graphlint("chekc")
    assert (status, out) == (2, "")
    assert "chekc" in err


def test_a_file_in_place_of_a_command(graphlint: Run, folder: Path) -> None:
    (folder / "train.py").touch()
    status, out, err = graphlint("train.py")
    assert (status, out) == (2, "")
    assert "graphlint check train.py" in err


def test_help_names_each_command_in_a_whole_sentence(graphlint: Run) -> None:
    shown = graphlint("--help").out.partition("Commands:\n")[2]
    assert all(line.endswith(".") and "..." not in line for line in shown.splitlines())


@pytest.mark.parametrize("words", ["graphlint rule rg40", "graphlint check --ignore RG40"])
def test_a_shell_completes_codes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("_GRAPHLINT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().out == "plain,RG401\nplain,RG402\n"


def test_interrupt_is_silent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupt)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(KeyboardInterrupt) as stop:  # which Python answers with the signal
        main(["check"])
    sys.excepthook(stop.type, stop.value, stop.tb)
    assert capsys.readouterr() == ("", "")


def test_rule_as_text(graphlint: Run) -> None:
    status, out, _ = graphlint("rule", "RG101")
    assert status == 0
    assert out.startswith("# unneeded-retain-graph (RG101)\n\n## What it does\n")
    assert graphlint("rule", "unneeded-retain-graph").out == out
    assert graphlint("rule", "rg101").out == out


def test_rule_as_json(graphlint: Run) -> None:
    rule = json.loads(graphlint("rule", "RG101", "--output-format", "json").out)
    assert (rule["code"], rule["fixable"], rule["default"]) == ("RG101", True, True)
    every = json.loads(graphlint("rule", "--all", "--output-format", "json").out)
    assert [rule["code"] for rule in every] == [rule.code for rule in all_rules()]


@pytest.mark.parametrize("args", [[], ["RG101", "--all"], ["RG999"], ["unneeded-retain-grph"]])
def test_rule_needs_to_know_which(graphlint: Run, args: list[str]) -> None:
    status, out, err = graphlint("rule", *args)
    assert (status, out) == (2, "")
    assert err.startswith("graphlint: ")


def test_report(graphlint: Run, folder: Path) -> None:
    site = SiteProfile("train.py", 4, "step", "backward", 3, 3, 0, "unneeded")
    Profile(program="train.py", sites=(site,)).save(folder / "profile.json")
    assert "train.py:4" in graphlint("report", "profile.json").out
    copied = graphlint("report", "profile.json", "--format", "json").out
    assert json.loads(copied) == json.loads((folder / "profile.json").read_text())


def test_report_of_several_ranks(graphlint: Run, folder: Path) -> None:
    for rank in (0, 1):
        site = SiteProfile("train.py", 4, "step", "backward", 3, 3, 0, "unneeded")
        profile = Profile("train.py", rank=rank, world_size=2, sites=(site,))
        profile.save(folder / f"p.rank{rank}.json")
    files = ("p.rank0.json", "p.rank1.json")
    merged = json.loads(graphlint("report", *files, "--format", "json").out)
    assert merged["sites"][0]["passes"] == 6
    status, _, err = graphlint("report", files[0], "../" + folder.name + "/" + files[0])
    assert status == 2
    assert "rank 0" in err


def test_report_as_a_page(graphlint: Run, folder: Path) -> None:
    Profile(program="tr\udcffain.py").save(folder / "profile.json")
    done = graphlint("report", "profile.json", "--format", "html", "-o", "page.html")
    assert (done.status, done.out) == (0, "")
    assert (folder / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_help_of_report_names_the_formats(graphlint: Run) -> None:
    shown = graphlint("report", "--help").out
    assert all(f"{name}:" in shown for name in PROFILE_FORMATS)


def test_report_of_something_else(graphlint: Run, folder: Path) -> None:
    (folder / "other.json").write_text("[]")
    assert graphlint("report", "other.json").status == 2
    status, _, err = graphlint("report", "nowhere.json")
    assert status == 2
    assert "nowhere.json" in err
