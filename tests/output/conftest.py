"""Findings made by hand, so that the formats are tested without an observer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handmade import at

from graphlint.findings import Applicability, Edit, Finding, Fix, WitnessEvent


@pytest.fixture
def unneeded() -> Finding:
    edit = Edit(at(7, 12), at(7, 29), "")
    return Finding(
        code="RG101",
        name="unneeded-retain-graph",
        message="No later pass visits the graph that this pass keeps: drop `retain_graph`.",
        filename="a.py",
        location=at(7, 1),
        end_location=at(7, 30),
        witness=(
            WitnessEvent("a.py", at(5, 5), "builds the graph", at(5, 13)),
            WitnessEvent("a.py", at(7, 1), "keeps the graph, and no later pass visits it"),
        ),
        fix=Fix(Applicability.SAFE, "Drop `retain_graph=True`.", (edit,)),
        url="https://example.org/unneeded-retain-graph",
    )


@pytest.fixture
def hidden(unneeded: Finding) -> Finding:
    fix = Fix(Applicability.UNSAFE, "Combine the passes: rounding may differ.", ())
    return replace(unneeded, code="RG106", name="combinable-passes", fix=fix, filename="b.py")
