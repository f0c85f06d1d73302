"""How hard the drawn scene is: the frame AUC of plain motion energy on its test recordings.

Two baselines per frame, on clips of 5 frames in grey [0, 1]: the mean of |x4 - x0| and the mean of
its top 1 %. AUCs are raw: one threshold for all recordings, all frames pooled. A kind's AUC
compares the frames that show it with all normal frames.

    python benchmarks/scene_difficulty.py [--width 320 --height 192] [--json]
"""

import argparse
import json
import os
import platform
import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
import sklearn
from sklearn.metrics import roc_auc_score

from oddframe.synthetic.scene import TEST_RECORDINGS, DrawnRecording, SceneSettings
from oddframe.synthetic.script import KINDS
from oddframe.tasks.demo import BASELINES, FrameDifference


def baselines(
    recording: DrawnRecording, settings: SceneSettings
) -> tuple[npt.NDArray[np.float64], list[set[str]]]:
    """Both baselines (N x 2) of each frame that ends a clip, and the kinds visible in it."""
    difference = FrameDifference()
    energies, kinds = [], []
    for frame in recording.draw(settings):
        energies.append(difference.add(frame.pixels))
        kinds.append({box.kind for box in frame.boxes})
    return np.asarray(energies, np.float64)[4:], kinds[4:]


def measure(settings: SceneSettings) -> dict[str, Any]:
    """AUC of both baselines, overall and per kind, and the share of abnormal frames."""
    begin = time.perf_counter()
    parts = [baselines(recording, settings) for recording in TEST_RECORDINGS]
    seconds = time.perf_counter() - begin
    energy = np.concatenate([part for part, _ in parts])
    kinds = [shown for _, part in parts for shown in part]
    normal = np.array([not shown for shown in kinds])

    def auc(positive: npt.NDArray[np.bool_]) -> list[float]:
        use = positive | normal
        return [float(roc_auc_score(positive[use], energy[use, k])) for k in range(2)]

    rows = {"all kinds": auc(~normal)}
    for kind in KINDS:
        rows[kind] = auc(np.array([kind in shown for shown in kinds]))
    return {
        "layout": settings.layout,
        "size": [settings.width, settings.height],
        "frames": len(kinds),
        "abnormal": float((~normal).mean()),
        "auc": {name: dict(zip(BASELINES, values, strict=True)) for name, values in rows.items()},
        "frames_per_second": sum(r.frames for r in TEST_RECORDINGS) / seconds,
    }


def main() -> None:
    """Measure both layouts and print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object instead of the table"
    )
    args = parser.parse_args()
    results = [
        measure(SceneSettings(layout=name, width=args.width, height=args.height))
        for name in ("plaza", "station")
    ]
    about = {
        "seeds": [recording.seed for recording in TEST_RECORDINGS],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "pillow": PIL.__version__,
    }
    if args.json:
        json.dump({"about": about, "results": results}, sys.stdout, indent=2)
        print()
        return
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    for result in results:
        print(
            f"\n{result['layout']} at {args.width} x {args.height}: {result['frames']} frames "
            f"scored, {result['abnormal']:.0%} abnormal, drawn and measured at "
            f"{result['frames_per_second']:.0f} frames/s"
        )
        print(f"{'raw AUC':<12}{BASELINES[0]:>10}{BASELINES[1]:>10}")
        for name, values in result["auc"].items():
            print(f"{name:<12}" + "".join(f"{values[baseline]:>10.3f}" for baseline in BASELINES))


if __name__ == "__main__":
    main()
