"""Building blocks: two networks against each other, and inputs that are attacked."""

from __future__ import annotations

from .draft import Draft, Function, Lines, Section, indented
from .forms import backward, detached, flag, grad, loss, optimizer, update
from .networks import net

GAN_SETUP = ("$generator", "$discriminator")


def _gan_setup(d: Draft) -> Lines:
    return [
        f"$generator = {net(d, 2, 3)}",
        f"$discriminator = {net(d, 3, 1)}",
        f"$g_optimizer = {optimizer(d, '$generator')}",
        f"$d_optimizer = {optimizer(d, '$discriminator')}",
    ]


def gan_step(d: Draft) -> Section:
    """Write a GAN step: the discriminator first, then the generator, over one fake batch or two."""
    seen = detached(d, "@fake", 0.6)
    again = d.variant([], [], ["@fake = $generator(torch.randn(2, 2))"])
    fresh = d.chance(0.85)
    score = "$discriminator(@fake)" if fresh else "@fake_score"
    real = loss(d, "$discriminator(@real)")
    first = [
        "@real = torch.randn(2, 3)",
        "@fake = $generator(torch.randn(2, 2))",
        f"@fake_score = $discriminator({seen})",
        f"@d_loss = {real} + {loss(d, '@fake_score')}",
    ]
    train_d = update(d, "@d_loss", "$d_optimizer", flag(d, 0.5))
    train_g = [f"@g_loss = {loss(d, score)}", *update(d, "@g_loss", "$g_optimizer", flag(d, 0.2))]
    return Section(
        shape="gan_step",
        setup=_gan_setup(d),
        body=[*first, *train_d, *again, *train_g],
        report=GAN_SETUP,
        split=len(first),
    )


def gan_late_steps(d: Draft) -> Section:
    """Write a GAN whose losses are made before either optimizer steps."""
    seen = detached(d, "@fake", 0.5)
    make = [
        "@fake = $generator(torch.randn(2, 2))",
        "@real_score = $discriminator(torch.randn(2, 3))",
        f"@d_loss = {loss(d, f'$discriminator({seen})')} - @real_score.mean()",
        f"@g_loss = {loss(d, '$discriminator(@fake)')}",
    ]
    passes = d.pick(
        [*backward(d, "@d_loss", flag(d, 0.6)), *backward(d, "@g_loss", flag(d, 0.2))],
        [*backward(d, "@g_loss", flag(d, 0.6)), *backward(d, "@d_loss", flag(d, 0.2))],
    )
    steps = ["$d_optimizer.step()", "$g_optimizer.step()"]
    if d.chance(0.3):
        middle = len(backward(d, "@d_loss"))
        passes = [*passes[:middle], steps[0], *passes[middle:]] if len(passes) == 2 else passes
    return Section(
        shape="gan_late_steps",
        setup=_gan_setup(d),
        body=[*make, "$d_optimizer.zero_grad()", "$g_optimizer.zero_grad()", *passes, *steps],
        report=GAN_SETUP,
        split=len(make),
    )


