"""Scores a few recordings into files of their own, one after another or side by side.

`score_one_by_one` uses all threads for each recording. `score_side_by_side` gives every recording a
process with one thread; `workers_for` says where that is faster. `score_together` gives every
recording a thread, and all of them one network on a GPU. The files are the same.
"""

import threading
from array import array
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from oddframe._types import Progress, silent
from oddframe.batch.pool import LocalPool, WorkerDied, run_all
from oddframe.batch.tasks import Task
from oddframe.batch.worker import Outcome
from oddframe.core.records import Event, Score
from oddframe.core.zones import Zones
from oddframe.errors import OddframeError, OutputError, SourceError, SourceNotFoundError
from oddframe.extras import require_extra
from oddframe.files import is_of_its_name, temporary_folder, write_together
from oddframe.inference.backends import Backend
from oddframe.inference.loading import load_model
from oddframe.inference.model import Model
from oddframe.inference.scorer import AsyncScorer
from oddframe.inference.selection import InferenceOptions
from oddframe.inference.shared_batches import SharedScorer
from oddframe.inference.whole_recording import ScoreSink, score_recording
from oddframe.media.plots import save_curve
from oddframe.media.recording import Recording
from oddframe.media.source import FrameSource
from oddframe.results.event_files import event_lines
from oddframe.results.provenance import SUFFIX, ScoreFacts, write_facts
from oddframe.results.score_files import csv_table, map_archive, parquet_table

OVERLAY_WIDTH = 640
"""Width of overlay pictures in pixels."""

LEAST_FRAMES = 300
"""Frames that each worker must have at least, to pay for its start of about two seconds."""

_EVEN = 0.8
"""How even the lengths must be: the share of the workers' time that is used while the longest
recording is scored and the others are divided among the other workers."""

_SAME_FOR_ANY_THREADS = ("onnx", "openvino")
"""Backends whose scores do not depend on the number of threads, to the last bit; torch's do."""

MOST_TOGETHER = 16
"""Most recordings that feed one GPU at a time; each holds some frames, and clips of a batch."""

_DRAWING = threading.Lock()
"""Held by the thread that draws a curve, since Matplotlib draws for one thread at a time."""


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What is written beside the score table, the events and the curve.

    Example:
        >>> extras = oddframe.Extras(maps=True)
        >>> report = oddframe.score("monday.mp4", "runs/door", "out", extras=extras)
        >>> Path("out/monday.maps.npz").exists()
        True

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
class ScoreJob:
    """What is the same for all recordings of a call.

    Attributes:
        folder: Where the files go.
        extras: What else is written.
        zones: Which parts of the picture count, and the cool-down.
        health: Whether the camera's health is watched.
        draw_curve: Whether the curve is drawn.
        within: Where unfinished files lie; in ``folder`` when None.
    """

    folder: Path
    extras: Extras
    zones: Zones | None
    health: bool
    draw_curve: bool
    within: Path | None = None


def workers_for(sources: Sequence[FrameSource], backend: str, threads: int) -> int:
    """Decide how many recordings are scored at a time.

    A thread for each recording wastes none at the end of every layer, where all threads of one
    network wait for the slowest. It needs a recording for every thread, of much the same lengths,
    and each worker takes time to start.

    Args:
        sources: The recordings.
        backend: The name of what runs the network, such as "onnx float32".
        threads: Threads that may be used.

    Returns:
        The number of workers, which is that of the threads; 1 where one after another is faster or
        would give other scores.
    """
    if threads < 2 or len(sources) < threads or not backend.startswith(_SAME_FOR_ANY_THREADS):
        return 1
    try:
        lengths = [_length(source) for source in sources]
    except (SourceError, SourceNotFoundError):
        # It is named when its turn comes.
        return 1
    is_even = sum(lengths) >= _EVEN * threads * max(lengths)
    return threads if is_even and sum(lengths) >= LEAST_FRAMES * threads else 1


def count_clips(sources: Sequence[FrameSource], rate_fps: float) -> float:
    """Count the clips of recordings for a model, to whose rate faster ones are thinned.

    Args:
        sources: The recordings; one that cannot be read counts as none.
        rate_fps: The rate of the model.
    """
    clips = 0.0
    for source in sources:
        # It is named when its turn comes.
        with suppress(SourceError, SourceNotFoundError):
            clips += _length(source) * min(1.0, rate_fps / source.rate_fps)
    return clips


