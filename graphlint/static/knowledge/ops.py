"""Look-ups in the tables of ops, by the names that stand in a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from graphlint.static.knowledge.facts import NO, Op
from graphlint.static.knowledge.inplace import INPLACE, InPlace, derived
from graphlint.static.knowledge.optable import CUTS, FACTORIES, OPS

# Functions of `torch` itself that set or ask something; a call of one hands nothing over.
INERT: Final[frozenset[str]] = frozenset(
    "are_deterministic_algorithms_enabled clear_autocast_cache compiled_with_cxx11_abi "
    "get_autocast_cpu_dtype get_autocast_dtype get_autocast_gpu_dtype get_default_device "
    "get_default_dtype get_deterministic_debug_mode get_device_module "
    "get_float32_matmul_precision get_num_interop_threads get_num_threads get_rng_state "
    "initial_seed is_anomaly_enabled is_autocast_enabled is_grad_enabled "
    "is_inference_mode_enabled is_warn_always_enabled manual_seed record_stream seed "
    "set_autocast_cache_enabled set_autocast_dtype set_autocast_enabled set_default_device "
    "set_default_dtype set_default_tensor_type set_deterministic_debug_mode set_flush_denormal "
    "set_float32_matmul_precision set_num_interop_threads set_num_threads set_printoptions "
    "set_rng_state set_warn_always use_deterministic_algorithms".split()
)

# Functions and methods among those that carry no graph whose result is no tensor.
PLAIN: Final[frozenset[str]] = frozenset(
    "allclose broadcast_shapes can_cast data_ptr dense_dim dim dim_order element_size equal "
    "get_device is_coalesced is_complex is_conj is_contiguous is_distributed is_floating_point "
    "is_inference is_neg is_nonzero is_pinned is_same_size is_set_to is_shared is_signed "
    "is_storage is_tensor item ndimension nelement numel numpy promote_types q_scale "
    "q_zero_point qscheme result_type size sparse_dim storage storage_offset storage_type stride "
    "to_dlpack tolist typename untyped_storage".split()
)

OPERATORS: Final[Mapping[str, str]] = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "div",
    "//": "floor_divide",
    "%": "remainder",
    "**": "pow",
    "@": "matmul",
    "&": "bitwise_and",
    "|": "bitwise_or",
    "^": "bitwise_xor",
    "<<": "bitwise_left_shift",
    ">>": "bitwise_right_shift",
    "==": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
}

# The op behind `number / tensor`, whose first argument is the tensor; other operators with a number
# on their left are as good as mirrored ones.
REFLECTED: Final[Mapping[str, str]] = {"-": "rsub", "/": "rdiv", "%": "rmod", "**": "rpow"}


# Names that torch has kept for products with sparse matrices, and has no samples of.
FORMER_NAMES: Final[Mapping[str, str]] = {
    "spmm": "mm",
    "dsmm": "mm",
    "hsmm": "mm",
    "smm": "mm",
    "saddmm": "addmm",
}


WITH_NUMBER: Final[Mapping[str, tuple[int, Op]]] = {"lerp": (2, Op(NO))}
"""Ops that save less if the argument at a position is a number, not a tensor."""


def find_op(name: str) -> Op | None:
    """Return an op's row by a name such as "mul", "torch.linalg.norm" or "softmax"."""
    parts = name.split(".")
    last = FORMER_NAMES.get(parts[-1], parts[-1])
    return OPS.get(".".join(parts[-2:])) or OPS.get(last)


def find_inplace(name: str) -> InPlace | None:
    """Return what an in-place method such as "relu_" or "__setitem__" does, None if it is none."""
    last = name.rpartition(".")[2]
    special = INPLACE.get(last)
    if special is not None:
        return special
    if not last.endswith("_") or last.endswith("__"):
        return None
    op = OPS.get(last[:-1])
    if op is None:
        return InPlace() if last[:-1] in CUTS else None
    return derived(op)


def cuts(name: str) -> bool:
    """Tell whether a call's results carry no graph whatever it is called on."""
    return name.rpartition(".")[2] in CUTS


def is_plain(name: str) -> bool:
    """Tell whether a call's result is no tensor, but a number, a size or a storage."""
    return name.rpartition(".")[2] in PLAIN


def is_inert(name: str) -> bool:
    """Tell whether a function of `torch` neither takes a graph nor keeps or gives one."""
    return name.rpartition(".")[2] in INERT


def makes(name: str) -> bool:
    """Tell whether a call makes tensors out of nothing."""
    return name.rpartition(".")[2] in FACTORIES
