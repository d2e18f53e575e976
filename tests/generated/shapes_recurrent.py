"""Building blocks: state that is carried round a loop, with its graph or without."""

from __future__ import annotations

from .draft import Draft, Function, Lines, Section, branch, indented
from .forms import backward, flag, loss, optimizer
from .networks import net

REPACKAGE = [
    "def repackage_hidden(state):",
    "    if isinstance(state, torch.Tensor):",
    "        return state.detach()",
    "    return tuple(repackage_hidden(part) for part in state)",
]


def _cuts(d: Draft, state: str) -> Lines:
    """Write how the state is cut from its past, if it is."""
    helper = d.helper("repackage_hidden", REPACKAGE)
    options: list[Lines] = [
        [f"{state} = {state}.detach()"],
        [f"{state} = {state}.data"],
        [f"{state}.detach_()"],
        [f"{state} = {helper}({state})"],
        [f"{state} = {state}.clone().detach()"],
        [f"{state} = torch.zeros_like({state})"],
        ["with torch.no_grad():", f"    {state} = {state} * 1.0"],
        [],
        [],
    ]
    cut = d.variant(*options)
    if cut and d.chance(0.15):
        return branch(d.pick("step % 2 == 0", "step > 0", "step % 2 == 1"), cut, [])
    return cut


def recurrent_cell(d: Draft) -> Section:
    """Write a cell that is stepped through a sequence, with a pass for each step."""
    cut = _cuts(d, "@state")
    before = d.chance(0.5)
    step = ["$optimizer.step()"] if d.chance(0.5) else []
    zero = ["$optimizer.zero_grad()"] if d.chance(0.7) else []
    said = flag(d, 0.45)
    work = [
        "@state = $cell(@sequence[step], @state)",
        f"@error = {loss(d, '$readout(@state)')}",
        *zero,
        *backward(d, "@error", said),
        *step,
    ]
    return Section(
        shape="recurrent_cell",
        setup=[
            f"$cell = {d.nn}.{d.pick('RNNCell', 'GRUCell')}(2, 3)",
            f"$readout = {net(d, 3, 1)}",
            f"$optimizer = {optimizer(d, '$cell', '$readout')}",
        ],
        body=[
            "@sequence = torch.randn(4, 2, 2)",
            "@state = torch.zeros(2, 3)",
            "for step in range(4):",
            *indented([*cut, *work] if before else [*work, *cut]),
        ],
        report=["$cell"],
    )


def carried_attribute(d: Draft) -> Section:
    """Write a state that outlives the training step."""
    cut = d.variant(
        ["$memory = @new.detach()"],
        ["$memory = @new"],
        ["$memory = @new.data"],
        ["$memory = 0.9 * $memory + 0.1 * @new.detach()"],
        ["$memory = 0.9 * $memory + 0.1 * @new"],
        ["$memory.copy_(@new.detach())"],
    )
    early = d.chance(0.3)
    work = [
        f"@error = {loss(d, '(@new + $memory)')}",
        *([] if early else backward(d, "@error", flag(d, 0.4))),
    ]
    step = ["$optimizer.step()", "$optimizer.zero_grad()"] if d.chance(0.5) else []
    late = backward(d, "@error", flag(d, 0.4)) if early else []
    return Section(
        shape="carried_attribute",
        setup=[
            f"$model = {net(d, 3, 2)}",
            "$memory = torch.zeros(2, 2)",
            f"$optimizer = {optimizer(d, '$model')}",
        ],
        body=[
            f"for step in range({d.pick('3', '4')}):",
            *indented(["@new = $model(torch.randn(2, 3))", *work, *cut, *late, *step]),
        ],
        report=["$model"],
    )


def lstm_language_model(d: Draft) -> Section:
    """Write an LSTM that carries a pair of states from batch to batch."""
    helper = d.helper("repackage_hidden", REPACKAGE)
    cut = d.variant(
        [f"@hidden = {helper}(@hidden)"],
        ["@hidden = tuple(part.detach() for part in @hidden)"],
        ["@hidden = (@hidden[0].detach(), @hidden[1].detach())"],
        ["@hidden = [part.data for part in @hidden]"],
        ["h, c = @hidden", "@hidden = (h.detach(), c)"],
        [],
        [],
    )
    return Section(
        shape="lstm_language_model",
        setup=[
            f"$rnn = {d.nn}.LSTM(2, 3)",
            f"$decoder = {d.nn}.Linear(3, 2)",
            f"$optimizer = {optimizer(d, '$rnn', '$decoder')}",
        ],
        body=[
            "@hidden = (torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))",
            "for batch in range(3):",
            *indented(
                [
                    *cut,
                    "@output, @hidden = $rnn(torch.randn(2, 2, 2), @hidden)",
                    f"@error = {loss(d, '$decoder(@output)')}",
                    "$optimizer.zero_grad()",
                    *backward(d, "@error", flag(d, 0.4)),
                    *(["$optimizer.step()"] if d.chance(0.6) else []),
                ]
            ),
        ],
        report=["$rnn"],
    )