def _length(source: FrameSource) -> int:
    """The number of a recording's frames, from its header where that says so."""
    stated = source.stated_frames() if isinstance(source, Recording) else 0
    return stated or source.count_frames()


def score_one_by_one(
    sources: Sequence[FrameSource], model: Model, job: ScoreJob, on_progress: Progress
) -> Iterator[RecordingReport | str]:
    """Score recordings one after another in this process.

    Yields:
        A report for each recording, or a sentence where it cannot be scored.

    Raises:
        OddframeError: If something is wrong that is not a recording's fault.
    """
    for source in sources:
        try:
            yield _score_source(source, model, job, on_progress)
        except (SourceError, SourceNotFoundError) as error:
            # One broken recording of many is named in the report; the others are worth having.
            yield str(error)
        except OutputError as error:
            if not is_of_its_name(error):
                raise
            yield f"{source.name}: {error}"


def score_side_by_side(
    sources: Sequence[FrameSource],
    model: Model,
    options: InferenceOptions,
    job: ScoreJob,
    workers: int,
    on_progress: Progress,
) -> Iterator[RecordingReport | str]:
    """Score recordings in as many processes as there are workers, each with one thread.

    Args:
        sources: The recordings.
        model: The model, which every worker loads again from its folder.
        options: Where and how the network runs; with what "auto" came to in the model.
        job: What is the same for all of them.
        workers: How many processes.
        on_progress: Told the frames done of each recording; its name is the phase.

    Yields:
        What `score_one_by_one` yields, in the same order, once all are scored.

    Raises:
        OddframeError: As `score_one_by_one`; and `RunError` if workers only die.
    """
    assert model.path is not None, "it was read from a folder"
    results: dict[str, RecordingReport | str] = {}
    tasks = [_SourceTask(source.name, str(source.path), "", source) for source in sources]
    # Workers are killed when it is interrupted; what they were writing goes with this folder.
    with temporary_folder(job.folder, "score") as within:
        # Decided here, so that no worker compares backends.
        ran = Backend.parse(model.backend)
        alone = replace(options, backend=ran.name, precision=ran.precision, threads=1)
        make = partial(_SourceWorker, model.path, alone, replace(job, within=within))
        pool = LocalPool(make, workers, 1, on_progress)
        try:
            for result in run_all(pool, tasks):
                if isinstance(result, WorkerDied):
                    continue
                if isinstance(result, _SourceOutcome) and result.failure is not None:
                    raise result.failure
                if isinstance(result, _SourceOutcome) and result.report is not None:
                    results[result.task.name] = result.report
                else:
                    assert result.error is not None, "it has no report"
                    results[result.task.name] = result.error
        finally:
            pool.close()
    yield from (results[source.name] for source in sources)


def score_together(
    sources: Sequence[FrameSource],
    model: Model,
    scorer: AsyncScorer,
    job: ScoreJob,
    at_a_time: int,
    on_progress: Progress,
) -> Iterator[RecordingReport | str]:
    """Score several recordings at a time with one network, a thread each.

    That is for a GPU, which a single recording keeps waiting while it is decoded: its batches are
    filled with clips of all of them.

    Args:
        sources: The recordings.
        model: The model.
        scorer: Its scorer.
        job: What is the same for all of them.
        at_a_time: How many of them.
        on_progress: Told the frames done of each recording; its name is the phase.

    Yields:
        What `score_one_by_one` yields, in the same order, once all are scored.

    Raises:
        OddframeError: As `score_one_by_one`.
    """
    shared = model.with_scorer(SharedScorer(scorer, at_a_time))
    turns = _Turns(on_progress)

    def score(source: FrameSource) -> RecordingReport | str:
        (result,) = score_one_by_one([source], shared, job, turns)
        return result

    with ThreadPoolExecutor(at_a_time, "recording") as pool:
        tasks = [pool.submit(score, source) for source in sources]
        try:
            wait(tasks, return_when=FIRST_EXCEPTION)
        finally:
            # Whoever presses Ctrl-C, or whose disk is full, does not wait for the others.
            turns.stop()
            pool.shutdown(wait=False, cancel_futures=True)
    for task in tasks:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, CancelledError):
            raise error
    yield from (task.result() for task in tasks)


