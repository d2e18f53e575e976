"""Building blocks: losses in containers and attributes, functions and hooks of one's own."""

from __future__ import annotations

from .draft import Draft, Section, branch, indented
from .forms import backward, flag, loss, over_model
from .forms import optimizer as make_optimizer
from .networks import net


def callables(d: Draft) -> Section:
    """Write losses in a table of functions."""
    shared = d.chance(0.6)
    value = "@outputs" if shared else "$model(@batch)"
    return over_model(
        "callables",
        d,
        [
            "@batch = torch.randn(2, 3)",
            *([f"@outputs = $model(@batch){d.pick('', '.exp()')}"] if shared else []),
            "@objectives = {",
            '    "square": lambda t: t.pow(2).mean(),',
            f'    "plain": lambda t: t.{d.pick("mean", "sum")}(),',
            "}",
            *backward(d, f'@objectives["square"]({value})', flag(d, 0.6)),
            *backward(d, f'@objectives["plain"]({value})', flag(d, 0.2)),
        ],
    )


def named_results(d: Draft) -> Section:
    """Write a function that returns several losses, in a tuple, a dictionary or a named tuple."""
    shared = d.chance(0.6)
    lines = ["outputs = model(batch)"]
    second = "outputs" if shared else "model(batch + 1)"
    form = d.pick("tuple", "dict", "named", "object")
    first, other = loss(d, "outputs"), loss(d, second)
    result = {
        "tuple": f"{first}, {other}",
        "dict": f'{{"first": {first}, "second": {other}}}',
        "named": f"Losses({first}, {other})",
        "object": f"SimpleNamespace(first={first}, second={other})",
    }[form]
    name = d.helper(
        f"compute_{form}",
        [f"def compute_{form}(model, batch):", *indented([*lines, f"return {result}"])],
    )
    call = f"{name}($model, torch.randn(2, 3))"
    if form == "tuple":
        got, left, right = f"@left, @right = {call}", "@left", "@right"
    elif form == "dict":
        got, left, right = f"@result = {call}", '@result["first"]', '@result["second"]'
    else:
        got, left, right = f"@result = {call}", "@result.first", "@result.second"
    return over_model(
        "named_results",
        d,
        [
            got,
            "$optimizer.zero_grad()",
            *backward(d, left, flag(d, 0.6)),
            *backward(d, right, flag(d, 0.2)),
            "$optimizer.step()",
        ],
    )


def own_function(d: Draft) -> Section:
    """Write an `autograd.Function`, and passes over what it makes."""
    saves = d.pick(
        "ctx.save_for_backward(value)", "ctx.save_for_backward(value)", "ctx.scale = 2.0"
    )
    back = ["(value,) = ctx.saved_tensors", "return gradient * 2 * value"]
    lines = [
        "class Square(torch.autograd.Function):",
        "    @staticmethod",
        "    def forward(ctx, value):",
        f"        {saves}",
        "        return value * value",
        "",
        "    @staticmethod",
        "    def backward(ctx, gradient):",
        *indented(indented(back if "save" in saves else ["return gradient * ctx.scale"])),
    ]
    name = d.helper("Square", lines)
    return Section(
        shape="own_function",
        setup=["$weight = torch.randn(3, requires_grad=True)"],
        body=[
            f"@squared = {name}.apply($weight)",
            "@first = @squared.sum()",
            f"@second = {d.pick('@squared.mean()', '@squared.sum() + 1', '($weight * 3).sum()')}",
            *backward(d, "@first", flag(d, 0.5)),
            *backward(d, "@second", flag(d, 0.2)),
            "print($weight.grad)",
        ],
    )


def counted_flag(d: Draft) -> Section:
    """Write a flag that comes from a counter, an attribute or a schedule."""
    keep = d.pick(
        "$calls < 2",
        "$calls % 2 == 0",
        "$keep_graph",
        "$keep_graph and $calls > 1",
        "not $keep_graph",
        "$schedule[$calls % 2]",
        "$calls == 1",
    )
    shared = d.chance(0.7)
    value = "@outputs" if shared else "$model(torch.ones(2, 3))"
    return Section(
        shape="counted_flag",
        setup=[
            f"$model = {net(d, 3, 2)}",
            "$calls = 0",
            f"$keep_graph = {d.pick('True', 'False', d.condition() or 'True')}",
            "$schedule = [True, False]",
        ],
        body=[
            "$calls += 1",
            "@outputs = $model(torch.randn(2, 3))",
            f"@first = {loss(d, '@outputs')}",
            *backward(d, "@first", keep),
            *branch(
                d.pick("$calls % 2 == 1", "$keep_graph", keep, keep),
                [f"@second = {loss(d, value)}", *backward(d, "@second", flag(d, 0.2))],
                [],
            ),
        ],
        report=["$model"],
    )


def hooked(d: Draft) -> Section:
    """Write tensors with hooks and retained gradients around two passes."""
    watch = d.pick(
        ["@outputs.retain_grad()"],
        ["@outputs.register_hook(lambda g: g * 0.5)"],
        ["$seen = []", "@outputs.register_hook(lambda g: $seen.append(g.norm().item()))"],
    )
    return over_model(
        "hooked",
        d,
        [
            "@outputs = $model(torch.randn(2, 3))",
            *watch,
            f"@first = {loss(d, '@outputs')}",
            *backward(d, "@first", flag(d, 0.6)),
            *(backward(d, loss(d, "@outputs"), flag(d, 0.2)) if d.chance(0.5) else []),
        ],
    )


def data_loader(d: Draft) -> Section:
    """Write epochs over a data loader, with an evaluation after each."""
    two = d.chance(0.4)
    extra = (
        [
            f"@penalty = {loss(d, d.pick('@logits', '$model(@images * 0.5)'))}",
            *backward(d, "@penalty", flag(d, 0.2)),
        ]
        if two
        else []
    )
    return Section(
        shape="data_loader",
        setup=[
            f"$model = {net(d, 3, 2)}",
            f"$optimizer = {make_optimizer(d, '$model')}",
            "$images = torch.randn(6, 3)",
            "$labels = torch.tensor([0, 1, 0, 1, 1, 0])",
            "$dataset = torch.utils.data.TensorDataset($images, $labels)",
            "$loader = torch.utils.data.DataLoader($dataset, batch_size=3)",
            f"$criterion = {d.nn}.CrossEntropyLoss()",
        ],
        body=[
            "@running = 0.0",
            "for images, labels in $loader:",
            *indented(
                [
                    "@logits = $model(images)",
                    "@error = $criterion(@logits, labels)",
                    "$optimizer.zero_grad()",
                    *backward(d, "@error", flag(d, 0.55)),
                    *[line.replace("@images", "images") for line in extra],
                    "$optimizer.step()",
                    "@running += @error.item()",
                ]
            ),
            "print(f'{@running:.4f}')",
            "with torch.no_grad():",
            "    print(($model($images).argmax(1) == $labels).sum().item())",
        ],
        report=["$model"],
    )


SHAPES = (
    callables,
    named_results,
    own_function,
    counted_flag,
    counted_flag,
    hooked,
    data_loader,
)
