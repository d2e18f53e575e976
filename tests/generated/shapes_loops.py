"""Building blocks: passes in loops, over lists, dictionaries and rows, and graphs made before."""

from __future__ import annotations

from .draft import Draft, Lines, Section, indented
from .forms import backward, flag, grad, loop_flag, loss, optimizer
from .networks import net


def list_of_losses(d: Draft) -> Section:
    """Write a loop over losses that share a trunk, or don't."""
    size = d.pick(2, 3, 3)
    trunk = d.chance(0.7)
    value = "@stem" if trunk else "$trunk(@inputs)"
    make = d.pick(
        [f"@losses = [{loss(d, f'head({value})')} for head in $heads]"],
        ["@losses = []", "for head in $heads:", f"    @losses.append({loss(d, f'head({value})')})"],
        [f"@losses = [{', '.join(loss(d, f'$heads[{i}]({value})') for i in range(size))}]"],
    )
    first = ["@inputs = torch.randn(2, 3)", *(["@stem = $trunk(@inputs)"] if trunk else []), *make]
    after = backward(d, "@losses[0]", flag(d, 0.2)) if d.chance(0.15) else []
    step = ["$optimizer.step()"]
    within = d.chance(0.1)
    loop = _over_list(d, "@losses", size, step if within else [])
    if any(".pop()" in line for line in loop):
        after = []
    return Section(
        shape="list_of_losses",
        setup=[
            f"$trunk = {net(d, 3, 4)}",
            f"$heads = {d.nn}.ModuleList([{d.nn}.Linear(4, 2) for _ in range({size})])",
            f"$optimizer = {optimizer(d, '$trunk', '$heads')}",
        ],
        body=[*first, "$optimizer.zero_grad()", *loop, *after, *([] if within else step)],
        report=["$trunk", "$heads"],
        split=len(first),
    )


def _over_list(d: Draft, losses: str, size: int, also: Lines) -> Lines:
    """Write a loop over a list in one of its forms, with a pass for each item."""
    count = d.pick(f"len({losses})", f"len({losses})", str(size))
    item = d.pick("loss", "value", "term")
    numbered = loop_flag(d, "i", count)
    plain = d.pick("True", "True", None, f"{item} is not {losses}[-1]")
    forms = [
        [f"for {item} in {losses}:", *indented([*backward(d, item, plain), *also])],
        [f"for {item} in {losses}:", *indented([*backward(d, item, plain), *also])],
        [
            f"for i, {item} in enumerate({losses}):",
            *indented([*backward(d, item, numbered), *also]),
        ],
        [f"for i in range({count}):", *indented([*backward(d, f"{losses}[i]", numbered), *also])],
        [
            f"for {item}, scale in zip({losses}, [{', '.join(['0.5'] * size)}]):",
            *indented([*backward(d, f"({item} * scale)", plain), *also]),
        ],
        [
            f"for i, {item} in enumerate({losses}, 1):",
            *indented([*backward(d, item, d.pick(f"i < {count}", "True", f"i != {count}")), *also]),
        ],
        [
            "i = 0",
            f"while i < {count}:",
            *indented([*backward(d, f"{losses}[i]", numbered), *also, "i += 1"]),
        ],
        [
            f"while {losses}:",
            *indented(
                [f"{item} = {losses}.pop()", *backward(d, item, d.pick("True", f"bool({losses})"))]
            ),
        ],
        [
            f"for {item} in {losses}[:-1]:",
            *indented(backward(d, item, d.pick("True", None))),
            *backward(d, f"{losses}[-1]", flag(d, 0.3)),
        ],
        [f"for {item} in reversed({losses}):", *indented([*backward(d, item, plain), *also])],
        [f"sum({losses}).backward({d.pick('', '', 'retain_graph=True')})"],
        [f"torch.stack({losses}).sum().backward({d.pick('', '', 'retain_graph=True')})"],
        [f"[{item}.backward(retain_graph=True) for {item} in {losses}]"],
    ]
    return d.pick(*forms)


def dict_of_losses(d: Draft) -> Section:
    """Write a loop over named losses."""
    names = d.pick(["content", "style"], ["box", "label", "mask"], ["rgb", "depth"])
    shared = d.chance(0.7)
    value = "@maps" if shared else "$model(@inputs)"
    make = [
        "@terms = {",
        *[f'    "{name}": {loss(d, f"{value}[:, {i}]")},' for i, name in enumerate(names)],
        "}",
    ]
    last = f'name != "{names[-1]}"'
    said = d.pick("True", "True", None, last, "i < len(@terms) - 1")
    if said and said.startswith("i "):
        head = "for i, (name, term) in enumerate(@terms.items()):"
    elif said == last:
        head = "for name, term in @terms.items():"
    else:
        head = d.pick("for name, term in @terms.items():", "for term in @terms.values():")
        if d.chance(0.2):
            head = "for name in @terms:"
    target = "@terms[name]" if head == "for name in @terms:" else "term"
    loop = [head, *indented(backward(d, target, said))]
    if d.chance(0.2):
        loop = backward(d, "sum(@terms.values())", flag(d, 0.4))
    first = ["@inputs = torch.randn(2, 4)", *(["@maps = $model(@inputs)"] if shared else []), *make]
    return Section(
        shape="dict_of_losses",
        setup=[f"$model = {net(d, 4, 3)}", f"$optimizer = {optimizer(d, '$model')}"],
        body=[*first, "$optimizer.zero_grad()", *loop, "$optimizer.step()"],
        report=["$model"],
        split=len(first),
    )


