"""The configuration: its keys, its types, and which rules its selectors turn on."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from graphlint.errors import GraphlintError
from graphlint.rules import all_rules
from graphlint.selection import check_selectors, codes_of, default_codes, enabled_codes
from graphlint.source.config import Config, find_config, load_config
from graphlint.trace import Confidence

EVERY = frozenset(rule.code for rule in all_rules())


def load(folder: Path, text: str, name: str = "pyproject.toml") -> Config:
    """Write a configuration and read it."""
    path = folder / name
    path.write_text(text)
    return load_config(path)


def test_all_keys(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        [tool.graphlint]
        select = ["RG1"]
        ignore = ["RG103"]
        extend-select = ["RG000"]
        exclude = ["old"]
        extend-exclude = ["older"]
        min-confidence = "possible"
        backward-functions = ["run_pass"]
        sinks = ["log"]
        [tool.graphlint.per-file-ignores]
        "tests/*" = ["RG101"]
        """,
    )
    assert config.layers[0].select == ("RG1",)
    assert config.layers[0].ignore == ("RG103",)
    assert config.layers[0].extend_select == ("RG000",)
    assert (config.exclude, config.extend_exclude) == (("old",), ("older",))
    assert config.min_confidence is Confidence.POSSIBLE
    assert config.backward_functions == ("run_pass",)
    assert config.sinks == ("log",)
    assert config.per_file_ignores == (("tests/*", ("RG101",)),)
    assert config.root == str(tmp_path)
    check_selectors(config)


def test_a_file_of_its_own(tmp_path: Path) -> None:
    config = load(tmp_path, 'ignore = ["RG101"]\n', "graphlint.toml")
    assert "RG101" not in enabled_codes(config, "a.py")


def test_no_table_means_the_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, "[project]\nname = 'x'\n")
    assert enabled_codes(config, "a.py") == default_codes()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("selct = []", "unknown key `selct` .* did you mean `select`"),
        ("extend_exclude = []", "did you mean `extend-exclude`"),
        ("zzz = 1", "unknown key `zzz` .* the keys are backward-functions, "),
        ('select = "RG1"', "`select` must be a list of strings, not 'RG1'"),
        ("ignore = [1]", "`ignore` must be a list of strings"),
        ('min-confidence = "sure"', '`min-confidence` must be "certain", "likely" or "possible"'),
        ('min-confidence = "observed"', "`min-confidence` must be"),
        ("min-confidence = 1", "`min-confidence` must be"),
        ("per-file-ignores = []", "`per-file-ignores` must be a table"),
        ('per-file-ignores = {"a" = "RG1"}', "`per-file-ignores` must be a table"),
        ("select = [", "is no valid TOML"),
    ],
)
def test_mistakes(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(GraphlintError, match=words) as caught:
        load(tmp_path, f"[tool.graphlint]\n{line}\n")
    assert str(caught.value).startswith(f"{tmp_path / 'pyproject.toml'}: ")


def test_a_table_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(GraphlintError, match="must be a table"):
        load(tmp_path, "[tool]\ngraphlint = 1\n")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GraphlintError, match="can't be read"):
        load_config(tmp_path / "nowhere.toml")


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.graphlint]\n")
    (tmp_path / "a/pyproject.toml").write_text("[tool.ruff]\n")
    assert find_config(inner) == tmp_path / "pyproject.toml"
    (tmp_path / "a/graphlint.toml").write_text("")
    assert find_config(inner) == tmp_path / "a/graphlint.toml"
    (inner / "pyproject.toml").write_text("[tool.graphlint]\n")
    assert find_config(inner / "x.py") == inner / "pyproject.toml"


@pytest.mark.parametrize(
    ("selector", "near"),
    [
        ("RG1O4", "RG104"),
        ("rg101", "RG101"),
        ("unneeded-retain-grap", "unneeded-retain-graph"),
        ("all", "ALL"),
    ],
)
def test_unknown_selectors(selector: str, near: str) -> None:
    with pytest.raises(GraphlintError, match=f"unknown rule selector `{selector}`.*{near}"):
        check_selectors(Config().override(select=[selector]))


def test_unknown_selector_of_a_file_is_told_with_it(tmp_path: Path) -> None:
    config = load(tmp_path, '[tool.graphlint.per-file-ignores]\n"a" = ["X1"]\n')
    with pytest.raises(GraphlintError, match=r"pyproject\.toml: unknown rule selector `X1`"):
        check_selectors(config)


def enabled(**options: list[str] | None) -> frozenset[str]:
    return enabled_codes(Config().override(**options), "a.py")  # type: ignore[arg-type]


def test_selection() -> None:
    assert enabled() == default_codes()
    assert enabled(select=["RG101"]) == {"RG101"}
    assert enabled(select=["unneeded-retain-graph"]) == {"RG101"}
    assert enabled(select=["RG10"]) == codes_of("RG10") & default_codes()
    assert enabled(select=["ALL"]) == EVERY
    assert enabled(ignore=["RG101"]) == default_codes() - {"RG101"}
    assert enabled(select=["RG101"], extend_select=["RG102"]) == {"RG101", "RG102"}
    assert enabled(select=[]) == set()


def test_the_more_specific_selector_wins() -> None:
    assert enabled(select=["RG101"], ignore=["RG1"]) == {"RG101"}
    assert "RG101" not in enabled(select=["RG1"], ignore=["RG101"])
    assert enabled(select=["RG101"], ignore=["RG101"]) == set()
    assert enabled(select=["ALL"], ignore=["RG1"]) == EVERY - codes_of("RG1")
    assert "RG101" in enabled(ignore=["RG"], extend_select=["RG101"])


def test_the_command_line_overrides(tmp_path: Path) -> None:
    file = load(tmp_path, '[tool.graphlint]\nselect = ["RG101", "RG102"]\nignore = ["RG102"]\n')
    assert enabled_codes(file.override(), "a.py") == {"RG101"}
    assert enabled_codes(file.override(select=["RG102"]), "a.py") == {"RG102"}
    assert enabled_codes(file.override(ignore=["RG101"]), "a.py") == set()
    assert enabled_codes(file.override(extend_select=["RG104"]), "a.py") == {"RG101", "RG104"}
    config = file.override(exclude=["x"], extend_exclude=["y"], min_confidence="certain")
    assert (config.exclude, config.extend_exclude) == (("x",), ("y",))
    assert config.min_confidence is Confidence.CERTAIN


def test_per_file_ignores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ignores = [("tests/**/*.py", ["RG1"]), ("train.py", ["RG102"]), ("old", ["ALL"])]
    config = Config().override(per_file_ignores=ignores)
    assert enabled_codes(config, "a.py") == default_codes()
    assert enabled_codes(config, "tests/a.py") == default_codes() - codes_of("RG1")
    assert enabled_codes(config, str(tmp_path / "tests/x/y/a.py")) == default_codes() - codes_of(
        "RG1"
    )
    assert enabled_codes(config, "deep/train.py") == default_codes() - {"RG102"}
    assert enabled_codes(config, "src/old/x.py") == set()


def test_a_configuration_can_be_sent_to_another_process() -> None:
    config = Config(extend_exclude=("a",))
    assert config.excluded.match("/x/a")
    assert pickle.loads(pickle.dumps(config)) == config
