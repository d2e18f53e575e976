"""Lint each file of some folders on its own, and tell which take the longest.

python benchmarks/files.py CHECKOUTS [--jobs 2] [--slowest 10]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, order=True)
class Timing:
    """What linting one file took.

    Attributes:
        seconds: CPU time of the process, in seconds.
        path: the file.
        errors: what the linter failed with.
    """

    seconds: float
    path: str
    errors: tuple[str, ...] = ()


def lint_alone(path: str) -> Timing:
    """Lint one file without the rest of its project."""
    from graphlint.linting import lint_paths
    from graphlint.source.config import Config

    started = time.process_time()
    result = lint_paths([path], Config())
    errors = tuple(error.message for error in result.errors)
    return Timing(time.process_time() - started, path, errors)


def main() -> None:
    """Run the benchmark as the command line asks."""
    parser = argparse.ArgumentParser(description="Time graphlint on single files.")
    parser.add_argument("folder", type=Path, help="where the files lie, at any depth")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many processes")
    parser.add_argument("--slowest", type=int, default=10, help="how many files to list")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from graphlint.source.config import Config
    from graphlint.source.discover import discover

    files = discover([options.folder], Config())
    with ProcessPoolExecutor(options.jobs, max_tasks_per_child=200) as pool:
        timings = sorted(pool.map(lint_alone, files, chunksize=20), reverse=True)
    print(f"{len(timings)} files, {sum(each.seconds for each in timings):.0f} s of CPU time")
    for each in timings[: options.slowest]:
        print(f"{each.seconds:6.2f} s  {each.path}")
    failed = [each for each in timings if each.errors]
    print(f"failures: {len(failed)}")
    for each in failed:
        print(f"{each.path}: {'; '.join(each.errors)}")


if __name__ == "__main__":
    main()
