"""The many ways to write a backward pass, and the small parts of a training script."""

from __future__ import annotations

from .draft import Draft, Function, Lines, Section
from .networks import net

CURVED = ("({}.sigmoid() ** 2).mean()", "{}.exp().mean()", "{}.pow(3).sum()", "{}.tanh().sum()")


def flag(d: Draft, share: float = 0.5) -> str | None:
    """Choose what a pass says about retention: nothing, a constant, or a switch."""
    if not d.chance(share):
        return None
    if d.switches.on and d.chance(0.3):
        condition = d.condition()
        if condition:
            return d.pick(condition, f"{condition} or {d.pick('True', 'False')}", condition)
    if d.chance(0.1):
        d.constants["KEEP_GRAPH"] = "True"
        return "KEEP_GRAPH"
    return "True"


def loop_flag(d: Draft, index: str, count: str, share: float = 0.75) -> str | None:
    """Choose what a pass in a loop says, knowing the loop's index and length."""
    if not d.chance(share):
        return None
    if d.chance(0.55):
        return flag(d, 1.0)
    return d.pick(
        f"{index} < {count} - 1",
        f"{index} != {count} - 1",
        f"{index} + 1 < {count}",
        f"True if {index} < {count} - 1 else None",
        f"not {index} == {count} - 1",
        f"{index} == 0",
        f"{index} < {count}",
    )


def backward(d: Draft, target: str, flag: str | None = None) -> Lines:
    """Write a pass from one tensor."""
    if target.startswith("-") or _has_operator(target):
        target = f"({target})"
    return _silent(d, target) if flag is None else _flagged(d, target, flag)


def _has_operator(expression: str) -> bool:
    """Tell whether an expression is more than names, calls and indices."""
    depth = 0
    for character in expression:
        depth += (character in "([") - (character in ")]")
        if character == " " and depth == 0:
            return True
    return False


def pass_on(d: Draft, target: str, parameter: str) -> Lines:
    """Write a pass whose flag is a parameter of the function around it."""
    return d.pick(
        [f"{target}.backward(retain_graph={parameter})"],
        [f"{target}.backward(retain_graph={parameter})"],
        [f"{target}.backward(None, {parameter})"],
        [f"{_autograd(d)}.backward({target}, retain_graph={parameter})"],
        _through_helper(d, target, parameter),
    )


def _silent(d: Draft, target: str) -> Lines:
    if d.chance(0.6):
        return [f"{target}.backward()"]
    forms = [
        [f"{_autograd(d)}.backward({target})"],
        [f"{_autograd(d)}.backward([{target}])"],
        [f"{target}.backward(gradient=None)"],
        [f"{target}.backward(retain_graph=False)"],
        [f"{target}.backward(retain_graph=None)"],
        [f"{_helper(d)}({target})"],
        [f"(1.0 * {target}).backward()"],
    ]
    return d.pick(*forms)


def _flagged(d: Draft, target: str, flag: str) -> Lines:
    if d.chance(0.4):
        return [f"{target}.backward(retain_graph={flag})"]
    loose = flag if flag.isidentifier() or flag == "True" else f"({flag})"
    forms: list[Lines] = [
        [f"{target}.backward(None, {flag})"],
        [f"{target}.backward(gradient=None, retain_graph={flag})"],
        [f"{_autograd(d)}.backward({target}, retain_graph={flag})"],
        [f"{_autograd(d)}.backward([{target}], None, {flag})"],
        [f"{target}.backward(", f"    retain_graph={flag},", ")"],
        [f"@keep = {flag}", f"{target}.backward(retain_graph=@keep)"],
        [f'@options = {{"retain_graph": {flag}}}', f"{target}.backward(**@options)"],
        [f"@options = dict(retain_graph={flag})", f"{target}.backward(**@options)"],
        [f"{target}.backward(retain_graph=True if {loose} else None)"],
        [f"{target}.backward(retain_graph=bool({flag}))"],
        [f"{target}.backward(create_graph=False, retain_graph={flag})"],
        _through_helper(d, target, flag),
        _through_helper(d, target, flag),
        _partial(d, target, flag),
        [f"@run = lambda keep: {target}.backward(retain_graph=keep)", f"@run({flag})"],
        [f"(2 * {target}).backward(retain_graph={flag})"],
        ["try:", f"    {target}.backward(retain_graph={flag})", "finally:", "    pass"],
    ]
    return d.pick(*forms)


def _through_helper(d: Draft, target: str, flag: str) -> Lines:
    name = _helper(d)
    keyword = "retain_graph" if name == "run_backward" else "keep"
    if name == "run_backward" or d.chance(0.5):
        return [f"{name}({target}, {keyword}={flag})"]
    return [f"{name}({target}, {flag})"]


