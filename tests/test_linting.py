"""Linting one text, one file, or many."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

import graphlint
import graphlint.static
from graphlint import linting
from graphlint.errors import GraphlintError
from graphlint.findings import Applicability, Location
from graphlint.linting import lint_bytes, lint_file, lint_files, lint_paths, lint_source, lint_text
from graphlint.source.config import Config
from graphlint.trace import Confidence, Doubt, Pass, Run, Site, Span, Trace

BAD = "import torch\nw = torch.randn(3, requires_grad=True)\n(w * w).sum().backward(None, True)\n"
SITE = Site("a.py", Span(1, 1, 1, 30))
CALL = "l.backward(retain_graph=True)\n"


def observing(monkeypatch: pytest.MonkeyPatch, what: Trace | BaseException) -> None:
    """Put an observer in place that sees the same in every file, or fails."""

    def observe(source: str, filename: str, *_: object) -> Trace:
        if isinstance(what, BaseException):
            raise what
        return what

    def observe_project(files: list[str], *_: object) -> tuple[Trace, list[str], list[object]]:
        return observe("", ""), files, []

    monkeypatch.setattr(graphlint.static, "observe", observe)
    monkeypatch.setattr(graphlint.static, "observe_project", observe_project)


def unneeded(*doubts: Doubt) -> Trace:
    """Return a trace with one flag that nobody needs."""
    return Trace(runs=(Run((Pass(SITE, doubts=frozenset(doubts)),)),))


def test_a_finding_with_its_fix() -> None:
    (finding,) = lint_source(BAD, "a.py")
    assert (finding.code, finding.filename) == ("RG101", "a.py")
    assert finding.location == Location(3, 1)
    assert finding.fix is not None
    assert finding.fix.applicability is Applicability.SAFE
    assert finding.fix.edits[0].content == ""


def test_findings_can_be_sent_to_another_process() -> None:
    findings = lint_source(BAD, "a.py")
    assert pickle.loads(pickle.dumps(findings)) == findings
    result = lint_text(BAD, "a.py")
    assert pickle.loads(pickle.dumps(result)) == result


def test_columns_count_characters() -> None:
    (finding,) = lint_source(BAD.replace("(w * w)", "'é'; (w * w)"))
    assert finding.location == Location(3, 6)


def test_newlines_and_byte_order_mark_change_nothing() -> None:
    expected = lint_source(BAD)
    assert lint_source(BAD.replace("\n", "\r\n")) == expected
    assert lint_source("\ufeff" + BAD) == expected
    assert list(lint_bytes(b"\xef\xbb\xbf" + BAD.encode(), "<string>").findings) == expected


def test_the_configuration_is_heard() -> None:
    assert lint_source(BAD, config=Config().override(ignore=["RG101"])) == []
    assert lint_source(BAD, config=Config().override(select=["RG102"])) == []
    ignores = Config().override(per_file_ignores=[("a.py", ["RG101"])])
    assert lint_source(BAD, "a.py", ignores) == []
    assert lint_source(BAD, "b.py", ignores) != []


@pytest.mark.parametrize("level", ["certain", "likely", "possible"])
def test_confidence(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    observing(monkeypatch, unneeded(Doubt(Confidence(level), "for the test")))
    result = lint_text(CALL, "a.py")
    assert len(result.findings) == (level != "possible")
    assert len(result.unsure) == (level == "possible")
    (finding,) = lint_source(CALL, "a.py", Config(min_confidence=Confidence.POSSIBLE))
    assert finding.fix is not None
    assert (finding.fix.applicability is Applicability.SAFE) is (level == "certain")
    assert ("Unsafe, as the finding is" in finding.fix.message) is (level != "certain")


@pytest.mark.parametrize(
    ("source", "row", "column"),
    [
        ("x = 1\ny = (\n", 2, 5),
        ("loss.backward(\n", 1, 14),
        ("\0", 1, 1),
        ("x = 1\n\n  \0backward", 3, 3),
        ("é = ?\n", 1, 5),
    ],
)
def test_a_text_that_is_no_python(source: str, row: int, column: int) -> None:
    (finding,) = lint_source(source, "a.py")
    assert (finding.code, finding.location) == ("RG000", Location(row, column))
    assert "The file cannot be parsed" in finding.message
    assert lint_source(source, config=Config().override(ignore=["RG000"])) == []


@pytest.mark.parametrize(
    "data", [b"x = '\xff'\n", b"# coding: nonsense\n", b"x = (\n", b"backward("]
)
def test_a_file_that_is_no_python(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.py").write_bytes(data)
    (tmp_path / "b.py").write_text(BAD)
    result = lint_paths([tmp_path])
    assert [finding.code for finding in result.findings] == ["RG000", "RG101"]
    assert result.errors == ()


@pytest.mark.parametrize("error", [ValueError("x"), RecursionError("y"), KeyError("z")])
def test_a_mistake_of_the_observer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    observing(monkeypatch, error)
    (tmp_path / "a.py").write_text(CALL)
    (tmp_path / "b.py").write_text("x = (\n")
    result = lint_paths([tmp_path])
    assert [finding.code for finding in result.findings] == ["RG000"]
    (told,) = result.errors
    assert told.filename == str(tmp_path / "a.py")
    assert told.filename in told.message
    assert "report" in told.message
    assert type(error).__name__ in told.message
    assert "Traceback" in told.detail
    assert result.files == 2


def test_a_mistake_with_files_that_are_fine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("z")

    monkeypatch.setattr(linting, "observe_files", fail)
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(BAD)
    result = lint_paths([tmp_path])
    assert [finding.code for finding in result.findings] == ["RG101", "RG101"]
    (told,) = result.errors
    assert told.filename == str(tmp_path)
    assert "together" in told.message
    assert "KeyError" in told.message
    assert "Traceback" in told.detail
    assert result.files == 2


def test_a_mistake_is_a_warning_of_lint_source(monkeypatch: pytest.MonkeyPatch) -> None:
    observing(monkeypatch, KeyError("z"))
    with pytest.warns(RuntimeWarning, match=r"a\.py: graphlint failed on this file"):
        assert lint_source(CALL, "a.py") == []


def test_a_mistake_calls_no_comment_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    observing(monkeypatch, KeyError("z"))
    assert lint_text("l.backward()  # noqa: RG101\n", "a.py").findings == ()


def test_interrupts_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    observing(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        lint_source(CALL, "a.py")


def test_files_that_cannot_matter_are_not_observed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observing(monkeypatch, KeyError("observed"))
    (tmp_path / "a.py").write_text("import torch\n")
    assert lint_file(tmp_path / "a.py") == replace(linting.LintResult(), files=1)
    assert lint_source("import torch\n") == []


def test_a_finding_about_another_file_has_no_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    observing(monkeypatch, unneeded())
    (finding,) = lint_source(CALL, "b.py")
    assert finding.filename == "a.py"
    assert finding.fix is None


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    result = lint_file(tmp_path / "nowhere.py")
    assert result.files == 0
    expected = f"{tmp_path / 'nowhere.py'}: can't be read: No such file or directory."
    assert result.errors[0].message == expected


def test_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(GraphlintError, match="no such file or folder"):
        lint_paths([tmp_path / "nowhere"])


def test_no_files(tmp_path: Path) -> None:
    assert lint_paths([tmp_path]) == linting.LintResult()


def test_processes_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        (tmp_path / f"f{number}.py").write_text("\n" * number + BAD)
    (tmp_path / "g.py").write_text("x = (\n")
    alone = lint_paths([tmp_path])
    monkeypatch.setattr(linting, "_WORTH_PROCESSES", 1)
    assert lint_paths([tmp_path], jobs=2) == alone
    assert lint_paths([tmp_path], jobs=None) == alone
    assert [finding.code for finding in alone.findings] == ["RG101"] * 10 + ["RG000"]


def test_a_process_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linting, "_WORTH_PROCESSES", 1)
    monkeypatch.setattr(linting, "_lint_chunk", die)
    (tmp_path / "a.py").write_text(BAD)
    with pytest.raises(GraphlintError, match="--jobs 1"):
        lint_files([str(tmp_path / "a.py")], Config(), jobs=2)


def die(*_: object) -> None:
    """End this process as a crash would."""
    import os

    os._exit(1)


def test_the_package_is_light() -> None:
    program = (
        "import sys, graphlint; assert not any(n.startswith('graphlint.') for n in sys.modules); "
        "assert graphlint.lint_source('x = 1') == []; assert graphlint.Finding; "
        "sys.exit(any(n in sys.modules for n in ('torch', 'libcst', 'rich', 'multiprocessing')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_names_of_the_package() -> None:
    assert {"lint_source", "profile", "Finding", "__version__"} <= set(dir(graphlint))
    assert graphlint.__version__ == "0.1.0"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = graphlint.nothing


def test_a_loss_of_callers_weakens_what_is_said_of_terms_added_to_it() -> None:
    text = """
        import torch

        weight = torch.ones(3, requires_grad=True)

        def finish(loss):
            before = loss.item()
            loss += weight.pow(2).sum()
            loss.backward(retain_graph=True)
            return before
    """
    found = lint_source(textwrap.dedent(text), config=Config(min_confidence=Confidence.POSSIBLE))
    assert [(f.code, f.confidence) for f in found] == [("RG101", Confidence.POSSIBLE)]
