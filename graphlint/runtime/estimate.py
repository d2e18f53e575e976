"""`graphlint.estimate`: what a forward pass would save, without running it.

The function runs on fake tensors (`torch._subclasses.FakeTensorMode`), which have shapes and
devices but no memory: a model that doesn't fit into this machine can be estimated on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import (
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedFakeTensorException,
)
from torch.func import functional_call
from torch.utils._pytree import tree_leaves, tree_map_only

from graphlint.errors import GraphlintError
from graphlint.runtime.holdings import Holdings
from graphlint.runtime.nodes import TOUCH_LIMIT, Node, roots_of, walk
from graphlint.runtime.referred import referred


class EstimateError(GraphlintError):
    """A function can't be estimated."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the graph of a function's result would save.

    Attributes:
        batch_size: the first dimension of the first tensor argument; 0 where there is none.
        saved_bytes: all storages that the graph saves, each once.
        activation_bytes: those among them that are no parameter's, buffer's or argument's: what a
            backward pass gives back.
        nodes: the graph's nodes.
        scaled: the same for other batch sizes.
        lower_bound: the graph has more nodes than were looked at.
    """

    batch_size: int
    saved_bytes: int
    activation_bytes: int
    nodes: int
    scaled: tuple[Estimate, ...] = ()
    lower_bound: bool = False

    def __str__(self) -> str:
        """Return a table, a line for each batch size."""
        from graphlint.output.profile_text import format_bytes

        sign = "≥ " if self.lower_bound else ""
        lines = [f"{'batch':>7}  {'saved':>12}  {'activations':>12}"]
        lines += [
            f"{e.batch_size or '-':>7}  {sign + format_bytes(e.saved_bytes):>12}  "
            f"{sign + format_bytes(e.activation_bytes):>12}"
            for e in sorted((self, *self.scaled), key=lambda e: e.batch_size)
        ]
        return "\n".join(lines)


def estimate(
    function: Callable[..., Any], *args: Any, batch_sizes: Iterable[int] = (), **kwargs: Any
) -> Estimate:
    """Estimate what the graph of a function's result saves, without running or allocating anything.

    ```python
    print(graphlint.estimate(model, images, batch_sizes=(64, 256)))
    ```

    What kernels keep for themselves beyond tensors of known shapes is not counted (oneDNN's
    workspace of an LSTM on the CPU is such, in torch 2.13).

    Args:
        function: a module, or a function over modules that it refers to; parameters, buffers and
            random numbers are not touched.
        *args: its arguments. Tensors give their shapes, types and devices.
        batch_sizes: other sizes to estimate: the first dimension of every argument that has the
            same as the first tensor's.
        **kwargs: its named arguments.

    Raises:
        EstimateError: what the function does depends on the values of tensors, or it returns
            nothing that has a graph.
    """
    given = (args, kwargs)
    tensors = [each for each in tree_leaves(given) if isinstance(each, torch.Tensor)]
    batch = next((int(t.shape[0]) for t in tensors if t.dim()), 0)
    modules = list(_modules(function, given))
    scaled = tuple(_estimate(function, modules, _resized(given, batch, n), n) for n in batch_sizes)
    own = _estimate(function, modules, given, batch)
    return Estimate(
        batch, own.saved_bytes, own.activation_bytes, own.nodes, scaled, own.lower_bound
    )


class _Caller(nn.Module):
    """Calls a function with the parameters of some modules replaced."""

    def __init__(self, function: Callable[..., Any], modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.modules_of_function = nn.ModuleList(modules)
        self._function = (function,)  # in a tuple, so that a module is not registered twice

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._function[0](*args, **kwargs)


def _estimate(
    function: Callable[..., Any], modules: Sequence[nn.Module], given: Any, batch: int
) -> Estimate:
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    caller = _Caller(function, modules)
    state = {k: mode.from_tensor(v) for k, v in caller.state_dict(keep_vars=True).items()}
    args, kwargs = tree_map_only(torch.Tensor, partial(_fake, mode), given)
    try:
        with mode, torch.enable_grad():
            result = functional_call(caller, state, args, kwargs)
    except (DynamicOutputShapeException, UnsupportedFakeTensorException) as error:
        raise EstimateError(_refusal(error)) from error
    except RuntimeError as error:
        if type(error).__name__ != "DataDependentOutputException":
            raise
        raise EstimateError(_refusal(error)) from error
    outputs = [each for each in tree_leaves(result) if isinstance(each, torch.Tensor)]
    walked = walk(roots_of(outputs), TOUCH_LIMIT)
    if not walked.nodes:
        raise EstimateError(
            "The function returns no tensor that has a graph: no backward pass could visit it."
        )
    saved = _saved_storages(walked.nodes)
    known = _storages([*state.values(), *tree_leaves((args, kwargs))])
    own = sum(size for key, size in saved.items() if key not in known)
    return Estimate(
        batch, sum(saved.values()), own, len(walked.nodes), lower_bound=walked.truncated
    )


def _refusal(error: Exception) -> str:
    return (
        "What the function does depends on the values of tensors, which an estimate has none of: "
        f"{error}. Estimate the part before or behind that."
    )


def _fake(mode: FakeTensorMode, tensor: torch.Tensor) -> torch.Tensor:
    """Return the like of a tensor without memory; one that is fake already is taken over."""
    try:
        return mode.from_tensor(tensor)
    except AssertionError:  # of another mode: `_resized` makes these
        with mode:
            return torch.empty_strided(
                tensor.shape,
                tensor.stride(),
                dtype=tensor.dtype,
                device=tensor.device,
                requires_grad=tensor.requires_grad,
            )


def _resized(given: Any, batch: int, size: int) -> Any:
    """Replace the first dimension of the arguments that have the batch's."""

    def resize(tensor: torch.Tensor) -> torch.Tensor:
        if not batch or not tensor.dim() or tensor.shape[0] != batch:
            return tensor
        with FakeTensorMode(allow_non_fake_inputs=True):
            return torch.empty(
                (size, *tensor.shape[1:]),
                dtype=tensor.dtype,
                device=tensor.device,
                requires_grad=tensor.requires_grad,
            )

    return tree_map_only(torch.Tensor, resize, given)


def _saved_storages(nodes: Sequence[Node]) -> dict[int, int]:
    """Return the bytes of the storages that nodes save, by identity."""
    held = (
        holding.held for holding in Holdings(nodes, until_drop=False).all if holding.has_storage
    )
    return _storages(held)


def _storages(tensors: Iterable[Any]) -> dict[int, int]:
    storages = [t.untyped_storage() for t in tensors if isinstance(t, torch.Tensor)]
    return {storage._cdata: storage.nbytes() for storage in storages}


def _modules(function: Any, given: Any) -> Iterator[nn.Module]:
    """Yield the modules whose parameters a function may use, each once."""
    found = {
        id(value): value
        for value in (*referred(function), *tree_leaves(given))
        if isinstance(value, nn.Module)
    }
    yield from found.values()
