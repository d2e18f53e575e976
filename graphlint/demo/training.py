"""Three small training loops, each with a mistake about the graphs that it keeps.

`graphlint demo` lints this script and runs it under the recorder. All three loops run without an
error and learn as they should; they hold more memory than they need to.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

BATCH = 64
STEPS = 3


def network(inputs: int, outputs: int) -> nn.Sequential:
    """Return a network with two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, outputs)
    )


def train_gan() -> None:
    """Train a generator against a critic.

    The critic's pass once ran through the generator too, and had to keep its graph for the
    generator's pass. Then `detach()` was added, and the flag stayed.
    """
    generator = network(32, 128)
    critic = network(128, 1)
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    for _ in range(STEPS):
        real = torch.randn(BATCH, 128)
        fake = generator(torch.randn(BATCH, 32))

        critic_optimizer.zero_grad()
        critic_loss = F.softplus(critic(fake.detach())).mean() + F.softplus(-critic(real)).mean()
        critic_loss.backward(retain_graph=True)
        critic_optimizer.step()

        generator_optimizer.zero_grad()
        generator_loss = F.softplus(-critic(fake)).mean()
        generator_loss.backward()
        generator_optimizer.step()


def train_with_two_losses() -> None:
    """Train one encoder for two tasks.

    The first loss has to keep the encoder's graph for the second. The second keeps it for nobody.
    """
    encoder = network(128, 256)
    decoder = nn.Linear(256, 128)
    head = nn.Linear(256, 10)
    parameters = [*encoder.parameters(), *decoder.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=1e-2)
    for _ in range(STEPS):
        inputs = torch.randn(BATCH, 128)
        labels = torch.randint(10, (BATCH,))
        features = encoder(inputs)
        losses = [F.mse_loss(decoder(features), inputs), F.cross_entropy(head(features), labels)]

        optimizer.zero_grad()
        for loss in losses:
            loss.backward(retain_graph=True)
        optimizer.step()


def train_recurrent() -> None:
    """Train a recurrent cell on long sequences, a chunk at a time.

    The hidden state is carried into the next chunk without `detach()`: each pass walks back through
    all chunks so far, and the flag is there because the pass raised without it.
    """
    cell = nn.GRUCell(64, 128)
    head = nn.Linear(128, 64)
    optimizer = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(STEPS):
        sequence = torch.randn(16, BATCH, 64)
        hidden = torch.zeros(BATCH, 128)
        optimizer.zero_grad()
        for i in range(len(sequence) - 1):
            hidden = cell(sequence[i], hidden)
            loss = F.mse_loss(head(hidden), sequence[i + 1])
            loss.backward(retain_graph=True)
        optimizer.step()


def main() -> None:
    """Run the three loops."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    train_gan()
    train_with_two_losses()
    train_recurrent()


if __name__ == "__main__":
    main()
