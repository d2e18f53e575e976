"""Small models of the kinds that people train, each with what keeps its graph interesting.

Every builder returns a loss and the objects that the user still refers to. Sizes are such that each
storage has a size of its own as far as possible, so that a storage counted twice, or missed, shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import save_on_cpu
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

Built = tuple[Tensor, Any]
Builder = Callable[[], Built]


def mlp() -> Built:
    """Classify with two hidden layers."""
    net = nn.Sequential(
        nn.Linear(31, 67), nn.ReLU(), nn.Linear(67, 43), nn.GELU(), nn.Linear(43, 5)
    )
    inputs, targets = torch.randn(29, 31), torch.randint(5, (29,))
    return F.cross_entropy(net(inputs), targets), (net, inputs, targets)


def kept_activations() -> Built:
    """Let the user keep every activation: then nothing is the graph's alone but the last."""
    layers = nn.ModuleList([nn.Linear(31, 67), nn.Tanh(), nn.Linear(67, 5)])
    value, values = torch.randn(29, 31), []
    for layer in layers:
        value = layer(value)
        values.append(value)
    return value.pow(2).mean(), (layers, values)


class Residual(nn.Module):
    """Two convolutions with batch norm, and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.norms[0](self.convs[0](inputs)), inplace=True)
        return F.relu(self.norms[1](self.convs[1](hidden)) + inputs, inplace=True)


def residual() -> Built:
    """Convolve, with in-place activations and pooling."""
    stem = nn.Sequential(nn.Conv2d(3, 7, 5, 2, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
    net = nn.Sequential(stem, Residual(7), Residual(7), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.randn(3, 3, 37, 41)
    return net(images).pow(2).mean(), (net, images)


def lstm() -> Built:
    """Run a two-layer LSTM with dropout over a sequence."""
    net, inputs = nn.LSTM(13, 23, 2, dropout=0.1), torch.randn(11, 7, 13)
    outputs, _ = net(inputs)
    return outputs.pow(2).mean(), (net, inputs)


def gru_steps() -> Built:
    """Unroll a GRU cell by hand."""
    cell, inputs, hidden = nn.GRUCell(13, 23), torch.randn(9, 7, 13), torch.zeros(7, 23)
    for step in inputs:
        hidden = cell(step, hidden)
    return hidden.pow(2).mean(), (cell, inputs, hidden)


def transformer() -> Built:
    """Run one encoder layer, with dropout."""
    layer = nn.TransformerEncoderLayer(24, 3, 50, batch_first=True)
    inputs = torch.randn(5, 11, 24)
    return layer(inputs).pow(2).mean(), (layer, inputs)


def carried_state() -> Built:
    """Carry a hidden state over several losses, of which the last is kept."""
    cell, hidden, loss = nn.RNNCell(13, 23), torch.zeros(7, 23), torch.zeros(())
    for _ in range(6):
        hidden = cell(torch.randn(7, 13), hidden)
        loss = hidden.pow(2).mean()
    return loss, (cell, hidden)


def two_heads() -> Built:
    """Sum two losses over one encoder, and keep each."""
    encoder = nn.Sequential(nn.Linear(31, 67), nn.Tanh())
    first, second, inputs = nn.Linear(67, 41), nn.Linear(67, 43), torch.randn(29, 31)
    shared = encoder(inputs)
    losses = first(shared).pow(2).mean(), second(shared).abs().mean()
    return losses[0] + losses[1], (encoder, first, second, inputs, shared, losses)


def one_of_two_heads() -> Built:
    """Measure one of two losses while the other one still holds the encoder's graph."""
    _, (encoder, first, second, inputs, _, losses) = two_heads()
    return losses[0], (encoder, first, second, inputs, losses)


def adversarial() -> Built:
    """Score generated samples that the user keeps."""
    generator = nn.Sequential(nn.Linear(13, 67), nn.ReLU(), nn.Linear(67, 89), nn.Tanh())
    critic = nn.Sequential(nn.Linear(89, 53), nn.LeakyReLU(0.2), nn.Linear(53, 1))
    fake = generator(torch.randn(29, 13))
    return F.softplus(-critic(fake)).mean(), (generator, critic, fake)


def gradient_penalty() -> Built:
    """Differentiate a gradient."""
    critic = nn.Sequential(nn.Linear(31, 67), nn.Tanh(), nn.Linear(67, 1))
    inputs = torch.randn(29, 31, requires_grad=True)
    (grad,) = torch.autograd.grad(critic(inputs).sum(), inputs, create_graph=True)
    return (grad.norm(dim=1) - 1).pow(2).mean(), (critic, inputs)


