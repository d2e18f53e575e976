"""Which files are found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graphlint.errors import GraphlintError
from graphlint.source.config import Config
from graphlint.source.discover import discover


def plant(root: Path, *names: str) -> None:
    """Make empty files below a folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")


def found(root: Path, config: Config | None = None, *paths: str) -> list[str]:
    """Return what is found, relative to the folder."""
    files = discover([root / path for path in paths or (".",)], config or Config(root=str(root)))
    return [Path(file).relative_to(root).as_posix() for file in files]


def test_python_files_of_a_folder(tmp_path: Path) -> None:
    plant(tmp_path, "b.py", "a.py", "sub/c.py", "d.pyi", "e.txt", "f.ipynb", "g.pyc")
    assert found(tmp_path) == ["a.py", "b.py", "sub/c.py"]


def test_default_excludes(tmp_path: Path) -> None:
    plant(tmp_path, "a.py", ".git/a.py", ".venv/a.py", "build/a.py", "x/dist/a.py")
    plant(tmp_path, "node_modules/a.py", "__pycache__/a.py", "lib/site-packages/a.py")
    assert found(tmp_path) == ["a.py"]


def test_named_files_are_always_found(tmp_path: Path) -> None:
    plant(tmp_path, "build/a.py", "script", "b.py")
    (tmp_path / ".gitignore").write_text("*.py\n")
    assert found(tmp_path, None, "build/a.py", "script", "b.py") == ["b.py", "build/a.py", "script"]


def test_named_folders_are_walked_whatever_they_are_called(tmp_path: Path) -> None:
    plant(tmp_path, "build/a.py")
    assert found(tmp_path, None, "build") == ["build/a.py"]


def test_each_file_once(tmp_path: Path) -> None:
    plant(tmp_path, "sub/a.py")
    assert found(tmp_path, None, ".", "sub", "sub/a.py", "sub/../sub/a.py") == ["sub/a.py"]


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(GraphlintError, match=r"nowhere\.py: no such file or folder"):
        discover([tmp_path / "nowhere.py"], Config())


def test_exclude_globs(tmp_path: Path) -> None:
    plant(tmp_path, "a.py", "old/a.py", "sub/old/a.py", "sub/gen_x.py", "deep/er/skip/x.py")
    config = Config(root=str(tmp_path), extend_exclude=("sub/old", "gen_*.py", "deep/**/skip"))
    assert found(tmp_path, config) == ["a.py", "old/a.py"]


def test_exclude_replaces_the_defaults(tmp_path: Path) -> None:
    plant(tmp_path, "build/a.py", "old/a.py")
    assert found(tmp_path, Config(root=str(tmp_path), exclude=("old/",))) == ["build/a.py"]


def test_gitignore(tmp_path: Path) -> None:
    plant(tmp_path, "a.py", "data/a.py", "sub/a.py", "sub/b.py", "sub/deep/data/a.py", "top.py")
    (tmp_path / ".gitignore").write_text("data/\n/top.py\nb.py\n")
    assert found(tmp_path) == ["a.py", "sub/a.py"]


def test_a_nested_gitignore_overrides(tmp_path: Path) -> None:
    plant(tmp_path, "a.py", "sub/a.py", "sub/b.py", "sub/deep/a.py")
    (tmp_path / ".gitignore").write_text("a.py\n")
    (tmp_path / "sub/.gitignore").write_text("!a.py\nb.py\n/deep/\n")
    assert found(tmp_path) == ["sub/a.py"]


def test_gitignore_files_above_up_to_the_repository(tmp_path: Path) -> None:
    plant(tmp_path, "repo/.git/HEAD", "repo/sub/a.py", "repo/sub/b.py")
    (tmp_path / ".gitignore").write_text("a.py\n")
    (tmp_path / "repo/.gitignore").write_text("sub/b.py\n")
    assert found(tmp_path, None, "repo/sub") == ["repo/sub/a.py"]


def test_a_loop_of_links(tmp_path: Path) -> None:
    plant(tmp_path, "sub/a.py")
    (tmp_path / "sub/again").symlink_to(tmp_path, target_is_directory=True)
    assert found(tmp_path) == ["sub/a.py"]


def test_a_file_and_a_link_to_it(tmp_path: Path) -> None:
    plant(tmp_path, "real.py", "outside/x.txt")
    (tmp_path / "link.py").symlink_to(tmp_path / "real.py")
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nothing.py")
    assert found(tmp_path) == ["link.py"]


def test_names_are_as_the_path_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "sub/a.py", "b.py")
    monkeypatch.chdir(tmp_path)
    assert discover(["."], Config()) == ["b.py", os.path.join("sub", "a.py")]  # noqa: PTH118
    assert discover(["./b.py"], Config()) == ["b.py"]