def gan_class(d: Draft) -> Section:
    """Write a GAN in the manner of image translation: one method for each pass."""
    seen = detached(d, "$fake", 0.55)
    pool = d.chance(0.3)
    shown = "$pool[-1]" if pool else seen
    store = [f"$pool.append({d.pick('$fake.data', '$fake.detach()', '$fake')})"] if pool else []
    backward_d = Function(
        "backward_d",
        "",
        [
            *store,
            f"$loss_d = {loss(d, f'$discriminator({shown})')}",
            *backward(d, "$loss_d", flag(d, 0.5)),
        ],
    )
    backward_g = Function(
        "backward_g",
        "",
        [f"$loss_g = {loss(d, '$discriminator($fake)')}", *backward(d, "$loss_g", flag(d, 0.25))],
    )
    steps = [
        ["$d_optimizer.zero_grad()", "$backward_d()", "$d_optimizer.step()"],
        ["$g_optimizer.zero_grad()", "$backward_g()", "$g_optimizer.step()"],
    ]
    if d.chance(0.5):
        steps.reverse()
    freeze = d.chance(0.25)
    if freeze:
        on, off = "$discriminator.requires_grad_(True)", "$discriminator.requires_grad_(False)"
        steps = [[on, *lines] if "$backward_d()" in lines else [off, *lines] for lines in steps]
    forward = d.pick("$fake = $generator(torch.randn(2, 2))", "$forward()")
    functions: tuple[Function, ...] = (backward_d, backward_g)
    if forward == "$forward()":
        made = Function("forward", "", ["$fake = $generator(torch.randn(2, 2))"])
        functions = (made, *functions)
    return Section(
        shape="gan_class",
        setup=[*_gan_setup(d), "$fake = $loss_d = $loss_g = None", "$pool = []"],
        body=[forward, *steps[0], *steps[1]],
        report=GAN_SETUP,
        functions=functions,
    )


def gradient_penalty(d: Draft) -> Section:
    """Write a critic with a gradient penalty."""
    said = d.pick("True", "True", None, None)
    create = d.pick("True", "True", "True", None)
    ones = d.pick("grad_outputs=torch.ones_like(scores)", "")
    outputs = "scores" if ones else "scores.sum()"
    lines = [
        "def gradient_penalty(critic, real, fake):",
        "    alpha = torch.rand(real.size(0), 1)",
        "    mixed = (alpha * real + (1 - alpha) * fake).detach().requires_grad_(True)",
        "    scores = critic(mixed)",
        f"    gradient = {grad(d, outputs, 'mixed', said, create, ones)}[0]",
        "    return ((gradient.norm(2, dim=1) - 1) ** 2).mean()",
    ]
    name = d.helper("gradient_penalty", lines)
    seen = detached(d, "@fake", 0.6)
    generator = d.variant(
        [],
        [
            f"@g_loss = {loss(d, '$discriminator(@fake)')}",
            *update(d, "@g_loss", "$g_optimizer", flag(d, 0.2)),
        ],
    )
    return Section(
        shape="gradient_penalty",
        setup=_gan_setup(d),
        body=[
            "@real = torch.randn(3, 3)",
            "@fake = $generator(torch.randn(3, 2))",
            f"@penalty = {name}($discriminator, @real, @fake)",
            f"@gap = $discriminator({seen}).mean() - $discriminator(@real).mean()",
            "@d_loss = @gap + 10 * @penalty",
            *update(d, "@d_loss", "$d_optimizer", flag(d, 0.4)),
            *generator,
        ],
        report=GAN_SETUP,
    )


def critic_iterations(d: Draft) -> Section:
    """Write several critic steps for each generator step, over one fake batch."""
    seen = detached(d, "@fake", 0.5)
    said = d.pick("True", "True", None, "k < 2")
    step = ["$d_optimizer.step()"] if d.chance(0.7) else []
    make = ["@fake = $generator(torch.randn(2, 2))"]
    inside = d.chance(0.3)
    inner = [
        *(make if inside else []),
        f"@d_loss = {loss(d, f'$discriminator({seen})')}",
        "$d_optimizer.zero_grad()",
        *backward(d, "@d_loss", said),
        *step,
    ]
    return Section(
        shape="critic_iterations",
        setup=_gan_setup(d),
        body=[
            *([] if inside else make),
            "for k in range(3):",
            *indented(inner),
            f"@g_loss = {loss(d, '$discriminator($generator(torch.randn(2, 2)))')}"
            if d.chance(0.5)
            else f"@g_loss = {loss(d, '$discriminator(@fake)')}",
            *update(d, "@g_loss", "$g_optimizer", flag(d, 0.2)),
        ],
        report=GAN_SETUP,
    )


