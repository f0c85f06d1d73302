"""The whole thing on a drawn scene: the verb `oddframe demo`.

What the demo's pages say beside what a report says: what there was to find, and how much of it was
found.

What any model must beat: how much the picture changes from the first to the last frame of a clip.
"""

import csv
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from oddframe._types import Progress, silent
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
from oddframe.tasks.score import Extras, RecordingReport, score
from oddframe.tasks.train import train
from oddframe.training.settings import PRESETS, Settings


@dataclass(frozen=True, kw_only=True)
class DemoRecording:
    """What was found in one recording of the demo.

    Attributes:
        name: The recording.
        kinds: What is unusual in it.
        truth: (start, end) in seconds of what is unusual.
        events: What the model found.
        true: How many true events there are: stretches of frames in which anything unusual is
            visible.
        found: How many of them an event of ours overlaps.
        false: Events of ours that overlap none.
    """

    name: str
    kinds: tuple[str, ...]
    truth: tuple[tuple[float, float], ...]
    events: tuple[Event, ...]
    true: int
    found: int
    false: int


_VERDICT = (
    "It watched a few minutes of ordinary life on a drawn plaza, and nothing else. Then it saw recordings in which "
    "something is unusual, and was never told what. Each recording's page shows when, where and why."
)
_NOTE = (
    "Beside this page: results/ has scores, events and videos, run/ the model and the report of its training, truth/ "
    "masks, tracks and labels of what was really there."
)


def write_page(
    path: Path,
    recordings: Sequence[DemoRecording],
    figures: Mapping[str, Any],
    results: Path,
    device: str = "auto",
) -> None:
    """Write the page over all recordings, and those of each beside its results.

    Args:
        path: The page over all.
        recordings: What was found.
        figures: The figures at the top, as in ``oddframe demo --json``.
        results: Folder of what `score` wrote.
        device: Where heat maps are computed again.

    Raises:
        OutputError: If something cannot be written.
    """
    tiles = [
        ("Found", f"{figures['events_found']} of {figures['events_total']}", "unusual events"),
        ("False events", str(figures["false_events"]), "where nothing was unusual"),
        ("Frame AUC", f"{figures['auc_raw']:.3f}", "one threshold for all"),
        ("Plain frame difference", f"{figures['baseline_auc_raw']:.3f}", "its AUC, to compare"),
        ("Time", f"{figures['seconds']:.0f} s", "for all of it"),
    ]
    write_report(
        results,
        extras={one.name: Extra(truth=one.truth, sentence=_sentence(one)) for one in recordings},
        intro=Intro(title="What Oddframe found", verdict=_VERDICT, tiles=tiles, note=_NOTE),
        index=path,
        only={one.name for one in recordings},
        device=device,
    )


def _sentence(one: DemoRecording) -> str:
    kinds = ", ".join(kind.replace("_", " ") for kind in one.kinds)
    return f"There was: {kinds}. {one.found} of {plural(one.true, 'event')} found, {one.false or 'none'} false."


BASELINES = ("mean", "top 1 %")
"""Names of the two baselines: the mean of |x4 - x0| and the mean of its highest hundredth."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_CLIP = 5


class FrameDifference:
    """Takes the frames of one recording in order and gives both baselines of each."""

    def __init__(self) -> None:
        self._held: deque[npt.NDArray[np.float32]] = deque(maxlen=_CLIP)

    def add(self, pixels: npt.NDArray[np.uint8]) -> tuple[float, float]:
        """Both baselines of the clip that ends on this frame, in [0, 1]; NaN for the first four frames.

        Args:
            pixels: uint8 H x W x 3.
        """
        self._held.append(pixels @ _LUMA / np.float32(255.0))
        if len(self._held) < _CLIP:
            return float("nan"), float("nan")
        change = np.abs(self._held[-1] - self._held[0]).ravel()
        top = max(1, change.size // 100)
        return float(change.mean()), float(np.partition(change, -top)[-top:].mean())


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
        raise InputError(
            f"{folder} must be a new folder or one of an earlier demo, but holds something else"
        )
    drawn = scene or SceneSettings()
    frames = sum(one.frames for one in (*TRAIN_RECORDINGS, *TEST_RECORDINGS))
    counter = _Counter(on_progress, frames)
    for one in TRAIN_RECORDINGS:
        _draw(one, drawn, folder / "normal", None, counter)
    truths = [
        _draw(one, drawn, folder / "test", folder / "truth", counter) for one in TEST_RECORDINGS
    ]
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
    raw = np.concatenate(
        [_raw(results / f"{report.name}.scores.csv") for report in scored.recordings]
    )
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
                path=folder / "test" / f"{one.name}.mp4",
                scores=results / f"{one.name}.scores.csv",
                events=one.events,
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
    recording: DrawnRecording,
    scene: SceneSettings,
    folder: Path,
    truth: Path | None,
    counter: _Counter,
) -> _Truth:
    """Draw a recording into a video, and where wanted its truth beside it."""
    try:
        for place in (folder, *([truth] if truth else [])):
            place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    difference = FrameDifference()
    energy, kept = [], []
    with VideoWriter(
        folder / f"{recording.name}.mp4", scene.rate_fps, (scene.width, scene.height)
    ) as video:
        for frame in recording.draw(scene):
            video.write(frame.pixels)
            energy.append(difference.add(frame.pixels))
            kept.append(replace(frame, pixels=frame.pixels[:1, :1]))
            counter.add()
    if truth is not None:
        write_truth(truth, recording.name, kept)
    return _Truth(np.array([frame.label for frame in kept], dtype=np.uint8), np.array(energy))


def _compared(
    recording: DrawnRecording,
    labels: npt.NDArray[np.uint8],
    report: RecordingReport,
    rate_fps: float,
) -> DemoRecording:
    """Set what was found against what there was."""
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
