"""Programs of several files are linted together."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from graphlint.linting import lint_paths


def found(folder: Path, **files: str) -> list[tuple[str, str, int]]:
    """Return code, file and row of the missing flags in files; `a__init` is `a/__init__.py`."""
    for name, text in files.items():
        parts = name.split("__")
        parts[-1] = "__init__" if parts[-1] == "init" else parts[-1]
        path = folder.joinpath(*parts).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    findings = [f for f in lint_paths([folder]).findings if f.code == "RG102"]
    return [(f.code, str(Path(f.filename).relative_to(folder)), f.location.row) for f in findings]


ENGINE = """
    import torch

    class Engine:
        def __init__(self, keep):
            self.keep = keep
            self.weight = torch.randn(3, requires_grad=True)

        def run(self):
            for _ in range(2):
                curve = self.weight.exp()
                self.step(curve.sum(), curve.mean())

        def step(self, first, second):
            first.backward(retain_graph=self.keep)
            second.backward()
"""


def test_callers_are_found_behind_methods_of_generic_names(tmp_path: Path) -> None:
    main = "from engine import Engine\nEngine({}).run()\n"
    assert found(tmp_path, engine=ENGINE, main=main.format("keep=True")) == []
    assert found(tmp_path, engine=ENGINE, main=main.format("keep=False")) == [
        ("RG102", "engine.py", 15)
    ]


def test_callers_are_found_in_source_layouts(tmp_path: Path) -> None:
    main = "from package import Engine\nEngine(False).run()\n"
    assert found(
        tmp_path,
        src__package__init="from .engine import Engine",
        src__package__engine=ENGINE,
        scripts__train=main,
    ) == [("RG102", "src/package/engine.py", 15)]


def test_a_package_finds_the_parts_that_it_imports_from_itself(tmp_path: Path) -> None:
    main = "import package\npackage.core.Engine({}).run()\n"
    files = {
        "package__init": "from . import core",
        "package__core__init": "from .engine import Engine",
        "package__core__engine": ENGINE,
    }
    assert found(tmp_path, main=main.format("keep=True"), **files) == []
    assert found(tmp_path, main=main.format("keep=False"), **files) == [
        ("RG102", "package/core/engine.py", 15)
    ]


def test_models_chosen_by_name_build_graphs(tmp_path: Path) -> None:
    tmp_path.joinpath("models.py").write_text(
        "from torch import nn\n\ndef small():\n    return nn.Linear(4, 1)\n"
    )
    tmp_path.joinpath("train.py").write_text(
        dedent(
            """
            import sys
            import torch
            import models

            net = models.__dict__[sys.argv[1]]()
            net = net.to("cpu")
            loss_of = torch.nn.BCEWithLogitsLoss()
            for _ in range(3):
                real, fake = net(torch.rand(3, 4)), net(torch.rand(3, 4))
                loss = loss_of(real - torch.mean(fake), torch.ones(3, 1)) * 0.5
                loss.backward(retain_graph=True)
                fake = net(torch.rand(3, 4))
                other = loss_of(fake - torch.mean(real), torch.zeros(3, 1)) * 0.5
                other.backward()
            """
        )
    )
    assert {f.code for f in lint_paths([tmp_path]).findings} == {"RG106"}


def test_what_is_given_by_default_has_its_file(tmp_path: Path) -> None:
    program = """
        import torch
        from learner import Learner

        loss = Learner().loss(torch.ones(3, requires_grad=True))
        loss.backward()
        loss.backward()
    """
    assert found(
        tmp_path,
        helpers="import torch\ndef warp(x):\n    return torch.exp(x)",
        learner="""
            import helpers

            class Learner:
                def __init__(self, prepare=helpers.warp):
                    self.prepare = prepare

                def loss(self, x):
                    return self.prepare(x).sum()
        """,
        one="import helpers\nprint(helpers.warp)\n" + dedent(program),
        two=program,
    ) == [("RG102", "one.py", 8), ("RG102", "two.py", 6)]
