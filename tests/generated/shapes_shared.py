"""Building blocks: several losses over networks that they share, or don't."""

from __future__ import annotations

from .draft import Draft, Lines, Section
from .forms import backward, backward_many, detached, flag, grad, loss, optimizer, update
from .networks import net


def shared_encoder(d: Draft) -> Section:
    """Write two or three losses over one encoding."""
    features = d.pick("features", "hidden", "shared", "z", "embedding")
    heads = [f"$head_{letter}" for letter in "abc"[: d.pick(2, 2, 3)]]
    losses = [f"@{d.pick('loss', 'cost')}_{head[-1]}" for head in heads]
    seen = [detached(d, f"@{features}", 0.25) for _ in heads]
    encode = [f"@{features} = $encoder(@inputs)"]
    compute = [
        f"{name} = {loss(d, f'{head}({value})')}"
        for name, head, value in zip(losses, heads, seen, strict=True)
    ]
    if d.chance(0.2):
        encode, compute = (
            [],
            [
                f"{n} = {loss(d, f'{h}($encoder(@inputs))')}"
                for n, h in zip(losses, heads, strict=True)
            ],
        )
    first = ["@inputs = torch.randn(3, 4)", *encode, *compute]
    return Section(
        shape="shared_encoder",
        setup=[
            f"$encoder = {net(d, 4, 3)}",
            *[f"{head} = {net(d, 3, 2)}" for head in heads],
            f"$optimizer = {optimizer(d, '$encoder', *heads)}",
        ],
        body=[*first, "$optimizer.zero_grad()", *_passes(d, losses), "$optimizer.step()"],
        report=["$encoder", heads[0]],
        split=len(first),
    )


def _passes(d: Draft, losses: list[str]) -> Lines:
    """Differentiate some losses in turn, or all at once."""

    def one_by_one() -> Lines:
        lines: Lines = []
        for index, name in enumerate(losses):
            last = index == len(losses) - 1
            lines += backward(d, name, flag(d, 0.3 if last else 0.75))
        return lines

    return d.variant(one_by_one(), one_by_one(), backward_many(d, losses, flag(d, 0.25)))


def own_optimizers(d: Draft) -> Section:
    """Write two tasks with an optimizer each, that may step between the passes."""
    shared = d.chance(0.6)
    value = "@features" if shared else "$encoder(@inputs)"
    first = update(d, "@first_loss", "$first_optimizer", flag(d, 0.6))
    second = update(d, "@second_loss", "$second_optimizer", flag(d, 0.2))
    compute_second = [f"@second_loss = {loss(d, f'$second({detached(d, value, 0.3)})')}"]
    owners = d.pick(["$first"], ["$first"], ["$encoder", "$first"])
    order = d.pick([*compute_second, *first, *second], [*first, *compute_second, *second])
    if d.chance(0.15):
        order = d.variant([*compute_second, *first, *second], [*first, *compute_second, *second])
    return Section(
        shape="own_optimizers",
        setup=[
            f"$encoder = {net(d, 4, 3)}",
            f"$first = {net(d, 3, 1)}",
            f"$second = {net(d, 3, 1)}",
            f"$first_optimizer = {optimizer(d, *owners)}",
            f"$second_optimizer = {optimizer(d, '$second')}",
        ],
        body=[
            "@inputs = torch.randn(2, 4)",
            *([f"@features = {detached(d, '$encoder(@inputs)', 0.2)}"] if shared else []),
            f"@first_loss = {loss(d, f'$first({value})')}",
            *order,
        ],
        report=["$first", "$second"],
    )


