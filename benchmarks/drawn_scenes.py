"""Whether a recipe suits more than one camera: the demo's training on both drawn scenes.

    python benchmarks/drawn_scenes.py -o runs/drawn-scenes [--settings RECIPE.toml] [--seed 1]
        [--json]

The preset `fast` at half the size and 1,800 steps, as `oddframe demo` has it, on the plaza and on
the station. AUCs are raw: one threshold for all recordings, all scored frames pooled. A kind's AUC
compares the frames that show it with all normal frames. Beside them the better one of two plain
frame differences, for each kind on its own.
"""

import argparse
import csv
import json
import os
import platform
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from oddframe.synthetic.scene import TEST_RECORDINGS, SceneSettings
from oddframe.synthetic.script import KINDS
from oddframe.tasks.demo import STEPS, FrameDifference, demo_settings, run_demo
from oddframe.training.settings import PRESETS, Settings, read_settings

Floats = npt.NDArray[np.float64]


def raw_scores(path: Path) -> Floats:
    """The raw scores of a table, NaN where a frame has none."""
    with path.open(newline="") as file:
        return np.array([float(row["raw"] or "nan") for row in csv.DictReader(file)])


def kinds_and_baselines(scene: SceneSettings) -> tuple[list[set[str]], Floats]:
    """The kinds that each frame of the test recordings shows, and both frame differences, N x 2."""
    kinds, energies = [], []
    for recording in TEST_RECORDINGS:
        difference = FrameDifference()
        for frame in recording.draw(scene):
            kinds.append({box.kind for box in frame.boxes})
            energies.append(difference.add(frame.pixels))
    return kinds, np.asarray(energies, np.float64)


def measure(scene: SceneSettings, start: Settings, out: Path, steps: int) -> dict[str, Any]:
    """Train and score one scene."""
    layout = scene.layout
    report = run_demo(out / layout, settings=demo_settings(steps, start), scene=scene)
    kinds, energy = kinds_and_baselines(scene)
    ours = np.concatenate(
        [raw_scores(out / layout / "results" / f"{one.name}.scores.csv") for one in TEST_RECORDINGS]
    )
    known = np.isfinite(ours) & np.isfinite(energy).all(axis=1)
    normal = np.array([not shown for shown in kinds])

    def auc(positive: npt.NDArray[np.bool_]) -> list[float]:
        use = known & (positive | normal)
        columns = (ours, *energy.T)
        return [round(float(roc_auc_score(positive[use], column[use])), 4) for column in columns]

    rows = {"all kinds": auc(~normal)}
    for kind in KINDS:
        rows[kind] = auc(np.array([kind in shown for shown in kinds]))
    return {"layout": layout, "frames": int(known.sum()), "auc": rows, "demo": report.as_dict()}


def main() -> None:
    """Measure both layouts and print a table, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the two demos")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object instead of the table"
    )
    parser.add_argument(
        "--layouts", nargs="+", choices=("plaza", "station"), default=["plaza", "station"]
    )
    parser.add_argument("--settings", type=Path, help="a settings file over the preset")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=SceneSettings().width)
    parser.add_argument("--height", type=int, default=SceneSettings().height)
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps")
    args = parser.parse_args()
    scenes = [
        SceneSettings(layout=layout, width=args.width, height=args.height)
        for layout in args.layouts
    ]
    start = PRESETS["fast"]
    if args.settings is not None:
        start = read_settings(args.settings, start)
    start = replace(start, training=replace(start.training, seed=args.seed))
    results = [measure(scene, start, args.out, args.steps) for scene in scenes]
    about = {name: version(name) for name in ("oddframe", "torch", "numpy", "av")}
    if args.json:
        json.dump({"about": about, "results": results}, sys.stdout, indent=2)
        print()
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores; {about}; {args.settings or 'fast'}")
    print("\n| raw AUC | " + " | ".join(f"{one['layout']} | baseline" for one in results) + " |")
    print("|---|" + "---|" * 2 * len(results))
    for kind in results[0]["auc"]:
        cells = (f"{one['auc'][kind][0]:.3f} | {max(one['auc'][kind][1:]):.3f}" for one in results)
        print(f"| {kind} | " + " | ".join(cells) + " |")
    for one in results:
        print(one["layout"], one["frames"], "frames scored;", one["demo"])


if __name__ == "__main__":
    main()
