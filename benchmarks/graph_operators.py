"""Where an exported graph spends its time, and whether another one is faster and says the same.

    python benchmarks/graph_operators.py runs/door/bundle/model.onnx [OTHER.onnx ...] [--times 25]

ONNX Runtime in one thread, one clip of noise. Of the first graph it prints the time by kind of
operator; with others all of them take turns, in milliseconds of this thread, and each is compared
with the first: the largest difference of its outputs as a part of theirs.
"""

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime

from oddframe._types import Pixels
from oddframe.inference.scorer import CLIPS, PARTS


def main() -> None:
    """Time the graphs, compare their outputs, and print both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("graphs", nargs="+", type=Path)
    parser.add_argument("--times", type=int, default=25)
    args = parser.parse_args()
    sessions = [session(path) for path in args.graphs]
    shape = [1, *sessions[0].get_inputs()[0].shape[1:]]
    clip = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    by_kind = operators(args.graphs[0], clip, args.times)
    total = sum(by_kind.values())
    for kind, spent_us in by_kind.most_common(12):
        print(f"{kind:<20} {spent_us:8.0f} us {spent_us / total:6.1%}")
    first, took = run(sessions[0], clip), defaultdict(list)
    for _ in range(args.times):
        for path, one in zip(args.graphs, sessions, strict=True):
            began = time.thread_time()
            run(one, clip)
            took[path].append(1e3 * (time.thread_time() - began))
    for path, one in zip(args.graphs, sessions, strict=True):
        pairs = zip(first, run(one, clip), strict=True)
        off = max(float((np.abs(a - b) / np.maximum(np.abs(a), 1e-12)).max()) for a, b in pairs)
        print(f"{path}: {median(took[path]):.1f} ms a clip; off by {off:.2g} at most")


def session(path: Path, profile: str | None = None) -> Any:
    """A graph, loaded for one clip and one thread."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.add_free_dimension_override_by_name("batch", 1)
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, profile
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(graph: Any, clip: Pixels) -> list[Any]:
    """The outputs of a graph for a clip."""
    outputs: list[Any] = graph.run(list(PARTS), {CLIPS: clip})
    return outputs


def operators(path: Path, clip: Pixels, times: int) -> Counter[str]:
    """Microseconds a clip by kind of operator: the sums of each operator's median."""
    with tempfile.TemporaryDirectory() as folder:
        profiled = session(path, str(Path(folder) / "profile"))
        for _ in range(times):
            run(profiled, clip)
        events = json.loads(Path(profiled.end_profiling()).read_text())
    spent = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"], event["name"]].append(event["dur"])
    by_kind: Counter[str] = Counter()
    for (kind, _), each in spent.items():
        by_kind[kind] += median(each)
    return by_kind


if __name__ == "__main__":
    main()
