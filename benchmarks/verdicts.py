"""Record generated programs, and hold the recorder's verdicts to what running torch shows.

python benchmarks/verdicts.py --count 300 --seed 1
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
    parser = argparse.ArgumentParser(description="Score the recorder's verdicts on programs.")
    parser.add_argument("--count", type=int, default=300, help="how many programs")
    parser.add_argument("--seed", type=int, default=1, help="the first program's seed")
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from generated.grammar import generate
    from generated.recorded import compare

    warnings.simplefilter("ignore")
    started = time.perf_counter()
    seeds = range(options.seed, options.seed + options.count)
    compared = [each for seed in seeds for each in compare(generate(seed))]
    for title, cases in (
        ("calls that keep graphs", [each for each in compared if each.retains]),
        ("all calls", compared),
    ):
        right = sum(each.agrees for each in cases)
        print(f"{title}: {right} of {len(cases)} agree ({right / max(len(cases), 1):.2%})")
    wrong = [each for each in compared if not each.agrees]
    print(f"{time.perf_counter() - started:.1f} s\n\ndisagreements: {len(wrong)}")
    print("\n".join(map(str, wrong)))


if __name__ == "__main__":
    main()
