"""Several processes of a launcher: each writes a profile of its own, and they merge into one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from graphlint.profiles import Profile
from graphlint.profiles.merging import load_run

ROOT = Path(__file__).parents[2]
PROGRAM = """\
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
net = DistributedDataParallel(torch.nn.Linear(4, 4))
for _ in range(3 + dist.get_rank()):
    with net.no_sync():
        loss = net(torch.ones(3, 4)).exp().mean()
        loss.backward(retain_graph=True)
dist.destroy_process_group()
"""
ROW, BYTES = 10, 2 * 3 * 4 * 4  # `exp` and the linear layer save a matrix each


MEASURING = """\
import gc
import json
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from graphlint.runtime.allocator import bytes_freed_by_passes
from graphlint.runtime.sizes import measure

dist.init_process_group("gloo")
net = nn.Sequential(nn.Linear(31, 67), nn.Tanh(), nn.LayerNorm(67), nn.Linear(67, 5))
net = DistributedDataParallel(net)

def reduced():
    inputs = torch.randn(29 + dist.get_rank(), 31)
    return net(inputs).pow(2).mean(), inputs

def not_reduced():
    with net.no_sync():
        return reduced()

def measured(build):
    loss, keep = build()
    loss.backward(retain_graph=True)
    gc.collect()
    return measure(loss).exclusive_bytes

builds = (reduced, not_reduced)
for build in builds:
    build()[0].backward()
freed = bytes_freed_by_passes(builds)
figures = [measured(build) for build in builds], [freed[build.__name__] for build in builds]
Path(f"bytes.rank{dist.get_rank()}.json").write_text(json.dumps(figures))
dist.destroy_process_group()
"""


def launch(folder: Path, *program: str) -> None:
    """Run a program as two ranks."""
    module = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python")
    launcher = (sys.executable, *module, sys.executable)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([*launcher, *program], cwd=folder, env=environment, check=True, timeout=300)


def test_ranks_under_torchrun(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PROGRAM)
    launch(tmp_path, "-m", "graphlint", "run", "-q", "-o", "p.json", "train.py")
    paths = [tmp_path / f"p.rank{rank}.json" for rank in (0, 1)]
    assert [Profile.load(path).rank for path in paths] == [0, 1]
    merged = load_run(paths)
    (site,) = merged.sites
    assert (site.row, site.passes, site.retained_passes, site.verdict) == (ROW, 7, 7, "unneeded")
    assert site.exclusive_bytes.max == BYTES
    assert (merged.world_size, merged.ranks) == (2, (0, 1))


def test_bytes_under_data_parallelism_are_exact(tmp_path: Path) -> None:
    (tmp_path / "measure.py").write_text(MEASURING)
    launch(tmp_path, "measure.py")
    paths = [tmp_path / f"bytes.rank{rank}.json" for rank in (0, 1)]
    figures = [json.loads(path.read_text()) for path in paths]
    assert all(measured == freed for measured, freed in figures)
    first, second = (measured for measured, _ in figures)
    assert 0 < first[0] < second[0]  # the second rank's batch has a row more