def separate_forwards(d: Draft) -> Section:
    """Write losses that share nothing but the parameters."""
    views = d.pick(["clean", "noisy"], ["left", "right"], ["anchor", "positive", "negative"])
    lines: Lines = []
    for view in views:
        lines += [f"@{view} = torch.randn(2, 3)", f"@{view}_loss = {loss(d, f'$model(@{view})')}"]
        if d.chance(0.5):
            lines += backward(d, f"@{view}_loss", flag(d, 0.5))
        else:
            lines += [f"@{view}_value = @{view}_loss.item()", f"print(f'{{@{view}_value:.4f}}')"]
    lines += backward(d, f"@{views[0]}_loss", flag(d, 0.3)) if d.chance(0.1) else []
    return Section(
        shape="separate_forwards",
        setup=[f"$model = {net(d, 3, 2)}", f"$optimizer = {optimizer(d, '$model')}"],
        body=["$optimizer.zero_grad()", *lines, "$optimizer.step()"],
        report=["$model"],
    )


def autoencoder(d: Draft) -> Section:
    """Write a variational autoencoder: a reconstruction and a divergence."""
    losses = ["@reconstruction", "@divergence"]
    first = [
        "@batch = torch.rand(3, 4)",
        "@mean, @log_variance = $encoder(@batch).chunk(2, dim=1)",
        "@noise = torch.randn_like(@mean)",
        "@code = @mean + @noise * (0.5 * @log_variance).exp()",
        f"@reconstruction = {loss(d, '$decoder(@code)', '@batch')}",
        "@divergence = -0.5 * (1 + @log_variance - @mean.pow(2) - @log_variance.exp()).sum()",
    ]
    return Section(
        shape="autoencoder",
        setup=[
            f"$encoder = {net(d, 4, 4)}",
            f"$decoder = {net(d, 2, 4)}",
            f"$optimizer = {optimizer(d, '$encoder', '$decoder')}",
        ],
        body=[*first, "$optimizer.zero_grad()", *_passes(d, losses), "$optimizer.step()"],
        report=["$encoder"],
        split=len(first),
    )


def actor_critic(d: Draft) -> Section:
    """Write a policy and a value that meet in the advantage."""
    features = "@features" if d.chance(0.4) else "@states"
    advantage = detached(d, "(@returns - @values)", 0.6)
    first = [
        "@states = torch.randn(4, 3)",
        *(["@features = $body(@states).tanh()"] if features == "@features" else []),
        "@returns = torch.rand(4)",
        f"@values = $critic({features}).squeeze(-1)",
        f"@log_probs = torch.log_softmax($actor({features}), dim=-1)[:, 0]",
        f"@advantage = {advantage}",
        "@actor_loss = -(@log_probs * @advantage).mean()",
        f"@critic_loss = {loss(d, '@values', '@returns')}",
    ]
    steps = d.pick(
        [
            "$actor_optimizer.zero_grad()",
            "$critic_optimizer.zero_grad()",
            *backward(d, "@actor_loss", flag(d, 0.5)),
            *backward(d, "@critic_loss", flag(d, 0.2)),
            "$actor_optimizer.step()",
            "$critic_optimizer.step()",
        ],
        [
            *update(d, "@critic_loss", "$critic_optimizer", flag(d, 0.6)),
            *update(d, "@actor_loss", "$actor_optimizer", flag(d, 0.2)),
        ],
        [
            *update(d, "@actor_loss", "$actor_optimizer", flag(d, 0.6)),
            *update(d, "@critic_loss", "$critic_optimizer", flag(d, 0.2)),
        ],
    )
    return Section(
        shape="actor_critic",
        setup=[
            f"$body = {d.nn}.Linear(3, 3)",
            f"$actor = {net(d, 3, 2)}",
            f"$critic = {net(d, 3, 1)}",
            f"$actor_optimizer = {optimizer(d, '$actor')}",
            f"$critic_optimizer = {optimizer(d, '$critic')}",
        ],
        body=[*first, *steps],
        report=["$actor", "$critic"],
        split=len(first),
    )


