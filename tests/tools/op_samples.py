"""Calls that torch's own sample inputs lack or wrap, and the names that are no ops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.tools.measure import Call

# Names whose entry in torch's database takes its arguments in another order, or whose typical
# call the database hides among its edge cases: only the calls below count for these.
SETTLED = frozenset(
    "where embedding embedding_bag einsum polygamma multi_head_attention_forward dropout "
    "max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d "
    "fractional_max_pool2d fractional_max_pool3d atleast_1d atleast_2d atleast_3d lstsq "
    "svd_lowrank pca_lowrank bernoulli conv1d conv2d conv3d conv_transpose1d conv_transpose2d "
    "conv_transpose3d linear matmul norm smooth_l1_loss".split()
)

# Variants of database entries that wrap the op into other arguments.
WRAPPED = frozenset({("linalg.lstsq", "grad_oriented"), ("linalg.pinv", "singular")})

# Ops of two tensors that may be called on a tensor and a number.
WITH_NUMBERS = (
    "add sub subtract mul multiply div divide true_divide pow remainder fmod float_power xlogy "
    "rsub copysign clamp clip clamp_min clamp_max special.xlog1py".split()
)

# How many tensors a call returns, where the samples don't show it.
RESULTS: dict[str, int | str] = {
    "split_with_sizes": "list",
    "split_with_sizes_copy": "list",
    "unbind": "list",
    "unbind_copy": "list",
    "broadcast_tensors": "list",
    "gradient": "list",
    "split_copy": "list",
    "unsafe_split_with_sizes": "list",
    "lu": "list",
    "cartesian_prod": 1,
}

# Letters of ops that take any number of tensors.
INPUTS = {"einsum": "-x*", "chain_matmul": "x*"}

# Parameter names that the docstrings don't give.
NAMES: dict[str, tuple[str, ...]] = {
    "index": ("input", "indices"),
    "getitem": ("input", "indices"),
    "einsum": (),
    "chain_matmul": (),
    "max": ("input", "other"),
    "min": ("input", "other"),
    "where": ("condition", "input", "other"),
    "true_divide": ("input", "other"),
    "take_along_dim": ("input", "indices", "dim"),
    "conv1d": ("input", "weight", "bias"),
    "conv2d": ("input", "weight", "bias"),
    "conv3d": ("input", "weight", "bias"),
    "conv_transpose1d": ("input", "weight", "bias"),
    "conv_transpose2d": ("input", "weight", "bias"),
    "conv_transpose3d": ("input", "weight", "bias"),
    "scaled_dot_product_attention": ("query", "key", "value", "attn_mask"),
    "pow": ("input", "exponent"),
    "clamp": ("input", "min", "max"),
    "clip": ("input", "min", "max"),
}

# Names that mean another op of the table.
ALIASES = {
    "type": "to",
    "type_as": "to",
    "cuda": "to",
    "cpu": "to",
    "xpu": "to",
    "ipu": "to",
    "pin_memory": "to",
    "upsample": "interpolate",
    "linalg.matmul": "matmul",
    "unsafe_split_with_sizes": "split_with_sizes",
}

# Their results carry no graph, or one that no pass can cross (the derivative is not implemented).
CUTS = set(
    "detach detach_copy data item tolist numpy bool byte char short int long bincount histogram "
    "histogramdd histc bucketize one_hot unique unique_consecutive argmax argmin argsort argwhere "
    "nonzero nonzero_static multinomial binomial bitwise_and bitwise_or bitwise_xor "
    "bitwise_not bitwise_left_shift bitwise_right_shift gcd lcm floor_divide heaviside geqrf "
    "ldl_factor ldl_factor_ex ldl_solve matrix_rank isin allclose equal is_nonzero numel nelement "
    "size dim ndimension stride storage storage_offset untyped_storage element_size data_ptr "
    "get_device is_contiguous is_floating_point is_complex is_tensor result_type can_cast "
    "new_tensor new unravel_index airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 "
    "chebyshev_polynomial_t chebyshev_polynomial_u chebyshev_polynomial_v chebyshev_polynomial_w "
    "hermite_polynomial_h hermite_polynomial_he laguerre_polynomial_l legendre_polynomial_p "
    "modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 "
    "scaled_modified_bessel_k0 scaled_modified_bessel_k1 shifted_chebyshev_polynomial_t "
    "shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w "
    "spherical_bessel_j0 zeros_like ones_like rand_like randn_like randint_like full_like "
    "empty_like new_zeros new_ones new_empty new_full new_empty_strided is_same_size is_inference "
    "is_conj is_neg is_signed is_coalesced is_pinned is_shared sparse_dim dense_dim dim_order "
    "is_storage typename broadcast_shapes promote_types int_repr q_scale q_zero_point qscheme "
    "rmod to_dlpack quantize_per_tensor quantize_per_channel storage_type is_set_to "
    "is_distributed".split()
)

FACTORIES = set(
    "tensor zeros ones empty full eye arange range linspace logspace rand randn randint randperm "
    "from_numpy frombuffer from_file from_dlpack empty_strided empty_permuted "
    "scalar_tensor tril_indices triu_indices bartlett_window blackman_window hamming_window "
    "hann_window kaiser_window fftfreq rfftfreq zeros_like ones_like rand_like randn_like "
    "randint_like full_like empty_like sparse_coo_tensor sparse_csr_tensor sparse_csc_tensor "
    "sparse_bsr_tensor sparse_bsc_tensor sparse_compressed_tensor FloatTensor DoubleTensor "
    "HalfTensor BFloat16Tensor LongTensor IntTensor ShortTensor CharTensor ByteTensor BoolTensor "
    "Tensor".split()
)  # fmt: skip


def hand_samples() -> Iterator[Call]:
    """Yield hand-written calls, only with tensors that a user would differentiate."""
    for samples in (_basic, _indexing, _losses, _layers, _pools, _rest):
        yield from samples()


def _call(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Call:
    return Call(name, function, args, kwargs)


def _basic() -> Iterator[Call]:
    import torch

    x, y = torch.rand(3, 4), torch.rand(3, 4) + 0.5
    square = torch.rand(3, 3)
    # The database calls these on two tensors alone.
    for name in WITH_NUMBERS:
        module, _, last = name.rpartition(".")
        function = getattr(torch.special if module else torch, last)
        yield _call(name, function, x, 2)
    # `2 / x` and its like: the tensor comes first, as in the methods that Python calls.
    for name in ("rdiv", "rpow"):
        yield _call(name, getattr(torch.Tensor, f"__{name}__"), x, 2)
    yield _call("where", torch.where, x > 0.5, x, y)
    yield _call("where", torch.where, x > 0.5, x, 0.0)
    yield _call("einsum", torch.einsum, "ij,kj->ik", x, y)
    yield _call("einsum", torch.einsum, "bij,bjk->bik", x[None], y.T[None])
    yield _call("einsum", torch.einsum, "ij,ij->", x, y)
    yield _call("polygamma", torch.polygamma, 1, x)
    yield _call("polygamma", torch.Tensor.polygamma, x, 1)
    for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
        yield _call(name, getattr(torch, name), x)
    yield _call("lstsq", torch.linalg.lstsq, torch.rand(4, 3), torch.rand(4, 2))
    yield _call("svd_lowrank", torch.svd_lowrank, square)
    yield _call("pca_lowrank", torch.pca_lowrank, square)
    yield _call("bernoulli", torch.bernoulli, x)
    yield _call("multi_dot", torch.linalg.multi_dot, [x, y.T])
    yield _call("as_tensor", torch.as_tensor, x)
    yield _call("asarray", torch.asarray, x)
    yield _call("as_subclass", torch.Tensor.as_subclass, x, torch.Tensor)
    yield _call("imag", torch.imag, torch.rand(3, dtype=torch.complex64))
    yield _call("real", torch.real, torch.rand(3, dtype=torch.complex64))
    yield _call("view_as_real", torch.view_as_real, torch.rand(3, dtype=torch.complex64))
    yield _call("nuclear_norm", torch.nuclear_norm, square)
    yield _call("norm_except_dim", torch.norm_except_dim, x, 2, 0)
    yield _call("istft", torch.istft, torch.rand(5, 4, dtype=torch.complex64), 8,
                window=torch.ones(8))  # fmt: skip
    yield _call("select_copy", torch.select_copy, x, 0, 0)
    yield _call("slice_copy", torch.slice_copy, x, 0, 0, 2)
    yield _call("split_copy", torch.split_copy, x, 2)
    yield _call("matmul", torch.matmul, x, y.T)
    yield _call("matmul", torch.matmul, x, y[0])
    yield _call("matmul", torch.matmul, x[None], y.T)
    yield _call("matmul", torch.matmul, x[None, None], y.T[None, None])
    yield _call("norm", torch.norm, x)
    yield _call("norm", torch.norm, x, 2, 1)
    yield _call("norm", torch.norm, x, 1)
    yield _call("poisson", torch.poisson, x)
    yield _call("lobpcg", torch.lobpcg, square @ square.T + torch.eye(3), 1)
    yield _call("frobenius_norm", torch.frobenius_norm, x, 1)
    yield _call("chain_matmul", torch.chain_matmul, x, y.T, square)
    yield _call("to_dense", torch.Tensor.to_dense, x)
    yield _call("repeat_interleave", torch.repeat_interleave, x, 2)
    yield _call("segment_reduce", torch.segment_reduce, x, "sum", lengths=torch.tensor([1, 2]))
    yield _call("to_sparse", torch.Tensor.to_sparse, x)


def _indexing() -> Iterator[Call]:
    import torch

    x = torch.rand(3, 4)
    rows, mask = torch.tensor([0, 2]), torch.rand(3, 4) > 0.5

    def index(tensor: Any, key: Any) -> Any:
        return tensor[key]

    # `x[rows]`, `x[mask]`; basic indexing is "select" and "slice".
    yield _call("index", index, x, rows)
    yield _call("index", index, x, mask)
    yield _call("getitem", index, x, 0)
    yield _call("getitem", index, x, (slice(None), 1))
    yield _call("getitem", index, x, rows)


def _losses() -> Iterator[Call]:
    import torch
    from torch.nn import functional as F

    x, y, p = torch.randn(3, 4), torch.rand(3, 4), torch.rand(3, 4) * 0.9 + 0.05
    classes, weight = torch.tensor([0, 1, 3]), torch.rand(4)
    sign = torch.tensor([1.0, -1.0, 1.0])
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss"):
        yield _call(name, getattr(F, name), x, y)
    yield _call("cross_entropy", F.cross_entropy, x, classes)
    yield _call("cross_entropy", F.cross_entropy, x, classes, weight)
    yield _call("cross_entropy", F.cross_entropy, x, p)
    yield _call("nll_loss", F.nll_loss, x, classes)
    yield _call("binary_cross_entropy", F.binary_cross_entropy, p, y)
    yield _call("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits, x, y)
    yield _call("kl_div", F.kl_div, x, y)
    yield _call("kl_div", F.kl_div, x, y, reduction="batchmean")
    yield _call("gaussian_nll_loss", F.gaussian_nll_loss, x, y, p)
    yield _call("cosine_embedding_loss", F.cosine_embedding_loss, x, y, sign)
    yield _call("margin_ranking_loss", F.margin_ranking_loss, x[0], y[0], torch.ones(4))
    yield _call("triplet_margin_loss", F.triplet_margin_loss, x, y, p)
    yield _call("hinge_embedding_loss", F.hinge_embedding_loss, x, torch.ones(3, 4))
    yield _call("soft_margin_loss", F.soft_margin_loss, x, torch.ones(3, 4))


def _layers() -> Iterator[Call]:
    import torch
    from torch.nn import functional as F

    x, weight, bias = torch.randn(3, 4), torch.randn(5, 4), torch.randn(5)
    yield _call("linear", F.linear, x, weight)
    yield _call("linear", F.linear, x, weight, bias)
    for rank in (1, 2, 3):
        image, kernel = torch.randn(2, 3, *[6] * rank), torch.randn(3, 3, *[3] * rank)
        for name in (f"conv{rank}d", f"conv_transpose{rank}d"):
            yield _call(name, getattr(F, name), image, kernel)
            yield _call(name, getattr(F, name), image, kernel, torch.randn(3))
    names = {"dropout": F, "dropout1d": F, "feature_dropout": torch}
    for name, space in names.items():
        function = getattr(space, name)
        yield _call(name, function, x, 0.5, True)
        yield _call(name, function, x, 0.5, False)
    yield _call("gumbel_softmax", F.gumbel_softmax, x)
    yield _call("gumbel_softmax", F.gumbel_softmax, x, hard=True)
    yield _call("embedding", F.embedding, torch.tensor([0, 1]), weight)
    yield _call("embedding", F.embedding, torch.tensor([0, 1]), weight, 0)
    yield _call("embedding_bag", F.embedding_bag, torch.tensor([[0, 1]]), weight)
    yield _call("batch_norm", F.batch_norm, x, torch.zeros(4), torch.ones(4), torch.rand(4),
                torch.rand(4), True)  # fmt: skip
    yield _call("layer_norm", F.layer_norm, x, (4,), torch.rand(4), torch.rand(4))
    q = torch.randn(1, 2, 5, 8)
    yield _call("scaled_dot_product_attention", F.scaled_dot_product_attention, q, q + 1, q + 2)
    image, grid = torch.randn(1, 1, 4, 4), torch.rand(1, 4, 4, 2)
    yield _call("grid_sampler", torch.grid_sampler, image, grid, 0, 0, False)
    e = torch.randn(5, 2, 4)
    yield _call("multi_head_attention_forward", F.multi_head_attention_forward, e, e + 1, e + 2,
                4, 2, torch.randn(12, 4), torch.randn(12), None, None, False, 0.0,
                torch.randn(4, 4), torch.randn(4))  # fmt: skip


def _pools() -> Iterator[Call]:
    import torch
    from torch.nn import functional as F

    for rank in (1, 2, 3):
        x = torch.randn(2, 3, *[8] * rank)
        yield _call(f"max_pool{rank}d", getattr(F, f"max_pool{rank}d"), x, 2)
        yield _call(f"adaptive_max_pool{rank}d", getattr(F, f"adaptive_max_pool{rank}d"), x, 2)
        yield _call(f"lp_pool{rank}d", getattr(F, f"lp_pool{rank}d"), x, 2.0, 2)
        if rank > 1:
            name = f"fractional_max_pool{rank}d"
            yield _call(name, getattr(F, name), x, 2, output_size=4)
        for name in ("max_pool", "adaptive_max_pool", "fractional_max_pool"):
            paired = getattr(F, f"{name}{rank}d_with_indices", None)
            if paired and name == "fractional_max_pool":
                yield _call(f"{name}{rank}d_with_indices", paired, x, 2, output_size=4)
            elif paired:
                yield _call(f"{name}{rank}d_with_indices", paired, x, 2)
    image = torch.randn(2, 3, 6, 6)
    yield _call("fold", F.fold, torch.randn(1, 12, 9), (4, 4), (2, 2))
    yield _call("affine_grid", F.affine_grid, torch.randn(2, 2, 3), [2, 3, 6, 6])
    yield _call("interpolate", F.interpolate, image, scale_factor=2)
    # An output of one pixel is a mean.
    for rank in (1, 2, 3):
        name = f"adaptive_avg_pool{rank}d"
        yield _call(name, getattr(F, name), torch.randn(2, 3, *[8] * rank), 1)


def _rest() -> Iterator[Call]:
    import torch

    x, h = torch.randn(3, 4), torch.randn(3, 5)
    yield _call("native_layer_norm", torch.native_layer_norm, x, (4,), x[0], x[1], 1e-5)
    yield _call("native_dropout", torch.native_dropout, x, 0.5, True)
    yield _call("hstack", torch.hstack, [x, x + 1])
    for name, gates in (("gru_cell", 3), ("rnn_tanh_cell", 1), ("rnn_relu_cell", 1)):
        weights = torch.randn(5 * gates, 4), torch.randn(5 * gates, 5)
        yield _call(name, getattr(torch, name), x, h, *weights)
    yield _call("lstm_cell", torch.lstm_cell, x, [h, h + 1], torch.randn(20, 4),
                torch.randn(20, 5))  # fmt: skip
