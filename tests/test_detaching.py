"""Where `.detach()` goes in statements that keep a graph, and where there is no place for it."""

from __future__ import annotations

import ast

import pytest

from graphlint.findings import Applicability
from graphlint.fixes import fix_text
from graphlint.rules.detaching import detach_stored, detach_summand
from graphlint.source.config import Config
from graphlint.source.lines import Lines, unix_newlines
from graphlint.trace import Site, Span


def mended(source: str, stored: bool = False) -> str | None:
    """Apply the fix to the last statement of a text."""
    text = unix_newlines(source)
    node = ast.parse(text).body[-1]
    rows = text.split("\n")
    assert node.end_lineno is not None
    start = len(rows[node.lineno - 1].encode()[: node.col_offset].decode())
    end = len(rows[node.end_lineno - 1].encode()[: node.end_col_offset].decode())
    site = Site("f.py", Span(node.lineno, start + 1, node.end_lineno, end + 1))
    fix = (detach_stored if stored else detach_summand)(source, site)
    if fix is None:
        return None
    assert fix.applicability is Applicability.UNSAFE
    lines = Lines(source)
    for edit in sorted(fix.edits, key=lambda edit: edit.location, reverse=True):
        assert edit.location == edit.end_location
        at = lines.offset(edit.location.row, edit.location.column)
        source = source[:at] + edit.content + source[at:]
    return source


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("total += loss", "total += loss.detach()"),
        ("total += loss  # so far", "total += loss.detach()  # so far"),
        ("total += loss * len(x)", "total += (loss * len(x)).detach()"),
        ("total += (loss * n)", "total += ((loss * n).detach())"),
        ("total += criterion(a, b)", "total += criterion(a, b).detach()"),
        ("self.total['größe'] += λ[0]", "self.total['größe'] += λ[0].detach()"),
        ("total = total + loss", "total = total + loss.detach()"),
        ("total = loss + total", "total = loss.detach() + total"),
        ("mean = 0.9 * mean + 0.1 * loss", "mean = 0.9 * mean + (0.1 * loss).detach()"),
        ("sums[k] = sums.get(k, 0) + v", "sums[k] = sums.get(k, 0) + v.detach()"),
        ("total += (\n    a\n    + b\n)", "total += (\n    (a\n    + b).detach()\n)"),
        ("x = 1\r\ntotal += f(\r\n    a)\r\n", "x = 1\r\ntotal += f(\r\n    a).detach()\r\n"),
    ],
)
def test_summand_is_detached(source: str, wanted: str) -> None:
    assert mended(source) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("losses.append(loss)", "losses.append(loss.detach())"),
        ("losses.append(-loss)", "losses.append((-loss).detach())"),
        ("self.log['a'].append(loss.mean())", "self.log['a'].append(loss.mean().detach())"),
        ("losses.insert(0, loss)", "losses.insert(0, loss.detach())"),
        ("losses[i] = loss", "losses[i] = loss.detach()"),
    ],
)
def test_stored_value_is_detached(source: str, wanted: str) -> None:
    assert mended(source, stored=True) == wanted


@pytest.mark.parametrize(
    "source", ["total += (a, b)", "total += [loss]", "total = f(total, loss)", "x = x + x * loss"]
)
def test_summand_without_a_plain_place(source: str) -> None:
    assert mended(source) is None


@pytest.mark.parametrize(
    "source",
    [
        "losses.append((step, loss))",
        "losses.append({'loss': loss})",
        "losses.extend(new)",
        "losses += [loss]",
        "losses = losses + [loss]",
        "losses.insert(0)",
        "print(loss)",
        "losses.append(x=loss)",
    ],
)
def test_store_without_a_plain_place(source: str) -> None:
    assert mended(source, stored=True) is None


LOOP = """\
import torch

model = torch.nn.Linear(3, 1)
{before}
for inputs in torch.randn(4, 2, 3):
    loss = model(inputs).pow(2).mean()
    loss.backward()
    {keeps}
print(kept)
"""


@pytest.mark.parametrize(
    ("before", "keeps", "wanted"),
    [
        ("kept = []", "kept.append(loss)", "kept.append(loss.detach())"),
        ("kept = []", "pair = loss, 1; kept.append(pair)", None),
        ("kept = []", "kept.append(dict(loss=loss))", None),
        (
            "from losses import of\nkept = []",
            "all = of(inputs); all['sum'] = loss; kept.append(all)",
            None,
        ),
        ("kept = 0.0", "kept += loss * 2", "kept += (loss * 2).detach()"),
        (
            "kept = 0.0\ndef add(value):\n    global kept\n    kept += value",
            "add(loss); add(loss.item())",
            None,
        ),
    ],
)
def test_what_is_no_tensor_or_not_always_is_left(
    before: str, keeps: str, wanted: str | None
) -> None:
    text = LOOP.format(before=before, keeps=keeps)
    fixed = fix_text(text, "f.py", Config(), unsafe=True)
    assert bool(fixed.applied) == (wanted is not None)
    assert (wanted or keeps) in fixed.text
