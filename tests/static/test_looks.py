"""Whether variables that are only looked at are told from those that are handed on."""

from __future__ import annotations

import pytest

from graphlint.static import ir
from graphlint.static.execute.autograd.looks import is_only_looked_at
from graphlint.static.execute.paths.frames import Frames
from graphlint.static.lower import lower

LOOKED_AT = [
    "total += loss",
    "total = 0.0\ntotal = total + loss\nprint(total)",
    "total, count = 0.0, 0\nprint('mean', total / count)",
    "print(f'{total:.3f}', '{}'.format(total), str(total * 1.0 / n) + 'a')",
    "mean = total / n\nlogger.info('loss %s', mean)",
    "best = total.item() if total < best else best\nsave(best)",
    "writer.add_scalar('loss', total, step)\ndel total",
    "total = []\ntotal.append(loss)\nprint(total[-1].item(), len(total))",
    "total.append(loss)\nmean = sum(total) / len(total)\nprint(mean)",
    "save(total.detach())",
    "total = []\nmean = torch.mean(torch.tensor(total))\nsave(mean)",
    "total",
]
HANDED_ON = [
    "total.backward()",
    "save(total)",
    "loss = total\nloss.backward()",
    "mean = total / n\nscaler.scale(mean).backward()",
    "for part in total:\n    part.backward()",
    "kept.append(total)",
    "self.total = total",
    "kept['total'] = total",
    "total = self.losses\ntotal.append(loss)",
    "torch.log(total).backward()",
    "def run():\n    global total\n    total += loss",
    "a, b = total, 1\na.backward()",
    "sums += [total]\nstep(sums)",
    "total += loss\nrun(lambda: total)",
]


def _is_looked_at(text: str, name: str = "total") -> bool:
    module = lower(text, "a.py")
    for statement in module.body:
        if isinstance(statement, ir.FunctionDef) and statement.function.name == "train":
            frame = Frames().enter(None, module, "call", statement.function)
            return is_only_looked_at(frame, name)
    return is_only_looked_at(Frames().enter(None, module, "module", module), name)


@pytest.mark.parametrize("text", LOOKED_AT)
def test_what_is_only_looked_at(text: str) -> None:
    assert _is_looked_at(text)


@pytest.mark.parametrize("text", HANDED_ON)
def test_what_is_handed_on(text: str) -> None:
    assert not _is_looked_at(text)


def test_what_callers_have_is_handed_on() -> None:
    assert _is_looked_at("def train(loss):\n    total = 0\n    total += loss\n    print(total)")
    assert not _is_looked_at("def train(loss, total):\n    total.append(loss)")
    assert not _is_looked_at("def train(loss):\n    total = 0\n    total += loss\n    return total")


def test_attributes_are_known_to_others() -> None:
    assert not _is_looked_at("self.total += loss", "self.total")
