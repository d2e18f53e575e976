"""What watching a program costs: the CPU time of training steps, watched over unwatched.

python benchmarks/overhead.py [--rounds 15] [--only mlp conv transformer]

Every contender takes turns with the unwatched step, in one process and on one thread, in blocks of
steps; a ratio is the median over the rounds of a block's CPU time over that of the unwatched blocks
before and after it. The steps of the first table keep no graph, those of the second keep one each.
What a profiler does when it is entered and left is not counted. memray needs `pip install memray`.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import statistics
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Workload:
    """A model to train.

    Attributes:
        net: the model.
        optimizer: takes the steps.
        loss: runs the model and returns the loss.
        steps: how many steps a block has.
    """

    net: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[[], Tensor]
    steps: int

    def step(self, keep: bool) -> None:
        """Train one step."""
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward(retain_graph=keep)
        self.optimizer.step()


def mlp() -> Workload:
    """A step of about a quarter of a millisecond."""
    net = nn.Sequential(
        nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    inputs, targets = torch.randn(32, 32), torch.randint(10, (32,))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    return Workload(net, optimizer, lambda: F.cross_entropy(net(inputs), targets), 400)


class Block(nn.Module):
    """Two convolutions with batch norm, and a shortcut."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.shortcut = nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Run the block."""
        return F.relu(self.main(inputs) + self.shortcut(inputs), inplace=True)


def conv() -> Workload:
    """A residual convolutional net of eight blocks."""
    widths = (16, 16, 32, 32, 64, 64, 128, 128)
    blocks = [
        Block(inside, outside, 1 + (inside != outside))
        for inside, outside in zip((16, *widths), widths, strict=False)
    ]
    stem = nn.Conv2d(3, 16, 3, 1, 1)
    net = nn.Sequential(stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))
    images, targets = torch.randn(8, 3, 32, 32), torch.randint(10, (8,))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    return Workload(net, optimizer, lambda: F.cross_entropy(net(images), targets), 4)


def transformer() -> Workload:
    """A transformer encoder of four layers."""
    layer = nn.TransformerEncoderLayer(128, 4, 256, batch_first=True)
    net = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
    inputs = torch.randn(8, 64, 128)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    return Workload(net, optimizer, lambda: net(inputs).pow(2).mean(), 3)


WORKLOADS = (mlp, conv, transformer)
Watch = Callable[[Workload], AbstractContextManager[object]]


def graphlint_watch(**options: float | None) -> Watch:
    """Watch by one recorder for all blocks, as it would watch one long run."""
    import graphlint

    profiling = graphlint.profile(summary=False, **options)
    return lambda _: profiling


def torch_profiler(_: Workload) -> AbstractContextManager[object]:
    """Watch by torch's profiler, allocations included."""
    cpu = torch.profiler.ProfilerActivity.CPU
    return torch.profiler.profile(activities=[cpu], profile_memory=True)


@contextmanager
def mem_tracker(workload: Workload) -> Iterator[None]:
    """Watch by torch's MemTracker, which has to be reset between steps."""
    from torch.distributed._tools.mem_tracker import MemTracker

    tracker = MemTracker()
    tracker.track_external(workload.net, workload.optimizer)
    handle = workload.optimizer.register_step_post_hook(lambda *_: tracker.reset_mod_stats())
    with tracker:
        yield
    handle.remove()


def saved_tensor_hooks(_: Workload) -> AbstractContextManager[object]:
    """Watch by hooks on saved tensors that do nothing."""
    return torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor)


@contextmanager
def memray(_: Workload) -> Iterator[None]:
    """Watch by memray, which writes every allocation to a file."""
    from memray import Tracker

    with tempfile.TemporaryDirectory() as folder, Tracker(Path(folder) / "memray.bin"):
        yield


@contextmanager
def traced_allocations(_: Workload) -> Iterator[None]:
    """Watch by tracemalloc, which sees Python's own allocations only."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


def contenders() -> dict[str, Watch]:
    """Return everything that watches, by name."""
    watches: dict[str, Watch] = {
        "graphlint": graphlint_watch(),
        "graphlint, overhead=None": graphlint_watch(overhead=None),
        "torch.profiler, memory": torch_profiler,
        "MemTracker": mem_tracker,
        "saved-tensor hooks": saved_tensor_hooks,
        "tracemalloc": traced_allocations,
    }
    if importlib.util.find_spec("memray"):
        watches["memray"] = memray
    return watches


def cpu_time(workload: Workload, watch: Watch, keep: bool) -> float:
    """Return the CPU time of a block of steps, in seconds a step."""
    with watch(workload):
        workload.step(keep)  # what is done once in every block is not a step's
        started = time.process_time()
        for _ in range(workload.steps):
            workload.step(keep)
        return (time.process_time() - started) / workload.steps


def measure(
    workload: Workload, watches: dict[str, Watch], rounds: int, keep: bool
) -> tuple[float, dict[str, float]]:
    """Return the unwatched step's seconds, and each contender's ratio to it."""

    def plain(_: Workload) -> AbstractContextManager[object]:
        return nullcontext()

    for watch in (plain, *watches.values()):
        cpu_time(workload, watch, keep)
    unwatched = []
    ratios: dict[str, list[float]] = {name: [] for name in watches}
    for _ in range(rounds):
        before = cpu_time(workload, plain, keep)
        for name, watch in watches.items():
            watched = cpu_time(workload, watch, keep)
            after = cpu_time(workload, plain, keep)
            ratios[name].append(watched / ((before + after) / 2))
            unwatched.append(before)
            before = after
    medians = {name: statistics.median(values) for name, values in ratios.items()}
    return statistics.median(unwatched), medians


def table(names: list[str], rounds: int, keep: bool) -> str:
    """Return a Markdown table, a row for each contender."""
    columns = []
    for build in WORKLOADS:
        if build.__name__ in names:
            torch.manual_seed(0)
            seconds, ratios = measure(build(), contenders(), rounds, keep)
            columns.append((f"{build.__name__}, {seconds * 1e3:.2f} ms", ratios))
    step = "a step that keeps its graph" if keep else "a step that keeps nothing"
    head = f"| {step} | " + " | ".join(title for title, _ in columns) + " |"
    rows = [
        f"| {name} | " + " | ".join(f"{ratios[name]:.3f}" for _, ratios in columns) + " |"
        for name in columns[0][1]
    ]
    return "\n".join([head, "|---" * (len(columns) + 1) + "|", *rows])


def main() -> None:
    """Run the benchmark as the command line asks."""
    names = [build.__name__ for build in WORKLOADS]
    parser = argparse.ArgumentParser(description="Compare what watching a program costs.")
    parser.add_argument("--rounds", type=int, default=15, help="blocks of each contender")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="which models")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for keep in (False, True):
        print(table(options.only, options.rounds, keep), end="\n\n", flush=True)
    found = [name for name in ("torch", "memray") if importlib.util.find_spec(name)]
    print(f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in found))


if __name__ == "__main__":
    main()