def truncated(d: Draft) -> Section:
    """Write truncated backpropagation through time: a pass every k steps."""
    cut = d.variant(
        ["@state = @state.detach()"], ["@state = @state.detach()"], ["@state.detach_()"], []
    )
    reset = d.pick(["@total = 0"], ["@total = 0"], ["@total = @total.detach()"], [])
    return Section(
        shape="truncated",
        setup=[
            f"$cell = {d.nn}.RNNCell(2, 3)",
            f"$optimizer = {optimizer(d, '$cell')}",
            "$chunk = 2",
        ],
        body=[
            "@state = torch.zeros(1, 3)",
            "@total = 0",
            "for t in range(6):",
            "    @state = $cell(torch.randn(1, 2), @state)",
            f"    @total = @total + {loss(d, '@state')}",
            f"    if t % {d.pick('2', '$chunk')} == 1:",
            *indented(
                indented(
                    [
                        "$optimizer.zero_grad()",
                        *backward(d, "@total", flag(d, 0.35)),
                        "$optimizer.step()",
                        *reset,
                        *cut,
                    ]
                )
            ),
        ],
        report=["$cell"],
    )


def running_average(d: Draft) -> Section:
    """Write a running average of a loss or a feature, detached or not."""
    value = d.term("@error", "@error.detach()", "@error.item()")
    mean = d.pick("@average = 0.9 * @average + 0.1 * {}", "@average = @average + {}")
    target = d.pick(
        "(@error - @average).pow(2)",
        "@error + 0.1 * @average",
        "@error / (1 + @average)",
        "@error",
        "@error",
    )
    order = [mean.format(value), f"@objective = {target}"]
    if d.chance(0.4):
        order.reverse()
    return Section(
        shape="running_average",
        setup=[f"$model = {net(d, 3, 1)}", f"$optimizer = {optimizer(d, '$model')}"],
        body=[
            "@average = 0.0",
            f"for index in range({d.pick('3', '4')}):",
            *indented(
                [
                    f"@error = {loss(d, '$model(torch.randn(2, 3))')}",
                    *order,
                    "$optimizer.zero_grad()",
                    *backward(d, "@objective", flag(d, 0.4)),
                    *(["$optimizer.step()"] if d.chance(0.5) else []),
                ]
            ),
            'print(f"average {float(@average):.4f}")',
        ],
        report=["$model"],
    )


def memory_bank(d: Draft) -> Section:
    """Write a bank of earlier features that the loss compares with."""
    stored = d.term("@keys", "@keys.detach()", "@keys.data", "@keys.clone()")
    most = d.pick("", "if len($bank) > 2:")
    others = d.pick("torch.cat($bank)", "torch.stack($bank).mean(0)", "$bank[-1]")
    return Section(
        shape="memory_bank",
        setup=[
            f"$encoder = {net(d, 3, 2)}",
            "$bank = [torch.randn(2, 2)]",
            f"$optimizer = {optimizer(d, '$encoder')}",
        ],
        body=[
            f"for batch in range({d.pick('3', '4')}):",
            *indented(
                [
                    "@keys = $encoder(torch.randn(2, 3))",
                    f"@others = {others}",
                    "@similarity = @keys @ @others.t()",
                    f"@contrast = {loss(d, '@similarity')}",
                    *backward(d, "@contrast", flag(d, 0.4)),
                    f"$bank.append({stored})",
                    *([most, "    $bank.pop(0)"] if most else []),
                ]
            ),
        ],
        report=["$encoder"],
    )


def sequence_module(d: Draft) -> Section:
    """Write a module that keeps its own state between calls."""
    cut = d.pick("hidden", "hidden.detach()", "hidden.detach()", "hidden.data")
    lines = [
        f"class Recurrent({d.nn}.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        f"        self.mix = {d.nn}.Linear(5, 3)",
        "        self.hidden = torch.zeros(1, 3)",
        "",
        "    def forward(self, inputs):",
        "        hidden = torch.tanh(self.mix(torch.cat([inputs, self.hidden], dim=1)))",
        f"        self.hidden = {cut}",
        "        return hidden",
        "",
        "    def reset(self):",
        f"        self.hidden = {d.pick('torch.zeros(1, 3)', 'self.hidden.detach()')}",
    ]
    name = d.helper("Recurrent", lines)
    reset = d.variant(["$net.reset()"], [], [])
    return Section(
        shape="sequence_module",
        setup=[f"$net = {name}()", f"$optimizer = {optimizer(d, '$net')}"],
        body=[
            f"for t in range({d.pick('3', '4')}):",
            *indented(
                [
                    *reset,
                    "@out = $net(torch.randn(1, 2))",
                    f"@error = {loss(d, '@out')}",
                    *backward(d, "@error", flag(d, 0.4)),
                    *(["$optimizer.step()"] if d.chance(0.4) else []),
                ]
            ),
        ],
        report=["$net"],
    )


def environment_loop(d: Draft) -> Section:
    """Write a differentiable simulation whose position goes on from step to step."""
    move = Function("advance", "position", ["return position + 0.1 * $policy(position).tanh()"])
    cut = d.variant([], ["@position = @position.detach()"], ["@position = @position.data"])
    late = d.chance(0.4)
    said = flag(d, 0.5)
    within = [] if late else backward(d, "@reward", said)
    return Section(
        shape="environment_loop",
        setup=[f"$policy = {net(d, 2, 2)}"],
        body=[
            "@position = torch.randn(1, 2)",
            "@reward = 0.0",
            f"for tick in range({d.pick('3', '4')}):",
            *indented(
                [
                    "@position = $advance(@position)",
                    d.pick(
                        "@reward = -@position.pow(2).sum()",
                        "@reward = @reward - @position.pow(2).sum()",
                    ),
                    *within,
                    *cut,
                ]
            ),
            *(backward(d, "@reward", said) if late else []),
        ],
        report=["$policy"],
        functions=(move,),
    )


SHAPES = (
    recurrent_cell,
    recurrent_cell,
    carried_attribute,
    lstm_language_model,
    truncated,
    running_average,
    memory_bank,
    sequence_module,
    environment_loop,
)
