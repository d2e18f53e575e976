"""Building blocks: gradients that are used as values, and gradients of gradients."""

from __future__ import annotations

from .draft import Draft, Section, indented
from .forms import backward, curved, flag, grad, loss, optimizer
from .networks import net


def hessian_vector(d: Draft) -> Section:
    """Write Hessian-vector products, one or several."""
    times = d.pick("1", "2", "3", "3")
    last = f"k < {times} - 1" if times != "1" else "True"
    said = d.pick("True", "True", None, last)
    outer = d.pick("True", None, None)
    params = "list($model.parameters())"
    product = grad(d, "@dot", "@params", said)
    again = backward(d, "@objective", flag(d, 0.3)) if d.chance(0.3) else []
    model = f"{d.nn}.Sequential({d.nn}.Linear(3, 3), {d.nn}.Tanh(), {d.nn}.Linear(3, 1))"
    return Section(
        shape="hessian_vector",
        setup=[f"$model = {model}"],
        body=[
            f"@params = {params}",
            f"@objective = {curved(d, '$model(torch.randn(2, 3))')}",
            f"@first = {grad(d, '@objective', '@params', outer, 'True')}",
            "@vector = [torch.ones_like(p) for p in @params]",
            f"for k in range({times}):",
            *indented(
                [
                    "@dot = sum((g * v).sum() for g, v in zip(@first, @vector))",
                    f"@vector = [v.detach() for v in {product}]",
                ]
            ),
            *again,
            "print([v.sum().item() for v in @vector])",
        ],
        report=["$model"],
    )


def solver(d: Draft) -> Section:
    """Write a solver that gets a function which differentiates again and again."""
    said = d.pick("True", "True", None)
    call = grad(d, "(@slope * vector).sum()", "@point", said)
    lines = [
        "def solve(operator, vector, steps):",
        "    for _ in range(steps):",
        "        product = operator(vector)",
        "        vector = product / product.norm()",
        "    return vector",
    ]
    name = d.helper("solve", lines)
    operator = d.pick(
        [f"@operator = lambda vector: {call}[0]"],
        ["def multiply(vector):", f"    return {call}[0]", "", "@operator = multiply"],
    )
    return Section(
        shape="solver",
        setup=[f"$model = {net(d, 3, 1)}"],
        body=[
            "@point = torch.randn(3, requires_grad=True)",
            "@energy = (@point ** 4).sum() + $model(@point).sum()",
            f"@slope = {grad(d, '@energy', '@point', d.pick('True', None, None), 'True')}[0]",
            *operator,
            f"print({name}(@operator, torch.ones(3), {d.pick('2', '3', d.count())}).sum().item())",
            *(backward(d, "@energy", flag(d, 0.3)) if d.chance(0.3) else []),
        ],
        report=["$model"],
    )


def residual(d: Draft) -> Section:
    """Write a physics-informed residual: derivatives of the output in the loss."""
    second = d.chance(0.5)
    flags = [d.pick("True", None, None) for _ in range(2)]
    create = d.pick("True", "True", "True", None)
    first = grad(d, "@u.sum()", "@x", flags[0], "True")
    lines = [f"@u_x = {first}[0]"]
    if second:
        lines.append(f"@u_xx = {grad(d, '@u_x.sum()', '@x', flags[1], create)}[0]")
    term = "@u_xx" if second else "@u_x"
    parts = d.chance(0.4)
    combine = (
        backward(d, "(@inner + @boundary)", flag(d, 0.3))
        if not parts
        else [*backward(d, "@inner", flag(d, 0.6)), *backward(d, "@boundary", flag(d, 0.2))]
    )
    boundary = d.pick("(@u[0] - 1).pow(2).sum()", "$model(torch.zeros(1, 1)).pow(2).sum()")
    return Section(
        shape="residual",
        setup=[
            f"$model = {d.nn}.Sequential({d.nn}.Linear(1, 4), {d.nn}.Tanh(), {d.nn}.Linear(4, 1))",
            f"$optimizer = {optimizer(d, '$model')}",
        ],
        body=[
            "@x = torch.rand(3, 1, requires_grad=True)",
            "@u = $model(@x)",
            *lines,
            f"@inner = ({term} + @u).pow(2).mean()",
            f"@boundary = {boundary}",
            "$optimizer.zero_grad()",
            *combine,
            "$optimizer.step()",
        ],
        report=["$model"],
    )