def _helper(d: Draft) -> str:
    if d.chance(0.5):
        body = ["def backprop(loss, keep=False):", "    loss.backward(retain_graph=keep)"]
        return d.helper("backprop", body)
    body = ["def run_backward(loss, **options):", "    loss.backward(**options)"]
    return d.helper("run_backward", body)


def _partial(d: Draft, target: str, flag: str) -> Lines:
    partial = "functools.partial" if d.chance(0.5) else "partial"
    return [
        f"@differentiate = {partial}({target}.backward, retain_graph={flag})",
        "@differentiate()",
    ]


def backward_many(d: Draft, targets: list[str], flag: str | None = None) -> Lines:
    """Write one pass from several tensors."""
    listed = ", ".join(targets)
    form = d.pick("call", "call", "sum", "tuple")
    if form == "sum":
        return backward(d, f"({' + '.join(targets)})", flag)
    brackets = f"({listed})" if len(targets) > 1 and form == "tuple" else f"[{listed}]"
    option = f", retain_graph={flag}" if flag else ""
    return [f"{_autograd(d)}.backward({brackets}{option})"]


def grad(
    d: Draft,
    outputs: str,
    inputs: str,
    flag: str | None = None,
    create: str | None = None,
    extra: str = "",
) -> str:
    """Write a call of `autograd.grad` as an expression."""
    name = f"{_autograd(d)}.grad"
    if d.chance(0.2):
        name = "grad"
    if flag and not create and not extra and d.chance(0.15):
        return f"{name}({outputs}, {inputs}, None, {flag})"
    options = [f"retain_graph={flag}"] if flag else []
    options += [f"create_graph={create}"] if create else []
    d.rng.shuffle(options)
    return f"{name}({', '.join([outputs, inputs, *options, *([extra] if extra else [])])})"


def update(d: Draft, loss: str, optimizer: str, flag: str | None = None) -> Lines:
    """Write the usual three statements: clear, differentiate, step."""
    if d.chance(0.2):
        parameter = "retain=False" if d.chance(0.8) else "retain=True"
        name = d.helper(
            "apply_update",
            [
                f"def apply_update(loss, optimizer, {parameter}):",
                "    optimizer.zero_grad()",
                "    loss.backward(retain_graph=retain)",
                "    optimizer.step()",
            ],
        )
        arguments = [loss, optimizer]
        if flag is not None:
            arguments.append(f"retain={flag}" if d.chance(0.6) else flag)
        return [f"{name}({', '.join(arguments)})"]
    return [f"{optimizer}.zero_grad()", *backward(d, loss, flag), f"{optimizer}.step()"]


def optimizer(d: Draft, *modules: str) -> str:
    """Write an optimizer over the parameters of some modules."""
    kind, rate = d.pick(("SGD", "lr=0.1"), ("SGD", "lr=0.05"), ("Adam", "lr=1e-3"))
    if len(modules) == 1:
        parameters = f"{modules[0]}.parameters()"
    elif d.chance(0.3):
        parameters = f"itertools.chain({', '.join(f'{m}.parameters()' for m in modules)})"
    else:
        parameters = " + ".join(f"list({m}.parameters())" for m in modules)
    return f"{d.optim}.{kind}({parameters}, {rate})"


def loss(d: Draft, prediction: str, target: str | None = None) -> str:
    """Write a scalar loss."""
    if target is None:
        return d.pick(
            f"{prediction}.pow(2).mean()",
            f"{prediction}.mean()",
            f"{prediction}.sum()",
            f"{prediction}.abs().mean()",
            f"({prediction} ** 2).sum()",
            f"torch.logsumexp({prediction}.flatten(), 0)",
            f"{prediction}.exp().mean()",
            f"-{prediction}.sigmoid().log().mean()",
        )
    return d.pick(
        f"F.mse_loss({prediction}, {target})",
        f"F.smooth_l1_loss({prediction}, {target})",
        f"({prediction} - {target}).pow(2).mean()",
        f"F.l1_loss({prediction}, {target})",
        f"{d.nn}.MSELoss()({prediction}, {target})",
    )


def detached(d: Draft, value: str, share: float = 0.5) -> str:
    """Write a value without its graph, or with it."""
    cut = (f"{value}.detach()", f"{value}.detach()", f"{value}.data", f"{value}.clone().detach()")
    if d.chance(share):
        return d.term(d.pick(*cut), d.pick(*cut, value)) if d.switches.on else d.pick(*cut)
    return value


def _autograd(d: Draft) -> str:
    return d.autograd


def curved(d: Draft, value: str) -> str:
    """Write a scalar whose second derivative is not zero."""
    return d.pick(*CURVED).format(value)


def over_model(shape: str, d: Draft, body: Lines, *functions: Function) -> Section:
    """Return a section over one model."""
    return Section(
        shape=shape,
        setup=[f"$model = {net(d, 3, 2)}", f"$optimizer = {optimizer(d, '$model')}"],
        body=body,
        report=["$model"],
        functions=functions,
    )
