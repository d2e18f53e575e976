"""Generate `graphlint/static/knowledge/layertable.py` from measurements of the installed torch.

Run by hand after a torch upgrade: `python -m tests.tools.generate_layers`. Torch is imported inside
the functions.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphlint.static.knowledge.facts import MAYBE, NO, YES, Layer, Op
from tests.tools.layer_samples import Sample, layer_samples
from tests.tools.measure import Call, Observation, observe
from tests.tools.merge import Placed, letters, row_source, ternary, within

TARGET = Path(__file__).parents[2] / "graphlint" / "static" / "knowledge" / "layertable.py"
WEIGHTS = "weights"

# It runs on several processes only; `torch/nn/modules/_functions.py` saves what BatchNorm saves.
SAME = {"SyncBatchNorm": "BatchNorm2d"}

HEADER = '''\
# ruff: noqa: E501
"""What autograd saves for every layer of `torch.nn`: generated, don't edit.

Measured on torch {version} by `python -m tests.tools.generate_layers`, which calls every layer in
training and in evaluation mode. The columns are explained in `graphlint.static.knowledge.facts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from graphlint.static.knowledge.facts import MAYBE, NO, YES, Layer, Op

TORCH_VERSION: Final = "{version}"

# fmt: off
LAYERS: Final[Mapping[str, Layer]] = {{
'''


def observe_layer(layer: Any, args: tuple[Any, ...]) -> Iterator[Observation]:
    """Run a layer for every choice of inputs that require grad; its parameters are one slot."""
    from torch.func import functional_call

    layer(*args)  # a lazy layer makes its parameters now
    weights = dict(layer.named_parameters())

    def run(*inputs: Any, weights: dict[str, Any]) -> Any:
        return functional_call(layer, weights, inputs)

    return observe(Call(type(layer).__name__, run, args, {WEIGHTS: weights}))


def describe(samples: list[Sample]) -> Layer:
    """Merge what is observed of a class in both modes into its row."""
    training = [list(observe_layer(layer.train(), args)) for layer, args in samples]
    evaluation = [list(observe_layer(layer.eval(), args)) for layer, args in samples]
    saves = {mode: ternary(s[0].raises for s in seen if s) for mode, seen in
             (("train", training), ("eval", evaluation))}  # fmt: skip
    layer = samples[0][0]
    count = max(len(args) for _, args in samples)
    places = {**{str(i): i for i in range(count)}, WEIGHTS: count}
    placed: list[Placed] = [(places, seen) for seen in (*training, *evaluation)]
    row = letters(placed).ljust(count + 1, "-")
    first = training[0][0]
    results = 1 if first.shape == "one" else 2
    names = list(inspect.signature(layer.forward).parameters)[:count] if count > 1 else []
    weighty = any(list(layer.parameters()) for layer, _ in samples)
    op = Op(
        saves=saves["train"] if saves["train"] is saves["eval"] else MAYBE,
        inputs=row[:count].rstrip("-"),
        output=ternary(s[0].output for s in (*training, *evaluation) if s and s[0].recorded),
        results=results,
        names=" ".join(names),
        within=within(placed),
    )
    returns = {1: "tensor", 2: "pair", 3: "lstm"}[len(first.results)]
    training_only = saves["train"] is YES and saves["eval"] is NO
    return Layer(op, row[count] if weighty else "", returns, training_only)


def describe_all() -> dict[str, Layer]:
    """Return the rows of all layers."""
    rows = {name: describe(samples) for name, samples in layer_samples().items()}
    return rows | {name: rows[same] for name, same in SAME.items()}


def layer_source(layer: Layer) -> str:
    """Write a row as Python source."""
    parts = [row_source(layer.op)]
    if layer.weights:
        parts.append(f'weights="{layer.weights}"')
    if layer.returns != "tensor":
        parts.append(f'returns="{layer.returns}"')
    if layer.training_only:
        parts.append("training_only=True")
    return f"Layer({', '.join(parts)})"


def main() -> None:
    """Measure and write the table."""
    import torch

    version = torch.__version__.partition("+")[0]
    head = HEADER.format(version=version).rstrip()
    rows = [f'    "{name}": {layer_source(row)},' for name, row in sorted(describe_all().items())]
    TARGET.write_text("\n".join([head, *rows, "}", "# fmt: on", ""]))


if __name__ == "__main__":
    main()
