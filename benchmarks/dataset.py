"""Train on a benchmark's normal part, evaluate on its test part, and print its row for `docs/benchmarks.md`.

    python benchmarks/dataset.py "Avenue Dataset" -o runs/avenue [--preset fast] [--seed 0] [--json]
        [-- flags passed on to oddframe train]

Takes every layout of `docs/data.md` that has a training part. A run folder that is there is resumed. Nothing is chosen
by looking at the test labels.
"""

import argparse
import json
import sys
from pathlib import Path

from oddframe.data.layouts import open_benchmark
from ped2 import run


def main() -> None:
    """Train, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="folder of the benchmark")
    parser.add_argument("-o", "--out", type=Path, required=True, help="run folder")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the row")
    parser.add_argument("more", nargs="*", help="flags passed on to oddframe train")
    args = parser.parse_args()
    benchmark = open_benchmark(args.dataset)
    if not benchmark.training:
        parser.error(f"{args.dataset} has no training part")
    flags = (
        ["--resume"] if (args.out / "settings.json").exists() else ["--preset", args.preset, "--seed", str(args.seed)]
    )
    trained, _ = run("train", *map(str, benchmark.training), "-o", str(args.out), *flags, *args.more)
    evaluated, _ = run("eval", str(args.dataset), "--model", str(args.out))
    if args.json:
        json.dump({"dataset": benchmark.name, "training": trained, "metrics": evaluated}, sys.stdout)
        print()
        return
    for notice in evaluated["notices"]:
        print(f"note: {notice}", file=sys.stderr)
    auc = {name: evaluated["auc"]["micro"][name] for name in ("raw", "per_video")}
    figures = " | ".join("-" if value is None else f"{value:.3f}" for value in auc.values())
    print(
        f"| {benchmark.name}, `{args.preset}`, seed {args.seed} | {figures} | {trained['seconds'] / 60:.0f} minutes |"
    )


if __name__ == "__main__":
    main()
