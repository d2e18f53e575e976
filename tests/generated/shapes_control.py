"""Building blocks: unusual ways through a program: modes, early ends, callables, containers."""

from __future__ import annotations

from .draft import Draft, Function, Lines, Section, branch, indented
from .forms import backward, flag, grad, loss, update
from .forms import optimizer as make_optimizer
from .networks import net


def _once(shape: str, d: Draft, body: Lines, *functions: Function) -> Section:
    """Return a section over one model."""
    return Section(
        shape=shape,
        setup=[f"$model = {net(d, 3, 2)}", f"$optimizer = {make_optimizer(d, '$model')}"],
        body=body,
        report=["$model"],
        functions=functions,
    )


def early_return(d: Draft) -> Section:
    """Write a function that leaves early, by a switch or by what its caller says."""
    condition = d.condition() or "quick"
    function = Function(
        "train_pair",
        "quick=False",
        [
            "outputs = $model(torch.randn(2, 3))",
            f"first = {loss(d, 'outputs')}",
            *backward(d, "first", d.pick("True", "True", None, "not quick")),
            f"if {condition}:",
            "    return first.item()",
            f"second = {loss(d, 'outputs')}",
            *backward(d, "second", flag(d, 0.2)),
            "return second.item()",
        ],
    )
    calls = [f"print($train_pair({d.pick('', 'True', 'quick=True')}))" for _ in range(2)]
    body = d.some(calls)
    clean = Function(
        function.name, function.parameters, [line.replace("@", "") for line in function.body]
    )
    return _once("early_return", d, body, clean)


def grad_modes(d: Draft) -> Section:
    """Write forward passes under modes that build a graph or don't."""
    value = d.condition() or d.pick("True", "False", "$model.training")
    mode = d.pick(
        "torch.no_grad()",
        f"torch.set_grad_enabled({value})",
        "torch.enable_grad()",
        "torch.inference_mode()",
    )
    used = "@features.clone()" if "inference" in mode else "@features"
    nested = d.chance(0.2)
    make = [f"with {mode}:", "    @features = $model(@inputs)"]
    if nested:
        make = [
            "with torch.no_grad():",
            "    with torch.enable_grad():",
            "        @features = $model(@inputs)",
        ]
    return Section(
        shape="grad_modes",
        setup=[f"$model = {net(d, 3, 2)}", f"$heads = [{d.nn}.Linear(2, 1), {d.nn}.Linear(2, 1)]"],
        body=[
            "@inputs = torch.randn(2, 3)",
            *make,
            f"@left = {loss(d, f'$heads[0]({used})')}",
            f"@right = {loss(d, f'$heads[1]({used})')}",
            *backward(d, "@left", flag(d, 0.5)),
            *backward(d, "@right", flag(d, 0.2)),
        ],
        report=["$model", "$heads[0]"],
    )


def decorated(d: Draft) -> Section:
    """Write an evaluation under a decorator, and passes around it."""
    decorator = d.pick("@torch.no_grad()", "@torch.no_grad()", "@torch.enable_grad()")
    name = d.helper(
        f"evaluate_{d.pick('model', 'batch')}",
        ["def evaluate(model, batch):", "    return model(batch).pow(2).mean()"],
    )
    lines = d.helpers[name]
    d.helpers[name] = [decorator, lines[0].replace("evaluate", name), lines[1]]
    second = d.pick(
        f"@other = {name}($model, @batch)",
        f"@other = {name}($model, @batch) * @first.detach()",
    )
    objective = d.pick("@first + @other", "@first * @other", "@first")
    return _once(
        "decorated",
        d,
        [
            "@batch = torch.randn(2, 3)",
            f"@first = {loss(d, '$model(@batch)')}",
            second,
            *backward(d, "@first", flag(d, 0.5)),
            *(backward(d, f"({objective})", flag(d, 0.2)) if d.chance(0.5) else []),
            "print(@other.item())",
        ],
    )


