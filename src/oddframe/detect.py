"""Score recordings into files: the verb `oddframe score`."""

import tempfile
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oddframe.core.clips import clip_span
from oddframe.core.events import EventMachine
from oddframe.core.records import Event, Score
from oddframe.core.sampling import rate_notice
from oddframe.core.zones import Zones
from oddframe.errors import OutputError, SourceError, SourceNotFoundError
from oddframe.files import output_error
from oddframe.media.curve import save_curve
from oddframe.media.finding import find_sources
from oddframe.media.sources import Source
from oddframe.progress import Progress, silent
from oddframe.scoring import DEFAULT_BATCH, Model, load
from oddframe.sinks.event_lines import event_lines
from oddframe.sinks.map_archive import map_archive
from oddframe.sinks.overlay_video import overlay_video
from oddframe.sinks.tables import ScoreSink, csv_table, parquet_table

__all__ = ["Extras", "RecordingReport", "ScoreReport", "score"]

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
    """

    recordings: tuple[RecordingReport, ...]
    skipped: tuple[str, ...]
    seconds: float


def score(
    source: str | Path | Sequence[str | Path],
    model: str | Path | Model,
    out: str | Path,
    *,
    fps: float | None = None,
    device: str = "auto",
    batch_size: int = DEFAULT_BATCH,
    extras: Extras | None = None,
    zones: Zones | None = None,
    health: bool = True,
    on_progress: Progress = silent,
) -> ScoreReport:
    """Score recordings and write ``<name>.scores.csv``, ``.events.jsonl``, ``.curve.png`` and what is asked for.

    Args:
        source: A recording, a folder or glob of them, folders of numbered images, or several of these.
        model: A run folder, a model bundle or a loaded model.
        out: Folder for the files.
        fps: Frames per second of folders of images; the bundle's rate when None.
        device: "auto", "cpu" or a GPU such as "cuda:0".
        batch_size: Clips that run through the network at a time.
        extras: What else to write.
        zones: Which parts of the picture count, and the cool-down. Armed hours have no say: a recording does not know
            what time it was.
        health: Whether the camera's health is watched; without, footage of another camera than the model's is scored
            too.
        on_progress: Told the frames done of each recording, with its name as the phase.

    Raises:
        SourceError: If no recording can be scored; where some can, the others are named in the report.
        BundleError: If the model is unusable.
        OutputError: If a file cannot be written; files that are there are whole.
    """
    began = time.monotonic()
    loaded = model if isinstance(model, Model) else load(model, device=device, batch_size=batch_size)
    found = find_sources(source, loaded.bundle.rate_fps if fps is None else fps)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    skipped = [f"{one.path}: {one.reason}" for one in found.skipped]
    recordings = []
    for one in found.sources:
        try:
            recordings.append(_score_one(one, loaded, folder, extras or Extras(), zones, health, on_progress))
        except (SourceError, SourceNotFoundError) as error:
            skipped.append(str(error))
    if not recordings:
        raise SourceError("; ".join(skipped))
    return ScoreReport(recordings=tuple(recordings), skipped=tuple(skipped), seconds=time.monotonic() - began)


class _Series:
    """Times and scores of a recording, for its curve: sixteen bytes a frame."""

    def __init__(self) -> None:
        self.times_s, self.scores = array("d"), array("d")
        self.faults: set[str] = set()

    def write(self, score: Score) -> None:
        self.times_s.append(score.time_s)
        self.scores.append(float("nan") if score.score is None else score.score)
        if score.health != "ok":
            self.faults.add(score.health)


def _score_one(
    source: Source,
    model: Model,
    folder: Path,
    extras: Extras,
    zones: Zones | None,
    watched: bool,
    on_progress: Progress,
) -> RecordingReport:
    """Score one recording; its files appear together at the end."""
    series = _Series()
    cool_down_s = None if zones is None else zones.cool_down_s
    machine = EventMachine(source.name, model.bundle.calibration, cool_down_s)
    with _together(folder, source.name) as place:
        with ExitStack() as closing:
            sinks = [series, *(closing.enter_context(sink) for sink in _sinks(place, source, model, extras))]
            lines = closing.enter_context(event_lines(place / f"{source.name}.events.jsonl"))
            # Maps are wanted for the regions of events, whether they are kept or not.
            scores = model.scores(
                source, zones=zones, health=watched, maps=True, picture_width=OVERLAY_WIDTH if extras.overlay else None
            )
            found = []
            for event in _told(_counted(scores, source, on_progress), sinks, machine):
                lines.write(event)
                if event.phase == "end":
                    found.append(event)
            health = [
                f"from {one.start_s:.1f} to {one.end_s:.1f} s: {one.reason}" for one in found if one.kind == "health"
            ]
            found = [one for one in found if one.kind == "anomaly"]
            values = np.asarray(series.scores)
            scored = int(np.isfinite(values).sum())
            if not scored and series.faults:
                raise SourceError(
                    f"{source.path} must show what the model's camera shows, but all of it is "
                    f"{' or '.join(sorted(series.faults))}; if it is of another camera, score it with --no-health"
                )
            if not scored:
                span = clip_span(model.bundle.network.config.interval)
                raise SourceError(
                    f"{source.path} must have {span} unbroken frames for a clip to be scored, "
                    f"but none of its {len(values)} frames ends one"
                )
        spans = [(event.start_s, event.end_s) for event in found]
        times_s = np.asarray(series.times_s)
        save_curve(place / f"{source.name}.curve.png", times_s, values, events=spans, title=source.name)
        files = tuple(folder / path.name for path in sorted(place.iterdir()))
    slower = rate_notice(source.rate_fps, model.bundle.rate_fps)
    return RecordingReport(
        name=source.name,
        path=source.path,
        frames=len(values),
        scored=scored,
        events=tuple(found),
        peak=float(np.nanmax(values)),
        files=files,
        notices=(*source.notices, *([slower] if slower else []), *health),
    )


def _sinks(place: Path, source: Source, model: Model, extras: Extras) -> Iterator[AbstractContextManager[ScoreSink]]:
    """Those that take every score as it comes."""
    yield csv_table(place / f"{source.name}.scores.csv")
    if extras.parquet:
        yield parquet_table(place / f"{source.name}.scores.parquet")
    if extras.maps:
        yield map_archive(place / f"{source.name}.maps.npz")
    if extras.overlay:
        level = model.bundle.calibration.map_level
        yield overlay_video(place / f"{source.name}.overlay.mp4", source.rate_fps, level)


@contextmanager
def _together(folder: Path, name: str) -> Iterator[Path]:
    """A place for new files, which move into ``folder`` when the block ends well and else vanish.

    So a disk that fills up leaves all old files of a recording or all new ones.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=f".{name[:40]}.", dir=folder)
    except OSError as error:
        raise output_error(folder, error) from error
    with made as place:
        try:
            yield Path(place)
        except OutputError as error:
            # Nobody knows the place that it was on its way through.
            raise OutputError(str(error).replace(place, str(folder))) from error
        try:
            for path in sorted(Path(place).iterdir()):
                path.replace(folder / path.name)
        except OSError as error:
            raise output_error(folder / name, error) from error


def _told(scores: Iterable[Score], sinks: Sequence[ScoreSink], machine: EventMachine) -> Iterator[Event]:
    """Pass scores on to every sink, and yield what becomes of events."""
    for one in scores:
        for sink in sinks:
            sink.write(one)
        yield from machine.push(one)
    yield from machine.finish()


def _counted(scores: Iterable[Score], source: Source, on_progress: Progress) -> Iterator[Score]:
    total = source.count_frames()
    for number, one in enumerate(scores, start=1):
        if number % 10 == 0 or number == total:
            on_progress(source.name, min(number, total), total, {})
        yield one
