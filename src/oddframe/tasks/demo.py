"""The verb `oddframe demo`: draw a plaza, train on its ordinary life, find what is unusual on it.

What the model finds is set against what was drawn, and its scores against a plain frame difference,
which any model must beat.
"""

import csv
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe._types import Float32, Float64, Pixels, Progress, silent
from oddframe.batch.recordings import Extras, RecordingReport
from oddframe.core.records import Event
from oddframe.errors import InputError
from oddframe.files import output_error
from oddframe.media.video_writer import VideoWriter
from oddframe.metrics.frame import auc_score, stretches
from oddframe.report.index_page import Intro
from oddframe.report.page import plural
from oddframe.report.score_page import Extra
from oddframe.synthetic.scene import (
    TEST_RECORDINGS,
    TRAIN_RECORDINGS,
    DrawnRecording,
    SceneSettings,
    write_truth,
)
from oddframe.tasks.demo_app import Played, write_demo_app
from oddframe.tasks.report import write_report
from oddframe.tasks.score import score
from oddframe.tasks.train import train
from oddframe.training.settings import PRESETS, Settings

STEPS = 1_800
"""Training steps of the demo: what two cores do in about three minutes of the fast preset's."""

FALSE_ALARMS = "60/hour"
"""Budget of the demo; 45 seconds of held-out footage cannot set a threshold for rarer alarms."""

BASELINES = ("mean", "top 1 %")
"""Names of the two frame differences: the mean of |x4 - x0|, and that of its highest hundredth."""

# Brightness of RGB as in ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# As many frames as a clip of the network.
_CLIP = 5

_VERDICT = (
    "It watched a few minutes of ordinary life on a drawn plaza, and nothing else. Then it saw "
    "recordings in which something is unusual, and was never told what. Each recording's page "
    "shows when, where and why."
)
_NOTE = (
    "Beside this page: results/ has scores, events and videos, run/ the model and the report of "
    "its training, truth/ masks, tracks and labels of what was really there."
)


@dataclass(frozen=True, kw_only=True)
class DemoRecording:
    """What was found in one recording of the demo.

    Attributes:
        name: The recording.
        kinds: What is unusual in it.
        truth: (start, end) in seconds of what is unusual.
        events: What the model found.
        true: Number of true events: stretches of frames in which anything unusual is visible.
        found: Number of true events that a found event overlaps.
        false: Number of found events that overlap no true event.
    """

    name: str
    kinds: tuple[str, ...]
    truth: tuple[tuple[float, float], ...]
    events: tuple[Event, ...]
    true: int
    found: int
    false: int


@dataclass(frozen=True, kw_only=True)
class DemoReport:
    """What the demo did.

    Attributes:
        recordings: What was found in each recording.
        auc_raw: Micro frame AUC of the raw scores, one threshold for all recordings.
        baseline_auc_raw: The same AUC of the better one of two plain frame differences.
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
        """Number of true events in all recordings."""
        return sum(recording.true for recording in self.recordings)

    @property
    def events_found(self) -> int:
        """Number of true events that a found event overlaps."""
        return sum(recording.found for recording in self.recordings)

    @property
    def false_events(self) -> int:
        """Number of found events that overlap no true event."""
        return sum(recording.false for recording in self.recordings)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values, as ``oddframe demo --json`` prints them."""
        return {
            "auc_raw": round(self.auc_raw, 4),
            "baseline_auc_raw": round(self.baseline_auc_raw, 4),
            "events_found": self.events_found,
            "events_total": self.events_total,
            "false_events": self.false_events,
            "seconds": round(self.seconds, 1),
            "output": str(self.output),
        }