def finally_pass(d: Draft) -> Section:
    """Write a pass in a `try`, and perhaps one in its `finally` or `else`."""
    word = d.pick("finally:", "else:")
    middle = ["except FloatingPointError:", "    print('skipped')"] if word == "else:" else []
    return _once(
        "finally_pass",
        d,
        [
            "@outputs = $model(torch.randn(2, 3))",
            f"@first = {loss(d, '@outputs')}",
            f"@second = {loss(d, d.pick('@outputs', '$model(torch.ones(1, 3))'))}",
            "$optimizer.zero_grad()",
            "try:",
            *indented(backward(d, "@first", flag(d, 0.6))),
            *middle,
            word,
            *indented(backward(d, "@second", flag(d, 0.2))),
            "$optimizer.step()",
        ],
    )


def until_done(d: Draft) -> Section:
    """Write a loop that ends by `break`, over one graph or new ones."""
    inside = d.chance(0.5)
    make = ["@outputs = $model(@batch).tanh()"]
    said = d.pick("True", "True", None, "attempt < 2")
    tail = backward(d, loss(d, "@outputs"), flag(d, 0.2)) if d.chance(0.4) else []
    ending = ["else:", "    print('all rounds')"] if d.chance(0.2) else []
    return _once(
        "until_done",
        d,
        [
            "@batch = torch.randn(2, 3)",
            *make,
            "attempt = 0",
            f"while {d.pick('True', 'True', 'attempt < 5')}:",
            *indented(
                [
                    *(make if inside else []),
                    *backward(d, loss(d, "@outputs"), said),
                    "attempt += 1",
                    "if attempt == 3:",
                    "    break",
                ]
            ),
            *ending,
            *tail,
        ],
    )


def callables(d: Draft) -> Section:
    """Write losses in a table of functions."""
    shared = d.chance(0.6)
    value = "@outputs" if shared else "$model(@batch)"
    return _once(
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
    return _once(
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


def chosen_loss(d: Draft) -> Section:
    """Write a loss that is chosen by a condition, and a second pass that may meet the first."""
    condition = d.condition() or d.pick("$optimizer is None", "True", "len(@batch) > 1")
    choice = d.pick(
        [f"@chosen = @first if {condition} else @second"],
        branch(condition, ["@chosen = @first"], ["@chosen = @second"]),
        ["@chosen = @first", *branch(condition, ["@chosen = @chosen + @second"], [])],
    )
    apart = d.chance(0.5)
    other = "$model(@batch + 1)" if apart else "@outputs"
    return _once(
        "chosen_loss",
        d,
        [
            "@batch = torch.randn(2, 3)",
            "@outputs = $model(@batch)",
            f"@first = {loss(d, '@outputs')}",
            f"@second = {loss(d, other)}",
            *choice,
            *backward(d, "@chosen", flag(d, 0.6)),
            *(backward(d, "@second", flag(d, 0.2)) if d.chance(0.6) else []),
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
    return _once(
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


def probe_then_train(d: Draft) -> Section:
    """Write a gradient that is only looked at before the pass that trains."""
    weights = "list($model.parameters())"
    probe = d.pick(
        grad(d, "@error", weights, flag(d, 0.7), None, "allow_unused=True"),
        grad(d, "@error", "@outputs", flag(d, 0.7)),
    )
    again = d.pick([], ["@outputs = $model(@batch)", f"@error = {loss(d, '@outputs')}"], [])
    return _once(
        "probe_then_train",
        d,
        [
            "@batch = torch.randn(2, 3)",
            "@outputs = $model(@batch)",
            f"@error = {loss(d, '@outputs')}",
            f"@probe = {probe}",
            "print(sum(g.abs().sum().item() for g in @probe if g is not None))",
            *again,
            *update(d, "@error", "$optimizer", flag(d, 0.25)),
        ],
    )


SHAPES = (
    early_return,
    grad_modes,
    decorated,
    finally_pass,
    until_done,
    callables,
    named_results,
    own_function,
    chosen_loss,
    counted_flag,
    counted_flag,
    hooked,
    data_loader,
    probe_then_train,
)
