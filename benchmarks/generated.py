"""Lint generated programs, judge them by running torch, and print the scores.

python benchmarks/generated.py --count 500 --seed 1 [--show-misses]
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Run the benchmark as the command line asks."""
    parser = argparse.ArgumentParser(description="Score graphlint on generated programs.")
    parser.add_argument("--count", type=int, default=500, help="how many programs")
    parser.add_argument("--seed", type=int, default=1, help="the first program's seed")
    parser.add_argument("--show-misses", action="store_true", help="list misses and false findings")
    parser.add_argument("--show", type=int, metavar="SEED", help="print one program and stop")
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from generated.grammar import generate
    from generated.score import score

    if options.show is not None:
        for name, text in generate(options.show).files.items():
            print(f"# ---- {name}", text, sep="\n")
        return
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    scores = score(generate(options.seed + index) for index in range(options.count))
    print(scores)
    print(f"{time.perf_counter() - started:.1f} s")
    if options.show_misses:
        for title, notes in (("false findings", scores.false), ("misses", scores.misses)):
            print(f"\n{title}: {len(notes)}")
            print("\n".join(map(str, notes)))


if __name__ == "__main__":
    main()
