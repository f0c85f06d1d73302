"""Whether the speed of one checkout holds against another: `oddframe bench` of both, in turn.

    git worktree add ../old 462801c
    python benchmarks/compare_versions.py ../old [--pairs 7] [--seconds 4] [--preset fast]
        [--model ../old/src/oddframe/models/ped2] [--backend torch]

Both run with the Python and the packages of this environment. Machines are noisy: what is quoted
is the median of the ratios new / old, pair by pair, for each row and rate.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

NEW = Path(__file__).resolve().parents[1]
RATES = ("fps_end_to_end", "fps_inference")


def main() -> None:
    """Run the pairs and print a line of JSON for each, then one with the median ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path, help="the other checkout")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each row is measured")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--model", help="a bundle to measure in place of an untrained preset")
    parser.add_argument("--backend", default="auto", help="auto: all that are installed")
    args = parser.parse_args()
    what = ["--model", args.model] if args.model else ["--preset", args.preset]
    command = [*what, "--seconds", str(args.seconds), "--backend", args.backend]
    ratios: dict[str, list[float]] = {}
    for pair in range(args.pairs):
        # Whoever comes second finds a warmer machine, so the order changes from pair to pair.
        order = [args.old.resolve(), NEW] if pair % 2 == 0 else [NEW, args.old.resolve()]
        found = {tree: rates(tree, command) for tree in order}
        of_pair = {
            name: rate / found[args.old.resolve()][name] for name, rate in found[NEW].items()
        }
        for name, ratio in of_pair.items():
            ratios.setdefault(name, []).append(ratio)
        print(json.dumps({name: round(ratio, 4) for name, ratio in of_pair.items()}), flush=True)
    print(json.dumps({name: round(statistics.median(all_), 4) for name, all_ in ratios.items()}))


def rates(tree: Path, command: list[str]) -> dict[str, float]:
    """Frames per second of each row of `oddframe bench`, run from a checkout."""
    ran = subprocess.run(
        [sys.executable, "-m", "oddframe", "bench", *command, "--no-training", "--json"],
        # The source of the checkout goes before the installed one.
        env={**os.environ, "PYTHONPATH": str(tree / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    rows: list[dict[str, Any]] = json.loads(ran.stdout)["rows"]
    return {
        f"{row['preset']} {row['backend']} {row['precision']} {rate}": float(row[rate])
        for row in rows
        for rate in RATES
    }


if __name__ == "__main__":
    main()
