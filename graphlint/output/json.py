"""The findings as a JSON list, in the shape of docs/contracts.md."""

from __future__ import annotations

import json
from collections.abc import Sequence

from graphlint.findings import Finding
from graphlint.output import Options, Sources


def render(findings: Sequence[Finding], _sources: Sources, _options: Options) -> str:
    """Return the list, indented for people."""
    return json.dumps([f.to_dict() for f in findings], indent=2, ensure_ascii=False) + "\n"