def demo_settings(steps: int = STEPS, start: Settings = PRESETS["fast"]) -> Settings:
    """Make settings at half their size, trained on whole frames instead of crops.

    Args:
        steps: Training steps in all; a tenth of them pretrain the streams, before the clusters.
        start: The settings at their full size.
    """
    network = replace(
        start.network,
        height=start.network.height // 2,
        width=start.network.width // 2,
        score_windows=tuple(max(1, side // 2) for side in start.network.score_windows),
    )
    # Half the size is a quarter of the work, and the drawn figures are large enough for it.
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
    """Draw videos, train on the normal ones, score the others, and write a page with the results.

    Args:
        out: Folder for everything that is made.
        settings: What is trained, `demo_settings` when None.
        scene: What is drawn, the plaza when None.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        on_progress: Called with the phases "draw", those of `train`, and each recording's name.

    Raises:
        InputError: If the folder holds something else than an earlier demo.
        OutputError: If something cannot be written.
    """
    began = time.monotonic()
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} must be a folder, but is a file; choose another name with -o")
    # An earlier demo is known by its truth/ and is replaced; nothing else ever is.
    if folder.exists() and any(folder.iterdir()) and not (folder / "truth").is_dir():
        raise InputError(
            f"{folder} must be a new folder or one of an earlier demo, but holds something else"
        )
    drawn = scene or SceneSettings()
    frames = sum(recording.frames for recording in (*TRAIN_RECORDINGS, *TEST_RECORDINGS))
    # One bar for all: ten bars of seconds each would say nothing.
    counter = _DrawProgress(on_progress, frames)
    for recording in TRAIN_RECORDINGS:
        _draw(recording, drawn, folder / "normal", None, counter)
    truths = [
        _draw(recording, drawn, folder / "test", folder / "truth", counter)
        for recording in TEST_RECORDINGS
    ]
    run = folder / "run"
    train(
        [folder / "normal" / f"{recording.name}.mp4" for recording in TRAIN_RECORDINGS],
        run,
        settings=settings or demo_settings(),
        overwrite=True,
        false_alarms=FALSE_ALARMS,
        device=device,
        on_progress=on_progress,
    )
    results = folder / "results"
    scored = score(
        [folder / "test" / f"{recording.name}.mp4" for recording in TEST_RECORDINGS],
        run,
        results,
        extras=Extras(overlay=True),
        device=device,
        on_progress=on_progress,
    )
    recordings = [
        _compare(recording, truth.labels, report, drawn.rate_fps)
        for recording, truth, report in zip(TEST_RECORDINGS, truths, scored.recordings, strict=True)
    ]
    raw = np.concatenate(
        [_read_raw_scores(results / f"{report.name}.scores.csv") for report in scored.recordings]
    )
    labels = np.concatenate([truth.labels for truth in truths])
    difference = np.concatenate([truth.difference for truth in truths])
    report = DemoReport(
        recordings=tuple(recordings),
        auc_raw=_auc(labels, raw),
        baseline_auc_raw=max(_auc(labels, column) for column in difference.T),
        seconds=time.monotonic() - began,
        output=folder,
        page=folder / "index.html",
    )
    write_page(report, results, device)
    has_app = write_demo_app(
        folder / "app",
        run,
        [
            Played(
                path=folder / "test" / f"{recording.name}.mp4",
                scores=results / f"{recording.name}.scores.csv",
                events=recording.events,
            )
            for recording in recordings
        ],
    )
    return replace(report, app=folder / "app" if has_app else None)


def write_page(report: DemoReport, results: Path, device: str = "auto") -> None:
    """Write the page with all recordings, and a page for each recording beside its results.

    Args:
        report: What was found.
        results: The folder that `score` wrote.
        device: The device on which heat maps are computed again.

    Raises:
        OutputError: If something cannot be written.
    """
    tiles = [
        ("Found", f"{report.events_found} of {report.events_total}", "unusual events"),
        ("False events", str(report.false_events), "where nothing was unusual"),
        ("Frame AUC", f"{report.auc_raw:.3f}", "one threshold for all"),
        ("Plain frame difference", f"{report.baseline_auc_raw:.3f}", "its AUC, to compare"),
        ("Time", f"{report.seconds:.0f} s", "for all of it"),
    ]
    write_report(
        results,
        extras={
            recording.name: Extra(truth=recording.truth, sentence=_sentence(recording))
            for recording in report.recordings
        },
        intro=Intro(title="What Oddframe found", verdict=_VERDICT, tiles=tiles, note=_NOTE),
        index=report.page,
        only={recording.name for recording in report.recordings},
        device=device,
    )


def _sentence(recording: DemoRecording) -> str:
    """Say what was there to find and how much of it was found."""
    kinds = ", ".join(kind.replace("_", " ") for kind in recording.kinds)
    true, false = plural(recording.true, "event"), recording.false or "none"
    return f"There was: {kinds}. {recording.found} of {true} found, {false} false."


class FrameDifference:
    """Computes both frame differences of a recording from its frames in order."""

    def __init__(self) -> None:
        self._clip: deque[Float32] = deque(maxlen=_CLIP)

    def add(self, pixels: Pixels) -> tuple[float, float]:
        """Compute both differences, in [0, 1], of the clip that ends on this frame.

        Args:
            pixels: The frame, uint8 H x W x 3.

        Returns:
            Values in the order of `BASELINES`, both NaN for the first four frames.
        """
        self._clip.append(pixels @ _LUMA / np.float32(255.0))
        if len(self._clip) < _CLIP:
            return float("nan"), float("nan")
        change = np.abs(self._clip[-1] - self._clip[0]).ravel()
        top = max(1, change.size // 100)
        return float(change.mean()), float(np.partition(change, -top)[-top:].mean())


@dataclass(frozen=True)
class _Truth:
    """What is known of a drawn recording of N frames.

    Attributes:
        labels: 1 where anything unusual is visible, uint8 N.
        difference: The two frame differences, float64 N x 2.
    """

    labels: npt.NDArray[np.uint8]
    difference: Float64


class _DrawProgress:
    """Counts the drawn frames of all recordings and reports every fiftieth."""

    def __init__(self, on_progress: Progress, total: int) -> None:
        self.on_progress, self.total, self.done = on_progress, total, 0

    def add(self) -> None:
        """Count a frame that was drawn."""
        self.done += 1
        if self.done % 50 == 0 or self.done == self.total:
            self.on_progress("draw", self.done, self.total, {})


def _draw(
    recording: DrawnRecording,
    scene: SceneSettings,
    folder: Path,
    truth: Path | None,
    counter: _DrawProgress,
) -> _Truth:
    """Draw a recording into a video, and write its truth where ``truth`` names a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if truth is not None:
            truth.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    difference = FrameDifference()
    differences, kept = [], []
    with VideoWriter(
        folder / f"{recording.name}.mp4", scene.rate_fps, (scene.width, scene.height)
    ) as video:
        for frame in recording.draw(scene):
            video.write(frame.pixels)
            differences.append(difference.add(frame.pixels))
            # The truth needs masks and tracks only; all pictures would not fit into memory.
            kept.append(replace(frame, pixels=frame.pixels[:1, :1]))
            counter.add()
    if truth is not None:
        write_truth(truth, recording.name, kept)
    return _Truth(np.array([frame.label for frame in kept], dtype=np.uint8), np.array(differences))


def _compare(
    recording: DrawnRecording,
    labels: npt.NDArray[np.uint8],
    report: RecordingReport,
    rate_fps: float,
) -> DemoRecording:
    """Compare what was found in a recording with what was drawn."""
    truth = tuple(
        (first / rate_fps, (last - 1) / rate_fps)
        for first, last in stretches(labels.astype(np.bool_))
    )
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
    """Whether an event and a true span, both in seconds with their ends, have a time in common."""
    return event.start_s <= span[1] and event.end_s >= span[0]


def _read_raw_scores(path: Path) -> Float64:
    """Read the raw scores of a table, NaN where a frame has none."""
    with path.open(newline="") as file:
        return np.array([float(row["raw"] or "nan") for row in csv.DictReader(file)])


def _auc(labels: npt.NDArray[np.uint8], scores: Float64) -> float:
    """The AUC over all frames that have a score; NaN where there is only one class."""
    known = np.isfinite(scores)
    area = auc_score(labels[known], scores[known])
    return float("nan") if area is None else area
