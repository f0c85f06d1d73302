"""Score recordings into files: the verb `oddframe score`."""

import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oddframe._types import Progress, silent
from oddframe.core.records import Event, Score
from oddframe.core.zones import Zones
from oddframe.errors import MissingExtraError, SourceError, SourceNotFoundError
from oddframe.extras import require_extra
from oddframe.files import output_error, write_together
from oddframe.inference.model import Model, ScoreSink, load_model, score_recording
from oddframe.inference.selection import (
    DEFAULT_BATCH,
    BackendChoice,
    InferenceOptions,
    PrecisionChoice,
)
from oddframe.media.discovery import find_sources
from oddframe.media.plots import can_draw, save_curve
from oddframe.media.source import FrameSource
from oddframe.results.event_files import event_lines
from oddframe.results.provenance import SUFFIX, ScoreFacts, write_facts
from oddframe.results.score_files import csv_table, map_archive, parquet_table

OVERLAY_WIDTH = 640
"""Width of overlay pictures in pixels."""


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What is written beside the score table, the events and the curve.

    Attributes:
        parquet: The scores as Parquet too.
        maps: Anomaly maps, compressed.
        overlay: A video with heat map and curve.
    """

    parquet: bool = False
    maps: bool = False
    overlay: bool = False


@dataclass(frozen=True, kw_only=True)
class RecordingReport:
    """What came of one recording.

    Attributes:
        name: What its files are called.
        path: The recording.
        frames: Frames decoded.
        scored: Frames with a score.
        events: Its events, as they were at their end.
        peak: Highest score.
        files: Files written.
        notices: What was wrong with it, a sentence each.
    """

    name: str
    path: Path
    frames: int
    scored: int
    events: tuple[Event, ...]
    peak: float
    files: tuple[Path, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ScoreReport:
    """What a call of `score` did.

    Attributes:
        recordings: What came of each recording.
        skipped: What was not used, and why, a sentence each.
        seconds: Wall-clock time.
        backend: What ran the network, such as "onnx float32".
        notices: What is worth knowing of all of it, a sentence each.
    """

    recordings: tuple[RecordingReport, ...]
    skipped: tuple[str, ...]
    seconds: float
    backend: str
    notices: tuple[str, ...]


def score(
    source: str | Path | Sequence[str | Path],
    model: str | Path | Model,
    out: str | Path,
    *,
    fps: float | None = None,
    device: str = "auto",
    batch_size: int = DEFAULT_BATCH,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    extras: Extras | None = None,
    zones: Zones | None = None,
    health: bool = True,
    on_progress: Progress = silent,
) -> ScoreReport:
    """Score recordings; write ``<name>.scores.csv``, ``.events.jsonl``, ``.curve.png`` and extras.

    The curve needs Matplotlib; where that is not installed it is left out, and a notice says so.

    Args:
        source: A recording, a folder or glob of them, folders of numbered images, or several of
            these.
        model: A run folder, a model bundle or a loaded model.
        out: Folder for the files.
        fps: Frames per second of folders of images; the bundle's rate when None.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run through the network at a time.
        backend: What runs the network, as in `oddframe.inference.model.load`.
        precision: What it computes in, likewise.
        extras: What else to write.
        zones: Which parts of the picture count, and the cool-down. Armed hours have no say: a
            recording does not know what time it was.
        health: Whether the camera's health is watched; without, footage of another camera than the
            model's is scored too.
        on_progress: Called with the frames done of each recording; its name is the phase.

    Raises:
        SourceError: If no recording can be scored; where some can, the others are named in the
            report.
        BundleError: If the model is unusable.
        OutputError: If a file cannot be written; files that are there are whole.
    """
    began = time.monotonic()
    loaded = (
        model
        if isinstance(model, Model)
        else load_model(model, InferenceOptions(device, backend, precision, batch_size))
    )
    # A folder of images has no times of its own; by default it is as fast as the model's training.
    found = find_sources(source, loaded.bundle.rate_fps if fps is None else fps)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    skipped = [f"{path.path}: {path.reason}" for path in found.skipped]
    draw_curve = can_draw()
    notices = (
        () if draw_curve else (str(MissingExtraError("drawing the curve of scores", "pictures")),)
    )
    recordings = []
    for found_source in found.sources:
        try:
            report = _score_source(
                found_source,
                loaded,
                folder,
                extras or Extras(),
                zones,
                health,
                on_progress,
                draw_curve=draw_curve,
            )
            recordings.append(report)
        except (SourceError, SourceNotFoundError) as error:
            # One broken recording of many is named in the report; the others are worth having.
            skipped.append(str(error))
    if not recordings:
        raise SourceError("; ".join(skipped))
    return ScoreReport(
        recordings=tuple(recordings),
        skipped=tuple(skipped),
        seconds=time.monotonic() - began,
        backend=loaded.backend,
        notices=(*loaded.notices, *notices),
    )


class _ScoreCurve:
    """A sink that keeps times and scores of a recording for its curve: sixteen bytes a frame."""

    def __init__(self) -> None:
        self.times_s, self.scores = array("d"), array("d")

    def write(self, score: Score) -> None:
        """Keep a frame's time and score, NaN where it has none."""
        self.times_s.append(score.time_s)
        self.scores.append(float("nan") if score.score is None else score.score)


def _score_source(
    source: FrameSource,
    model: Model,
    folder: Path,
    extras: Extras,
    zones: Zones | None,
    health: bool,
    on_progress: Progress,
    *,
    draw_curve: bool,
) -> RecordingReport:
    """Score one recording; its files appear together at the end."""
    curve = _ScoreCurve()
    with write_together(folder, source.name) as place:
        # Inside, so that every file is complete before the folder moves them to their places.
        with ExitStack() as closing:
            sinks = [
                curve,
                *(closing.enter_context(sink) for sink in _sinks(place, source, model, extras)),
            ]
            lines = closing.enter_context(event_lines(place / f"{source.name}.events.jsonl"))
            scored = score_recording(
                source,
                model,
                sinks,
                lines,
                zones=zones,
                health=health,
                picture_width=OVERLAY_WIDTH if extras.overlay else None,
                on_progress=on_progress,
            )
        spans = [(event.start_s, event.end_s) for event in scored.events]
        if draw_curve:
            times_s, values = np.asarray(curve.times_s), np.asarray(curve.scores)
            save_curve(
                place / f"{source.name}.curve.png", times_s, values, events=spans, title=source.name
            )
        write_facts(
            place / f"{source.name}{SUFFIX}", ScoreFacts.of(source, model, zones, health=health)
        )
        files = tuple(folder / path.name for path in sorted(place.iterdir()))
    return RecordingReport(
        name=source.name,
        path=source.path,
        frames=scored.frames,
        scored=scored.scored,
        events=scored.events,
        peak=scored.peak,
        files=files,
        notices=scored.notices,
    )


def _sinks(
    place: Path, source: FrameSource, model: Model, extras: Extras
) -> Iterator[AbstractContextManager[ScoreSink]]:
    """Yield the sinks that write every score as it comes."""
    yield csv_table(place / f"{source.name}.scores.csv")
    if extras.parquet:
        yield parquet_table(place / f"{source.name}.scores.parquet")
    if extras.maps:
        yield map_archive(place / f"{source.name}.maps.npz")
    if extras.overlay:
        with require_extra("drawing the overlay"):
            from oddframe.media.overlay import overlay_video

        # The map value that is half hot: the same for all frames, so that they can be compared.
        level = model.bundle.calibration.map_level
        yield overlay_video(place / f"{source.name}.overlay.mp4", source.rate_fps, level)