class _Turns:
    """Takes the progress of several threads, one at a time, and ends them at their next report."""

    def __init__(self, on_progress: Progress) -> None:
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._stopped = False

    def __call__(self, phase: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        with self._lock:
            if self._stopped:
                raise CancelledError
            try:
                self._on_progress(phase, done, total, figures)
            except BaseException:
                # What ends one of them ends all.
                self._stopped = True
                raise

    def stop(self) -> None:
        """End the threads at their next report."""
        self._stopped = True


@dataclass(frozen=True, slots=True)
class _SourceTask(Task):
    """A recording that was found, with its name among the others."""

    source: FrameSource


@dataclass(frozen=True, kw_only=True)
class _SourceOutcome(Outcome):
    """What came of it: a report, an error of its own, or a failure that ends everything."""

    report: RecordingReport | None = None
    failure: OddframeError | None = None


@dataclass
class _SourceWorker:
    """Scores recordings in a process of its own; the model is loaded when the first one comes."""

    path: Path
    options: InferenceOptions
    job: ScoreJob
    _model: Model | None = field(default=None, init=False)

    def score(self, task: _SourceTask, on_progress: Progress = silent) -> Outcome:
        """Score a recording into its files."""
        try:
            if self._model is None:
                self._model = load_model(self.path, self.options)
            (result,) = score_one_by_one([task.source], self._model, self.job, on_progress)
        except OddframeError as error:
            return _SourceOutcome(task=task, failure=error)
        if isinstance(result, str):
            return _SourceOutcome(task=task, error=result)
        return _SourceOutcome(task=task, report=result)


class _ScoreCurve:
    """A sink that keeps times and scores of a recording for its curve: sixteen bytes a frame."""

    def __init__(self) -> None:
        self.times_s, self.scores = array("d"), array("d")

    def write(self, score: Score) -> None:
        """Keep a frame's time and score, NaN where it has none."""
        self.times_s.append(score.time_s)
        self.scores.append(float("nan") if score.score is None else score.score)


def _score_source(
    source: FrameSource, model: Model, job: ScoreJob, on_progress: Progress
) -> RecordingReport:
    """Score one recording; its files appear together at the end."""
    curve, notices = _ScoreCurve(), list[str]()
    with write_together(job.folder, source.name, job.within) as place:
        # Inside, so that every file is complete before the folder moves them to their places.
        with ExitStack() as closing:
            sinks = [
                curve,
                *(
                    closing.enter_context(sink)
                    for sink in _sinks(place, source, model, job.extras, notices)
                ),
            ]
            lines = closing.enter_context(event_lines(place / f"{source.name}.events.jsonl"))
            scored = score_recording(
                source,
                model,
                sinks,
                lines,
                zones=job.zones,
                health=job.health,
                picture_width=OVERLAY_WIDTH if job.extras.overlay else None,
                on_progress=on_progress,
            )
        spans = [(event.start_s, event.end_s) for event in scored.events]
        if job.draw_curve:
            times_s, values = np.asarray(curve.times_s), np.asarray(curve.scores)
            path = place / f"{source.name}.curve.png"
            with _DRAWING:
                save_curve(path, times_s, values, events=spans, title=source.name)
        facts = ScoreFacts.of(source, model, job.zones, health=job.health)
        write_facts(place / f"{source.name}{SUFFIX}", facts)
        files = tuple(job.folder / path.name for path in sorted(place.iterdir()))
    return RecordingReport(
        name=source.name,
        path=source.path,
        frames=scored.frames,
        scored=scored.scored,
        events=scored.events,
        peak=scored.peak,
        files=files,
        notices=(*scored.notices, *notices),
    )


def _sinks(
    place: Path, source: FrameSource, model: Model, extras: Extras, notices: list[str]
) -> Iterator[AbstractContextManager[ScoreSink]]:
    """Yield the sinks that write every score as it comes; they add to ``notices``."""
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
        yield overlay_video(
            place / f"{source.name}.overlay.mp4", source.rate_fps, level, notices.append
        )