class Squashed(torch.autograd.Function):
    """A matrix product and tanh, with its own derivative."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor) -> Tensor:
        result = (inputs @ weight).tanh()
        ctx.save_for_backward(inputs, weight, result)
        return result.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        inputs, weight, result = ctx.saved_tensors
        grad = grads[0] * (1 - result * result)
        return grad @ weight.t(), inputs.t() @ grad


def custom_function() -> Built:
    """Apply a custom function twice."""
    weight, inputs = torch.randn(31, 31, requires_grad=True), torch.randn(29, 31)
    hidden = Squashed.apply(inputs, weight)[:, :31].contiguous()
    return Squashed.apply(hidden, weight).pow(2).mean(), (weight, inputs)


def _checkpointed(use_reentrant: bool) -> Built:
    block = nn.Sequential(nn.Linear(31, 67), nn.GELU(), nn.Linear(67, 31))
    stem, inputs = nn.Linear(13, 31), torch.randn(29, 13)
    hidden = checkpoint(block, stem(inputs), use_reentrant=use_reentrant)
    hidden = checkpoint(block, hidden.sin(), use_reentrant=use_reentrant)
    return hidden.pow(2).mean(), (block, stem, inputs)


def checkpoints() -> Built:
    """Recompute two blocks in the backward pass."""
    return _checkpointed(use_reentrant=False)


def reentrant_checkpoints() -> Built:
    """Recompute two blocks, the old way."""
    return _checkpointed(use_reentrant=True)


def views() -> Built:
    """Slice, transpose and reshape, with one in-place change of a view."""
    weight, inputs = torch.randn(31, 66, requires_grad=True), torch.randn(29, 31)
    query, key, value = (inputs @ weight).chunk(3, dim=1)
    mixed = (query @ key.t()).softmax(-1) @ value
    left, right = mixed.view(-1).relu_().view_as(mixed).chunk(2, dim=1)
    return (left * right.sin()).t().reshape(-1).pow(2).mean(), (weight, inputs)


def changed_views() -> Built:
    """Change two slices in place."""
    weight, inputs = torch.randn(31, 67, requires_grad=True), torch.randn(30, 31)
    hidden = inputs @ weight
    copied = hidden.clone()
    copied[:15].mul_(hidden[:15].sigmoid())
    copied[15:].sin_()
    return copied.pow(2).mean(), (weight, inputs)


def sparse_embedding() -> Built:
    """Look up sparse embeddings, and multiply by a sparse matrix."""
    table, index = nn.Embedding(97, 13, sparse=True), torch.randint(97, (29,))
    scale = torch.randn(29, 13, requires_grad=True)
    places, values = torch.randint(29, (2, 101)), torch.randn(101)
    matrix = torch.sparse_coo_tensor(places, values, (29, 29)).coalesce()
    product = torch.sparse.mm(matrix, table(index) * scale)
    return product.pow(2).mean(), (table, index, scale)


def sparse_values() -> Built:
    """Differentiate with respect to a sparse matrix's values."""
    values, places = torch.randn(101, requires_grad=True), torch.randint(29, (2, 101))
    dense = torch.randn(29, 13, requires_grad=True)
    matrix = torch.sparse_coo_tensor(places, values.exp(), (29, 29))
    return torch.sparse.mm(matrix, dense).pow(2).mean(), (values, places, dense)


def autocast() -> Built:
    """Train in mixed precision, with cast weights that only the graph knows."""
    net, inputs = nn.Sequential(nn.Linear(31, 67), nn.ReLU(), nn.Linear(67, 5)), torch.randn(29, 31)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = net(inputs)
    return outputs.float().pow(2).mean(), (net, inputs)


def saved_on_cpu() -> Built:
    """Pack what is saved by hooks."""
    net, inputs = nn.Sequential(nn.Linear(31, 67), nn.ReLU(), nn.Linear(67, 5)), torch.randn(29, 31)
    with save_on_cpu():
        outputs = net(inputs)
    return outputs.pow(2).mean(), (net, inputs)


def attention() -> Built:
    """Attend over embeddings, in one fused operation."""
    table, layer = nn.Embedding(97, 24), nn.MultiheadAttention(24, 3, batch_first=True)
    index = torch.randint(97, (5, 11))
    hidden = table(index)
    outputs, _ = layer(hidden, hidden, hidden, need_weights=False)
    return outputs.mean(), (table, layer, index)