def output_rows(d: Draft) -> Section:
    """Write a pass for each row or element of an output."""
    size = d.pick(2, 3)
    count = d.pick(str(size), "len(@outputs)", "@outputs.shape[0]", "@outputs.size(0)", "$rows")
    said = loop_flag(d, "row", count)
    target = d.pick(
        "@outputs[row].sum()",
        "@outputs[row].mean()",
        "@outputs[row, 0]",
        "(@outputs[row] ** 2).sum()",
    )
    zero = ["$model.zero_grad()"] if d.chance(0.4) else []
    use = (
        ["print([p.grad.norm().item() for p in $model.parameters() if p.grad is not None])"]
        if d.chance(0.4)
        else []
    )
    body = [*zero, *backward(d, target, said), *use]
    if d.chance(0.2):
        body = ["if row == 1:", f"    {d.pick('continue', 'break')}", *body]
    loop = [f"for row in range({count}):", *indented(body)]
    if d.chance(0.2):
        loop = ["for output in @outputs:", *indented(backward(d, "output.sum()", "True"))]
    return Section(
        shape="output_rows",
        setup=[f"$model = {net(d, 3, 2)}", f"$rows = {size}"],
        body=[
            f"@outputs = $model(torch.randn({size}, 3))",
            *loop,
            *(backward(d, loss(d, "@outputs"), flag(d, 0.2)) if d.chance(0.25) else []),
        ],
        report=["$model"],
    )


def jacobian(d: Draft) -> Section:
    """Write a Jacobian, row by row."""
    said = loop_flag(d, "i", "@outputs.numel()", 0.9)
    create = d.pick(None, None, None, "True")
    call = grad(d, "@outputs[i]", "@point", said, create)
    rows = d.pick(
        ["@rows = []", "for i in range(@outputs.numel()):", f"    @rows.append({call}[0])"],
        [f"@rows = [{call}[0] for i in range(@outputs.numel())]"],
        [
            "@rows = torch.zeros(3, 3)",
            "for i in range(@outputs.numel()):",
            f"    (@row,) = {call}",
            "    @rows[i] = @row.detach()",
        ],
        [
            "@rows = [",
            f"    {grad(d, 'value', '@point', d.pick('True', 'True', None))}[0]",
            "    for value in @outputs",
            "]",
        ],
    )
    more = backward(d, "@outputs.sum()", flag(d, 0.2)) if d.chance(0.3) else []
    return Section(
        shape="jacobian",
        setup=[f"$field = {net(d, 3, 3)}"],
        body=[
            f"@point = torch.randn(3).{d.pick('requires_grad_()', 'requires_grad_(True)')}",
            f"@outputs = $field(@point){d.pick('', '.sin()', '.exp()')}",
            *rows,
            *more,
            "print([row.sum().item() for row in @rows])",
        ],
        report=["$field"],
    )


def grads_of_list(d: Draft) -> Section:
    """Write gradients of several losses with `autograd.grad`, in a loop or a comprehension."""
    shared = d.chance(0.75)
    value = "@hidden" if shared else "$trunk(@inputs)"
    weights = d.pick("$trunk.weight", "list($trunk.parameters())", "[$trunk.weight]", "@weights")
    said = d.pick("True", "True", "True", None, "i < 2")
    call = grad(d, "term", weights, said, None, d.pick("", "", "allow_unused=True"))
    shape = d.pick("comprehension", "loop")
    items = "i, term in enumerate(@terms)" if said == "i < 2" else "term in @terms"
    gather = (
        [f"@gradients = [{call}[0] for {items}]"]
        if shape == "comprehension"
        else ["@gradients = []", f"for {items}:", f"    @gradients.append({call}[0])"]
    )
    after = backward(d, "sum(@terms)", flag(d, 0.25)) if d.chance(0.5) else []
    return Section(
        shape="grads_of_list",
        setup=[f"$trunk = {d.nn}.Linear(3, 4)", f"$head = {net(d, 4, 3)}"],
        body=[
            "@inputs = torch.randn(2, 3)",
            *(["@hidden = $trunk(@inputs).tanh()"] if shared else []),
            "@weights = tuple($trunk.parameters())",
            f"@terms = [{', '.join(loss(d, f'$head({value})[:, {i}]') for i in range(3))}]",
            *gather,
            *after,
            "print([g.norm().item() for g in @gradients])",
        ],
        report=["$trunk", "$head"],
    )


SHAPES = (
    list_of_losses,
    list_of_losses,
    list_of_losses,
    dict_of_losses,
    output_rows,
    output_rows,
    jacobian,
    grads_of_list,
)
