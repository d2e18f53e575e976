"""Building blocks: passes behind helpers and branches, over graphs that save little or nothing."""

from __future__ import annotations

from .draft import Draft, Function, Lines, Section, branch, indented
from .forms import backward, backward_many, flag, loss, optimizer, pass_on
from .networks import net


def helper_update(d: Draft) -> Section:
    """Write a trainer whose own method takes the loss and the flag."""
    keep = d.pick("keep=False", "keep=True", "keep", "retain_graph=None")
    name = keep.split("=")[0]
    helper = d.pick("bprop", "_backward", "apply_gradients")
    zero = ["$optimizer.zero_grad()"] if d.chance(0.5) else []
    step = ["$optimizer.step()"] if d.chance(0.4) else []
    function = Function(
        helper,
        f"loss, {keep}",
        [*zero, *pass_on(d, "loss", name), *step],
    )
    shared = d.chance(0.6)
    calls: Lines = []
    for number in range(1, d.pick(3, 3, 4)):
        value = flag(d, 0.6) or ("False" if "=" not in keep else None)
        argument = f", {d.pick(f'{name}={value}', value)}" if value else ""
        encoded = "@code" if shared else "$model(@inputs)"
        calls += [
            f"@value_{number} = {loss(d, encoded)}",
            f"${helper}(@value_{number}{argument})",
        ]
    return Section(
        shape="helper_update",
        setup=[f"$model = {net(d, 3, 3)}", f"$optimizer = {optimizer(d, '$model')}"],
        body=[
            "@inputs = torch.randn(2, 3)",
            *(["@code = $model(@inputs)"] if shared else []),
            *calls,
        ],
        report=["$model"],
        functions=(function,),
    )


def frozen_parts(d: Draft) -> Section:
    """Write passes over an encoder that is frozen, for good or for now."""
    freeze = d.pick(
        ["for weight in $encoder.parameters():", "    weight.requires_grad = False"],
        ["$encoder.requires_grad_(False)"],
        ["for weight in $encoder.parameters():", "    weight.requires_grad_(False)"],
    )
    late = d.chance(0.3)
    body = [
        "@features = $encoder(torch.randn(3, 4))",
        *([*freeze] if late else []),
        f"@loss_a = {loss(d, '$head_a(@features)')}",
        f"@loss_b = {loss(d, '$head_b(@features)')}",
        *backward(d, "@loss_a", flag(d, 0.5)),
        *backward(d, "@loss_b", flag(d, 0.3)),
        *(["$encoder.requires_grad_(True)"] if late and d.chance(0.7) else []),
    ]
    return Section(
        shape="frozen_parts",
        setup=[
            f"$encoder = {net(d, 4, 3)}",
            *([] if late else d.variant(freeze, freeze, [])),
            f"$head_a = {d.nn}.Linear(3, 2)",
            f"$head_b = {d.nn}.Linear(3, 2)",
        ],
        body=body,
        report=["$head_a", "$encoder"],
    )


def saves_nothing(d: Draft) -> Section:
    """Write two passes over sums and views, which save no tensors."""
    base = d.pick(
        "$weight + $bias",
        "$weight.view(2, 2)",
        "($weight - $bias).sum()",
        "$weight.sum()",
        "torch.cat([$weight, $bias])",
        "$weight[:2]",
        "-$weight",
        "$weight.mean()",
        "$weight.reshape(2, 2).t()",
        "$weight * 2",
        "$weight * $bias",
        "$weight.exp()",
        "torch.stack([$weight, $bias]).sum(0)",
        "$weight.clone()",
        "$weight.unsqueeze(0)",
        "$weight.relu()",
        "$weight / $scale",
        "$weight.max()",
        "$weight.float()",
    )
    tails = [".sum()", ".mean()", ".sum() * 2", ".sum() + 1"]
    leaf = d.pick("torch.randn(4, requires_grad=True)", f"{d.nn}.Parameter(torch.randn(4))")
    return Section(
        shape="saves_nothing",
        setup=[
            f"$weight = {leaf}",
            "$bias = torch.ones(4, requires_grad=True)",
            "$scale = torch.tensor(2.0)",
        ],
        body=[
            f"@base = {base}",
            f"@first = @base{d.pick(*tails)}",
            f"@second = @base{d.pick(*tails)}",
            *backward(d, "@first", flag(d, 0.4)),
            *backward(d, "@second", flag(d, 0.3)),
            "print($weight.grad)",
        ],
    )


def joint_or_apart(d: Draft) -> Section:
    """Write one combined pass in one arm of a branch, two in the other."""
    condition = d.condition() or d.pick("$rounds % 2 == 0", "$rounds > 1", "@first.item() > 0")
    joint = backward_many(d, ["@first", "@second"], flag(d, 0.3))
    apart = [*backward(d, "@first", flag(d, 0.8)), *backward(d, "@second", flag(d, 0.2))]
    before = backward(d, "@first", flag(d, 0.8)) if d.chance(0.2) else []
    tail = branch(condition, backward(d, "@second", flag(d, 0.2)), []) if d.chance(0.2) else []
    choice = branch(condition, joint, apart)
    if d.chance(0.3):
        choice = [*backward(d, "@first", condition), *branch(condition, backward(d, "@second"), [])]
    return Section(
        shape="joint_or_apart",
        setup=[f"$model = {net(d, 3, 3)}", "$rounds = 0"],
        body=[
            "$rounds += 1",
            "@outputs = $model(torch.randn(2, 3))",
            f"@first = {loss(d, '@outputs')}",
            f"@second = {loss(d, '@outputs[:, :2]')}",
            *before,
            *choice,
            *tail,
        ],
        report=["$model"],
    )


def match_mode(d: Draft) -> Section:
    """Write a `match` over a mode."""
    subject = d.pick("$mode", "$modes[$rounds % 3]")
    arms: Lines = []
    for mode in ("both", "first"):
        body = [*backward(d, "@first", flag(d, 0.5))]
        body += backward(d, "@second", flag(d, 0.2)) if mode == "both" or d.chance(0.3) else []
        arms += [f'case "{mode}":', *indented(body)]
    arms += ["case _:", *indented(backward_many(d, ["@first", "@second"], flag(d, 0.3)))]
    return Section(
        shape="match_mode",
        setup=[
            f"$model = {net(d, 3, 2)}",
            '$modes = ["both", "first", "sum"]',
            f"$mode = $modes[{d.pick(0, 1, 2)}]",
            "$rounds = 0",
        ],
        body=[
            "@scores = $model(torch.randn(2, 3))",
            f"@first = {loss(d, '@scores')}",
            f"@second = {loss(d, '@scores')}",
            f"match {subject}:",
            *indented(arms),
            "$rounds += 1",
        ],
        report=["$model"],
    )


SHAPES = (
    helper_update,
    helper_update,
    frozen_parts,
    saves_nothing,
    joint_or_apart,
    match_mode,
)
