"""Building blocks: closures that differentiate, and passes that go part of the way."""

from __future__ import annotations

from .draft import Draft, Function, Section, indented
from .forms import backward, curved, flag, grad, loss
from .networks import net

CURVED = ("({}.sigmoid() ** 2).mean()", "{}.exp().mean()", "{}.pow(3).sum()", "{}.tanh().sum()")


def unused_inputs(d: Draft) -> Section:
    """Write gradients for several inputs, some of which the output may not depend on."""
    extra = d.pick("allow_unused=True", "allow_unused=True", "materialize_grads=True")
    said = flag(d, 0.6)
    call = grad(d, "@energy", "[@left, @right]", said, None, extra)
    return Section(
        shape="unused_inputs",
        setup=[f"$model = {net(d, 2, 1)}"],
        body=[
            "@left = torch.randn(2, requires_grad=True)",
            "@right = torch.randn(2, requires_grad=True)",
            "@mixed = (@left * 3).exp()",
            f"@energy = {d.pick('@mixed.sum() + $model(@left).sum()', '(@mixed * @right).sum()')}",
            f"@slopes = {call}",
            *d.variant(
                backward(d, "@energy", flag(d, 0.2)),
                backward(d, "@mixed.sum()", flag(d, 0.2)),
                [],
            ),
            "print([None if s is None else s.sum().item() for s in @slopes])",
        ],
        report=["$model"],
    )


def chain_by_hand(d: Draft) -> Section:
    """Write a pass that is cut at the features: the upper part first, then the lower."""
    cut = d.pick(
        "@features.detach().requires_grad_()", "@features.detach().requires_grad_()", "@features"
    )
    hook = "@lower_input" if "detach" in cut else "@features"
    upper = ["@lower_input = " + cut, f"@objective = {loss(d, '$upper(@lower_input)')}"]
    if "detach" in cut:
        passes = [
            *backward(d, "@objective", flag(d, 0.4)),
            f"@features.backward({hook}.grad{d.pick('', ', True', ', retain_graph=True')})",
        ]
    else:
        passes = ["@features.retain_grad()", *backward(d, "@objective", flag(d, 0.5))]
        passes += backward(d, "@features.sum()", flag(d, 0.2)) if d.chance(0.5) else []
    return Section(
        shape="chain_by_hand",
        setup=[f"$lower = {net(d, 3, 3)}", f"$upper = {net(d, 3, 1)}"],
        body=["@features = $lower(torch.randn(2, 3))", *upper, *passes],
        report=["$lower", "$upper"],
    )


def closure_optimizer(d: Draft) -> Section:
    """Write a closure for LBFGS, with its forward pass inside or outside."""
    outside = d.chance(0.3)
    make = [f"@guess = $model(@inputs){d.pick('', '.tanh()')}"]
    closure = [
        "def closure():",
        *indented(
            [
                "$optimizer.zero_grad()",
                *([] if outside else ["guess = $model(@inputs)"]),
                f"error = {loss(d, '@guess' if outside else 'guess')}",
                d.pick("error.backward()", "error.backward(retain_graph=True)"),
                "return error",
            ]
        ),
    ]
    return Section(
        shape="closure_optimizer",
        setup=[
            f"$model = {net(d, 3, 1)}",
            f"$optimizer = {d.optim}.LBFGS($model.parameters(), lr=0.1, max_iter={d.pick(1, 2)})",
        ],
        body=[
            "@inputs = torch.randn(2, 3)",
            *(make if outside else []),
            *closure,
            "",
            "$optimizer.step(closure)",
        ],
        report=["$model"],
    )


def made_step(d: Draft) -> Section:
    """Write a function that makes the training step, with the flag in its closure."""
    value = d.pick("True", "False", d.condition() or "True")
    twice = d.chance(0.5)
    again = [f"({curved(d, '@output')}).backward()"] if twice else []
    inner = [
        "def step(batch):",
        *indented(
            [
                "@output = $model(batch)",
                f"@value = {loss(d, '@output')}",
                "@value.backward(retain_graph=keep)",
                *again,
                "return @value.item()",
            ]
        ),
    ]
    maker = Function("make_step", "keep", [*inner, "", "return step"])
    return Section(
        shape="made_step",
        setup=[f"$model = {net(d, 3, 2)}"],
        body=[
            f"run_step = $make_step({d.pick(value, f'keep={value}')})",
            "for _ in range(2):",
            '    print(f"{run_step(torch.randn(2, 3)):.4f}")',
        ],
        report=["$model"],
        functions=(maker,),
    )


SHAPES = (
    unused_inputs,
    chain_by_hand,
    closure_optimizer,
    made_step,
)
