"""Several processes of a launcher: each writes a profile of its own, and they merge into one."""

from __future__ import annotations

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


def test_ranks_under_torchrun(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PROGRAM)
    module = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python")
    launcher = (sys.executable, *module)
    program = (sys.executable, "-m", "graphlint", "run", "-q", "-o", "p.json", "train.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([*launcher, *program], cwd=tmp_path, env=environment, check=True)
    paths = [tmp_path / f"p.rank{rank}.json" for rank in (0, 1)]
    assert [Profile.load(path).rank for path in paths] == [0, 1]
    merged = load_run(paths)
    (site,) = merged.sites
    assert (site.row, site.passes, site.retained_passes, site.verdict) == (ROW, 7, 7, "unneeded")
    assert site.exclusive_bytes.max == BYTES
    assert (merged.world_size, merged.ranks) == (2, (0, 1))
