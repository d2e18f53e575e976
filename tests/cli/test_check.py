"""`graphlint check`: what it prints, what it changes, and how it exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import MENDED, MISSING, UNNEEDED, Run

from graphlint import fixes
from graphlint.profiles import Profile, SiteProfile, Spread


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def test_nothing_found(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", MENDED)
    assert graphlint("check") == (0, "No findings.\n", "")


def test_no_files_at_all(graphlint: Run) -> None:
    status, out, err = graphlint("check")
    assert (status, out) == (0, "No findings.\n")
    assert err == "No Python files were found under the given paths.\n"


def test_full_output(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", UNNEEDED)
    status, out, err = graphlint("check")
    assert (status, err) == (1, "")
    assert out == (
        "a.py:5:1: RG101 [*] No later pass visits the graph that this pass keeps: "
        "drop `retain_graph`.\n"
        "  |\n"
        "4 | z = (x * 2).mean()\n"
        "  |     -------------- builds the graph\n"
        "5 | z.backward(retain_graph=True)\n"
        "  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ keeps the graph, and no later pass visits it\n"
        "  |\n"
        "  = fix: Drop `retain_graph=True`.\n"
        "\n"
        "Found 1 finding (1 fixable with `--fix`).\n"
    )


def test_concise_and_quiet(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", UNNEEDED)
    out = graphlint("check", "--output-format", "concise", "--quiet").out
    assert out.startswith("a.py:5:1: RG101 [*] ")
    assert out.count("\n") == 1


@pytest.mark.parametrize("name", ["json", "json-lines", "github"])
def test_output_for_programs_has_nothing_else_in_it(
    graphlint: Run, folder: Path, name: str
) -> None:
    put(folder / "a.py", UNNEEDED)
    status, out, _ = graphlint("check", "--output-format", name)
    assert status == 1
    assert "Found" not in out


def test_json_of_nothing(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", MENDED)
    assert json.loads(graphlint("check", "--output-format", "json").out) == []


def test_output_file(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", UNNEEDED)
    report = folder / "report.json"
    status, out, _ = graphlint("check", "--output-format", "json", "-o", report)
    assert (status, out) == (1, "")
    assert json.loads(report.read_text())[0]["code"] == "RG101"


def test_syntax_error_is_a_finding_and_the_others_are_linted(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", "loss.backward(\n")
    put(folder / "b.py", UNNEEDED)
    status, out, _ = graphlint("check", "--output-format", "concise")
    assert status == 1
    assert [line.split()[1] for line in out.splitlines()[:2]] == ["RG000", "RG101"]


def test_statistics(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", UNNEEDED)
    put(folder / "b.py", MISSING)
    assert graphlint("check", "--statistics", "-q").out == (
        "1  RG101  [*]  unneeded-retain-graph\n1  RG102  [ ]  missing-retain-graph\n"
    )
    rows = json.loads(graphlint("check", "--statistics", "--output-format", "json").out)
    assert [row["code"] for row in rows] == ["RG101", "RG102"]


def test_exit_zero(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", UNNEEDED)
    assert graphlint("check", "--exit-zero").status == 0


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        (["--select", "RG101"], ["RG101"]),
        (["--select", "RG1"], ["RG101", "RG102"]),
        (["--select", "missing-retain-graph"], ["RG102"]),
        (["--ignore", "RG101,RG102"], []),
        (["--select", "RG101", "--extend-select", "RG102"], ["RG101", "RG102"]),
        (["--per-file-ignores", "a.py:RG101"], ["RG102"]),
        (["--per-file-ignores", "*.py:RG102"], ["RG101"]),
        (["--exclude", "b.py"], ["RG101"]),
        (["--extend-exclude", "*.py"], []),
    ],
)
def test_selection(graphlint: Run, folder: Path, options: list[str], codes: list[str]) -> None:
    put(folder / "a.py", UNNEEDED)
    put(folder / "b.py", MISSING)
    status, out, _ = graphlint("check", "--output-format", "json", *options)
    assert [finding["code"] for finding in json.loads(out)] == codes
    assert status == bool(codes)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--select", "RG9"], "unknown rule selector `RG9`"),
        (["nowhere.py"], "nowhere.py: no such file or folder"),
        (["book.ipynb"], "book.ipynb: notebooks can't be linted yet"),
        (["--config", "nowhere.toml"], "nowhere.toml: can't be read"),
        (["--selct", "RG1"], "No such option"),
        (["--min-confidence", "sure"], "'sure' is not one of"),
        (["--per-file-ignores", "tests"], "no pair of a glob and a rule"),
        (["--profile", "nowhere.json"], "nowhere.json can't be read"),
        (["--output-format", "xml"], "'xml' is not one of"),
        (["--output-file", "a.py/findings.txt"], "can't be written"),
        (["-", "a.py"], "`-` reads standard input"),
    ],
)
def test_a_run_that_fails(graphlint: Run, folder: Path, options: list[str], said: str) -> None:
    put(folder / "a.py", UNNEEDED)
    put(folder / "book.ipynb", "{}")
    status, out, err = graphlint("check", *options)
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_fix(graphlint: Run, folder: Path) -> None:
    file = put(folder / "a.py", UNNEEDED)
    status, out, err = graphlint("check", "--fix")
    assert (status, out, err) == (0, "Found 1 finding (1 fixed, 0 left).\n", "")
    assert file.read_text() == MENDED


def test_fix_keeps_every_other_byte(graphlint: Run, folder: Path) -> None:
    source = "\ufeff" + UNNEEDED.replace("\n", "\r\n").rstrip()
    file = put(folder / "a.py", source)
    assert graphlint("check", "--fix").status == 0
    assert file.read_bytes() == source.replace("retain_graph=True", "").encode()


def test_fix_leaves_what_it_cannot_mend(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", UNNEEDED)
    put(folder / "b.py", MISSING)
    status, out, _ = graphlint("check", "--fix", "--output-format", "concise")
    assert status == 1
    assert out.endswith("Found 2 findings (1 fixed, 1 left).\n")
    assert (folder / "b.py").read_text() == MISSING


def test_exit_non_zero_on_fix(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", UNNEEDED)
    assert graphlint("check", "--fix", "--exit-non-zero-on-fix").status == 1
    assert graphlint("check", "--fix", "--exit-non-zero-on-fix").status == 0


@pytest.mark.parametrize("options", [["--diff"], ["--diff", "--fix"]])
def test_diff_changes_nothing(graphlint: Run, folder: Path, options: list[str]) -> None:
    file = put(folder / "a.py", UNNEEDED)
    status, out, err = graphlint("check", *options)
    assert (status, err) == (1, "Would fix 1 finding.\n")
    assert "-z.backward(retain_graph=True)\n+z.backward()\n" in out
    assert file.read_text() == UNNEEDED


def test_diff_of_nothing(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", MISSING)
    assert graphlint("check", "--diff") == (0, "", "Nothing to fix.\n")


def test_stdin(graphlint: Run, folder: Path) -> None:
    status, out, _ = graphlint(
        "check", "-", "--stdin-filename", "b.py", "--output-format=concise", stdin=UNNEEDED.encode()
    )
    assert status == 1
    assert out.startswith("b.py:5:1: RG101")


def test_stdin_shows_its_source(graphlint: Run) -> None:
    assert "5 | z.backward(" in graphlint("check", "-", stdin=UNNEEDED.encode()).out


def test_stdin_fixed_goes_to_stdout_and_findings_to_stderr(graphlint: Run) -> None:
    status, out, err = graphlint("check", "--fix", "-", stdin=UNNEEDED.encode())
    assert (status, out) == (0, MENDED)
    assert err == "Found 1 finding (1 fixed, 0 left).\n"


def test_stdin_with_nothing_to_fix_comes_back(graphlint: Run) -> None:
    status, out, err = graphlint("check", "--fix", "--quiet", "-", stdin=MISSING.encode())
    assert (status, out) == (1, MISSING)
    assert "RG102" in err


@pytest.mark.parametrize("broken", [b"loss.backward(\r\n", b"x = '\xe9'", b"\xef\xbb\xbfx ="])
def test_stdin_that_is_no_python_comes_back(graphlint: Run, broken: bytes) -> None:
    written = run_bytes("check", "--fix", "-", stdin=broken)
    assert written == (1, broken)
    assert graphlint("check", "--diff", "-", stdin=broken)[:2] == (0, "")


def run_bytes(*args: str, stdin: bytes) -> tuple[int, bytes]:
    line = [sys.executable, "-m", "graphlint", *args]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(line, input=stdin, capture_output=True, env=environment, check=False)
    return done.returncode, done.stdout


def test_one_file_that_cannot_be_written_stops_no_other(
    graphlint: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "a.py", UNNEEDED)
    put(folder / "b.py", UNNEEDED)
    write_atomically = fixes.write_atomically

    def refuse_a(path: str, data: bytes) -> None:
        if path == "a.py":
            raise PermissionError(13, "Permission denied", path)
        write_atomically(path, data)

    monkeypatch.setattr(fixes, "write_atomically", refuse_a)
    status, out, err = graphlint("check", "--fix", "--output-format", "concise")
    assert status == 2
    assert "a.py: can't be written: Permission denied" in err
    assert out.startswith("a.py:5:1: RG101")
    assert (folder / "b.py").read_text() == MENDED


def test_suppression_comments(graphlint: Run, folder: Path) -> None:
    comment = "  # graphlint: ignore[RG101] wanted\n"
    put(folder / "a.py", UNNEEDED.replace("True)\n", f"True){comment}", 2)[:-1])
    put(folder / "b.py", UNNEEDED.rstrip() + comment)
    findings = json.loads(graphlint("check", "b.py", "--output-format", "json").out)
    assert findings == []


def test_low_confidence_neither_shows_nor_counts(graphlint: Run, folder: Path) -> None:
    put(folder / "a.py", f"from elsewhere import keep\n{UNNEEDED}keep(z)\n")
    status, out, _ = graphlint("check", "--min-confidence", "certain", "--output-format", "json")
    assert (status, json.loads(out)) == (0, [])
    every = graphlint("check", "--min-confidence", "possible", "--output-format", "json")
    assert [finding["confidence"] for finding in json.loads(every.out)] == ["likely"]


def test_configuration_is_the_nearest(graphlint: Run, folder: Path) -> None:
    put(folder / "pyproject.toml", '[tool.graphlint]\nignore = ["RG101"]\n')
    put(folder / "a.py", UNNEEDED)
    put(folder / "inner" / "graphlint.toml", 'select = ["RG101"]\n')
    put(folder / "inner" / "b.py", UNNEEDED)
    found = json.loads(graphlint("check", "--output-format", "json").out)
    assert [Path(finding["filename"]).name for finding in found] == ["b.py"]
    isolated = graphlint("check", "--isolated", "--output-format", "json").out
    assert len(json.loads(isolated)) == 2


def test_configuration_mistake(graphlint: Run, folder: Path) -> None:
    put(folder / "pyproject.toml", '[tool.graphlint]\nselct = ["RG101"]\n')
    status, _, err = graphlint("check")
    assert status == 2
    assert "did you mean `select`" in err


def test_show_files_and_settings(graphlint: Run, folder: Path) -> None:
    put(folder / "pyproject.toml", '[tool.graphlint]\nmin-confidence = "certain"\n')
    put(folder / "a.py", UNNEEDED)
    put(folder / ".venv" / "b.py", UNNEEDED)
    assert graphlint("check", "--show-files") == (0, "a.py\n", "")
    shown = graphlint("check", "--show-settings", "--ignore", "RG101").out
    assert "pyproject.toml" in shown
    assert "min-confidence = 'certain'" in shown
    assert "ignore = ['RG101']" in shown


def test_colours(graphlint: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder / "a.py", UNNEEDED)
    assert "\033[" not in graphlint("check").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\033[" in graphlint("check").out
    assert "\033[" not in graphlint("check", "--output-format", "json").out


def test_names_are_shown_relative_to_the_working_folder(graphlint: Run, folder: Path) -> None:
    file = put(folder / "inner" / "a.py", UNNEEDED)
    assert graphlint("check", file, "--output-format", "concise").out.startswith("inner/a.py:5:1")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_findings_that_cannot_be_written(folder: Path, unbuffered: str) -> None:
    put(folder / "a.py", UNNEEDED)
    command = [sys.executable, "-m", "graphlint", "check", "a.py"]
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=env
        )
    assert done.returncode == 2
    assert done.stderr == "graphlint: standard output: can't be written: No space left on device.\n"


def test_a_profile_stands_beside_the_findings(graphlint: Run, folder: Path) -> None:
    for name in ("a.py", "b.py", "c.py"):
        put(folder / name, UNNEEDED)
    sites = tuple(
        SiteProfile(
            name, 5, "", "backward", 7, 7, 0, "unneeded", exclusive_bytes=Spread(held, held)
        )
        for name, held in (("b.py", 2048), ("c.py", 4096))
    )
    Profile(sites=sites).save("p.json")
    status, out, _ = graphlint("check", "--profile", "p.json")
    assert status == 1
    assert [line[:4] for line in out.splitlines() if "RG101" in line] == ["c.py", "b.py", "a.py"]
    assert "= measured: called 7 times, kept" in out
    found = json.loads(graphlint("check", "--profile", "p.json", "--output-format", "json").out)
    assert [each["measured"] and each["measured"]["calls"] for each in found] == [7, 7, None]
