"""Applying fixes: byte-exact, atomic, and only where the result holds."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphlint import fixes
from graphlint.errors import GraphlintError
from graphlint.findings import Applicability, Edit, Finding, Fix, Location
from graphlint.fixes import FixedText, fix_file, fix_text, unified_diff, write_atomically
from graphlint.linting import LintResult, lint_text
from graphlint.source.config import Config

CLEAN = "import torch\nw = torch.randn(3, requires_grad=True)\n(w * w).sum().backward()\n"
DIRTY = CLEAN.replace("backward()", "backward(retain_graph=True)")


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("head", ["", "# coding: utf-8\n'é \u2028'\n", "# coding: latin-1\n'é'\n"])
@pytest.mark.parametrize("tail", ["", "x = 1", "\f\n\n  \n"])
def test_bytes_outside_the_edit_stay(
    tmp_path: Path, newline: str, bom: bytes, head: str, tail: str
) -> None:
    if "latin-1" in head and bom:
        pytest.skip("a byte order mark and another encoding are a syntax error")
    encoding = "latin-1" if "latin-1" in head else "utf-8"

    def data(text: str) -> bytes:
        return bom + (head + text + tail).replace("\n", newline).encode(encoding)

    path = write(tmp_path / "a.py", data(DIRTY))
    fixed = fix_file(path, Config())
    assert [finding.code for finding in fixed.fixed.applied] == ["RG101"]
    assert path.read_bytes() == data(DIRTY)
    fixed.write()
    assert path.read_bytes() == data(CLEAN)


def test_nothing_to_fix(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", CLEAN.encode())
    fixed = fix_file(path, Config())
    assert not fixed.changed
    assert fixed.diff() == ""
    before = path.stat()
    fixed.write()
    assert path.stat() == before


@pytest.mark.parametrize("data", [b"x = (\n", b"x = '\xff'\n", b"x\0", b"# coding: nonsense\n"])
def test_files_that_are_no_python(tmp_path: Path, data: bytes) -> None:
    assert not fix_file(write(tmp_path / "a.py", data), Config()).changed


def test_many_findings_in_one_round() -> None:
    dirty = DIRTY + "(w + w).exp().sum().backward(None, True)\n" * 20
    fixed = fix_text(dirty, "a.py")
    assert fixed.text == CLEAN + "(w + w).exp().sum().backward(None)\n" * 20
    assert len(fixed.applied) == 21
    assert fixed.result.findings == ()


def test_display_fixes_are_never_applied() -> None:
    text = CLEAN.replace("(w * w).sum()", "loss = (w * w).sum()\nloss") + "loss.backward()\n"
    assert [f.code for f in lint_text(text, "a.py").findings] == ["RG102"]
    assert fix_text(text, "a.py", unsafe=True).text == text


def test_a_comment_that_a_fix_leaves_idle_goes_in_the_next_round() -> None:
    text = DIRTY.rstrip("\n") + "  # graphlint: ignore[RG102]\n"
    assert fix_text(text, "a.py").text == CLEAN


# From here on, a lint of words: each `bad` is a finding whose fix is what the test says.


def stub(
    monkeypatch: pytest.MonkeyPatch, repairs: dict[str, str], **options: Applicability
) -> None:
    """Put a lint in place that finds words and replaces them."""

    def lint(text: str, filename: str, config: Config | None = None) -> LintResult:
        found = []
        for word, content in repairs.items():
            for row, line in enumerate(text.split("\n"), 1):
                at = line.find(word)
                if at >= 0:
                    start, end = Location(row, at + 1), Location(row, at + 1 + len(word))
                    safety = options.get(word, Applicability.SAFE)
                    fix = Fix(safety, "", (Edit(start, end, content),))
                    found.append(Finding(word, word, "", filename, start, end, fix=fix))
        return LintResult(findings=tuple(sorted(found, key=lambda finding: finding.sort_key)))

    monkeypatch.setattr(fixes, "lint_text", lint)


def outcome(fixed: FixedText) -> tuple[str, list[str], list[str]]:
    return fixed.text, [f.code for f in fixed.applied], [f.code for f in fixed.dropped]


def test_a_fix_that_leaves_its_finding_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, {"bad": "bad bad", "poor": "fine"})
    assert outcome(fix_text("bad\npoor\n", "a")) == ("bad\nfine\n", ["poor"], ["bad"])


def test_a_fix_that_brings_another_finding_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, {"bad": "worse", "worse": "worse", "poor": "fine"})
    assert outcome(fix_text("poor\nbad\npoor\n", "a")) == (
        "fine\nbad\nfine\n", ["poor", "poor"], ["bad"],
    )  # fmt: skip


def test_overlapping_fixes_take_two_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, {"ab": "c", "bc": "d"})
    assert outcome(fix_text("abc", "a")) == ("cc", ["ab"], [])
    stub(monkeypatch, {"abc": "bcd", "bcd": "x"})
    assert outcome(fix_text("abcd", "a")) == ("xd", ["abc", "bcd"], [])


def test_an_unsafe_fix_waits_to_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, {"bad": "good"}, bad=Applicability.UNSAFE)
    assert fix_text("bad", "a").text == "bad"
    assert fix_text("bad", "a", unsafe=True).text == "good"


def test_a_result_that_cannot_be_analysed_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, {"bad": "good"})
    lint = fixes.lint_text

    def failing(text: str, filename: str, config: Config | None = None) -> LintResult:
        result = lint(text, filename, config)
        error = LintResult(errors=(object(),))  # type: ignore[arg-type]
        return replace(error) if "good" in text else result

    monkeypatch.setattr(fixes, "lint_text", failing)
    assert outcome(fix_text("bad", "a")) == ("bad", [], ["bad"])


@given(st.lists(st.sampled_from(["bad", "poor", "stuck", "x", "\n", " "]), max_size=20))
def test_rounds_end_and_fix_all_that_holds(words: list[str]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        stub(monkeypatch, {"bad": "", "poor": "a", "stuck": "stuck "})
        text = "".join(f"{word}\n" for word in words)
        fixed = fix_text(text, "a")
        assert fixed.text == text.replace("bad", "").replace("poor", "a")
        assert len(fixed.dropped) == words.count("stuck")


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "real.py", DIRTY.encode())
    path.chmod(0o750)
    link = tmp_path / "link.py"
    link.symlink_to(path)
    fix_file(link, Config()).write()
    assert link.is_symlink()
    assert path.read_bytes() == CLEAN.encode()
    assert path.stat().st_mode & 0o777 == 0o750
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.py", "real.py"]


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", DIRTY.encode())
    fixed = fix_file(path, Config())
    path.write_bytes(b"x = 1\n")
    with pytest.raises(GraphlintError, match=r"a\.py: changed while it was linted"):
        fixed.write()
    assert path.read_bytes() == b"x = 1\n"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GraphlintError, match=r"a\.py: can't be read"):
        fix_file(tmp_path / "a.py", Config())


def test_a_failed_write_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.py", b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.py", b"old")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", DIRTY.encode())
    fixed = fix_file(path, Config())
    path.chmod(0o444)
    with pytest.raises(GraphlintError, match="can't be written: Permission denied"):
        fixed.write()


@pytest.mark.skipif(not shutil.which("patch"), reason="there is no `patch`")
@pytest.mark.parametrize("tail", ["", "x = 1", "\n\n\n\n\n\n\ny = '\f\u2028'\n"])
def test_the_diff_can_be_applied(tmp_path: Path, tail: str) -> None:
    path = write(tmp_path / "a.py", (DIRTY + tail).encode())
    diff = fix_file(path, Config()).diff()
    command = ["patch", "--quiet", "-p0", str(path)]
    subprocess.run(command, input=diff.encode(), cwd=tmp_path, check=True)
    assert path.read_bytes() == (CLEAN + tail).encode()


def test_a_diff_in_full() -> None:
    assert unified_diff("a\nb", "a\nc", "x.py") == (
        "--- x.py\n+++ x.py\n@@ -1,2 +1,2 @@\n a\n"
        "-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"
    )
    assert unified_diff("a\r\n", "b\r\n", "x.py").endswith("-a\r\n+b\r\n")
