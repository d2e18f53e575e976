"""Building blocks: graphs that are made before a loop, in it, or over several of its iterations."""

from __future__ import annotations

from .draft import Draft, Section, indented
from .forms import backward, detached, flag, loop_flag, loss, optimizer
from .networks import net


def made_before_loop(d: Draft) -> Section:
    """Write something made from parameters before the loop, or again in each iteration."""
    make = d.pick(
        "@basis = torch.linalg.qr($weight)[0]",
        "@basis = $weight.exp()",
        "@basis = $encoder(torch.ones(3, 3))",
        "@basis = $weight @ $weight.t()",
        "@basis = $weight + torch.eye(3)",
        "@basis = $weight.softmax(-1)",
        "@basis = $weight / $weight.norm()",
    )
    cut = d.chance(0.2)
    lines = [f"@target = {loss(d, '@basis.mv(@sample)', 'torch.ones(3)')}"]
    said = loop_flag(d, "step", "@count", 0.6)
    step = d.pick(
        [],
        ["$optimizer.step()"],
        ["with torch.no_grad():", "    $weight.sub_(0.1 * $weight.grad)"],
        ["$weight.data.add_(-0.1)"],
    )
    use = ["@sample = torch.randn(3)", *lines, *backward(d, "@target", said)]
    make_lines = [make, *(["@basis = @basis.detach().requires_grad_()"] if cut else [])]
    again = d.chance(0.25)
    count = d.count()
    if cut or "encoder" in make:
        step = [line for line in step if ".grad" not in line]
        step = [] if step and step[-1].endswith(":") else step
    return Section(
        shape="made_before_loop",
        setup=[
            "$weight = torch.nn.Parameter(torch.randn(3, 3))",
            f"$encoder = {d.nn}.Linear(3, 3)",
            f"$optimizer = {d.optim}.SGD([$weight, *$encoder.parameters()], lr=0.1)",
        ],
        body=[
            *([] if again else make_lines),
            f"@count = {count}",
            "for step in range(@count):",
            *indented([*(make_lines if again else []), *use, *step]),
        ],
        report=["$encoder"],
    )


def stored_log_probs(d: Draft) -> Section:
    """Write several epochs over log-probabilities that were stored once."""
    store = d.term("@scores.log_softmax(-1)[:, 0]", detached(d, "@scores.log_softmax(-1)[:, 0]", 1))
    again = d.chance(0.35)
    lines = ["@scores = $policy(@states)", f"@log_probs = {store}"]
    said = d.pick("True", "True", None, "epoch < 2", "epoch == 0")
    step = ["$optimizer.step()"] if d.chance(0.3) else []
    live = "+ 0.01 * $policy(@states).pow(2).mean()"
    return Section(
        shape="stored_log_probs",
        setup=[f"$policy = {net(d, 3, 2)}", f"$optimizer = {optimizer(d, '$policy')}"],
        body=[
            "@states = torch.randn(4, 3)",
            "@rewards = torch.rand(4)",
            *([] if again else lines),
            "for epoch in range(3):",
            *indented(
                [
                    *(lines if again else []),
                    f"@policy_loss = -(@log_probs * @rewards).mean() {live}",
                    "$optimizer.zero_grad()",
                    *backward(d, "@policy_loss", said),
                    *step,
                ]
            ),
        ],
        report=["$policy"],
    )


def accumulate_then_pass(d: Draft) -> Section:
    """Write a loss that is summed over inner steps and differentiated once."""
    inside = d.chance(0.3)
    said = flag(d, 0.5)
    inner = [
        "@guess = $model(torch.randn(2, 3))",
        d.pick("@total = @total + ", "@total += ") + loss(d, "@guess"),
    ]
    if inside:
        inner += backward(d, "@total", said)
    if d.chance(0.2):
        inner = ["if inner == 1:", "    continue", *inner]
    counts = d.pick("2", "3", d.count())
    return Section(
        shape="accumulate_then_pass",
        setup=[f"$model = {net(d, 3, 2)}", f"$optimizer = {optimizer(d, '$model')}"],
        body=[
            "$optimizer.zero_grad()",
            "@total = 0.0 * $model(torch.zeros(1, 3)).sum()",
            f"for inner in range({counts}):",
            *indented(inner),
            *([] if inside else backward(d, "@total", said)),
            "$optimizer.step()",
        ],
        report=["$model"],
    )


def every_other(d: Draft) -> Section:
    """Write a pass on some iterations only, over what was gathered until then."""
    period = d.pick("2", "$period")
    reset = d.pick("@gathered = 0.0", "@gathered = @gathered.detach()", "@gathered = 0.0", "")
    work = [*backward(d, "@gathered", flag(d, 0.5)), "$optimizer.step()", "$optimizer.zero_grad()"]
    return Section(
        shape="every_other",
        setup=[
            f"$model = {net(d, 3, 1)}",
            f"$optimizer = {optimizer(d, '$model')}",
            "$period = 2",
        ],
        body=[
            "@gathered = 0.0",
            "for index in range(6):",
            f"    @gathered = @gathered + {loss(d, '$model(torch.randn(2, 3))')}",
            f"    if (index + 1) % {period} == 0:",
            *indented(indented([*work, *filter(None, [reset])])),
        ],
        report=["$model"],
    )


def nested_loops(d: Draft) -> Section:
    """Write an inner loop over one graph, made in the outer loop or before it."""
    outside = d.chance(0.3)
    make = [f"@codes = $model(torch.randn(3, 3)){d.pick('', '.tanh()', '.exp()')}"]
    said = loop_flag(d, "j", "3", 0.8)
    inner = ["for j in range(3):", *indented(backward(d, loss(d, "@codes[j]"), said))]
    after = backward(d, loss(d, "@codes"), flag(d, 0.2)) if d.chance(0.25) else []
    return Section(
        shape="nested_loops",
        setup=[f"$model = {net(d, 3, 2)}"],
        body=[
            *(make if outside else []),
            f"for i in range({d.count()}):",
            *indented([*([] if outside else make), *inner, *after]),
        ],
        report=["$model"],
    )


def generated_losses(d: Draft) -> Section:
    """Write losses that a generator yields."""
    shared = d.chance(0.6)
    value = "code" if shared else "model(torch.ones(1, 3))"
    lines = ["def iterate_losses(model, inputs):"]
    lines += ["    code = model(inputs)"] if shared else []
    lines += ["    for power in range(1, 4):", f"        yield ({value} ** power).mean()"]
    name = d.helper("iterate_losses", lines)
    said = d.pick("True", "True", None)
    return Section(
        shape="generated_losses",
        setup=[f"$model = {net(d, 3, 2)}"],
        body=[
            f"for term in {name}($model, torch.randn(2, 3)):",
            *indented(backward(d, "term", said)),
        ],
        report=["$model"],
    )


SHAPES = (
    made_before_loop,
    made_before_loop,
    stored_log_probs,
    accumulate_then_pass,
    every_other,
    nested_loops,
    generated_losses,
)
