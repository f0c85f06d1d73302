"""The whole thing on a drawn scene: the verb `oddframe demo`."""

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe.config import PRESETS, Settings
from oddframe.core.records import Event
from oddframe.data.scene import TEST_RECORDINGS, TRAIN_RECORDINGS, DrawnRecording, SceneSettings, write_truth
from oddframe.demo_app import Played, write_demo_app
from oddframe.demo_page import DemoRecording, write_page
from oddframe.detect import Extras, RecordingReport, score
from oddframe.errors import InputError
from oddframe.files import output_error
from oddframe.media.writer import VideoWriter
from oddframe.metrics.baselines import FrameDifference
from oddframe.metrics.curves import stretches
from oddframe.metrics.frame import auc_score
from oddframe.progress import Progress, silent
from oddframe.training import train

__all__ = ["DemoReport", "demo_settings", "run_demo"]

STEPS = 1_800
"""Training steps of the demo: the fast preset's training, cut to what two cores do in about three minutes."""

FALSE_ALARMS = "60/hour"
"""The demo holds out 45 seconds of normal life: a threshold for rarer false alarms would be guesswork."""


@dataclass(frozen=True, kw_only=True)
class DemoReport:
    """What the demo did.

    Attributes:
        recordings: What was found in each recording.
        auc_raw: Micro frame AUC of the raw scores, one threshold for all recordings.
        baseline_auc_raw: The same of the better one of two plain frame differences.
        seconds: Wall-clock time.
        output: Folder with footage, truth, model, results and page.
        page: The page to look at.
        app: Data folder for `oddframe serve`; None where its packages are not installed.
    """

    recordings: tuple[DemoRecording, ...]
    auc_raw: float
    baseline_auc_raw: float
    seconds: float
    output: Path
    page: Path
    app: Path | None = None

    @property
    def events_total(self) -> int:
        """True events in all recordings."""
        return sum(one.true for one in self.recordings)

    @property
    def events_found(self) -> int:
        """True events that an event of ours overlaps."""
        return sum(one.found for one in self.recordings)

    @property
    def false_events(self) -> int:
        """Events of ours that overlap no true one."""
        return sum(one.false for one in self.recordings)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return {
            "auc_raw": round(self.auc_raw, 4),
            "baseline_auc_raw": round(self.baseline_auc_raw, 4),
            "events_found": self.events_found,
            "events_total": self.events_total,
            "false_events": self.false_events,
            "seconds": round(self.seconds, 1),
            "output": str(self.output),
        }


