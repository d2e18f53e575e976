"""Small networks in the ways that people write them."""

from __future__ import annotations

from .draft import Draft, Lines

ACTIVATIONS = ("ReLU", "Tanh", "Sigmoid", "Softplus", "GELU")


def net(d: Draft, inputs: int, outputs: int) -> str:
    """Write a small network, most often from the library's layers."""
    kind = d.pick("linear", "linear", "sequential", "sequential", "class", "class")
    if kind == "linear":
        return f"{d.nn}.Linear({inputs}, {outputs})"
    if kind == "sequential":
        activation = f"{d.nn}.{d.pick(*ACTIVATIONS)}()"
        layers = [f"{d.nn}.Linear({inputs}, 5)", activation, f"{d.nn}.Linear(5, {outputs})"]
        if d.chance(0.15):
            layers.insert(1, f"{d.nn}.LayerNorm(5)")
        if d.chance(0.25):
            layers.append(f"{d.nn}.{d.pick(*ACTIVATIONS)}()")
        return f"{d.nn}.Sequential({', '.join(layers)})"
    name, lines = d.pick(_mlp, _block, _layers, _raw, _residual, _gated)(d)
    return f"{d.helper(name, lines)}({inputs}, {outputs})"


def _module(d: Draft, name: str, parts: Lines, forward: Lines) -> tuple[str, Lines]:
    return name, [
        f"class {name}({d.nn}.Module):",
        "    def __init__(self, inputs, outputs):",
        f"        super({d.pick('', f'{name}, self')}).__init__()",
        *["        " + line for line in parts],
        "",
        "    def forward(self, inputs):",
        *["        " + line for line in forward],
    ]


def _mlp(d: Draft) -> tuple[str, Lines]:
    parts = [f"self.first = {d.nn}.Linear(inputs, 5)", f"self.second = {d.nn}.Linear(5, outputs)"]
    forward = d.pick(
        ["return self.second(torch.relu(self.first(inputs)))"],
        ["hidden = self.first(inputs).tanh()", "return self.second(hidden)"],
        ["inputs = F.relu(self.first(inputs))", "return self.second(inputs)"],
    )
    return _module(d, "MLP", parts, forward)


def _block(d: Draft) -> tuple[str, Lines]:
    parts = [
        f"self.first = {d.nn}.Linear(inputs, 5)",
        f"self.second = {d.nn}.Linear(5, outputs)",
        f"self.scale = {d.nn}.Parameter(torch.ones(outputs))",
    ]
    forward = ["hidden = F.silu(self.first(inputs))", "return self.second(hidden) * self.scale"]
    return _module(d, "Block", parts, forward)


def _layers(d: Draft) -> tuple[str, Lines]:
    parts = [
        "sizes = [inputs, 5, 5, outputs]",
        f"self.layers = {d.nn}.ModuleList(",
        f"    {d.nn}.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])",
        ")",
    ]
    forward = [
        "for layer in self.layers[:-1]:",
        f"    inputs = {d.pick('torch.tanh(layer(inputs))', 'F.elu(layer(inputs))')}",
        "return self.layers[-1](inputs)",
    ]
    return _module(d, "Stack", parts, forward)


def _raw(d: Draft) -> tuple[str, Lines]:
    parts = [
        f"self.weight = {d.nn}.Parameter(torch.randn(outputs, inputs) * 0.3)",
        f"self.bias = {d.nn}.Parameter(torch.zeros(outputs))",
    ]
    forward = [
        d.pick(
            "return F.linear(inputs, self.weight, self.bias)",
            "return inputs @ self.weight.t() + self.bias",
            "return torch.matmul(inputs, self.weight.T) + self.bias",
        )
    ]
    return _module(d, "Affine", parts, forward)


def _residual(d: Draft) -> tuple[str, Lines]:
    parts = [
        f"self.lift = {d.nn}.Linear(inputs, 4)",
        f"self.body = {d.nn}.Sequential({d.nn}.Linear(4, 4), {d.nn}.ReLU())",
        f"self.head = {d.nn}.Linear(4, outputs)",
    ]
    forward = [
        "hidden = self.lift(inputs)",
        "hidden = hidden + self.body(hidden)",
        "return self.head(hidden)",
    ]
    return _module(d, "Residual", parts, forward)


def _gated(d: Draft) -> tuple[str, Lines]:
    parts = [
        f"self.value = {d.nn}.Linear(inputs, outputs)",
        f"self.gate = {d.nn}.Linear(inputs, outputs)",
        f"self.drop = {d.nn}.Dropout({d.pick('0.0', '0.1')})",
    ]
    forward = ["return self.drop(self.value(inputs)) * torch.sigmoid(self.gate(inputs))"]
    return _module(d, "Gated", parts, forward)
