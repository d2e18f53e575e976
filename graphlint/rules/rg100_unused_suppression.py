"""RG100: unused-suppression.

## What it does
Flags a suppression comment, or a code in one, that suppresses nothing.

## Why it matters
What it once was written for is gone. It now hides the next finding on the line, which nobody has
looked at, and a reader takes the line for worse than it is.

## Example
```python
loss.backward()  # graphlint: ignore[RG101] the penalty differentiates this again
```

## Use instead
```python
loss.backward()
```

## Silent when
* a rule that the comment names is not on: whether it would be needed then is not known;
* the comment is a `# noqa` that names no `RG` code: it may be meant for another tool;
* the comment names RG100 beside the code that is unused.

## Fix safety
Safe: only the comment changes. The codes of other tools and other comments on the line stay.

## References
* ruff, RUF100 (unused-noqa).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from graphlint.findings import Applicability, Edit, Finding, Fix, Location
from graphlint.rules.rule import Holds, Rule
from graphlint.source.suppress import Code, Kind, Suppression

MESSAGE = "This comment suppresses nothing: remove it."


def unused(
    suppressions: Iterable[Suppression],
    used: Callable[[Suppression, Code | None], bool],
    filename: str,
) -> Iterator[Finding]:
    """Yield a finding for each suppression that suppresses nothing.

    Args:
        suppressions: those of one file.
        used: says of a suppression, or of one of its codes, whether it suppresses something, or
            whether that can't be told.
        filename: what the file is called.
    """
    for suppression in suppressions:
        if suppression.blanket:
            if suppression.kind is not Kind.NOQA and not used(suppression, None):
                yield _finding(suppression, (), filename)
        else:
            idle = tuple(code for code in suppression.codes if not used(suppression, code))
            if idle or not suppression.codes:
                yield _finding(suppression, idle, filename)


def _finding(suppression: Suppression, idle: tuple[Code, ...], filename: str) -> Finding:
    message = MESSAGE
    edits: tuple[Edit, ...] = (_comment_removal(suppression),)
    if len(idle) < len(suppression.codes):
        named = ", ".join(f"`{code.text}`" for code in idle)
        message = f"{named} suppresses nothing here: remove it from the comment."
        edits = tuple(_code_removals(suppression, idle))
    return Finding(
        code=RULE.code,
        name=RULE.name,
        message=message,
        filename=filename,
        location=Location(suppression.row, suppression.column),
        end_location=Location(suppression.row, suppression.end_column),
        fix=Fix(Applicability.SAFE, "Remove what suppresses nothing.", edits),
        url=RULE.url,
        noqa_row=suppression.row,
    )


def _comment_removal(suppression: Suppression) -> Edit:
    """Return the edit that removes a suppression with its reason, and its row if that is all."""
    row = suppression.row
    if suppression.alone:
        return Edit(Location(row, 1), Location(row + 1, 1), "")
    start = suppression.column if suppression.followed else suppression.gap_column
    return Edit(Location(row, start), Location(row, suppression.end_column), "")


def _code_removals(suppression: Suppression, idle: tuple[Code, ...]) -> Iterator[Edit]:
    """Yield the edits that remove codes from a comment which keeps others."""
    codes = suppression.codes
    last_kept = max(i for i, code in enumerate(codes) if code not in idle)
    spans = [
        (code.column, codes[i + 1].column)
        for i, code in enumerate(codes[:last_kept])
        if code in idle
    ]
    if last_kept + 1 < len(codes):
        spans.append((codes[last_kept].end_column, codes[-1].end_column))
    for start, end in spans:
        yield Edit(Location(suppression.row, start), Location(suppression.row, end), "")


RULE = Rule(
    code="RG100",
    name="unused-suppression",
    message=MESSAGE,
    holds=Holds.EVERY,
    check=None,
    page=__doc__,
    bad="""\
import torch

weight = torch.randn(3, requires_grad=True)
(weight * weight).sum().backward()  # graphlint: ignore[RG101]
""",
    good="""\
import torch

weight = torch.randn(3, requires_grad=True)
(weight * weight).sum().backward()
""",
)
