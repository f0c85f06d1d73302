"""One recipe on every camera of a panel, with plain baselines beside its figures.

    ODDFRAME_PANEL=... python benchmarks/panel.py -o runs/panel [--cameras ped2 ped1 upcam]
        [--preset fast] [--settings RECIPE.toml] [--seeds 0 1 2] [--budget 1/day] [--workers N]

The panel is a folder with a folder for each camera. One with labels is a benchmark in any layout
that `oddframe eval` knows: its figure is the frame AUC, raw / per video. One with `training/` and
`later/` and no labels is for the promise: the alarms in what was recorded later, counted for each
recording. Trainings are resumed, and what has figures is not done again: each camera and seed has
one JSON file, so calls may be stopped and may run beside each other. Every trained network is
scored in each of the ways of `SCORINGS`, which need no other training. At the end all figures of
the recipe are printed in Markdown, with mean and spread over seeds. The test labels give the
figures; nothing is chosen here.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from oddframe.bundle.bundle import find_bundle, read_bundle
from oddframe.datasets.layouts import open_benchmark
from oddframe.inference.loading import load
from oddframe.media.discovery import open_source
from oddframe.media.source import FrameFormat
from oddframe.metrics.frame import frame_metrics
from oddframe.tasks.demo import BASELINES, FrameDifference
from oddframe.tasks.evaluate import evaluate
from oddframe.tasks.train import train
from oddframe.training.settings import PRESETS, Settings, read_settings

AS_TRAINED = "as trained"
SCORINGS: Mapping[str, Mapping[str, Any]] = {
    AS_TRAINED: {},
    "not levelled": {"perspective": 0.0},
    "plain means of the map, not levelled": {
        "mean_power": 1.0,
        "score_power": 1.0,
        "perspective": 0.0,
    },
    "motion error alone in the map": {"appearance_weight": 0.0},
}
"""Ways to score a trained network: what each changes in the settings of its network."""


def main() -> None:
    """Train and measure what has no figures yet, then print all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--panel", type=Path, default=os.environ.get("ODDFRAME_PANEL"))
    parser.add_argument("--cameras", nargs="+", help="names of folders; all without it")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--settings", type=Path, help="a settings file over the preset")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budget", default="1/day", help="where alarms are counted")
    parser.add_argument("--workers", type=int)
    args = parser.parse_args()
    if args.panel is None or not args.panel.is_dir():
        raise SystemExit("$ODDFRAME_PANEL or --panel must name the folder of the cameras")
    settings = PRESETS[args.preset]
    recipe = args.preset
    if args.settings is not None:
        settings, recipe = read_settings(args.settings, settings), args.settings.stem
    cameras = args.cameras or sorted(path.name for path in args.panel.iterdir() if path.is_dir())
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in args.seeds:
        seeded = replace(settings, training=replace(settings.training, seed=seed))
        for camera in cameras:
            run = args.out / recipe / f"{camera}-{seed}"
            figures = measure(args.panel / camera, run, seeded, args.budget, args.workers)
            found.setdefault(camera, []).append(figures)
    print_table(recipe, found)


def measure(
    camera: Path, run: Path, settings: Settings, budget: str, workers: int | None
) -> dict[str, Any]:
    """Train on a camera and measure, or take the figures that are there."""
    path = run.with_suffix(".json")
    if path.exists():
        known: dict[str, Any] = json.loads(path.read_text())
        return known
    run.parent.mkdir(parents=True, exist_ok=True)
    unlabelled = (camera / "later").is_dir()
    footage = [camera / "training"] if unlabelled else open_benchmark(camera).training
    began = time.monotonic()
    # A training that is resumed has its settings, its footage and its workers in its folder.
    resume = (run / "settings.json").exists()
    report = train(
        footage,
        run,
        settings=None if resume else settings,
        workers=None if resume else workers,
        false_alarms=budget,
        resume=resume,
    )
    figures: dict[str, Any] = {
        "camera": camera.name,
        "settings": settings.as_dict(),
        "training_s": round(time.monotonic() - began),
        "share_used": report.share,
        "notices": report.notices,
    }
    figures |= alarms(camera, run, budget) if unlabelled else accuracy(camera, run)
    path.write_text(json.dumps(figures, indent=2))
    print(f"{run.name}: {json.dumps(figures.get('auc', figures.get('alarms')))}", flush=True)
    return figures


