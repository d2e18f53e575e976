"""What is said of programs that are too long to be followed to their end."""

from __future__ import annotations

import pytest

from graphlint import lint_source
from graphlint.trace import Confidence

PROGRAM = """\
import torch

image = torch.randn(3, requires_grad=True)


def slope():
    score = (image**3).sum()
    return torch.autograd.grad(score, image, create_graph=True)[0]


for number in map(int, input().split()):
    if number > 3:
        print(slope().max().item())
kept = slope()
count = 0
{lines}
{end}
"""


@pytest.mark.parametrize("lines", [10, 20_000])
def test_gradients_that_are_differentiated_late_are_not_in_vain(lines: int) -> None:
    text = PROGRAM.format(lines="count += 1\n" * lines, end="kept.pow(2).sum().backward()")
    assert [f for f in lint_source(text) if f.confidence is not Confidence.POSSIBLE] == []


def test_gradients_that_are_not_differentiated_are_in_vain() -> None:
    text = PROGRAM.format(lines="count += 1\n" * 10, end="print(kept.max().item())")
    assert [finding.code for finding in lint_source(text)] == ["RG302"]


SET_UP = """\
import torch


class Cut:
    def __call__(self, critic, fake):
        return critic(fake.detach()).exp().mean()


class Trainer:
    def set_up(self):
        self.generator, self.critic = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
        self.loss = make_loss()

    def step(self):
        fake = self.generator(torch.randn(3, 2))
        self.loss(self.critic, fake).backward(retain_graph=True)
        self.critic(fake).exp().mean().backward()


def make_loss():
    return Cut()


count = 0
{lines}
trainer = Trainer()
trainer.set_up()
trainer.step()
"""


@pytest.mark.parametrize("lines", [10, 3_000])
def test_setting_up_is_followed_wherever_it_stands(lines: int) -> None:
    text = SET_UP.format(lines="count += 1\n" * lines)
    assert [finding.code for finding in lint_source(text)] == ["RG101"]


PICKING = """\
class Explainer:
    def __init__(self, model):
        self.model = model

    def explain(self, image, names):
        first, second, third = [], [], []
        if "first" in names:
            first.append(1)
        if "second" in names:
            second.append(1)
        if "third" in names:
            third.append(1)
        count = 0
        {lines}
        pick(self.model(image), 3).backward(retain_graph=True)
        return len(first) + len(second) + len(third)


def pick(scores, column):
    if len(scores.shape) == 1:
        return scores[column]
    return scores[:, column]
"""


@pytest.mark.parametrize("lines", [1, 2_000])
def test_paths_are_joined_that_return_parts_of_one_tensor(lines: int) -> None:
    found = lint_source(PICKING.format(lines="count += 1; " * lines))
    assert [(f.code, f.confidence) for f in found] == [("RG101", Confidence.LIKELY)]


EVALUATION = """\
import sys
import torch

model, probe = torch.nn.Linear(3, 1), torch.nn.Linear(1, 1)


def check():
    if len(sys.argv) > 2:
        raise ValueError


for batch in torch.randn(6, 4, 3):
    model.eval()
    outputs = model(batch)
    check()
    count = 0
{lines}    probe(outputs).mean().backward()
torch.optim.SGD(model.parameters(), lr=0.1).step()
"""


@pytest.mark.parametrize("lines", [10, 20_000])
def test_a_path_that_raises_says_nothing_of_what_an_output_is_for(lines: int) -> None:
    text = EVALUATION.format(lines="    count += 1\n" * lines)
    assert [f for f in lint_source(text) if f.confidence is not Confidence.POSSIBLE] == []


ADAPTING = """\
import torch


def adapt(model, loss=None):
    count = 0
    {lines}
    loss = kept[0] if loss is None else loss
    weights = list(model.parameters())
    return [w - g for w, g in zip(weights, torch.autograd.grad(loss, weights))]


kept = [None]


def train(model, optimizer):
    {statements}
    optimizer.step()
"""
APART = """\
adapt(model, model(torch.randn(3, 2)).mean())
    model(torch.randn(3, 2)).pow(2).mean().backward(retain_graph=True)
"""
TOGETHER = """\
loss = model(torch.randn(3, 2)).pow(2).mean()
    loss.backward(retain_graph=True)
    adapt(model, loss)
"""


SHARING = """\
kept[0] = model(torch.randn(3, 2)).pow(2).mean()
    kept[0].backward(retain_graph=True)
    adapt(model)
"""


@pytest.mark.parametrize("lines", [1, 20_000])
@pytest.mark.parametrize(
    ("statements", "codes"), [(APART, ["RG101"]), (TOGETHER, []), (SHARING, [])]
)
def test_other_passes_than_the_missed_one_may_be_too_long(
    lines: int, statements: str, codes: list[str]
) -> None:
    text = ADAPTING.format(lines="count += 1; " * lines, statements=statements)
    found = [f.code for f in lint_source(text) if f.confidence is not Confidence.POSSIBLE]
    assert [code for code in found if code == "RG101"] == codes


NAMED = """\
import sys
import torch

name = "plain"
if len(sys.argv) > 1:
    name = "first"
if len(sys.argv) > 2:
    name = "second"
weight, count = torch.rand(3, requires_grad=True), 0
{lines}
print(name)
weight.exp().sum().backward(retain_graph=True)
"""