def odds_and_ends() -> Built:
    """Dropout, layer norm, fancy indexing, concatenation, `where`, `logsumexp`."""
    layer, inputs = nn.Linear(13, 23), torch.randn(29, 13)
    hidden = layer(inputs)
    shuffled = hidden[torch.randint(29, (29,))]
    joined = torch.cat([F.dropout(hidden), F.layer_norm(hidden, (23,)), shuffled], dim=1)
    return torch.where(joined > 0, joined, joined * 0.1).logsumexp(1).mean(), (layer, inputs)


class UNet(nn.Module):
    """Two levels, joined by concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = nn.Conv2d(3, 7, 3, 1, 1), nn.Conv2d(7, 11, 3, 1, 1)
        self.up, self.last = nn.ConvTranspose2d(11, 7, 2, 2), nn.Conv2d(14, 2, 3, 1, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        first = F.silu(self.down(inputs))
        second = F.group_norm(F.silu(self.deep(F.avg_pool2d(first, 2))), 1)
        joined = torch.cat([first, F.interpolate(self.up(second), first.shape[2:])], dim=1)
        return self.last(F.dropout2d(joined, 0.1))


def unet() -> Built:
    """Segment images by a U-Net."""
    net, images, labels = UNet(), torch.randn(3, 3, 22, 26), torch.randint(2, (3, 22, 26))
    return F.cross_entropy(net(images), labels), (net, images, labels)


def bidirectional_gru() -> Built:
    """Run a GRU both ways over sequences of different lengths."""
    net, inputs = nn.GRU(13, 23, bidirectional=True, batch_first=True), torch.randn(5, 11, 13)
    lengths = torch.tensor([11, 9, 6, 4, 2])
    packed = nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True)
    outputs, _ = nn.utils.rnn.pad_packed_sequence(net(packed)[0], batch_first=True)
    return outputs.pow(2).mean(), (net, inputs)


def variational() -> Built:
    """Encode, sample and decode, with a divergence from the prior."""
    encoder, decoder = nn.Linear(31, 26), nn.Sequential(nn.Linear(13, 31), nn.Softplus())
    inputs = torch.rand(29, 31)
    mean, log_variance = encoder(inputs).chunk(2, dim=1)
    sample = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
    divergence = -0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum()
    return F.mse_loss(decoder(sample), inputs) + divergence, (encoder, decoder, inputs)


def einsum_attention() -> Built:
    """Attend by einsum, with a causal mask."""
    project, inputs = nn.Linear(24, 72), torch.randn(5, 11, 24)
    query, key, value = project(inputs).view(5, 11, 3, 3, 8).unbind(2)
    scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / 8**0.5
    mask = torch.ones(11, 11).tril() == 0
    weights = scores.masked_fill(mask, float("-inf")).softmax(-1)
    mixed = torch.einsum("bhqk,bkhd->bqhd", weights, value)
    return mixed.pow(2).mean(), (project, inputs)


def fused_attention() -> Built:
    """Attend by torch's own scaled dot product."""
    project, inputs = nn.Linear(24, 72), torch.randn(5, 11, 24)
    query, key, value = project(inputs).view(5, 11, 3, 3, 8).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    return mixed.pow(2).mean(), (project, inputs)


def tied_weights() -> Built:
    """Predict tokens by the table that embeds them."""
    table, index = nn.Embedding(97, 24), torch.randint(97, (5, 11))
    hidden = F.rms_norm(table(index), (24,))
    logits = F.linear(hidden, table.weight)
    return F.cross_entropy(logits.flatten(0, 1), index.flatten()), (table, index)


def mixture_of_experts() -> Built:
    """Send each row to the two best of four experts."""
    gate, inputs = nn.Linear(13, 4), torch.randn(29, 13)
    experts = nn.ModuleList(
        nn.Sequential(nn.Linear(13, 31), nn.ELU(), nn.Linear(31, 13)) for _ in range(4)
    )
    weights, chosen = gate(inputs).softmax(-1).topk(2, dim=-1)
    mixed = torch.zeros_like(inputs)
    for number, expert in enumerate(experts):
        rows, place = (chosen == number).nonzero(as_tuple=True)
        mixed = mixed.index_add(0, rows, expert(inputs[rows]) * weights[rows, place, None])
    return mixed.pow(2).mean(), (gate, experts, inputs)


def normed_weights() -> Built:
    """Reparametrize weights: by their norm, and by their largest singular value."""
    first = nn.utils.parametrizations.weight_norm(nn.Linear(31, 43))
    second = nn.utils.parametrizations.spectral_norm(nn.Linear(43, 17))
    inputs = torch.randn(29, 31)
    return second(first(inputs).tanh()).pow(2).mean(), (first, second, inputs)


