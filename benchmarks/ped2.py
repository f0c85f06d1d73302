"""Train on UCSD Ped2 and evaluate, as a user would: two commands, timed, with the peak memory of each.

    ODDFRAME_PED2=/path/to/ped2 python benchmarks/ped2.py -o runs/ped2-fast [--preset fast] [--seed 0] [--json]
        [-- flags passed on to oddframe train]

A run folder that is there is resumed. Nothing is chosen by looking at the test labels.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any


def run(*arguments: str) -> tuple[dict[str, Any], float]:
    """The JSON of an oddframe command, and the peak resident memory in MB of the commands so far."""
    command = [sys.executable, "-m", "oddframe", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return json.loads(done.stdout), peak_mb


def main() -> None:
    """Train, score one test folder, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, required=True, help="run folder")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("more", nargs="*", help="flags passed on to oddframe train")
    args = parser.parse_args()
    ped2 = Path(os.environ["ODDFRAME_PED2"])
    flags = (
        ["--resume"] if (args.out / "settings.json").exists() else ["--preset", args.preset, "--seed", str(args.seed)]
    )
    trained, train_mb = run("train", str(ped2 / "training" / "frames"), "-o", str(args.out), *flags, *args.more)
    evaluated, _ = run("eval", str(ped2), "--model", str(args.out))
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("oddframe", "torch", "numpy", "av")},
        "preset": args.preset,
        "seed": args.seed,
        "train_seconds": trained["seconds"],
        "train_steps": trained["steps"],
        "train_peak_mb": round(train_mb),
        "eval_seconds": evaluated["seconds"],
        "in_sample": trained["in_sample"],
        "metrics": evaluated,
    }
    if args.json:
        json.dump(result, sys.stdout)
        print()
        return
    print(f"{result['machine']}; {result['versions']}; preset {args.preset}, seed {args.seed}")
    print(f"training {trained['seconds']:.0f} s, {trained['steps']} steps, peak memory {train_mb:.0f} MB")
    print(f"evaluation {evaluated['seconds']:.0f} s for {evaluated['frames_total']} frames")
    for pool, figures in evaluated["auc"].items():
        print(pool, {name: None if value is None else round(value, 4) for name, value in figures.items()})


if __name__ == "__main__":
    main()
