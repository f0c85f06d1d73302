"""A worker of batch scoring: it loads the model once and scores one recording after the other.

Every engine has several workers, each in a process of its own.
"""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from oddframe._types import Progress, silent
from oddframe._version import __version__
from oddframe.batch.results import BatchResults
from oddframe.batch.tasks import Task
from oddframe.core.records import Event
from oddframe.core.zones import Zones
from oddframe.errors import OddframeError, SourceError, SourceNotFoundError
from oddframe.files import legible
from oddframe.inference.loading import load_model
from oddframe.inference.model import Model
from oddframe.inference.selection import InferenceOptions
from oddframe.inference.whole_recording import score_recording
from oddframe.media.discovery import open_source
from oddframe.media.nvdec import Nvdec
from oddframe.media.recording import Recording
from oddframe.results.event_files import EventLines, EventTable, event_lines, event_table
from oddframe.results.score_files import parquet_table


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every worker of a run needs to know; arguments as in `oddframe.tasks.score.score`.

    Attributes:
        key: Hash of the model and of all settings that decide the results.
        model: Folder of the model bundle.
        out: Folder of the results.
        fps: Frames per second of folders of images.
        options: Where and how the network runs.
        zones: Which parts of the picture count.
        health: Whether the camera's health is watched.
        nvdec: Whether an NVIDIA GPU decodes the recordings, where it can.
    """

    key: str
    model: str
    out: str
    fps: float | None = None
    options: InferenceOptions = field(default_factory=InferenceOptions)
    zones: Zones | None = None
    health: bool = True
    nvdec: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a recording.

    Attributes:
        task: The recording.
        error: Why there are no scores of it, a sentence; None where there are.
        fatal: Whether the error is not the recording's but would be that of every other one too.
        frames: Frames decoded.
        events: Its anomalies.
        seconds: How long it took.
    """

    task: Task
    error: str | None = None
    fatal: bool = False
    frames: int = 0
    events: int = 0
    seconds: float = 0.0


@dataclass
class Worker:
    """Scores recordings; the model is loaded when the first one comes.

    Args:
        job: What it needs to know.
        load: Loads the model.
    """

    job: Job
    load: Callable[[str, InferenceOptions], Model] = load_model
    _model: Model | None = field(default=None, init=False)

    def score(self, task: Task, on_progress: Progress = silent) -> Outcome:
        """Score a recording into its files, or write down what is wrong with it."""
        began = time.monotonic()
        results = BatchResults(self.job.out)
        try:
            # Loaded here and not when the worker is made, so that an error becomes an outcome.
            if self._model is None:
                self._model = self.load(self.job.model, self.job.options)
            try:
                return self._score(task, self._model, results, began, on_progress)
            except (SourceError, SourceNotFoundError) as error:
                reason = str(error)
                results.note(task, self.job.key, state="failed", error=reason, **_done_by(began))
                return Outcome(task=task, error=reason, seconds=time.monotonic() - began)
        except OddframeError as error:
            # Neither a model that cannot be loaded nor a full disk is the recording's fault.
            return Outcome(task=task, error=str(error), fatal=True)

    def _score(
        self, task: Task, model: Model, results: BatchResults, began: float, on_progress: Progress
    ) -> Outcome:
        """Score a recording into its files; they take the place of older ones all together."""
        source = open_source(task.path, self.job.fps, model.bundle.rate_fps)
        if self.job.nvdec and isinstance(source, Recording):
            source.nvdec = Nvdec.of_device(self.job.options.device)
        # The name says where in the archive a recording is, since many folders hold a "01.mp4".
        source.name = legible(task.name)
        with (
            results.writing(task) as places,
            parquet_table(places["scores"], source.name) as table,
            event_table(places["events"], source.name) as ended,
            event_lines(places["lines"]) as lines,
        ):
            both = _OwnEventFiles(lines, ended)
            scored = score_recording(
                source,
                model,
                [table],
                both,
                zones=self.job.zones,
                health=self.job.health,
                on_progress=on_progress,
            )
        # The record comes last: it says that all files are there and whole.
        results.note(
            task,
            self.job.key,
            state="done",
            error=None,
            path=legible(task.path),
            frames=scored.frames,
            scored=scored.scored,
            events=len(scored.events),
            peak=scored.peak,
            notices=list(scored.notices),
            backend=model.backend,
            **_done_by(began),
        )
        seconds = time.monotonic() - began
        return Outcome(task=task, frames=scored.frames, events=len(scored.events), seconds=seconds)


@dataclass(frozen=True)
class _OwnEventFiles:
    """Writes events both as lines and into a table."""

    lines: EventLines
    table: EventTable

    def write(self, event: Event) -> None:
        self.lines.write(event)
        self.table.write(event)


def _done_by(began: float) -> dict[str, str | float]:
    """Which process did the work with which version, and how many seconds it took."""
    worker = f"{platform.node()}:{os.getpid()}"
    return {
        "seconds": round(time.monotonic() - began, 3),
        "worker": worker,
        "oddframe": __version__,
    }