def accuracy(camera: Path, run: Path) -> dict[str, Any]:
    """Frame AUC, raw and per video, of each scoring and of both plain baselines; all of eval."""
    bundle = read_bundle(find_bundle(run))
    auc, whole = {}, {}
    for name, changes in SCORINGS.items():
        config = replace(bundle.network.config, **changes)
        # The calibration is that of another score: it has no part in these figures.
        scored = replace(bundle, network=replace(bundle.network, config=config), graphs={})
        model = load(bundle if name == AS_TRAINED else scored, backend="torch", device="cpu")
        whole[name] = evaluate(camera, model).as_dict()
        micro = whole[name]["auc"]["micro"]
        auc[name] = (micro["raw"], micro["per_video"])
    return {"auc": auc, "baselines": baselines(camera), "evaluated": whole}


def baselines(camera: Path) -> dict[str, tuple[float, float]]:
    """Frame AUC, raw and per video, of both plain frame differences at 10 frames a second."""
    benchmark = open_benchmark(camera)
    values: dict[str, list[Any]] = {}
    for video in benchmark.testing:
        difference = FrameDifference()
        source = open_source(video.path, 10.0)
        wanted = FrameFormat(384, 256, "rgb")
        values[video.name] = [difference.add(frame.pixels) for frame in source.frames(wanted)]
    labels = {video.name: video.labels for video in benchmark.testing}
    found = {}
    for number, name in enumerate(BASELINES):
        scores = {video: np.array(rows)[:, number] for video, rows in values.items()}
        micro = frame_metrics(scores, labels).as_dict()["auc"]["micro"]
        found[name] = (micro["raw"], micro["per_video"])
    return found


def alarms(camera: Path, run: Path, budget: str) -> dict[str, Any]:
    """The events in each recording of later, with what the calibration promised."""
    model = load(find_bundle(run))
    # What was counted is kept, since a day takes long.
    kept = run / "alarms.json"
    counted: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    for recording in sorted((camera / "later").iterdir()):
        if recording.name in counted:
            continue
        counted[recording.name] = [
            {"start_s": event.start_s, "end_s": event.end_s, "reason": event.reason}
            for event in model.events(recording)
        ]
        kept.write_text(json.dumps(counted, indent=2))
    calibration = model.bundle.calibration
    return {
        "budget": budget,
        "promised_per_hour": (calibration.rate_low, calibration.rate_high),
        "hours_calibrated": calibration.hours,
        "alarms": sum(map(len, counted.values())),
        "recordings": counted,
    }


def print_table(recipe: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Print a row for each camera and scoring."""
    print(f"\n| camera | seeds | scored by | raw | per video |\n|{'---|' * 5}")
    for camera, runs in found.items():
        labelled = [run for run in runs if "auc" in run]
        if labelled:
            for name, (raw, per_video) in labelled[0]["baselines"].items():
                print(f"| {camera} | - | plain: {name} | {raw:.3f} | {per_video:.3f} |")
            for name in labelled[0]["auc"]:
                columns = zip(*(run["auc"][name] for run in labelled), strict=True)
                cells = " | ".join(spread(column) for column in columns)
                print(f"| {camera} | {len(labelled)} | {recipe}, {name} | {cells} |")
        for run in runs:
            if "alarms" in run:
                low, high = run["promised_per_hour"]
                counted = f"{run['alarms']} alarms in {len(run['recordings'])} recordings"
                promised = f"{low:.3g} to {high:.3g} an hour promised"
                print(f"| {camera} | 1 | {recipe}, {run['budget']} | {counted} | {promised} |")


def spread(values: Sequence[float]) -> str:
    """The mean, and the standard deviation where there are several."""
    mean = f"{statistics.fmean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.3f}"


if __name__ == "__main__":
    main()