@pytest.mark.parametrize("lines", [1, 1_200])
def test_paths_are_joined_that_differ_in_names_alone_where_steps_run_low(lines: int) -> None:
    found = lint_source(NAMED.format(lines="for _ in (1,):\n    count += 1\n" * lines))
    assert [(f.code, f.confidence) for f in found] == [("RG101", Confidence.CERTAIN)]


LONG_LOSS = """\
import torch


class Trainer:
    def __init__(self):
        self.model = torch.nn.Linear(3, 3)

    def step(self, batch):
        output, loss = self.model(batch), 0
{calls}
        loss.backward(retain_graph=True)


def match(values):
    count = 0
{lines}
    return values.exp().sum()
"""


@pytest.mark.parametrize("calls", [1, 16])
def test_long_calls_of_one_function_share_their_steps(calls: int) -> None:
    text = LONG_LOSS.format(
        calls="        loss = loss + match(output)\n" * calls, lines="    count += 1\n" * 1_000
    )
    assert [finding.code for finding in lint_source(text)] == ["RG101"]


KEEPING = """\
import torch
from torch import nn


class Coder(nn.Module):
    def __init__(self):
        super().__init__()
        self.code = nn.Linear(4, 3)
        self.critic = nn.Linear(3, 2)
        self.mean = {{0: torch.zeros(3), 1: torch.zeros(3)}}
        self.count = 0

    def forward(self, x, labels, last):
        z = self.code(x)
        if last:
            self.note(z, labels)
        count = 0
{lines}        seen = nn.Softmax(dim=1)(self.critic(z.detach()))
        return seen.pow(2).mean(), (seen * seen.log()).mean() + z.pow(2).mean()

    def note(self, z, labels):
        first = torch.LongTensor([0, 1])
        for index, label in enumerate(labels):
            if first.equal(label):
                self.count = self.count + 1
                self.mean[0] = ((self.count - 1) * self.mean[0] + z[index]) / self.count
            else:
                self.count = self.count + 1
                self.mean[1] = ((self.count - 1) * self.mean[1] + z[index]) / self.count


model = Coder()
critic = torch.optim.SGD(model.critic.parameters(), lr=0.1)
rest = torch.optim.SGD(model.code.parameters(), lr=0.1)
for epoch in range(3):
    for x, labels in DataLoader(stuff()):
        judged, loss = model(x, labels, epoch == 2)
        judged.backward(retain_graph=True)
        critic.step()
        critic.zero_grad()
        loss.backward()
        rest.step()
        rest.zero_grad()
"""


@pytest.mark.parametrize("lines", [1, 250])
def test_what_an_object_keeps_is_no_argument_of_its_long_methods(lines: int) -> None:
    found = lint_source(KEEPING.format(lines="        count += 1\n" * lines))
    assert "RG108" not in {finding.code for finding in found}


ADDING = """\
import torch

model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def fit(batch):
    loss, count = model(batch).pow(2).mean(), 0
{fitting}    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def train(batches):
    total = 0.0
    for batch in batches:
        total += fit(batch)
    print(total)


count = 0
{lines}train(torch.randn(5, 2, 3))
"""


@pytest.mark.parametrize("lines", [10, 8_500])
def test_a_sum_is_judged_where_steps_do_not_suffice_for_a_second_pass(lines: int) -> None:
    fitting = "    count += 1\n" * 1_000
    found = lint_source(ADDING.format(lines="count += 1\n" * lines, fitting=fitting))
    assert [finding.code for finding in found] == ["RG201"]


CHECKED = """\
import torch


def train(model, optimizer, batches, limits):
    for batch in batches:
        loss = model(batch).exp().mean()
{checks}
        for name, weight in model.named_parameters():
            if torch.isnan(weight).any():
                print("lost", name)
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
    for left in batches:
        print("left:", left)


net = torch.nn.Sequential(*(torch.nn.Linear(3, 3) for _ in range(40)))
train(net, torch.optim.SGD(net.parameters(), lr=0.1), torch.randn(9, 8, 3), list(map(int, input())))
"""


@pytest.mark.parametrize("checks", [1, 550])
def test_conditions_that_only_print_cost_no_path_and_no_certainty(checks: int) -> None:
    lines = (f"        if limits[{i}] > 3:\n            print({i}, loss)\n" for i in range(checks))
    [found] = lint_source(CHECKED.format(checks="".join(lines)))
    assert (found.code, found.confidence) == ("RG101", Confidence.CERTAIN)


UNPACKED = """\
class Trainer:
    def __init__(self, model):
        self.model = model

    def train(self, batch, labels, names):
        first, second, third = [], [], []
        if "first" in names:
            first.append(1)
        if "second" in names:
            second.append(1)
        if "third" in names:
            third.append(1)
        inputs, targets, labels = prepare(batch, labels)
        count = 0
        {lines}
        (self.model(inputs).exp().sum() + len(first)).backward(retain_graph=True)
        return len(first) + len(second) + len(third)


def prepare(inputs, labels):
    if labels is None:
        return inputs.shape, inputs.dtype
    return inputs.shape, inputs.dtype, labels.shape
"""


@pytest.mark.parametrize("lines", [1, 2_000])
def test_tuples_of_other_lengths_are_told_apart_where_paths_are_joined(lines: int) -> None:
    found = lint_source(UNPACKED.format(lines="count += 1; " * lines))
    assert [(f.code, f.confidence) for f in found] == [("RG101", Confidence.LIKELY)]
