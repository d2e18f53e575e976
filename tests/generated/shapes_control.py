"""Building blocks: unusual ways through a program: modes, early ends, callables, containers."""

from __future__ import annotations

from .draft import Draft, Function, Section, branch, indented
from .forms import backward, flag, grad, loss, over_model, update
from .networks import net


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
    return over_model("early_return", d, body, clean)


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
    return over_model(
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
    return over_model(
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
    return over_model(
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
    return over_model(
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


def probe_then_train(d: Draft) -> Section:
    """Write a gradient that is only looked at before the pass that trains."""
    weights = "list($model.parameters())"
    probe = d.pick(
        grad(d, "@error", weights, flag(d, 0.7), None, "allow_unused=True"),
        grad(d, "@error", "@outputs", flag(d, 0.7)),
    )
    again = d.pick([], ["@outputs = $model(@batch)", f"@error = {loss(d, '@outputs')}"], [])
    return over_model(
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
    chosen_loss,
    probe_then_train,
)