def inner_loop(d: Draft) -> Section:
    """Write a meta-learning inner loop over fast weights."""
    create = d.condition() or d.pick("True", "True", "False")
    keep = d.pick(None, None, create, "True")
    train = d.pick("@task_loss", "@task_loss + @query_loss")
    return Section(
        shape="inner_loop",
        setup=[
            "$weight = torch.nn.Parameter(torch.randn(3, 1))",
            f"$optimizer = {d.optim}.SGD([$weight], lr=0.1)",
        ],
        body=[
            "@fast = $weight",
            "@inputs = torch.randn(4, 3)",
            f"for inner in range({d.pick('1', '2', d.count())}):",
            *indented(
                [
                    "@task_loss = (@inputs @ @fast).sigmoid().pow(2).mean()",
                    f"(@slope,) = {grad(d, '@task_loss', '@fast', keep, create)}",
                    "@fast = @fast - 0.1 * @slope",
                ]
            ),
            "@query_loss = (torch.randn(2, 3) @ @fast).exp().mean()",
            "$optimizer.zero_grad()",
            *backward(
                d,
                "@query_loss" if "+" not in train or d.chance(0.8) else "@query_loss * 2",
                flag(d, 0.3),
            ),
            "$optimizer.step()",
            "print($weight.detach().sum().item())",
        ],
    )


def saliency(d: Draft) -> Section:
    """Write a map of where a class score comes from."""
    classes = d.pick(1, 2, 3)
    target = d.pick("@scores[0, label]", "@scores[:, label].sum()")
    said = d.pick("True", None, f"label < {classes - 1}")
    lines = [
        f"for label in range({classes}):",
        *indented(
            [
                *backward(d, target, said),
                "print(@image.grad.abs().max().item())",
                "@image.grad = None",
            ]
        ),
    ]
    return Section(
        shape="saliency",
        setup=[f"$model = {net(d, 4, 3)}"],
        body=[
            "@image = torch.rand(1, 4)",
            d.pick("@image.requires_grad_()", "@image.requires_grad = True"),
            "@scores = $model(@image)",
            *lines,
        ],
        report=["$model"],
    )


def grad_cam(d: Draft) -> Section:
    """Write gradients down to the features, then the rest of the way, or the whole way again."""
    first = f"@weights = {grad(d, '@score', '@features', flag(d, 0.6))}[0]"
    rest = d.pick(
        [],
        ["@features.backward(@weights)"],
        [f"@features.backward(gradient=@weights, retain_graph={d.pick('True', 'False')})"],
        backward(d, "@score", flag(d, 0.25)),
        backward(d, "(@features * @weights).sum()", flag(d, 0.25)),
        [f"print({grad(d, '@score', '@features', flag(d, 0.3))}[0].sum().item())"],
    )
    return Section(
        shape="grad_cam",
        setup=[f"$body = {net(d, 3, 4)}", f"$head = {net(d, 4, 3)}"],
        body=[
            "@features = $body(torch.randn(2, 3))",
            f"@score = $head(@features)[:, {d.pick(0, 1, 2)}].sum()",
            first,
            *rest,
            "print(@weights.mean().item())",
        ],
        report=["$body"],
    )


def sharpness(d: Draft) -> Section:
    """Write two passes with the weights moved between them, as sharpness-aware steps do."""
    again = d.chance(0.7)
    first = backward(d, "@objective", flag(d, 0.5))
    move = [
        "for p in $model.parameters():",
        "    if p.grad is not None:",
        "        " + d.pick("p.data.add_(0.05 * p.grad)", "p.data = p.data + 0.05 * p.grad"),
    ]
    if d.chance(0.6):
        move = ["with torch.no_grad():", "    for p in $model.parameters():"]
        move += ["        if p.grad is not None:", "            p.add_(0.05 * p.grad)"]
    objective = f"@objective = {loss(d, '$model(@inputs)')}"
    return Section(
        shape="sharpness",
        setup=[f"$model = {net(d, 3, 2)}", f"$optimizer = {optimizer(d, '$model')}"],
        body=[
            "@inputs = torch.randn(2, 3)",
            objective,
            *first,
            *move,
            "$optimizer.zero_grad()",
            *([objective] if again else []),
            *backward(d, "@objective", flag(d, 0.2)),
            "$optimizer.step()",
        ],
        report=["$model"],
    )


SHAPES = (
    hessian_vector,
    solver,
    residual,
    inner_loop,
    saliency,
    grad_cam,
    grad_cam,
    sharpness,
)