def domain_confusion(d: Draft) -> Section:
    """Write a feature extractor that is trained for a task and against a domain classifier."""
    seen = detached(d, "@features", 0.5)
    order = [
        [
            f"@domain_loss = {loss(d, f'$domain({seen})')}",
            *update(d, "@domain_loss", "$domain_optimizer", flag(d, 0.5)),
        ],
        [
            f"@task_loss = {loss(d, '$task(@features)')}",
            *update(d, "@task_loss", "$task_optimizer", flag(d, 0.4)),
        ],
    ]
    if d.chance(0.4):
        order.reverse()
    owners = d.pick(["$task"], ["$extractor", "$task"])
    return Section(
        shape="domain_confusion",
        setup=[
            f"$extractor = {net(d, 3, 3)}",
            f"$domain = {net(d, 3, 1)}",
            f"$task = {net(d, 3, 2)}",
            f"$domain_optimizer = {optimizer(d, '$domain')}",
            f"$task_optimizer = {optimizer(d, *owners)}",
        ],
        body=["@features = $extractor(torch.randn(2, 3))", *order[0], *order[1]],
        report=["$extractor", "$domain"],
    )


def attack(d: Draft) -> Section:
    """Write an adversarial perturbation of the inputs, and a pass over the result."""
    said = flag(d, 0.5)
    gradient = grad(d, "@attack_loss", "@delta", said)
    step = d.pick(
        [
            f"@step = {gradient}[0]",
            "@delta = (@delta + 0.1 * @step.sign()).detach().requires_grad_()",
        ],
        [f"(@step,) = {gradient}", "@delta = @delta + 0.1 * @step.sign()"],
        [
            *backward(d, "@attack_loss", said),
            "@delta.data.add_(0.1 * @delta.grad.sign())",
            "@delta.grad.zero_()",
        ],
    )
    scores = "$model(@inputs + @delta)"
    robust = f"$model(@inputs + {detached(d, '@delta', 0.6)})"
    return Section(
        shape="attack",
        setup=[f"$model = {net(d, 3, 2)}", f"$optimizer = {optimizer(d, '$model')}"],
        body=[
            "@inputs = torch.randn(2, 3)",
            "@delta = torch.zeros_like(@inputs, requires_grad=True)",
            f"for _ in range({d.count() if d.chance(0.3) else 2}):",
            *indented([f"@attack_loss = {loss(d, scores)}", *step]),
            f"@robust_loss = {loss(d, robust)}",
            *update(d, "@robust_loss", "$optimizer", flag(d, 0.25)),
        ],
        report=["$model"],
    )


def image_pair(d: Draft) -> Section:
    """Write two generators that close a cycle, with losses on the way."""
    losses = {
        "@cycle": loss(d, "$backwards(@there)", "@source"),
        "@identity": loss(d, "@there", "@source"),
        "@style": loss(d, "@there"),
    }
    chosen = d.some(list(losses), least=2)
    lines: Lines = []
    for index, name in enumerate(chosen):
        said = flag(d, 0.75 if index < len(chosen) - 1 else 0.25)
        lines += [f"{name}_loss = {losses[name]}", *backward(d, f"{name}_loss", said)]
    if d.chance(0.3):
        makes = [f"{name}_loss = {losses[name]}" for name in chosen]
        lines = [*makes, *backward(d, " + ".join(f"{name}_loss" for name in chosen), flag(d, 0.3))]
    return Section(
        shape="image_pair",
        setup=[
            f"$forwards = {net(d, 3, 3)}",
            f"$backwards = {net(d, 3, 3)}",
            f"$optimizer = {optimizer(d, '$forwards', '$backwards')}",
        ],
        body=[
            "@source = torch.rand(2, 3)",
            "@there = $forwards(@source)",
            "$optimizer.zero_grad()",
            *lines,
            "$optimizer.step()",
        ],
        report=["$forwards"],
    )


SHAPES = (
    gan_step,
    gan_step,
    gan_late_steps,
    gan_class,
    gan_class,
    gradient_penalty,
    critic_iterations,
    domain_confusion,
    attack,
    image_pair,
)
