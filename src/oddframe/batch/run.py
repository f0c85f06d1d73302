"""Score an archive: `oddframe score ARCHIVE --engine local|ray`."""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from oddframe._types import Progress, silent
from oddframe._version import __version__
from oddframe.batch.pool import ATTEMPTS, WorkerDied, WorkerPool, run_all
from oddframe.batch.results import LAYOUT, BatchResults
from oddframe.batch.tasks import Shard, Task, list_tasks
from oddframe.batch.worker import Job, Worker
from oddframe.bundle.bundle import find_bundle, read_bundle
from oddframe.bundle.storage import read_hashes
from oddframe.core.zones import Zones
from oddframe.errors import RunError, SettingsError
from oddframe.extras import require_extra
from oddframe.inference.selection import (
    DEFAULT_BATCH,
    BackendChoice,
    InferenceOptions,
    PrecisionChoice,
    select_backend,
)

Engine = Literal["local", "ray"]
"""What runs the workers."""

_NO_MATTER = frozenset({"README.md", "normal.safetensors", "parity.json"})
"""Files of a bundle that scores do not depend on."""
PHASE = "recordings"


@dataclass(frozen=True, kw_only=True)
class FailedRecording:
    """A recording that could not be scored.

    Attributes:
        name: Its path in the archive.
        error: Why, as a sentence.
    """

    name: str
    error: str


@dataclass(frozen=True, kw_only=True)
class ArchiveReport:
    """What a run over an archive did.

    Attributes:
        out: Folder of the results.
        recordings: Recordings of the archive, or of the part of it that was asked for.
        scored: How many of them were scored now.
        finished: How many were before, as they are and with this model and these settings.
        failed: Which could not be scored.
        frames: Frames scored now.
        events: Events found now.
        lost_workers: How many workers died; their recordings were given to others.
        workers: How many there were at a time.
        seconds: Wall-clock time.
    """

    out: Path
    recordings: int
    scored: int
    finished: int
    failed: tuple[FailedRecording, ...]
    frames: int
    events: int
    lost_workers: int
    workers: int
    seconds: float


def score_archive(
    archive: str | Path,
    model: str | Path,
    out: str | Path,
    *,
    engine: Engine = "local",
    workers: int | None = None,
    part: Shard | None = None,
    fps: float | None = None,
    device: str = "auto",
    batch_size: int = DEFAULT_BATCH,
    backend: BackendChoice = "auto",
    precision: PrecisionChoice = "auto",
    zones: Zones | None = None,
    health: bool = True,
    on_progress: Progress = silent,
) -> ArchiveReport:
    """Score all recordings of a folder that have not been scored yet; `oddframe.batch.results` says what is written.

    A recording that cannot be scored is reported and stops nothing, and is tried again the next
    time. What a worker was at when it died is given to another one.

    Args:
        archive: The folder.
        model: A run folder, a model bundle or the name of a shipped model.
        out: Folder for the results; with those of earlier runs in it only what is missing or has
            changed is scored.
        engine: "local" runs processes on this machine, "ray" actors on a Ray cluster, whose
            machines must see archive, model and results under the same paths.
        workers: How many recordings are scored at a time; None is one for two processors, or for
            each GPU with Ray.
        part: Which part of the recordings, for several runs that divide an archive; all when None.
        fps: Frames per second of folders of images; the bundle's rate when None.
        device: "auto", "cpu" or a GPU; with Ray and a GPU each worker gets one from the cluster.
        batch_size: Clips that run through the network at a time.
        backend: What runs the network, as in `oddframe.inference.model.load`; what "auto" comes to
            is found out here, once.
        precision: What it computes in, likewise.
        zones: Which parts of the picture count, and the cool-down.
        health: Whether the camera's health is watched.
        on_progress: Told the recordings done, as phase "recordings".

    Raises:
        InputError: If there is no recording or a setting is wrong.
        BundleError: If the model is unusable.
        OutputError: If the folder for the results cannot be written.
        RunError: If a worker cannot load the model or write a result (those that are there are
            whole), if workers only die, or if Ray cannot be reached.
        MissingExtraError: If pyarrow or Ray is not installed.
    """
    began = time.monotonic()
    if engine not in get_args(Engine):
        raise SettingsError(f"engine must be one of {', '.join(get_args(Engine))}, got {engine!r}")
    if workers is not None and workers < 1:
        raise SettingsError(f"workers must be at least 1, got {workers}")
    with require_extra("scoring an archive"):
        import pyarrow  # noqa: F401 - every worker will need it
    tasks = [task for task in list_tasks(archive) if part is None or part.has(task)]
    folder = find_bundle(model).absolute()
    job = _keyed(
        Job(
            key="",
            model=str(folder),
            out=str(Path(out).absolute()),
            fps=fps,
            options=InferenceOptions(device, backend, precision, batch_size),
            zones=zones,
            health=health,
        ),
        folder,
    )
    results = BatchResults(job.out)
    results.start(job.key, {"oddframe": __version__, "model": job.model, "settings": _told(job)})
    waiting = [task for task in tasks if not results.finished(task, job.key)]
    results.clear(waiting)
    report = _BatchProgress(len(tasks), len(tasks) - len(waiting))
    if waiting:
        crew = _crew(engine, _decided(job), workers, len(waiting))
        try:
            report.workers = crew.size
            _run(crew, waiting, results, job, report, on_progress)
        finally:
            crew.close()
    on_progress(PHASE, len(tasks), max(1, len(tasks)), {})
    return ArchiveReport(
        out=Path(out),
        recordings=report.recordings,
        scored=report.scored,
        finished=report.finished,
        failed=tuple(report.failed),
        frames=report.frames,
        events=report.events,
        lost_workers=report.lost,
        workers=report.workers,
        seconds=time.monotonic() - began,
    )


