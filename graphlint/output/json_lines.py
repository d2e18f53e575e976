"""The findings as JSON, one object a line."""

from __future__ import annotations

import json
from collections.abc import Sequence

from graphlint.findings import Finding
from graphlint.output import Options, Sources


def render(findings: Sequence[Finding], _sources: Sources, _options: Options) -> str:
    """Return a line for each finding."""
    return "".join(json.dumps(f.to_dict(), ensure_ascii=False) + "\n" for f in findings)
