"""Building blocks without a pattern: random operations, passes and control flow over a pool."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .draft import Draft, Lines, Section, branch, indented
from .forms import backward, backward_many, flag, grad, loop_flag, optimizer, pass_on

NAMES = ("a", "b", "c", "u", "v", "x", "y", "z", "mix", "gate", "code", "state", "trend", "scale")
UNARY = (
    "{}.exp()",
    "{}.tanh()",
    "{}.sigmoid()",
    "torch.relu({})",
    "-{}",
    "{} + 1.0",
    "{} * 0.5",
    "{} / 2",
    "{} ** 2",
    "{}.clone()",
    "{}.softmax(0)",
    "{}.cumsum(0)",
    "{}.flip(0)",
    "{}.sort()[0]",
    "{}.clamp(min=-0.5)",
    "{}.abs()",
    "{}.sin()",
    "{}[[2, 0, 1]]",
    "{}.view(3, 1).squeeze(1)",
    "{}.unsqueeze(0).sum(0)",
    "{}.sum().expand(3)",
    "{}.mean() + torch.zeros(3)",
    "{} - {}.mean()",
    "torch.sqrt({}.abs() + 1)",
    "F.dropout({}, 0.0)",
    "{}.to(torch.float64).float()",
    "{}.float()",
    "{}.contiguous()",
    "torch.where({} > 0, {}, 0.1 * {})",
    "$layer({})",
    "$layer({}).tanh()",
    "$norm({}.view(1, 3)).view(3)",
)
BINARY = (
    "{} + {}",
    "{} - {}",
    "{} * {}",
    "{} / ({}.abs() + 1)",
    "torch.maximum({}, {})",
    "torch.stack([{}, {}]).sum(0)",
    "torch.cat([{}[:1], {}[1:]])",
    "torch.lerp({}, {}, 0.3)",
    "torch.outer({}, {}).sum(1)",
    "{} * {}.detach()",
    "{} + {}.data",
)
SCALAR = (
    "{}.sum()",
    "{}.mean()",
    "{}.pow(2).sum()",
    "{}[0]",
    "{}.max()",
    "{}.norm()",
    "{}.std()",
    "torch.dot({}, {})",
    "F.mse_loss({}, torch.ones(3))",
    "{}.exp().sum()",
    "torch.logsumexp({}, 0)",
)


@dataclass(frozen=True)
class Pool:
    """The tensors that exist at a point of the program, by whether they surely have a graph."""

    live: tuple[str, ...]
    leaves: tuple[str, ...]
    depth: int = 0
    index: str = ""
    names: list[str] = field(default_factory=list)

    def plus(self, name: str) -> Pool:
        """Return the pool with one more tensor."""
        return replace(self, live=(*[n for n in self.live if n != name], name))


def composed(d: Draft) -> Section:
    """Write random statements, in the end a pass or two."""
    leaves = ("$first", "$second")
    pool = Pool(live=("$first", "$second"), leaves=leaves)
    body, pool = _block(d, pool, d.pick(5, 7, 9, 12))
    last, _ = _pass(d, pool)
    return Section(
        shape="composed",
        setup=[
            f"$layer = {d.nn}.Linear(3, 3)",
            f"$norm = {d.nn}.LayerNorm(3)",
            f"$first = {d.nn}.Parameter(torch.rand(3))",
            "$second = torch.randn(3, requires_grad=True)",
            f"$optimizer = {optimizer(d, '$layer', '$norm')}",
        ],
        body=[
            *body,
            *last,
            "print([None if t.grad is None else t.grad.sum().item() for t in ($first, $second)])",
        ],
        report=["$layer"],
    )


def _block(d: Draft, pool: Pool, size: int) -> tuple[Lines, Pool]:
    lines: Lines = []
    for _ in range(size):
        write = d.pick(
            _assign, _assign, _assign, _assign, _pass, _pass, _loop, _if, _change, _function
        )
        if pool.depth >= 2 and write in (_loop, _if, _function):
            write = _assign
        more, pool = write(d, pool)
        lines += more
    return lines, pool


def _assign(d: Draft, pool: Pool) -> tuple[Lines, Pool]:
    """Write an operation into a new name or an old one."""
    old = [name for name in pool.live if name not in pool.leaves]
    name = d.pick(*old) if old and d.chance(0.3) else f"@{d.pick(*NAMES)}"
    value = _fill(d, pool, d.pick(d.pick(*UNARY), d.pick(*UNARY), d.pick(*BINARY)))
    return [f"{name} = {value}"], pool.plus(name)


def _fill(d: Draft, pool: Pool, form: str) -> str:
    """Put tensors into an operation: the first has a graph for sure."""
    recent = pool.live[-4:]
    same = "where" in form or "mean()" in form
    first = d.pick(*recent)
    count = form.count("{}")
    return form.format(first, *[first if same else d.pick(*pool.live) for _ in range(count - 1)])


def _pass(d: Draft, pool: Pool) -> tuple[Lines, Pool]:
    """Write a loss and a pass over it, or a pass over several."""
    value = _fill(d, pool, d.pick(*SCALAR))
    said = loop_flag(d, pool.index, "3", 0.6) if pool.index else flag(d, 0.5)
    kind = d.pick("backward", "backward", "named", "many", "grad")
    if kind == "backward":
        return backward(d, value, said), pool
    if kind == "many":
        return backward_many(d, [value, _fill(d, pool, d.pick(*SCALAR))], said), pool
    if kind == "named":
        name = f"@{d.pick('loss', 'cost', 'objective', 'penalty')}"
        return [f"{name} = {value}", *backward(d, name, said)], pool
    inner = [name for name in pool.live if name not in pool.leaves]
    wanted = d.pick(*(inner or pool.leaves), *pool.leaves)
    create = d.pick(None, None, None, "True")
    call = grad(d, value, wanted, said, create, "allow_unused=True")
    lines = [f"@slope = {call}[0]", "print(None if @slope is None else @slope.sum().item())"]
    return lines, pool


def _loop(d: Draft, pool: Pool) -> tuple[Lines, Pool]:
    index = d.pick("i", "j", "k") + str(pool.depth or "")
    inner = replace(pool, depth=pool.depth + 1, index=index)
    body, _ = _block(d, inner, d.pick(2, 3))
    return [f"for {index} in range(3):", *indented(body)], pool


def _if(d: Draft, pool: Pool) -> tuple[Lines, Pool]:
    inner = replace(pool, depth=pool.depth + 1)
    first, _ = _block(d, inner, d.pick(1, 2))
    second = _block(d, inner, d.pick(1, 2))[0] if d.chance(0.5) else []
    known = (
        [f"{pool.index} == 1", f"{pool.index} > 0"] if pool.index else ["torch.is_grad_enabled()"]
    )
    return branch(d.condition() or d.pick(*known), first, second), pool


def _change(d: Draft, pool: Pool) -> tuple[Lines, Pool]:
    """Write something that changes tensors in place, or clears gradients."""
    leaf = d.pick(*pool.leaves)
    options: list[Lines] = [
        ["$layer.zero_grad()"],
        ["$optimizer.step()"],
        ["with torch.no_grad():", f"    {leaf}.mul_(0.9)"],
        [f"{leaf}.data.add_(0.1)"],
        [f"{leaf}.grad = None"],
        [f"print({leaf}.detach().norm().item())"],
        ["with torch.no_grad():", f"    print({_fill(d, pool, d.pick(*SCALAR))}.item())"],
    ]
    return d.pick(*options), pool


def _function(d: Draft, pool: Pool) -> tuple[Lines, Pool]:
    """Write a function over a tensor, and call it once or twice."""
    name = d.fresh(d.pick("apply", "transform", "measure"))
    form = d.pick(*[f for f in UNARY if "$" not in f])
    body = [f"mapped = {form.replace('{}', 'value')}"]
    more = pass_on(d, "mapped.sum()", "keep") if d.chance(0.5) else ["mapped = mapped * 2"]
    body += more if d.chance(0.6) else []
    keep = any("keep" in line for line in body)
    d.helper(
        name,
        [
            f"def {name}(value{', keep=False' if keep else ''}):",
            *indented([*body, "return mapped"]),
        ],
    )
    lines: Lines = []
    for _ in range(d.pick(1, 2)):
        made = f"@{d.pick(*NAMES)}"
        said = f", keep={d.pick('True', 'False')}" if keep and d.chance(0.7) else ""
        lines.append(f"{made} = {name}({d.pick(*pool.live)}{said})")
        pool = pool.plus(made)
    return lines, pool


SHAPES = (composed,)
