"""An instance of every layer of `torch.nn`, with the arguments of a typical call."""

from __future__ import annotations

import warnings
from typing import Any

Sample = tuple[Any, tuple[Any, ...]]

# They can't be called on a CPU alone, or only wrap other layers.
UNMEASURED = frozenset(
    "Module Container Sequential ModuleList ModuleDict ParameterList ParameterDict DataParallel "
    "RNNBase RNNCellBase SyncBatchNorm".split()
)


def layer_samples() -> dict[str, list[Sample]]:
    """Return, for each class name, layers and the tensors to call them on.

    The first layer of a class has default arguments, others are there for what depends on them.
    """
    import torch

    torch.manual_seed(0)
    found: dict[str, list[Sample]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some classes are deprecated
        for group in (_activations, _affine, _normalizations, _recurrent, _spatial, _losses):
            for layer, *args in group():
                found.setdefault(type(layer).__name__, []).append((layer, tuple(args)))
    return found


def layer_classes() -> set[str]:
    """Return the names of all layers of `torch.nn`."""
    from torch import nn

    values = {name: getattr(nn, name) for name in dir(nn)}
    return {n for n, v in values.items() if isinstance(v, type) and issubclass(v, nn.Module)}


def _activations() -> list[tuple[Any, ...]]:
    import torch
    from torch import nn

    x, image = torch.randn(3, 4), torch.randn(2, 4, 6, 6)
    plain = (
        nn.CELU, nn.ELU, nn.GELU, nn.GLU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh,
        nn.LeakyReLU, nn.LogSigmoid, nn.Mish, nn.ReLU, nn.ReLU6, nn.RReLU, nn.SELU, nn.Sigmoid,
        nn.SiLU, nn.Softplus, nn.Softshrink, nn.Softsign, nn.Tanh, nn.Tanhshrink, nn.Identity,
        nn.PReLU, nn.Dropout, nn.Dropout1d, nn.AlphaDropout, nn.FeatureAlphaDropout,
    )  # fmt: skip
    over = [(cls(dim=1), x) for cls in (nn.Softmax, nn.LogSoftmax, nn.Softmin)]
    return [
        *[(cls(), x) for cls in plain],
        *over,
        (nn.Flatten(), image),
        (nn.Softmax2d(), image),
        (nn.Threshold(0.1, 0.0), x),
        (nn.Dropout2d(), image),
        (nn.Dropout3d(), torch.randn(2, 4, 3, 3, 3)),
        (nn.Unflatten(1, (2, 2)), x),
    ]


def _affine() -> list[tuple[Any, ...]]:
    import torch
    from torch import nn

    x, tokens = torch.randn(3, 4), torch.tensor([[0, 1, 2], [2, 1, 0]])
    found: list[tuple[Any, ...]] = [
        (nn.Linear(4, 5), x),
        (nn.LazyLinear(5), x),
        (nn.Bilinear(4, 4, 5), x, x + 1),
        (nn.Embedding(3, 4), tokens),
        (nn.EmbeddingBag(3, 4), tokens),
    ]
    for rank in (1, 2, 3):
        image = torch.randn(2, 3, *[6] * rank)
        for name in (f"Conv{rank}d", f"ConvTranspose{rank}d"):
            found.append((getattr(nn, name)(3, 3, 3), image))
            found.append((getattr(nn, f"Lazy{name}")(3, 3), image))
    return found


def _normalizations() -> list[tuple[Any, ...]]:
    import torch
    from torch import nn

    x = torch.randn(3, 4)
    found: list[tuple[Any, ...]] = [
        (nn.LayerNorm(4), x),
        (nn.RMSNorm(4), x),
        (nn.GroupNorm(2, 4), x),
        (nn.LocalResponseNorm(2), torch.randn(2, 4, 6)),
        (nn.CrossMapLRN2d(2), torch.randn(2, 4, 6, 6)),
    ]
    for rank in (1, 2, 3):
        image = torch.randn(2, 4, *[6] * rank)
        for name in (f"BatchNorm{rank}d", f"InstanceNorm{rank}d"):
            found.append((getattr(nn, name)(4), image))
            found.append((getattr(nn, f"Lazy{name}")(), image))
        found.append((getattr(nn, f"InstanceNorm{rank}d")(4, affine=True), image))
    return found


def _recurrent() -> list[tuple[Any, ...]]:
    import torch
    from torch import nn

    x, words = torch.randn(2, 4), torch.randn(5, 2, 4)
    h, c, first = torch.randn(2, 5), torch.randn(2, 5), torch.randn(1, 2, 5)
    encoder, decoder = nn.TransformerEncoderLayer(4, 2, 8), nn.TransformerDecoderLayer(4, 2, 8)
    return [
        (nn.RNN(4, 5), words),
        (nn.GRU(4, 5), words),
        (nn.LSTM(4, 5), words),
        (nn.RNN(4, 5, 2, nonlinearity="relu", bidirectional=True), words),
        (nn.GRU(4, 5, 2, bidirectional=True), words),
        (nn.LSTM(4, 5, 2, bidirectional=True), words),
        (nn.RNN(4, 5), words, first),
        (nn.GRU(4, 5), words, first),
        (nn.LSTM(4, 5), words, (first, first + 1)),
        (nn.RNNCell(4, 5), x),
        (nn.GRUCell(4, 5), x),
        (nn.LSTMCell(4, 5), x),
        (nn.RNNCell(4, 5), x, h),
        (nn.GRUCell(4, 5), x, h),
        (nn.LSTMCell(4, 5), x, (h, c)),
        (nn.MultiheadAttention(4, 2), words, words + 1, words + 2),
        (encoder, words),
        (decoder, words, words + 1),
        (nn.TransformerEncoder(encoder, 2), words),
        (nn.TransformerDecoder(decoder, 2), words, words + 1),
        (nn.Transformer(4, 2, 1, 1, 8), words, words + 1),
    ]


def _spatial() -> list[tuple[Any, ...]]:
    import torch
    from torch import nn

    square = torch.randn(2, 4, 6, 6)
    found: list[tuple[Any, ...]] = [
        (nn.PixelShuffle(2), square),
        (nn.PixelUnshuffle(2), square),
        (nn.ChannelShuffle(2), square),
        (nn.Fold((4, 4), (2, 2)), torch.randn(1, 12, 9)),
        (nn.Unfold(2), square),
        (nn.Upsample(scale_factor=2), square),
        (nn.Upsample(scale_factor=0.5, mode="area"), square),
        (nn.UpsamplingNearest2d(scale_factor=2), square),
        (nn.UpsamplingBilinear2d(scale_factor=2), square),
        (nn.CosineSimilarity(), square, square + 1),
        (nn.PairwiseDistance(), torch.randn(3, 4), torch.randn(3, 4)),
        (nn.FractionalMaxPool2d(2, output_size=3), square),
        (nn.FractionalMaxPool3d(2, output_size=3), torch.randn(2, 4, 6, 6, 6)),
    ]
    for rank in (1, 2, 3):
        image = torch.randn(2, 4, *[6] * rank)
        for name in ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool"):
            found.append((getattr(nn, f"{name}{rank}d")(2), image))
        # An output of one pixel is a mean.
        found.append((getattr(nn, f"AdaptiveAvgPool{rank}d")(1), image))
        found.append((getattr(nn, f"LPPool{rank}d")(2.0, 2), image))
        places = torch.zeros(2, 4, *[6] * rank, dtype=torch.int64)
        found.append((getattr(nn, f"MaxUnpool{rank}d")(2), image, places))
        for name in ("ReflectionPad", "ReplicationPad", "ZeroPad", "CircularPad"):
            found.append((getattr(nn, f"{name}{rank}d")(1), image))
        found.append((getattr(nn, f"ConstantPad{rank}d")(1, 0.0), image))
    return found


def _losses() -> list[tuple[Any, ...]]:
    import torch
    from torch import nn

    x, y, p = torch.randn(3, 4), torch.rand(3, 4), torch.rand(3, 4) * 0.9 + 0.05
    classes, ones = torch.tensor([0, 1, 3]), torch.ones(3, 4)
    spoken = torch.randn(5, 2, 4).log_softmax(2)
    lengths = torch.tensor([5, 5]), torch.tensor([2, 2])
    return [
        (nn.L1Loss(), x, y),
        (nn.MSELoss(), x, y),
        (nn.SmoothL1Loss(), x, y),
        (nn.HuberLoss(), x, y),
        (nn.CrossEntropyLoss(), x, classes),
        (nn.CrossEntropyLoss(), x, p),
        (nn.LinearCrossEntropyLoss(4, 6), x, classes),
        (nn.NLLLoss(), x, classes),
        (nn.NLLLoss2d(), torch.randn(2, 4, 3, 3), torch.zeros(2, 3, 3, dtype=torch.int64)),
        (nn.PoissonNLLLoss(), x, y),
        (nn.GaussianNLLLoss(), x, y, p),
        (nn.KLDivLoss(reduction="batchmean"), x, y),
        (nn.BCELoss(), p, y),
        (nn.BCEWithLogitsLoss(), x, y),
        (nn.MarginRankingLoss(), x, y, ones),
        (nn.HingeEmbeddingLoss(), x, ones),
        (nn.MultiLabelMarginLoss(), x, torch.tensor([[0, -1, 0, 0]] * 3)),
        (nn.MultiLabelSoftMarginLoss(), x, ones),
        (nn.MultiMarginLoss(), x, classes),
        (nn.SoftMarginLoss(), x, ones),
        (nn.CosineEmbeddingLoss(), x, y, ones[:, 0]),
        (nn.TripletMarginLoss(), x, y, p),
        (nn.TripletMarginWithDistanceLoss(), x, y, p),
        (nn.CTCLoss(), spoken, torch.tensor([[1, 2], [2, 3]]), *lengths),
        (nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2, 4]), x, classes),
    ]  # fmt: skip
