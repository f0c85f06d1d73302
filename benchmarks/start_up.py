"""How long it takes to start: `oddframe --help`, and the first score with ONNX Runtime.

    python benchmarks/start_up.py [--model ped2] [--times 5]

Each is a process of its own, on a recording that is drawn here. Times are wall-clock seconds of the
whole process, the median of some after one that nobody counts (it fills the system's page cache);
the score's is of a file with one clip.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from oddframe.media.video_writer import VideoWriter

LIMITS_S = {"help": 0.3, "first score": 3.0}


def main() -> None:
    """Measure, print a line of JSON, and leave with 1 where a limit is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="ped2")
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    program = str(Path(sys.executable).with_name("oddframe"))
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "short.mp4"
        random = np.random.default_rng(0)
        with VideoWriter(video, 10.0, (360, 240)) as writer:
            for _ in range(9):
                writer.write(random.integers(0, 256, (240, 360, 3), dtype=np.uint8))
        score = [
            program,
            "score",
            str(video),
            "-m",
            args.model,
            "-o",
            f"{folder}/out",
            "--backend",
            "onnx",
        ]
        commands = {"help": [program, "--help"], "first score": [*score, "--no-health", "--json"]}
        took = {name: timed(command, args.times) for name, command in commands.items()}
    print(
        json.dumps(
            {
                name: {"seconds": round(took[name], 3), "limit": limit}
                for name, limit in LIMITS_S.items()
            }
        )
    )
    sys.exit(any(took[name] > limit for name, limit in LIMITS_S.items()))


def timed(command: list[str], times: int) -> float:
    """Median seconds of a command."""
    found = []
    for _ in range(times + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    return statistics.median(found[1:])


if __name__ == "__main__":
    main()