def demo_settings(steps: int = STEPS, preset: str = "fast") -> Settings:
    """A preset at half the size, seen whole, with ``steps`` steps, a tenth of them before there are centres."""
    start = PRESETS[preset]
    network = replace(
        start.network,
        height=start.network.height // 2,
        width=start.network.width // 2,
        score_windows=tuple(side // 2 for side in start.network.score_windows),
    )
    pretrain = steps // 10
    training = replace(start.training, pretrain_steps=pretrain, joint_steps=steps - pretrain)
    return replace(start, network=network, data=replace(start.data, crop=()), training=training)


def run_demo(
    out: str | Path,
    *,
    settings: Settings | None = None,
    scene: SceneSettings | None = None,
    device: str = "auto",
    on_progress: Progress = silent,
) -> DemoReport:
    """Draw normal footage and recordings with anomalies, train, score, and write a page that shows what was found.

    Args:
        out: Folder for all of it.
        settings: What is trained, `demo_settings` when None.
        scene: What is drawn, the plaza when None.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        on_progress: Told phases "draw", those of `train`, and each recording's name.

    Raises:
        InputError: If the folder holds something else than an earlier demo.
        OutputError: If something cannot be written.
    """
    began = time.monotonic()
    folder = Path(out)
    if folder.exists() and any(folder.iterdir()) and not (folder / "truth").is_dir():
        raise InputError(f"{folder} must be a new folder or one of an earlier demo, but holds something else")
    drawn = scene or SceneSettings()
    frames = sum(one.frames for one in (*TRAIN_RECORDINGS, *TEST_RECORDINGS))
    counter = _Counter(on_progress, frames)
    for one in TRAIN_RECORDINGS:
        _draw(one, drawn, folder / "normal", None, counter)
    truths = [_draw(one, drawn, folder / "test", folder / "truth", counter) for one in TEST_RECORDINGS]
    run = folder / "run"
    train(
        [folder / "normal" / f"{one.name}.mp4" for one in TRAIN_RECORDINGS],
        run,
        settings=settings or demo_settings(),
        overwrite=True,
        false_alarms=FALSE_ALARMS,
        device=device,
        on_progress=on_progress,
    )
    results = folder / "results"
    scored = score(
        [folder / "test" / f"{one.name}.mp4" for one in TEST_RECORDINGS],
        run,
        results,
        extras=Extras(overlay=True),
        device=device,
        on_progress=on_progress,
    )
    recordings = [
        _compared(drawn_one, truth.labels, report, drawn.rate_fps)
        for drawn_one, truth, report in zip(TEST_RECORDINGS, truths, scored.recordings, strict=True)
    ]
    raw = np.concatenate([_raw(results / f"{report.name}.scores.csv") for report in scored.recordings])
    labels = np.concatenate([truth.labels for truth in truths])
    energy = np.concatenate([truth.energy for truth in truths])
    report = DemoReport(
        recordings=tuple(recordings),
        auc_raw=_auc(labels, raw),
        baseline_auc_raw=max(_auc(labels, energy[:, column]) for column in range(energy.shape[1])),
        seconds=time.monotonic() - began,
        output=folder,
        page=folder / "index.html",
    )
    write_page(report.page, report.recordings, report.as_dict(), results, device)
    has_app = write_demo_app(
        folder / "app",
        run,
        [
            Played(
                path=folder / "test" / f"{one.name}.mp4", scores=results / f"{one.name}.scores.csv", events=one.events
            )
            for one in recordings
        ],
    )
    return replace(report, app=folder / "app" if has_app else None)


@dataclass(frozen=True)
class _Truth:
    """Labels, uint8 N, and baselines, float64 N x 2, of a drawn recording."""

    labels: npt.NDArray[np.uint8]
    energy: npt.NDArray[np.float64]


class _Counter:
    def __init__(self, on_progress: Progress, total: int) -> None:
        self.on_progress, self.total, self.done = on_progress, total, 0

    def add(self) -> None:
        """Count a drawn frame."""
        self.done += 1
        if self.done % 50 == 0 or self.done == self.total:
            self.on_progress("draw", self.done, self.total, {})


def _draw(
    recording: DrawnRecording, scene: SceneSettings, folder: Path, truth: Path | None, counter: _Counter
) -> _Truth:
    """Draw a recording into a video, and where wanted its truth beside it."""
    try:
        for place in (folder, *([truth] if truth else [])):
            place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    difference = FrameDifference()
    energy, kept = [], []
    with VideoWriter(folder / f"{recording.name}.mp4", scene.rate_fps, (scene.width, scene.height)) as video:
        for frame in recording.draw(scene):
            video.write(frame.pixels)
            energy.append(difference.add(frame.pixels))
            kept.append(replace(frame, pixels=frame.pixels[:1, :1]))
            counter.add()
    if truth is not None:
        write_truth(truth, recording.name, kept)
    return _Truth(np.array([frame.label for frame in kept], dtype=np.uint8), np.array(energy))


def _compared(
    recording: DrawnRecording, labels: npt.NDArray[np.uint8], report: RecordingReport, rate_fps: float
) -> DemoRecording:
    """Set what was found against what there was."""
    truth = tuple((first / rate_fps, (last - 1) / rate_fps) for first, last in stretches(labels.astype(np.bool_)))
    found = [span for span in truth if any(_overlap(span, event) for event in report.events)]
    false = [event for event in report.events if not any(_overlap(span, event) for span in truth)]
    return DemoRecording(
        name=recording.name,
        kinds=recording.anomalies,
        truth=truth,
        events=report.events,
        true=len(truth),
        found=len(found),
        false=len(false),
    )


def _overlap(span: tuple[float, float], event: Event) -> bool:
    return event.start_s <= span[1] and event.end_s >= span[0]


def _raw(path: Path) -> npt.NDArray[np.float64]:
    """The raw scores of a table, NaN where it is empty."""
    with path.open(newline="") as file:
        return np.array([float(row["raw"] or "nan") for row in csv.DictReader(file)])


def _auc(labels: npt.NDArray[np.uint8], scores: npt.NDArray[np.float64] | Sequence[float]) -> float:
    values = np.asarray(scores)
    known = np.isfinite(values)
    area = auc_score(labels[known], values[known])
    return float("nan") if area is None else area