def twin_critics(d: Draft) -> Section:
    """Write two critics that learn from one target, live or not."""
    target = "$actor(@states).sum(1, keepdim=True) + 0.9 * $target(@states)"
    make_target = d.variant(
        [f"@goal = {detached(d, f'({target})', 0.5)}"],
        ["with torch.no_grad():", f"    @goal = {target}"],
    )
    passes = d.variant(
        [*backward(d, "@loss_1", flag(d, 0.6)), *backward(d, "@loss_2", flag(d, 0.3))],
        backward_many(d, ["@loss_1", "@loss_2"], flag(d, 0.3)),
    )
    return Section(
        shape="twin_critics",
        setup=[
            f"$actor = {net(d, 3, 2)}",
            f"$target = {net(d, 3, 1)}",
            f"$first = {net(d, 3, 1)}",
            f"$second = {net(d, 3, 1)}",
            f"$optimizer = {optimizer(d, '$first', '$second')}",
        ],
        body=[
            "@states = torch.randn(4, 3)",
            *make_target,
            f"@loss_1 = {loss(d, '$first(@states)', '@goal')}",
            f"@loss_2 = {loss(d, '$second(@states)', '@goal')}",
            "$optimizer.zero_grad()",
            *passes,
            "$optimizer.step()",
        ],
        report=["$first"],
    )


def distillation(d: Draft) -> Section:
    """Write a student that follows a teacher with or without a graph."""
    teach = d.variant(
        ["with torch.no_grad():", "    @soft = $teacher(@images).softmax(-1)"],
        ["@soft = $teacher(@images).softmax(-1)"],
        ["@soft = $teacher(@images).softmax(-1).detach()"],
    )
    freeze = ["for weight in $teacher.parameters():", "    weight.requires_grad_(False)"]
    return Section(
        shape="distillation",
        setup=[
            f"$teacher = {net(d, 4, 3)}",
            f"$student = {net(d, 4, 3)}",
            *(freeze if d.chance(0.3) else []),
            f"$optimizer = {optimizer(d, '$student')}",
        ],
        body=[
            "@images = torch.randn(3, 4)",
            *teach,
            "@logits = $student(@images)",
            "@hard_loss = F.cross_entropy(@logits, torch.tensor([0, 2, 1]))",
            "@soft_loss = F.kl_div(@logits.log_softmax(-1), @soft, reduction='batchmean')",
            "$optimizer.zero_grad()",
            *_passes(d, ["@hard_loss", "@soft_loss"]),
            "$optimizer.step()",
        ],
        report=["$student"],
    )


def loss_norms(d: Draft) -> Section:
    """Write a gradient norm for each task before the pass that counts."""
    names = ["@task_1", "@task_2"]
    norms: Lines = []
    for name in names:
        norms += [
            f"@gradient = {grad(d, name, '$trunk.weight', flag(d, 0.8))}[0]",
            f"{name}_norm = @gradient.norm()",
        ]
    weighted = "(@task_1 / @task_1_norm + @task_2 / @task_2_norm)"
    return Section(
        shape="loss_norms",
        setup=[
            f"$trunk = {d.nn}.Linear(3, 4)",
            f"$heads = {d.nn}.ModuleList([{net(d, 4, 1)}, {net(d, 4, 1)}])",
            f"$optimizer = {optimizer(d, '$trunk', '$heads')}",
        ],
        body=[
            "@inputs = torch.randn(3, 3)",
            f"@trunk_out = $trunk(@inputs){d.pick('', '.relu()', '.tanh()')}",
            f"@task_1 = {loss(d, '$heads[0](@trunk_out)')}",
            f"@task_2 = {loss(d, '$heads[1](@trunk_out)')}",
            *norms,
            "$optimizer.zero_grad()",
            *backward(d, weighted if d.chance(0.6) else "(@task_1 + @task_2)", flag(d, 0.25)),
            "$optimizer.step()",
        ],
        report=["$trunk"],
    )


SHAPES = (
    shared_encoder,
    shared_encoder,
    own_optimizers,
    separate_forwards,
    autoencoder,
    actor_critic,
    twin_critics,
    distillation,
    loss_norms,
)