class _BatchProgress:
    """What has been done so far."""

    def __init__(self, recordings: int, finished: int) -> None:
        self.recordings, self.finished = recordings, finished
        self.scored = self.frames = self.events = self.lost = self.workers = 0
        self.failed: list[FailedRecording] = []


def _run(
    crew: WorkerPool,
    tasks: Sequence[Task],
    results: BatchResults,
    job: Job,
    tally: _BatchProgress,
    on_progress: Progress,
) -> None:
    """Have every recording scored, or written down as one that cannot be."""
    for told in run_all(crew, tasks):
        if isinstance(told, WorkerDied):
            tally.lost += 1
            continue
        if told.fatal:
            raise RunError(told.error)
        if told.error is None:
            tally.scored += 1
            tally.frames += told.frames
            tally.events += told.events
        else:
            tally.failed.append(FailedRecording(name=told.task.name, error=told.error))
            if not told.seconds:  # nobody who could write it down has lived
                results.note(
                    told.task, job.key, state="failed", error=told.error, attempts=ATTEMPTS
                )
        if tally.lost:
            results.clear([told.task])
        on_progress(PHASE, tally.finished + tally.scored + len(tally.failed), tally.recordings, {})


def _crew(engine: Engine, job: Job, workers: int | None, waiting: int) -> WorkerPool:
    size = None if workers is None else min(workers, waiting)
    if engine == "ray":
        from oddframe.batch.ray_pool import RayPool

        return RayPool(job, size, on_gpu=job.options.device.startswith("cuda"))
    from oddframe.batch.pool import LocalPool

    processors = len(os.sched_getaffinity(0))
    size = size or min(waiting, max(1, processors // 2))
    return LocalPool(partial(Worker, job), size, max(1, processors // size))


def _decided(job: Job) -> Job:
    """The job with what "auto" comes to on this machine, so that all workers reckon alike and none has to try."""
    options = job.options
    if options.device.startswith("cuda") or "auto" not in (options.backend, options.precision):
        return job
    backend = select_backend(read_bundle(Path(job.model)), options).backend
    decided = replace(options, backend=backend.name, precision=backend.precision)
    return replace(job, options=decided)


def _keyed(job: Job, folder: Path) -> Job:
    """The job with its key: a hash of whatever decides the results."""
    files = {name: digest for name, digest in read_hashes(folder).items() if name not in _NO_MATTER}
    text = json.dumps([LAYOUT, files, _told(job)], sort_keys=True)
    return replace(job, key=hashlib.sha256(text.encode()).hexdigest()[:24])


def _told(job: Job) -> dict[str, object]:
    """The settings that decide the results, as they were asked for."""
    zones = None if job.zones is None else asdict(job.zones)
    told = {
        "fps": job.fps,
        "backend": job.options.backend,
        "precision": job.options.precision,
        "health": job.health,
    }
    return {**told, "zones": json.loads(json.dumps(zones, default=str))}