def orthogonal_weights() -> Built:
    """Use a parametrized weight twice while it is cached."""
    layer, inputs = nn.utils.parametrizations.orthogonal(nn.Linear(17, 17)), torch.randn(29, 17)
    with nn.utils.parametrize.cached():
        outputs = layer(layer(inputs).relu())
    return outputs.pow(2).mean(), (layer, inputs)


def fourier() -> Built:
    """Filter in the frequency domain."""
    kernel, signal = torch.randn(5, 33, requires_grad=True), torch.randn(29, 5, 64)
    spectrum = torch.fft.rfft(signal * kernel.mean()) * torch.fft.rfft(kernel, 64)
    return torch.fft.irfft(spectrum).abs().mean(), (kernel, signal)


def nested_checkpoints() -> Built:
    """Recompute a block that recomputes its parts."""
    inner = nn.Sequential(nn.Linear(31, 67), nn.GELU(), nn.Linear(67, 31))
    stem, inputs = nn.Linear(31, 31), torch.randn(9, 31)

    def outer(hidden: Tensor) -> Tensor:
        hidden = checkpoint(inner, hidden.sin(), use_reentrant=False)
        return checkpoint(inner, hidden.cos(), use_reentrant=False)

    hidden = checkpoint(outer, stem(inputs), use_reentrant=False)
    return hidden.pow(2).mean(), (inner, stem, inputs)


class Noted(torch.autograd.Function):
    """Keeps one tensor as it should, and others on its context."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        ctx.save_for_backward(inputs)
        ctx.cosine, ctx.parts = inputs.cos(), [inputs.exp()]
        return inputs.sin()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0] * ctx.cosine


def context_attributes() -> Built:
    """Keep tensors on a custom function's context, which no pass frees."""
    weight = torch.randn(31, 43, requires_grad=True)
    return Noted.apply(weight.exp()).pow(2).mean(), (weight,)


class Doubled(torch.autograd.Function):
    """Doubles its argument in place."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        ctx.save_for_backward(inputs.clone())
        ctx.mark_dirty(inputs)
        return inputs.mul_(2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0] * 2 * ctx.saved_tensors[0].sign().abs()


def custom_change_of_view() -> Built:
    """Change a view in place by a custom function."""
    weight = torch.randn(31, 43, requires_grad=True)
    hidden = weight * 3
    Doubled.apply(hidden[:7])
    return hidden.sin().mean(), (weight,)


def curvature() -> Built:
    """Multiply a Hessian by a vector, and keep what that takes."""
    net, inputs = nn.Sequential(nn.Linear(13, 23), nn.Tanh(), nn.Linear(23, 1)), torch.randn(29, 13)
    weights = list(net.parameters())
    grads = torch.autograd.grad(net(inputs).pow(2).mean(), weights, create_graph=True)
    product = torch.stack([(grad * grad.detach().sign()).sum() for grad in grads]).sum()
    return product.pow(2), (net, inputs)


def captured_by_hooks() -> Built:
    """Capture activations by forward hooks, some of them cut from their graph."""
    net, inputs = nn.Sequential(nn.Linear(31, 67), nn.Tanh(), nn.Linear(67, 5)), torch.randn(29, 31)
    captured: list[Tensor] = []
    net[0].register_forward_hook(lambda *args: captured.append(args[-1].detach()))
    net[1].register_forward_hook(lambda *args: captured.append(args[-1]))
    return net(inputs).pow(2).mean(), (net, inputs, captured)


def written_rows() -> Built:
    """Fill a buffer row by row, as loops over time do."""
    cell, inputs = nn.RNNCell(13, 23), torch.randn(6, 7, 13)
    hidden, rows = torch.zeros(7, 23), torch.zeros(6, 7, 23)
    for step, value in enumerate(inputs):
        hidden = cell(value, hidden)
        rows[step] = hidden * hidden.sigmoid()
        rows[step].mul_(hidden)
    return rows.exp().mean(), (cell, inputs)


EXACT: tuple[Builder, ...] = (
    mlp,
    kept_activations,
    residual,
    lstm,
    gru_steps,
    transformer,
    carried_state,
    two_heads,
    one_of_two_heads,
    adversarial,
    gradient_penalty,
    custom_function,
    checkpoints,
    reentrant_checkpoints,
    sparse_embedding,
    sparse_values,
    autocast,
    saved_on_cpu,
    attention,
    odds_and_ends,
    views,
    changed_views,
    unet,
    bidirectional_gru,
    variational,
    einsum_attention,
    fused_attention,
    tied_weights,
    mixture_of_experts,
    normed_weights,
    orthogonal_weights,
    fourier,
    nested_checkpoints,
    context_attributes,
    custom_change_of_view,
    curvature,
    captured_by_hooks,
    written_rows,
)
