"""Memory of a training by the clips of its batch: what `--workers` is chosen by, and the estimate.

    python benchmarks/worker_memory.py [--presets fast paper] [--clips 1 2 4]
        [--precision bfloat16]

Takes a few steps of each preset on noise in a process of its own, with one thread, as a worker
does, and prints the peak of its resident memory beside what `worker_bytes` estimates.
"""

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import replace
from typing import Literal, TypeAlias

Precision: TypeAlias = Literal["float32", "bfloat16"]


def main() -> None:
    """Measure each preset with each number of clips, and print a row of Markdown for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="+", default=["fast", "paper"])
    parser.add_argument("--clips", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        print(json.dumps(measure(args.presets[0], args.clips[0], args.precision)))
        return
    print("| preset | clips of a worker | peak, MB | estimate, MB |\n|---|---|---|---|")
    for preset in args.presets:
        for clips in args.clips:
            command = [sys.executable, __file__, "--here"]
            command += ["--presets", preset, "--clips", str(clips)]
            command += ["--precision", args.precision]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
            peak, estimate = json.loads(ran.stdout)
            print(f"| {preset} | {clips} | {peak / 1e6:.0f} | {estimate / 1e6:.0f} |", flush=True)


def measure(preset: str, clips: int, precision: Precision) -> tuple[int, int]:
    """Train for a moment in this process; returns its peak and the estimate, in bytes."""
    import torch

    from oddframe.speed.torch_rows import measure_training
    from oddframe.training.settings import PRESETS
    from oddframe.training.workers import worker_bytes

    torch.set_num_threads(1)
    settings = PRESETS[preset]
    settings = replace(settings, training=replace(settings.training, batch_size=clips))
    measure_training(preset, settings, "cpu", precision, 0.1)
    # Linux counts in units of 1,024 bytes.
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, worker_bytes(settings, 1)


if __name__ == "__main__":
    main()
