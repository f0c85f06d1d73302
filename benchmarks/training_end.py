"""The seconds of each stage of a training, and what its end takes beside its steps.

    python benchmarks/training_end.py NORMAL... -o FOLDER [--steps 400] [--cache-gb 0.2]
        [--calibration-minutes 1] [--preset fast | --config SETTINGS]

A stage lasts from its first report of progress to that of the next stage. "end" is what is to take
at most a tenth of the steps: export, outliers, parity and report. The scoring of held-out clips is
told apart, with the clips that it came to in a second. The last line is what the training says of
the footage. "batches" times the maker of batches alone, on the cache that the training has left.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from oddframe.bundle.bundle import read_bundle
from oddframe.datasets.clip_dataset import ClipDataset
from oddframe.datasets.frame_cache import reopen_cache
from oddframe.media.source import FrameFormat
from oddframe.tasks.train import train
from oddframe.training.run_folder import RunFolder
from oddframe.training.settings import PRESETS, Settings, read_settings

STEPS, END = ("pretrain", "centres", "joint"), ("export", "guard", "parity", "report")
BATCHES = 40


def main() -> None:
    """Train, and print the seconds of each stage as lines of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("normal", nargs="+")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--cache-gb", type=float, default=4.0)
    parser.add_argument("--calibration-minutes", type=float)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--config", type=Path)
    args = parser.parse_args()
    settings = PRESETS[args.preset]
    if args.config is not None:
        settings = read_settings(args.config, settings)
    training = replace(
        settings.training,
        pretrain_steps=args.steps // 4,
        joint_steps=args.steps - args.steps // 4,
    )
    settings = replace(settings, training=training)
    seconds: dict[str, float] = {}
    stage, since = "", time.monotonic()

    def take_time(phase: str, *_: object) -> None:
        nonlocal stage, since
        now = time.monotonic()
        if phase != stage:
            seconds[stage] = seconds.get(stage, 0.0) + now - since
            stage, since = phase, now

    report = train(
        args.normal,
        args.out,
        settings=settings,
        cache_gb=args.cache_gb,
        calibration_minutes=args.calibration_minutes,
        on_progress=take_time,
    )
    take_time("")
    del seconds[""]
    for name, took in seconds.items():
        print(json.dumps({"stage": name, "seconds": round(took, 2)}))
    steps, end = (sum(seconds.get(name, 0.0) for name in names) for names in (STEPS, END))
    calibration = read_bundle(report.bundle).calibration
    print(
        json.dumps(
            {
                "steps_s": round(steps, 1),
                "end_s": round(end, 1),
                "share": round(end / steps, 3),
                "calibrated_clips": calibration.clips,
                "clips_per_s": round(calibration.clips / seconds["calibrate"], 1),
                "batches_clips_per_s": round(make_batches(report.run, settings), 1),
            }
        )
    )
    print(json.dumps({"cached": round(report.share, 3), "notices": report.notices}))


def make_batches(run: Path, settings: Settings) -> float:
    """Clips a second that the maker of batches gives, by the time of the processor."""
    network, data, training = settings.network, settings.data, settings.training
    wanted = FrameFormat(network.width, network.height, network.colour)
    cache = reopen_cache(RunFolder(run).cache, wanted)
    if cache is None:
        raise SystemExit(f"{run} must hold the frames of its training")
    clips = ClipDataset(cache, list(cache.stretches), network.interval, 0)
    size = min(training.batch_size, len(clips))
    # The empty scene is made once in a training, and not counted here.
    clips.batch(0, size, 0, data.counter_examples, data.crop)
    began = time.process_time()
    for step in range(BATCHES):
        clips.batch(step, size, 0, data.counter_examples, data.crop)
    return BATCHES * size / (time.process_time() - began)


if __name__ == "__main__":
    main()
